/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>

#include "base/bytes.h"
#include "command/engine.h"

/* INFO is made of sections, one row each, that modules register at start. A section prints its fields and knows
 * nothing of the others; several may have one name and then stand under one title. */
enum info_flags {
    INFO_DEFAULT = 1 << 0, /* printed when no section is named */
};

struct info_section {
    const char *name; /* as a client names it, lower case */
    const char *title;
    unsigned flags;
    /* Any worker's thread; must take no more than leaf locks. */
    void (*print)(struct engine *engine, struct buffer *out);
};

/* Sections are printed in the order of registration. Before the first command. */
void info_register(const struct info_section *section);
/* Registers those of the engine and its commands, all but "server". */
void info_register_own(void);

/* ---- for sections ---- */

void info_integer(struct buffer *out, const char *name, int64_t value);
void info_text(struct buffer *out, const char *name, const char *value);
void info_format(struct buffer *out, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The field and its twin "name_human": 1.50M. */
void info_size(struct buffer *out, const char *name, size_t bytes);
/* The directive's present value under its own name. */
void info_setting(struct buffer *out, const char *directive);

/* ---- what modules count for INFO without having a section of their own ---- */

/* clang-format off */
#define INFO_GAUGES(row)                                                                                               \
    row(blocked_clients)                                                                                               \
    row(tracking_clients)                                                                                              \
    row(pubsub_clients)                                                                                                \
    row(watching_clients)                                                                                              \
    row(total_watched_keys)                                                                                            \
    row(total_blocking_keys)                                                                                           \
    row(total_blocking_keys_on_nokey)                                                                                  \
    row(pubsub_channels)                                                                                               \
    row(pubsub_patterns)                                                                                               \
    row(pubsubshard_channels)                                                                                          \
    row(tracking_total_keys)                                                                                           \
    row(tracking_total_items)                                                                                          \
    row(tracking_total_prefixes)                                                                                       \
    row(number_of_cached_scripts)                                                                                      \
    row(number_of_functions)                                                                                           \
    row(number_of_libraries)                                                                                           \
    row(used_memory_scripts)                                                                                           \
    row(used_memory_functions)
/* clang-format on */

enum info_gauge {
#define INFO_GAUGE_ID(name) GAUGE_##name,
    INFO_GAUGES(INFO_GAUGE_ID)
#undef INFO_GAUGE_ID
        GAUGE_COUNT,
};
extern _Atomic int64_t info_gauges[GAUGE_COUNT];

/* Any thread; for what changes now and then, not with every command. */
static inline void info_gauge_add(enum info_gauge gauge, int64_t amount)
{
    atomic_fetch_add_explicit(&info_gauges[gauge], amount, memory_order_relaxed);
}
/* Prints the gauge under its name. */
void info_gauge(struct buffer *out, enum info_gauge gauge);

/* Takes the samples behind instantaneous_* and used_memory_peak; the control thread, about ten times a second. */
void info_sample(struct engine *engine, int64_t now_ms);
/* CONFIG RESETSTAT's share. */
void info_reset(void);
size_t info_memory_peak(void);
size_t info_memory_startup(void);
enum info_rate {
    RATE_COMMANDS,
    RATE_INPUT_BYTES,
    RATE_OUTPUT_BYTES,
    RATE_REPL_INPUT_BYTES,
    RATE_REPL_OUTPUT_BYTES,
    RATE_COUNT
};
/* Per second, over about the last 1.6 seconds. */
double info_rate(enum info_rate rate);
