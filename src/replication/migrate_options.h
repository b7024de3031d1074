/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

/* What a MIGRATE asks for. */
struct migrate_options {
    bool copy, replace;
    int64_t port, db, timeout_ms;
    struct bytes user, password; /* data NULL: none */
    size_t keys_at;              /* index of the first of KEYS; 0: there is one key, at its place */
};

/* False: the client has been told what is wrong. Passwords are redacted in what others see of the request. */
bool migrate_read_options(struct execution *x, struct migrate_options *options);
/* The keys of the request: the one at its place, or those behind KEYS. */
bool migrate_more_keys(const struct bytes *argv, size_t argc, void (*add)(void *context, size_t index, uint16_t flags),
                       void *context);
