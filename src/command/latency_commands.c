/* SPDX-License-Identifier: BSD-3-Clause */
/* LATENCY: what was slow (events), and how long commands take (histograms). */
#include <stdio.h>

#include "command/args.h"
#include "command/latency_events.h"
#include "command/server_commands.h"
#include "command/statistics.h"

/* ---- HISTOGRAM ---- */

/* Buckets double from 1,024 nanoseconds on; each is named by the largest number of microseconds that falls into it, the
 * way a histogram with two significant digits rounds it. */
#define DOUBLINGS 30
static uint64_t doubling_limit_us(unsigned doubling)
{
    return ((UINT64_C(1032) << doubling) - 1) / 1000;
}

static void reply_histogram(struct reply *reply, const uint64_t *buckets, uint64_t calls)
{
    uint64_t sum = 0;
    size_t pairs = 0;
    uint32_t bucket = 0;
    reply_map(reply, 2);
    reply_bulk_text(reply, "calls");
    reply_integer(reply, (int64_t)calls);
    reply_bulk_text(reply, "histogram_usec");
    size_t handle = reply_deferred_begin(reply);
    for (unsigned doubling = 0; doubling < DOUBLINGS; doubling++) {
        uint64_t before = sum, limit = doubling_limit_us(doubling);
        while (bucket < LATENCY_BUCKETS && (latency_bucket_limit(bucket) <= limit || doubling == DOUBLINGS - 1))
            sum += buckets[bucket++];
        if (sum == before)
            continue;
        reply_integer(reply, (int64_t)limit);
        reply_integer(reply, (int64_t)sum);
        pairs++;
    }
    reply_deferred_map(reply, handle, pairs);
}

/* Adds the command's histogram to the reply if it was ever called. */
static void add_histogram(struct execution *x, const struct command_entry *command, size_t *count)
{
    uint64_t buckets[LATENCY_BUCKETS], calls = 0;
    statistics_of(x->engine, command->id, buckets);
    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++)
        calls += buckets[i];
    if (calls == 0)
        return;
    reply_bulk_text(x->reply, command->full_name);
    reply_histogram(x->reply, buckets, calls);
    ++*count;
}

static void latency_histogram_command(struct execution *x)
{
    size_t count = 0, handle = reply_deferred_begin(x->reply);
    if (x->argc == 2)
        for (uint32_t id = 0; id < command_count(); id++)
            add_histogram(x, command_by_id(id), &count);
    for (size_t i = 2; i < x->argc; i++) {
        const struct command_entry *command = command_by_full_name(x->argv[i]);
        if (!command)
            continue;
        add_histogram(x, command, &count);
        for (unsigned j = 0; command->subcommands && command->subcommands[j]; j++)
            add_histogram(x, command->subcommands[j], &count);
    }
    reply_deferred_map(x->reply, handle, count);
}

/* ---- events ---- */

static void latency_latest_command(struct execution *x)
{
    struct latency_history history;
    size_t count = 0, handle = reply_deferred_begin(x->reply);
    for (unsigned event = 0; event < LATENCY_EVENT_COUNT; event++) {
        if (!latency_read((enum latency_event)event, &history))
            continue;
        const struct latency_sample *latest = latency_sample_at(&history, history.count - 1);
        reply_array(x->reply, 4);
        reply_bulk_text(x->reply, latency_event_name((enum latency_event)event));
        reply_integer(x->reply, latest->at_seconds);
        reply_integer(x->reply, latest->duration_ms);
        reply_integer(x->reply, history.max_ms);
        count++;
    }
    reply_deferred_array(x->reply, handle, count);
}

static void latency_history_command(struct execution *x)
{
    struct latency_history history = {.count = 0};
    enum latency_event event = latency_event_of(x->argv[2]);
    if (event < LATENCY_EVENT_COUNT)
        latency_read(event, &history);
    reply_array(x->reply, history.count);
    for (unsigned i = 0; i < history.count; i++) {
        const struct latency_sample *sample = latency_sample_at(&history, i);
        reply_array(x->reply, 2);
        reply_integer(x->reply, sample->at_seconds);
        reply_integer(x->reply, sample->duration_ms);
    }
}

