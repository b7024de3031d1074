/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/script_private.h"

/* A script that was compiled once, under the digest of its text. */
struct script {
    struct chain_node node;
    struct list order; /* of use, among those that may be forgotten */
    bool is_loaded;    /* by SCRIPT LOAD: stays */
    int reference;
    uint32_t flags;
    size_t bytes;
    char digest[SHA1_HEX + 1];
    struct buffer body;
};

/* NULL if it is not there. The digest may be in any case. */
struct script *script_cache_find(struct bytes digest);
/* The script of this text, compiled now if need be; NULL: 'error' says why. */
struct script *script_cache_load(struct bytes body, bool for_good, struct buffer *error);
void script_cache_flush(void);
