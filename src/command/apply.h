/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/engine.h"
#include "keyspace/backing.h"
#include "stream/effect.h"

/* Applies effects to the keyspace without deciding anything by itself: recovery now, replicas later. */
struct apply {
    struct engine *engine;
    const struct backing *backing; /* NULL without rows */
    uint64_t applied, skipped;
    struct buffer room; /* where small collections are edited */
    /* The last row that had effects already: more of the key's may follow, and the row be large. */
    struct buffer passed_name;
    uint64_t passed_offset; /* of the row; 0: there is none */
    uint8_t passed_db;
};

void apply_deinit(struct apply *apply);

/* How one effect of a collection is applied. Each family has a table of them that ends with a NULL name. */
struct effect_form {
    const char *name; /* upper case */
    enum object_type type;
    uint32_t words_min; /* name and key included; of XGROUP, whose key is the third word, the subcommand too */
    /* Changes the value (an empty one if the effect creates the key) as object_edit_begin has it; false if the effect
     * does not fit. A key that loses its last element has a DEL instead, so the value has elements afterwards. */
    bool (*apply)(struct object *value, struct buffer *room, const struct effect *effect);
};
extern const struct effect_form zset_effects[];
extern const struct effect_form set_effects[];
extern const struct effect_form hash_effects[];
extern const struct effect_form stream_effects[];

extern const struct effect_form list_effects[];

/* 'end_offset' is where the effect's bracket ends; an effect that its key's row already has is skipped. One thread,
 * before the first command. */
void apply_effect(struct apply *apply, const struct effect *effect, uint64_t end_offset);
