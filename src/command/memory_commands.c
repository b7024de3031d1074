/* SPDX-License-Identifier: BSD-3-Clause */
/* MEMORY. What a key costs is known of keys in RAM; asking for one that is cold fetches it, as any reading command does. */
#include "base/memory.h"
#include "command/allocator.h"
#include "command/args.h"
#include "command/effects.h"
#include "command/info.h"
#include "command/server_commands.h"

#include <stdio.h>

static void memory_usage_command(struct execution *x)
{
    for (size_t i = 3; i < x->argc; i += 2) {
        int64_t samples;
        if (!arg_is(x->argv[i], "SAMPLES") || i + 1 >= x->argc) {
            reply_syntax_error(x);
            return;
        }
        if (!arg_int64(x, x->argv[i + 1], &samples))
            return;
        if (samples < 0) {
            reply_syntax_error(x);
            return;
        }
    }
    const struct entry *entry = x->key_count > 0 ? lookup_peek(x, &x->keys[0]) : NULL;
    if (entry)
        reply_integer(x->reply, (int64_t)keyspace_entry_bytes(x->keyspace, entry));
    else
        reply_null(x->reply);
}

/* ---- STATS ---- */

struct memory_figures {
    size_t allocated, peak, startup, overhead, dataset, resident;
    uint64_t keys;
    struct allocator_state allocator;
};

static struct memory_figures figures_of(struct engine *engine)
{
    struct memory_figures figures = {.allocated = memory_allocated(),
                                     .peak = info_memory_peak(),
                                     .startup = info_memory_startup(),
                                     .resident = memory_resident(),
                                     .allocator = allocator_read()};
    figures.overhead = figures.startup + keyspace_overhead_bytes(engine->keyspace);
    figures.dataset = figures.allocated > figures.overhead ? figures.allocated - figures.overhead : 0;
    for (int db = 0; db < DATABASE_COUNT; db++)
        figures.keys += keyspace_counts(engine->keyspace, db).keys;
    return figures;
}

static double ratio(size_t a, size_t b)
{
    return b > 0 ? (double)a / (double)b : 0;
}

static void stat_integer(struct reply *reply, size_t *count, const char *name, int64_t value)
{
    reply_bulk_text(reply, name);
    reply_integer(reply, value);
    ++*count;
}

static void stat_double(struct reply *reply, size_t *count, const char *name, double value)
{
    reply_bulk_text(reply, name);
    reply_double(reply, value);
    ++*count;
}

static void stats_of_allocator(struct reply *reply, size_t *count, const struct memory_figures *figures)
{
    const struct allocator_state *allocator = &figures->allocator;
    stat_integer(reply, count, "allocator.allocated", (int64_t)allocator->allocated);
    stat_integer(reply, count, "allocator.active", (int64_t)allocator->active);
    stat_integer(reply, count, "allocator.resident", (int64_t)allocator->resident);
    stat_double(reply, count, "allocator-fragmentation.ratio", ratio(allocator->active, allocator->allocated));
    stat_integer(reply, count, "allocator-fragmentation.bytes", (int64_t)(allocator->active - allocator->allocated));
    stat_double(reply, count, "allocator-rss.ratio", ratio(allocator->resident, allocator->active));
    stat_integer(reply, count, "allocator-rss.bytes", (int64_t)(allocator->resident - allocator->active));
    stat_double(reply, count, "rss-overhead.ratio", ratio(figures->resident, allocator->resident));
    stat_integer(reply, count, "rss-overhead.bytes", (int64_t)figures->resident - (int64_t)allocator->resident);
    stat_double(reply, count, "fragmentation", ratio(figures->resident, figures->allocated));
    stat_integer(reply, count, "fragmentation.bytes", (int64_t)figures->resident - (int64_t)figures->allocated);
}

/* Tables are not measured one by one: a database has its share by keys. */
static void stats_of_databases(struct execution *x, size_t *count, uint64_t keys_of_all)
{
    double overhead = (double)keyspace_overhead_bytes(x->keyspace);
    for (int db = 0; db < DATABASE_COUNT; db++) {
        char name[16];
        uint64_t keys = keyspace_counts(x->keyspace, db).keys;
        if (keys == 0 || keys > keys_of_all)
            continue;
        snprintf(name, sizeof(name), "db.%d", db);
        reply_bulk_text(x->reply, name);
        reply_map(x->reply, 2);
        reply_bulk_text(x->reply, "overhead.hashtable.main");
        reply_integer(x->reply, (int64_t)(overhead * (double)keys / (double)keys_of_all));
        reply_bulk_text(x->reply, "overhead.hashtable.expires");
        reply_integer(x->reply, 0);
        ++*count;
    }
}

