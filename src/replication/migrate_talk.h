/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* One conversation with another server, from its dial to its end, on the caller's thread, which waits in it. The other must
 * have agreed to all of 'hello' before it is sent the first of 'requests'. Each of them is answered by one line. */
struct migrate_talk {
    const char *host;
    int port;
    int forbidden_port; /* of this host, where the caller itself listens; 0: none */
    int64_t timeout_ms; /* for as long nothing may happen */
    struct bytes hello, requests;
    size_t hello_count, request_count;
    /* The answer to the request of that index, in order: without its sign and line end. */
    void (*heard)(void *context, size_t index, bool is_error, struct bytes text);
    /* Asked ten times a second: whether nobody waits for the end any more. */
    bool (*must_end)(void *context);
    void *context;
};

/* True when all is answered, if only by errors. Otherwise 'error' is what to tell the client. */
bool migrate_talk(const struct migrate_talk *talk, char *error, size_t error_size);
