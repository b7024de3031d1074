/* SPDX-License-Identifier: BSD-3-Clause */
/* When passes begin by themselves, what they have found since the start, and the directives. */
#include <stdatomic.h>

#include "base/clock.h"
#include "base/thread.h"
#include "command/info.h"
#include "replication/replication_private.h"
#include "replication/scrub.h"

struct scrub_settings scrub_settings;

static struct {
    _Atomic uint64_t ranges, mismatches, skipped, passes;
    _Atomic int64_t passed_at_ms;
} counts;

static struct {
    /* replication's thread */
    struct engine *engine;
    struct thread thread;
    bool has_thread;
    int64_t due_from_ms; /* since when the interval is waited for; 0: it is not */

    _Atomic bool is_over, must_end;
} schedule;

/* ---- by itself ---- */

static bool must_end(void *context)
{
    (void)context;
    return atomic_load(&schedule.must_end);
}

static void run(void *context)
{
    struct scrub_outcome outcome;
    (void)context;
    thread_set_background();
    scrub_pass(schedule.engine, true, must_end, NULL, &outcome);
    atomic_store(&schedule.is_over, true);
}

static void join(void)
{
    thread_stop(&schedule.thread);
    schedule.has_thread = false;
}

void scrub_tick(struct engine *engine, int64_t now_ms)
{
    int64_t interval_ms = __atomic_load_n(&scrub_settings.interval_seconds, __ATOMIC_RELAXED) * 1000;
    if (schedule.has_thread && atomic_load(&schedule.is_over))
        join();
    bool is_waiting =
        interval_ms > 0 && !schedule.has_thread && !engine_is_following(engine) && !leader_scrub_refusal();
    if (!is_waiting || schedule.due_from_ms == 0)
        schedule.due_from_ms = is_waiting ? now_ms : 0;
    if (!is_waiting || now_ms - schedule.due_from_ms < interval_ms)
        return;
    schedule.due_from_ms = 0;
    schedule.engine = engine;
    schedule.has_thread = true;
    atomic_store(&schedule.is_over, false);
    thread_start(&schedule.thread, "scrub", run, NULL);
}

void scrub_stop(void)
{
    atomic_store(&schedule.must_end, true);
    if (schedule.has_thread)
        join();
}

/* ---- what was found ---- */

void scrub_count(enum scrub_finding finding)
{
    if (finding == SCRUB_SKIPPED) {
        atomic_fetch_add(&counts.skipped, 1);
        return;
    }
    atomic_fetch_add(&counts.ranges, 1);
    if (finding == SCRUB_DIFFERS)
        atomic_fetch_add(&counts.mismatches, 1);
}

void scrub_count_pass(int64_t now_ms)
{
    atomic_fetch_add(&counts.passes, 1);
    atomic_store(&counts.passed_at_ms, now_ms);
}

void scrub_print(struct buffer *out)
{
    info_integer(out, "scrub_in_progress", scrub_is_running());
    info_integer(out, "scrub_passes", (int64_t)atomic_load(&counts.passes));
    info_integer(out, "scrub_last_pass_time", atomic_load(&counts.passed_at_ms) / 1000);
    info_integer(out, "scrub_ranges", (int64_t)atomic_load(&counts.ranges));
    info_integer(out, "scrub_ranges_skipped", (int64_t)atomic_load(&counts.skipped));
    info_integer(out, "scrub_mismatches", (int64_t)atomic_load(&counts.mismatches));
}

/* ---- directives ---- */

static const char *const repair_names[] = {"full", "no", NULL};

const struct option scrub_options[] = {
    {.name = "replication-scrub-interval",
     .type = OPTION_INTEGER,
     .value = &scrub_settings.interval_seconds,
     .initial = "86400",
     .minimum = 0,
     .maximum = INT32_MAX,
     .help = "seconds between the passes in which a primary and its replicas compare all keys; 0: none by itself"},
    {.name = "replication-scrub-rate",
     .type = OPTION_INTEGER,
     .value = &scrub_settings.rate,
     .initial = "20000",
     .minimum = 0,
     .maximum = INT32_MAX,
     .help = "keys a second that such a pass compares; 0: any number"},
    {.name = "replication-scrub-repair",
     .type = OPTION_ENUM,
     .value = &scrub_settings.repair,
     .initial = "full",
     .names = repair_names,
     .help = "what a replica does that finds it differs from its primary: it copies everything anew (full), or goes on "
             "(no)"},
    {.name = NULL},
};
