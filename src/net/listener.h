/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "net/loop.h"

struct listener;

struct listener_options {
    const char *const *addresses; /* NULL-terminated numeric addresses; "-" before one makes it optional */
    int port;                     /* 0: no TCP */
    int tls_port;                 /* of TCP with TLS, after tls_start; 0: none */
    const char *unix_path;        /* "": none; created with its final permission before it is visible */
    uint32_t unix_permission;     /* 0700 */
    int backlog;
    struct loop **loops; /* accepted connections go to the one with the fewest */
    uint32_t loop_count;
    const int64_t *clients_max; /* read at each accept; beyond it: an error line and close */
    const int64_t *keepalive_seconds;
    /* Asked for each accepted peer, on the acceptor's thread: NULL admits it, a text ("DENIED ...") is sent as
     * an error before closing. */
    const char *(*refuse)(bool is_loopback_or_unix);
};

/* Binds and starts the acceptor's thread. On failure writes a sentence (which address, why, what to do). */
enum status listener_start(struct listener **listener, const struct listener_options *options, char *error,
                           size_t error_size) MUST_USE;
/* Stops accepting, joins, unlinks the unix socket. */
void listener_stop(struct listener **listener);
