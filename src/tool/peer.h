/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"

/* Which node, and who asks. Texts are borrowed. */
struct peer_address {
    const char *host, *port; /* NULL: those of a node that was told nothing else */
    const char *socket;      /* a Unix socket's path instead; NULL: none */
    const char *user, *password;
    bool has_tls;
    const char *ca_file, *ca_directory; /* whom to trust; one of them with TLS */
    const char *cert_file, *key_file;   /* our own; NULL: none */
};

struct tls;
/* A connection to a node: requests go out while replies come in, however much there is of both. One thread. */
struct peer {
    int fd;
    struct tls *tls;       /* NULL: none */
    struct buffer out, in; /* requests that wait to be sent; bytes that came, used up to in_at */
    size_t out_at, in_at;
    uint64_t sent;   /* bytes of requests, in all */
    char error[256]; /* why it is of no use any more */
};

struct peer_reply {
    bool is_error, is_null;
    struct bytes text; /* of a line, an error without its minus sign, or a bulk string; good until the next exchange */
};

/* Connects and authenticates. False: error says why. */
bool peer_open(struct peer *peer, const struct peer_address *address);
void peer_close(struct peer *peer);
/* Waits for the node, sends what waits and takes what comes. False: error says why. */
bool peer_exchange(struct peer *peer);
/* The next reply, if it is there in whole: a line, an error, an integer or a bulk string. False with an error: it is none of
 * these. */
bool peer_take(struct peer *peer, struct peer_reply *reply);
/* The words as a request, and its reply; nothing else may be under way. False: error says why. */
bool peer_ask(struct peer *peer, const struct bytes *words, size_t count, struct peer_reply *reply);