static void memory_stats_command(struct execution *x)
{
    struct reply *reply = x->reply;
    struct memory_figures figures = figures_of(x->engine);
    struct stream_info stream;
    size_t count = 0, handle = reply_deferred_begin(reply);
    stream_read_info(x->engine->stream, &stream);
    stat_integer(reply, &count, "peak.allocated", (int64_t)figures.peak);
    stat_integer(reply, &count, "total.allocated", (int64_t)figures.allocated);
    stat_integer(reply, &count, "startup.allocated", (int64_t)figures.startup);
    stat_integer(reply, &count, "replication.backlog", (int64_t)stream.ring_bytes);
    stat_integer(reply, &count, "clients.slaves", 0);
    stat_integer(reply, &count, "clients.normal", 0);
    stat_integer(reply, &count, "cluster.links", 0);
    stat_integer(reply, &count, "aof.buffer", 0);
    stat_integer(reply, &count, "lua.caches", 0);
    stat_integer(reply, &count, "functions.caches", 0);
    stat_integer(reply, &count, "tier.bytes", engine_hooks.tier_bytes ? (int64_t)engine_hooks.tier_bytes() : 0);
    stats_of_databases(x, &count, figures.keys);
    stat_integer(reply, &count, "overhead.total", (int64_t)figures.overhead);
    stat_integer(reply, &count, "keys.count", (int64_t)figures.keys);
    stat_integer(reply, &count, "keys.bytes-per-key",
                 figures.keys > 0 ? (int64_t)((figures.allocated - figures.startup) / figures.keys) : 0);
    stat_integer(reply, &count, "dataset.bytes", (int64_t)figures.dataset);
    stat_double(reply, &count, "dataset.percentage", 100 * ratio(figures.dataset, figures.allocated - figures.startup));
    stat_double(reply, &count, "peak.percentage", 100 * ratio(figures.allocated, figures.peak));
    stats_of_allocator(reply, &count, &figures);
    reply_deferred_map(reply, handle, count);
}

/* ---- DOCTOR ---- */

/* Below it there is nothing that could be out of order. */
#define DOCTOR_BYTES_MIN (5 * 1024 * 1024)

static void memory_doctor_command(struct execution *x)
{
    struct memory_figures figures = figures_of(x->engine);
    struct buffer report = {0};
    bool was_much_larger = ratio(figures.peak, figures.allocated) > 1.5;
    bool holes = ratio(figures.allocator.active, figures.allocator.allocated) > 1.1 &&
                 figures.allocator.active - figures.allocator.allocated > 10 * 1024 * 1024;
    bool resident =
        ratio(figures.resident, figures.allocated) > 1.4 && figures.resident - figures.allocated > 64 * 1024 * 1024;
    if (figures.allocated < DOCTOR_BYTES_MIN) {
        buffer_append_text(&report, "This instance holds little memory: there is nothing to examine yet.\n");
    } else if (!was_much_larger && !holes && !resident) {
        buffer_append_text(&report, "No memory problems were found.\n");
    } else {
        if (was_much_larger)
            buffer_append_text(&report, " * Peak: more than 150% of what is used now was used once; the allocator may "
                                        "not have given all of it back. MEMORY PURGE helps.\n");
        if (holes)
            buffer_append_text(&report, " * Fragmentation: the allocator's pages are filled badly, as happens after "
                                        "many deletions or changes of value size.\n");
        if (resident)
            buffer_append_text(&report, " * Resident memory: the process holds far more pages than it has allocated; "
                                        "MEMORY PURGE gives free ones back.\n");
    }
    reply_verbatim(x->reply, "txt", buffer_bytes(&report));
    buffer_deinit(&report);
}

/* ---- PURGE, MALLOC-STATS, HELP ---- */

static void memory_purge_command(struct execution *x)
{
    memory_purge();
    reply_status(x->reply, "OK");
}

static void memory_malloc_stats_command(struct execution *x)
{
    struct buffer report = {0};
    allocator_report(&report);
    reply_verbatim(x->reply, "txt", buffer_bytes(&report));
    buffer_deinit(&report);
}

static void memory_help_command(struct execution *x)
{
    static const char *const lines[] = {
        "DOCTOR",
        "    Return memory problems reports.",
        "MALLOC-STATS",
        "    Return internal statistics report from the memory allocator.",
        "PURGE",
        "    Attempt to purge dirty pages for reclamation by the allocator.",
        "STATS",
        "    Return information about the memory usage of the server.",
        "USAGE <key> [SAMPLES <count>]",
        "    Return memory in bytes used by <key> and its value. <count> is accepted",
        "    and not needed: nothing is sampled.",
        NULL,
    };
    reply_help(x, lines);
}

#define MEMORY_ROW(word, handler, words, row_flags)                                                                    \
    .name = (word), .run = (handler), .arity = (words), .flags = (row_flags), .group = "server", .since = "4.0.0"

const struct command memory_subcommands[] = {
    {
        MEMORY_ROW("DOCTOR", memory_doctor_command, 2, 0),
        .complexity = "O(1)",
        .summary = "Returns a report on problems with memory.",
    },
    {
        MEMORY_ROW("HELP", memory_help_command, 2, COMMAND_LOADING | COMMAND_STALE),
        .complexity = "O(1)",
        .summary = "Returns a text about the subcommands.",
    },
    {
        MEMORY_ROW("MALLOC-STATS", memory_malloc_stats_command, 2, COMMAND_LOADING),
        .complexity = "Depends on how much memory is allocated, could be slow",
        .summary = "Returns the allocator's own report.",
    },
    {
        MEMORY_ROW("PURGE", memory_purge_command, 2, COMMAND_LOADING),
        .complexity = "Depends on how much memory is allocated, could be slow",
        .summary = "Gives free pages back to the system.",
    },
    {
        MEMORY_ROW("STATS", memory_stats_command, 2, 0),
        .complexity = "O(1)",
        .summary = "Returns what the memory is used for.",
    },
    {
        MEMORY_ROW("USAGE", memory_usage_command, -3, COMMAND_READONLY),
        .keys = {KEY_ONE(2, KEY_RO)},
        .complexity = "O(1)",
        .summary = "Returns how many bytes a key and its value occupy.",
        .arguments =
            ARGUMENTS(ARG_KEY("key"),
                      {.name = "count", .type = ARGUMENT_INTEGER, .token = "SAMPLES", .flags = ARGUMENT_OPTIONAL}),
    },
    {.name = NULL},
};
