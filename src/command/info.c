/* SPDX-License-Identifier: BSD-3-Clause */
/* The frame of INFO: which sections were asked for, and the samples that the control thread takes for those fields that
 * tell of the recent past. The fields themselves are printed in info_fields.c and wherever else a section is
 * registered. */
#include "command/info.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/metric.h"
#include "command/dispatch.h"
#include "command/server_commands.h"
#include "command/settings.h"

#define SECTIONS_MAX 64
/* Samples that a rate is the mean of. */
#define SAMPLES 16

static const struct info_section *sections[SECTIONS_MAX];
static unsigned section_count;
_Atomic int64_t info_gauges[GAUGE_COUNT];

static const char *const gauge_names[GAUGE_COUNT] = {
#define INFO_GAUGE_NAME(name) #name,
    INFO_GAUGES(INFO_GAUGE_NAME)
#undef INFO_GAUGE_NAME
};

/* Written by the control thread, read by anyone. */
static struct {
    uint64_t totals[RATE_COUNT]; /* at the last sample */
    int64_t sampled_at_ms;
    double samples[RATE_COUNT][SAMPLES];
    unsigned next_sample;
    _Atomic double rates[RATE_COUNT];
    _Atomic size_t memory_peak;
} recent;

void info_register(const struct info_section *section)
{
    check(section_count < SECTIONS_MAX);
    sections[section_count++] = section;
}

/* ---- fields ---- */

void info_text(struct buffer *out, const char *name, const char *value)
{
    buffer_append_format(out, "%s:%s\r\n", name, value);
}

void info_integer(struct buffer *out, const char *name, int64_t value)
{
    buffer_append_format(out, "%s:%lld\r\n", name, (long long)value);
}

void info_format(struct buffer *out, const char *name, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    info_text(out, name, text);
}

void info_size(struct buffer *out, const char *name, size_t bytes)
{
    static const char units[] = "BKMGTP";
    double shown = (double)bytes;
    unsigned unit = 0;
    while (shown >= 1024 && units[unit + 1]) {
        shown /= 1024;
        unit++;
    }
    info_integer(out, name, (int64_t)bytes);
    buffer_append_format(out, unit ? "%s_human:%.2f%c\r\n" : "%s_human:%.0f%c\r\n", name, shown, units[unit]);
}

void info_setting(struct buffer *out, const char *directive)
{
    const struct option *option = settings_find(bytes_of_text(directive));
    if (!option)
        return;
    buffer_append_format(out, "%s:", directive);
    option_print(option, out);
    buffer_append(out, "\r\n", 2);
}

void info_gauge(struct buffer *out, enum info_gauge gauge)
{
    info_integer(out, gauge_names[gauge], atomic_load_explicit(&info_gauges[gauge], memory_order_relaxed));
}

/* ---- samples ---- */

void info_sample(struct engine *engine, int64_t now_ms)
{
    static const enum metric_counter counters[RATE_COUNT] = {
        [RATE_COMMANDS] = METRIC_total_commands_processed,
        [RATE_INPUT_BYTES] = METRIC_total_net_input_bytes,
        [RATE_OUTPUT_BYTES] = METRIC_total_net_output_bytes,
        [RATE_REPL_INPUT_BYTES] = METRIC_total_net_repl_input_bytes,
        [RATE_REPL_OUTPUT_BYTES] = METRIC_total_net_repl_output_bytes};
    (void)engine;
    size_t allocated = memory_allocated();
    if (allocated > atomic_load_explicit(&recent.memory_peak, memory_order_relaxed))
        atomic_store_explicit(&recent.memory_peak, allocated, memory_order_relaxed);
    int64_t passed_ms = now_ms - recent.sampled_at_ms;
    bool first = recent.sampled_at_ms == 0;
    if (passed_ms <= 0)
        return;
    recent.sampled_at_ms = now_ms;
    for (unsigned i = 0; i < RATE_COUNT; i++) {
        uint64_t total = metric_read(counters[i]);
        uint64_t grown = total < recent.totals[i] ? 0 : total - recent.totals[i];
        double sum = 0;
        recent.totals[i] = total;
        recent.samples[i][recent.next_sample] = first ? 0 : (double)grown * 1000 / (double)passed_ms;
        for (unsigned j = 0; j < SAMPLES; j++)
            sum += recent.samples[i][j];
        atomic_store_explicit(&recent.rates[i], sum / SAMPLES, memory_order_relaxed);
    }
    recent.next_sample = (recent.next_sample + 1) % SAMPLES;
}

void info_reset(void)
{
    atomic_store_explicit(&recent.memory_peak, memory_allocated(), memory_order_relaxed);
}

size_t info_memory_peak(void)
{
    size_t peak = atomic_load_explicit(&recent.memory_peak, memory_order_relaxed), now = memory_allocated();
    return peak > now ? peak : now;
}

double info_rate(enum info_rate rate)
{
    return atomic_load_explicit(&recent.rates[rate], memory_order_relaxed);
}

/* ---- the command ---- */

static bool section_is_wanted(const struct execution *x, const struct info_section *section)
{
    if (x->argc == 1)
        return section->flags & INFO_DEFAULT;
    for (size_t i = 1; i < x->argc; i++) {
        struct bytes word = x->argv[i];
        if (bytes_equal_text(word, section->name) || bytes_equal_text(word, "all") ||
            bytes_equal_text(word, "everything") ||
            (bytes_equal_text(word, "default") && (section->flags & INFO_DEFAULT)))
            return true;
    }
    return false;
}

void info_command(struct execution *x)
{
    struct buffer text = {0};
    const char *title = "";
    for (unsigned i = 0; i < section_count; i++) {
        const struct info_section *section = sections[i];
        if (!section_is_wanted(x, section))
            continue;
        if (strcmp(title, section->title) != 0)
            buffer_append_format(&text, "%s# %s\r\n", text.length ? "\r\n" : "", section->title);
        title = section->title;
        section->print(x->engine, &text);
    }
    reply_verbatim(x->reply, "txt", buffer_bytes(&text));
    buffer_deinit(&text);
}
