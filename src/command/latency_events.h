/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/option.h"

/* Moments at which the node was slower than latency-monitor-threshold, for the LATENCY commands. A leaf lock guards
 * them. */
enum latency_event {
    LATENCY_COMMAND,      /* a command that need not be fast */
    LATENCY_FAST_COMMAND, /* one that is said to be */
    LATENCY_EVENT_COUNT,
};

#define LATENCY_SAMPLES_MAX 160

struct latency_sample {
    int64_t at_seconds, duration_ms;
};

struct latency_history {
    struct latency_sample samples[LATENCY_SAMPLES_MAX]; /* a ring */
    unsigned count, next;
    int64_t max_ms; /* since the last reset */
};

/* From the oldest (0) to the newest (count - 1). */
static inline const struct latency_sample *latency_sample_at(const struct latency_history *history, unsigned index)
{
    return &history->samples[(history->next + LATENCY_SAMPLES_MAX - history->count + index) % LATENCY_SAMPLES_MAX];
}

/* Of latency-monitor-threshold; 0: nothing is noted. The caller of latency_note compares. */
extern int64_t latency_threshold_ms;
extern const struct option latency_options[];

void latency_note(enum latency_event event, int64_t at_ms, int64_t duration_ms);
/* A copy; false if it is empty. */
bool latency_read(enum latency_event event, struct latency_history *history);
/* False if there was nothing to forget. */
bool latency_reset(enum latency_event event);
const char *latency_event_name(enum latency_event event);
/* LATENCY_EVENT_COUNT if there is none of that name. */
enum latency_event latency_event_of(struct bytes name);
