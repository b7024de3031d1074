/* SPDX-License-Identifier: BSD-3-Clause */
/* Each event keeps its last samples in a ring, at most one a second: the slowest of that second. */
#include "command/latency_events.h"

#include "base/lock.h"

int64_t latency_threshold_ms;

static struct {
    struct lock lock;
    struct latency_history histories[LATENCY_EVENT_COUNT];
} events = {.lock = {.rank = LOCK_LEAF}};

static const char *const event_names[LATENCY_EVENT_COUNT] = {"command", "fast-command"};

const char *latency_event_name(enum latency_event event)
{
    return event_names[event];
}

enum latency_event latency_event_of(struct bytes name)
{
    unsigned event = 0;
    while (event < LATENCY_EVENT_COUNT && !bytes_equal_text(name, event_names[event]))
        event++;
    return (enum latency_event)event;
}

void latency_note(enum latency_event event, int64_t at_ms, int64_t duration_ms)
{
    struct latency_history *history = &events.histories[event];
    struct latency_sample sample = {.at_seconds = at_ms / 1000, .duration_ms = duration_ms};
    lock_acquire(&events.lock);
    if (duration_ms > history->max_ms)
        history->max_ms = duration_ms;
    struct latency_sample *last = &history->samples[(history->next + LATENCY_SAMPLES_MAX - 1) % LATENCY_SAMPLES_MAX];
    if (history->count > 0 && last->at_seconds == sample.at_seconds) {
        if (duration_ms > last->duration_ms)
            last->duration_ms = duration_ms;
    } else {
        history->samples[history->next] = sample;
        history->next = (history->next + 1) % LATENCY_SAMPLES_MAX;
        history->count += history->count < LATENCY_SAMPLES_MAX;
    }
    lock_release(&events.lock);
}

bool latency_read(enum latency_event event, struct latency_history *history)
{
    lock_acquire(&events.lock);
    *history = events.histories[event];
    lock_release(&events.lock);
    return history->count > 0;
}

bool latency_reset(enum latency_event event)
{
    lock_acquire(&events.lock);
    bool had_samples = events.histories[event].count > 0;
    events.histories[event] = (struct latency_history){0};
    lock_release(&events.lock);
    return had_samples;
}

const struct option latency_options[] = {
    {.name = "latency-monitor-threshold",
     .type = OPTION_INTEGER,
     .value = &latency_threshold_ms,
     .initial = "0",
     .minimum = 0,
     .maximum = INT64_MAX,
     .help = "milliseconds from which a command is noted for LATENCY; 0: none is"},
    {.name = NULL},
};
