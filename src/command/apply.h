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
};

/* 'end_offset' is where the effect's bracket ends; an effect that its key's row already has is skipped. One thread,
 * before the first command. */
void apply_effect(struct apply *apply, const struct effect *effect, uint64_t end_offset);
