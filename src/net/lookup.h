/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct addrinfo;
struct mailbox;

/* A host's addresses, looked up on a thread of their own: a resolver takes as long as it likes, and nobody can end it. */
struct lookup;

/* Begins; the caller ends it with lookup_end, whatever comes. 'found' is called once, by a letter to 'home', unless the lookup
 * is abandoned first: also for an address in digits, for which there is no thread. Any thread that reads 'home', as is the one
 * below. */
struct lookup *lookup_start(const char *host, int port, struct mailbox *home,
                            void (*found)(void *context, struct lookup *lookup), void *context);
/* In 'found' and after it, until lookup_end: the addresses, one at least; NULL, with the reason, if there are none. */
const struct addrinfo *lookup_addresses(const struct lookup *lookup, const char **error);
/* At any time, also in 'found'; does nothing to NULL. Waits for nothing: a thread that is still looking then ends by itself
 * some time. 'home' has to be read or destroyed once more for the letter of one that had just ended. */
void lookup_end(struct lookup **lookup);