static void latency_reset_command(struct execution *x)
{
    int64_t forgotten = 0;
    if (x->argc == 2)
        for (unsigned event = 0; event < LATENCY_EVENT_COUNT; event++)
            forgotten += latency_reset((enum latency_event)event);
    for (size_t i = 2; i < x->argc; i++) {
        enum latency_event event = latency_event_of(x->argv[i]);
        forgotten += event < LATENCY_EVENT_COUNT && latency_reset(event);
    }
    reply_integer(x->reply, forgotten);
}

/* ---- GRAPH: a column a sample, its age below ---- */

#define GRAPH_ROWS 4

static int64_t lowest_ms(const struct latency_history *history)
{
    int64_t low = INT64_MAX;
    for (unsigned i = 0; i < history->count; i++)
        if (latency_sample_at(history, i)->duration_ms < low)
            low = latency_sample_at(history, i)->duration_ms;
    return low;
}

static int64_t highest_ms(const struct latency_history *history)
{
    int64_t high = 0;
    for (unsigned i = 0; i < history->count; i++)
        if (latency_sample_at(history, i)->duration_ms > high)
            high = latency_sample_at(history, i)->duration_ms;
    return high;
}

static void graph_columns(const struct latency_history *history, struct buffer *out)
{
    int64_t high = highest_ms(history);
    for (int row = GRAPH_ROWS; row > 0; row--) {
        for (unsigned i = 0; i < history->count; i++) {
            int64_t height = latency_sample_at(history, i)->duration_ms * GRAPH_ROWS;
            buffer_append(out, high > 0 && height > high * (row - 1) ? "#" : " ", 1);
        }
        buffer_append(out, "\n", 1);
    }
}

static void age_text(int64_t seconds, char *text, size_t size)
{
    if (seconds < 60)
        snprintf(text, size, "%llds", (long long)seconds);
    else if (seconds < 3600)
        snprintf(text, size, "%lldm", (long long)seconds / 60);
    else if (seconds < 86400)
        snprintf(text, size, "%lldh", (long long)seconds / 3600);
    else
        snprintf(text, size, "%lldd", (long long)seconds / 86400);
}

static void graph_ages(const struct latency_history *history, int64_t now_seconds, struct buffer *out)
{
    bool more = true;
    for (size_t row = 0; more; row++) {
        more = false;
        buffer_append(out, "\n", 1);
        for (unsigned i = 0; i < history->count; i++) {
            char age[24];
            age_text(now_seconds - latency_sample_at(history, i)->at_seconds, age, sizeof(age));
            buffer_append(out, row < strlen(age) ? &age[row] : " ", 1);
            more = more || row + 1 < strlen(age);
        }
    }
    buffer_append(out, "\n", 1);
}

static void latency_graph_command(struct execution *x)
{
    struct latency_history history;
    enum latency_event event = latency_event_of(x->argv[2]);
    if (event == LATENCY_EVENT_COUNT || !latency_read(event, &history)) {
        int shown = reply_quoted(x->argv[2]);
        reply_error_format(x->reply, "ERR No samples available for event '%.*s'", shown, x->argv[2].data);
        return;
    }
    struct buffer graph = {0};
    buffer_append_format(&graph, "%s - high %lld ms, low %lld ms (all time high %lld ms)\n", latency_event_name(event),
                         (long long)highest_ms(&history), (long long)lowest_ms(&history), (long long)history.max_ms);
    for (int i = 0; i < 80; i++)
        buffer_append(&graph, "-", 1);
    buffer_append(&graph, "\n", 1);
    graph_columns(&history, &graph);
    graph_ages(&history, x->now_ms / 1000, &graph);
    reply_verbatim(x->reply, "txt", buffer_bytes(&graph));
    buffer_deinit(&graph);
}

/* ---- DOCTOR, HELP ---- */

static bool doctor_describe(enum latency_event event, struct buffer *report)
{
    struct latency_history history;
    int64_t sum = 0;
    if (!latency_read(event, &history) || history.count == 0)
        return false;
    for (unsigned i = 0; i < history.count; i++)
        sum += latency_sample_at(&history, i)->duration_ms;
    buffer_append_format(report, "%s: %u latency spikes (average %lldms, lowest %lldms, all time worst %lldms).\n",
                         latency_event_name(event), history.count, (long long)(sum / history.count),
                         (long long)lowest_ms(&history), (long long)history.max_ms);
    return true;
}

