/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "net/connection.h"

struct addrinfo;

/* Begins to connect to one of a host's addresses (lookup.h) over TCP and gives the socket to the loop, where it becomes an ordinary connection of
 * this owner: 'opened' comes at once, output may be appended, and is sent when the peer has accepted; if it does not,
 * 'closed' comes. With TLS if tls-replication says so. How long that may take is the owner's to say. The addresses are
 * tried in turn, one for each 'attempt'. Any thread. False, with the reason, if it cannot even begin. */
bool dial(struct loop *loop, const struct addrinfo *addresses, unsigned attempt, void *owner, char *error,
          size_t error_size);
/* To "host port", as a bare socket, still connecting and not blocking: readable or writable when that has ended. -1, with the reason,
 * if it cannot even begin. Looking up a name may take a while. */
int dial_socket(const char *host, int port, char *error, size_t error_size);
