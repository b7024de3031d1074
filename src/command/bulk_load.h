/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/engine.h"
#include "stream/effect.h"

/* Keys with their values from another node's copy, put in without requests: those of one partition that follow each other
 * share a hold of its lock and a piece of the stream. All zero but for the engine is ready for use. One thread, which
 * executes nothing else between the first key and the flush. */
struct bulk_load {
    struct engine *engine;
    /* private */
    uint32_t partition; /* held while is_holding */
    bool is_holding;
    struct effect_batch effects;
    struct buffer scratch, dump;
};

struct loaded_key {
    int db;
    struct bytes name, payload; /* of object/codec.h */
    int64_t expire_at_ms;       /* or ENTRY_NO_EXPIRE */
};

/* Puts the key in the place of what there is of it. False, and nothing was done, where only a request gets on: the partition
 * is held elsewhere, a row would have to be read first, the value is large, or none. Nobody may have to wait for a client here. */
bool bulk_load_key(struct bulk_load *load, const struct loaded_key *loaded);
/* Tells the stream of what was put in, and lets go. */
void bulk_load_flush(struct bulk_load *load);
void bulk_load_deinit(struct bulk_load *load);