static void latency_doctor_command(struct execution *x)
{
    struct buffer report = {0};
    bool found = false;
    for (unsigned event = 0; event < LATENCY_EVENT_COUNT; event++)
        found = doctor_describe((enum latency_event)event, &report) || found;
    if (found)
        buffer_append_text(&report,
                           "SLOWLOG GET tells which commands these were. A slow command delays other clients of "
                           "its thread: split it, or call it with smaller arguments.\n");
    else if (latency_threshold_ms == 0)
        buffer_append_text(&report,
                           "Latency monitoring is disabled. CONFIG SET latency-monitor-threshold <milliseconds> "
                           "enables it.\n");
    else
        buffer_append_text(&report, "No latency spike was seen while monitoring.\n");
    reply_verbatim(x->reply, "txt", buffer_bytes(&report));
    buffer_deinit(&report);
}

static void latency_help_command(struct execution *x)
{
    static const char *const lines[] = {
        "DOCTOR",
        "    Return a human readable latency analysis report.",
        "GRAPH <event>",
        "    Return an ASCII latency graph for the <event> class.",
        "HISTORY <event>",
        "    Return time-latency samples for the <event> class.",
        "LATEST",
        "    Return the latest latency samples for all events.",
        "RESET [<event> ...]",
        "    Reset latency data of one or more <event> classes.",
        "    (default: reset all data for all event classes)",
        "HISTOGRAM [COMMAND ...]",
        "    Return a cumulative distribution of latencies in the format of a histogram for the specified command "
        "names.",
        "    If no commands are specified then all histograms are replied.",
        NULL,
    };
    reply_help(x, lines);
}

#define LATENCY_ROW(word, handler, words, version)                                                                     \
    .name = (word), .run = (handler), .arity = (words), .group = "server", .since = (version)
#define LATENCY_FLAGS (COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE)

const struct command latency_subcommands[] = {
    {
        LATENCY_ROW("DOCTOR", latency_doctor_command, 2, "2.8.13"),
        .flags = LATENCY_FLAGS,
        .complexity = "O(1)",
        .summary = "Returns a report on what was slow.",
    },
    {
        LATENCY_ROW("GRAPH", latency_graph_command, 3, "2.8.13"),
        .flags = LATENCY_FLAGS,
        .complexity = "O(1)",
        .summary = "Draws the samples of an event.",
        .arguments = ARGUMENTS(ARG_STRING("event")),
    },
    {
        LATENCY_ROW("HELP", latency_help_command, 2, "2.8.13"),
        .flags = COMMAND_LOADING | COMMAND_STALE,
        .complexity = "O(1)",
        .summary = "Returns a text about the subcommands.",
    },
    {
        LATENCY_ROW("HISTOGRAM", latency_histogram_command, -2, "7.0.0"),
        .flags = LATENCY_FLAGS,
        .complexity = "O(N) where N is the number of commands with latency information being retrieved.",
        .summary = "Returns how the times of commands are distributed.",
        .arguments =
            ARGUMENTS({.name = "command", .type = ARGUMENT_STRING, .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE}),
    },
    {
        LATENCY_ROW("HISTORY", latency_history_command, 3, "2.8.13"),
        .flags = LATENCY_FLAGS,
        .complexity = "O(1)",
        .summary = "Returns the samples of an event.",
        .arguments = ARGUMENTS(ARG_STRING("event")),
    },
    {
        LATENCY_ROW("LATEST", latency_latest_command, 2, "2.8.13"),
        .flags = LATENCY_FLAGS,
        .complexity = "O(1)",
        .summary = "Returns the newest sample of every event.",
    },
    {
        LATENCY_ROW("RESET", latency_reset_command, -2, "2.8.13"),
        .flags = LATENCY_FLAGS,
        .complexity = "O(1)",
        .summary = "Forgets the samples of events.",
        .arguments =
            ARGUMENTS({.name = "event", .type = ARGUMENT_STRING, .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE}),
    },
    {.name = NULL},
};
