/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/table.h"
#include "keyspace/keyspace.h"

/* What of a primary's stream may be executed out of order: consecutive effects of one key each, outside of brackets, and the
 * SELECTs between them. Pure; one thread at a time. */

#define GATHERED_BYTES_MAX ((size_t)256 << 10)
#define GATHERED_EFFECTS_MAX 2048

struct gathered_effect {
    const struct command_entry *command;
    struct key key;
    uint32_t first_word, word_count;
    uint32_t end; /* in the bytes */
};

/* All zero is valid. Names and words point into the bytes. */
struct gathered {
    struct buffer bytes;
    struct gathered_effect *effects;
    uint32_t count;
    int32_t db; /* selected behind it */
    struct bytes *words;
    uint32_t word_count, word_capacity;
    /* The effects' numbers by partition, in the stream's order within each; those of a partition end where the next one's
     * begin. */
    uint16_t order[GATHERED_EFFECTS_MAX];
    uint16_t begins[PARTITION_COUNT + 1];
};
void gathered_deinit(struct gathered *gathered);

/* Gathers from input's first byte on, where logical db 'db' is selected, and copies it. False: there are fewer than 'least'. */
bool gather_effects(struct gathered *gathered, const struct keyspace *keyspace, struct bytes input, int32_t db,
                    uint32_t least);
/* How many bytes stand before the first request from which on so many can be gathered; all, if there is none. */
size_t gather_begin(struct bytes input, uint32_t least);
