/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/option.h"

struct engine;

/* Scrub: this node and its replicas compare what they hold, a few slots at a time, each at one offset of the stream. A replica
 * that differs says so, and does what its replication-scrub-repair says. Replicas that are no Forebays are not asked. */

enum scrub_repair { SCRUB_REPAIR_FULL, SCRUB_REPAIR_NO };

/* Directives. */
struct scrub_settings {
    int64_t interval_seconds; /* replication-scrub-interval */
    int64_t rate;             /* replication-scrub-rate, keys a second */
    int repair;               /* replication-scrub-repair: enum scrub_repair */
};
extern struct scrub_settings scrub_settings;
extern const struct option scrub_options[];

/* What a pass over all slots has come to. */
struct scrub_outcome {
    uint64_t ranges, keys, skipped,
        mismatches;      /* ranges that were compared, with their keys; those that were not; those that differ */
    unsigned replicas;   /* that were asked at last */
    const char *failure; /* why it ended early; static; NULL: it did not */
};

/* One pass, as fast as it goes or at replication-scrub-rate; on a thread of the caller's. Looks at must_end ten times a second or
 * more. False, and nothing was done: another pass is under way. */
bool scrub_pass(struct engine *engine, bool keeps_rate, bool (*must_end)(void *context), void *context,
                struct scrub_outcome *outcome);

bool scrub_is_running(void);

/* On replication's thread: a replica has answered. */
void scrub_heard(void);
/* scrub_schedule.c: on replication's thread, ten times a second: begins a pass when the time for it has come. */
void scrub_tick(struct engine *engine, int64_t now_ms);
/* When replication's thread has ended: the pass that was begun by a tick ends. */
void scrub_stop(void);

/* ---- scrub_schedule.c ---- */

/* What came of one range here, and the end of a complete pass: for INFO. Any thread. */
enum scrub_finding { SCRUB_SAME, SCRUB_DIFFERS, SCRUB_SKIPPED };
void scrub_count(enum scrub_finding finding);
void scrub_count_pass(int64_t now_ms);
/* INFO's lines. */
void scrub_print(struct buffer *out);

/* ---- follower_scrub.c ---- */

/* A PING of the primary's has said something: true when that is done with; false, and the feed is suspended, until what the
 * slots hold now is on its way to be read. On replication's thread, between two requests of the feed. */
bool follower_scrub_hear(struct bytes message);
/* The feed has ended. */
void follower_scrub_forget(void);
/* When replication's thread has ended. */
void follower_scrub_stop(void);
