/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "net/connection.h"

/* Begins to connect to "host port" over TCP and gives the socket to the loop, where it becomes an ordinary connection of
 * this owner: 'opened' comes at once, output may be appended, and is sent when the peer has accepted; if it does not,
 * 'closed' comes. With TLS if tls-replication says so. How long that may take is the owner's to say. A name's addresses are tried in turn, one for each
 * 'attempt'. Any thread; looking up a name may take a while. False, with the reason, if it cannot even begin. */
bool dial(struct loop *loop, const char *host, int port, unsigned attempt, void *owner, char *error, size_t error_size);
/* The same as a bare socket, still connecting and not blocking: readable or writable when that has ended. -1, with the reason,
 * if it cannot even begin. 'local', if not NULL: whether the address is one of loopback. */
int dial_socket(const char *host, int port, unsigned attempt, bool *local, char *error, size_t error_size);
