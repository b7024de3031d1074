/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/option.h"

/* TLS over a socket that does not block. The handshake goes on by itself while there is reading and writing. One thread at a
 * time uses a 'struct tls'; the directives may change at any time, for those that come later. */
struct tls;

/* ---- contexts: certificates, keys, whom to trust ---- */

extern const struct option tls_options[];
/* At start, if tls-port or tls-replication says that TLS is wanted: reads certificates and keys. On failure 'error' says
 * what is wrong. CONFIG SET of a directive reads them again. */
bool tls_start(bool serves, char *error, size_t error_size);
/* tls-replication: links to other servers are to be TLS. */
bool tls_is_for_links(void);

/* ---- a connection ---- */

/* The side that is connected to, and the one that connects. NULL if there is no context or no memory. */
struct tls *tls_accept(int fd);
struct tls *tls_connect(int fd);

/* As recv and send without waiting: EAGAIN when the socket has to become readable or, see tls_wants_write, writable. Any
 * failure of TLS is EPROTO, and tls_failure says why. Both do what they can of the handshake. */
ssize_t tls_read(struct tls *tls, void *room, size_t size);
ssize_t tls_write(struct tls *tls, const void *data, size_t length);
/* After EAGAIN: of a read, that it waits until the socket is writable; of a write, that it waits until it is readable. */
bool tls_read_wants_write(const struct tls *tls);
bool tls_write_wants_read(const struct tls *tls);
/* There are received bytes that the socket's readiness does not tell of. */
bool tls_has_more(const struct tls *tls);
const char *tls_failure(const struct tls *tls);
/* Says goodbye if it can be done at once. Not the socket's end. */
void tls_end(struct tls **tls);

/* ---- a socket, with or without ---- */

ssize_t wire_receive(int fd, struct tls *tls, void *room, size_t size);
ssize_t wire_send(int fd, struct tls *tls, const void *data, size_t length);
void wire_close(int fd, struct tls **tls);
