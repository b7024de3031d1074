/* SPDX-License-Identifier: BSD-3-Clause */
/* XINFO: what a stream, its groups and their consumers are like. */
#include "command/args.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/stream_commands.h"
#include "resp/error_text.h"

/* Entries and pending ones in a full report, where nobody says. */
#define FULL_COUNT 10

static void name_integer(struct reply *reply, const char *name, uint64_t value)
{
    reply_bulk_text(reply, name);
    reply_integer(reply, (int64_t)value);
}

static void name_id(struct reply *reply, const char *name, struct stream_id id)
{
    reply_bulk_text(reply, name);
    reply_stream_id(reply, id);
}

static bool find_stream(struct execution *x, struct object *value)
{
    struct entry *entry;
    if (!stream_lookup(x, &x->keys[0], false, &entry, value))
        return false;
    if (!entry)
        reply_error(x->reply, ERROR_NO_SUCH_KEY);
    return entry != NULL;
}

/* Seven pairs. Redis's index is a radix tree, which has at least a node more than keys. */
static void reply_counts(struct reply *reply, const struct xstream *stream)
{
    struct stream_id first;
    xstream_first_id(stream, &first);
    name_integer(reply, "length", stream->length);
    name_integer(reply, "radix-tree-keys", stream->nodes.count);
    name_integer(reply, "radix-tree-nodes", stream->nodes.count + 1);
    name_id(reply, "last-generated-id", stream->last_id);
    name_id(reply, "max-deleted-entry-id", stream->max_deleted_id);
    name_integer(reply, "entries-added", stream->entries_added);
    name_id(reply, "recorded-first-entry-id", first);
}

static void reply_edge(struct reply *reply, const struct xstream *stream, const char *name, bool last)
{
    struct xstream_cursor cursor;
    reply_bulk_text(reply, name);
    xstream_seek(stream, last ? STREAM_ID_MAX : STREAM_ID_MIN, last, &cursor);
    if (cursor.is_at_end)
        reply_null(reply);
    else
        reply_stream_entry(reply, &cursor);
}

/* entries-read and lag: null where nobody knows. */
static void reply_progress(struct reply *reply, const struct xstream *stream, const struct xstream_group *group)
{
    uint64_t lag;
    reply_bulk_text(reply, "entries-read");
    if (group->entries_read == XSTREAM_ENTRIES_READ_UNKNOWN)
        reply_null(reply);
    else
        reply_integer(reply, group->entries_read);
    reply_bulk_text(reply, "lag");
    if (xstream_group_lag(stream, group, &lag))
        reply_integer(reply, (int64_t)lag);
    else
        reply_null(reply);
}

/* ---- FULL ---- */

static size_t limited(size_t count, uint64_t limit)
{
    return limit > 0 && limit < count ? (size_t)limit : count;
}

static void reply_consumer_pending(struct reply *reply, const struct xstream_consumer *consumer, uint64_t limit)
{
    size_t count = limited(consumer->pending.count, limit);
    struct id_place place = id_tree_first(&consumer->pending);
    reply_array(reply, count);
    for (size_t i = 0; i < count; i++, place = id_place_next(place)) {
        const struct xstream_pending *pending = id_place_value(place);
        reply_array(reply, 3);
        reply_stream_id(reply, id_place_id(place));
        reply_integer(reply, pending->delivered_ms);
        reply_integer(reply, (int64_t)pending->deliveries);
    }
}

static void reply_full_consumer(struct reply *reply, const struct xstream_consumer *consumer, uint64_t limit)
{
    reply_map(reply, 5);
    reply_bulk_text(reply, "name");
    reply_bulk(reply, consumer->name);
    name_integer(reply, "seen-time", (uint64_t)consumer->seen_ms);
    name_integer(reply, "active-time", (uint64_t)consumer->active_ms);
    name_integer(reply, "pel-count", consumer->pending.count);
    reply_bulk_text(reply, "pending");
    reply_consumer_pending(reply, consumer, limit);
}

static void reply_group_pending(struct reply *reply, const struct xstream_group *group, uint64_t limit)
{
    size_t count = limited(group->pending.count, limit);
    struct id_place place = id_tree_first(&group->pending);
    reply_array(reply, count);
    for (size_t i = 0; i < count; i++, place = id_place_next(place)) {
        const struct xstream_pending *pending = id_place_value(place);
        reply_array(reply, 4);
        reply_stream_id(reply, id_place_id(place));
        reply_bulk(reply, pending->consumer->name);
        reply_integer(reply, pending->delivered_ms);
        reply_integer(reply, (int64_t)pending->deliveries);
    }
}

static void reply_full_group(struct reply *reply, const struct xstream *stream, const struct xstream_group *group,
                             uint64_t limit)
{
    reply_map(reply, 7);
    reply_bulk_text(reply, "name");
    reply_bulk(reply, group->name);
    name_id(reply, "last-delivered-id", group->last_id);
    reply_progress(reply, stream, group);
    name_integer(reply, "pel-count", group->pending.count);
    reply_bulk_text(reply, "pending");
    reply_group_pending(reply, group, limit);
    reply_bulk_text(reply, "consumers");
    reply_array(reply, group->consumer_count);
    for (size_t i = 0; i < group->consumer_count; i++)
        reply_full_consumer(reply, group->consumers[i], limit);
}

static void reply_full(struct reply *reply, const struct xstream *stream, uint64_t limit)
{
    reply_map(reply, 9);
    reply_counts(reply, stream);
    reply_bulk_text(reply, "entries");
    reply_stream_range(reply, stream, STREAM_ID_MIN, STREAM_ID_MAX, false, limit);
    reply_bulk_text(reply, "groups");
    reply_array(reply, stream->group_count);
    for (size_t i = 0; i < stream->group_count; i++)
        reply_full_group(reply, stream, stream->groups[i], limit);
}

/* About so many entries and consumers are told. */
static size_t full_work(const struct xstream *stream, uint64_t limit)
{
    size_t work = limited(stream->length, limit);
    for (size_t i = 0; i < stream->group_count; i++)
        work += limited(stream->groups[i]->pending.count, limit) + stream->groups[i]->consumer_count;
    return work;
}

/* FULL [COUNT n], or nothing. */
static bool parse_full(struct execution *x, bool *is_full, int64_t *limit)
{
    *is_full = x->argc > 3;
    *limit = FULL_COUNT;
    bool good = !*is_full || arg_is(x->argv[3], "FULL");
    if (good && x->argc > 4) {
        good = x->argc == 6 && arg_is(x->argv[4], "COUNT");
        if (good && !arg_int64(x, x->argv[5], limit))
            return false;
    }
    if (!good)
        reply_usage_error(x);
    *limit = *limit < 0 ? FULL_COUNT : *limit;
    return good;
}

static void xinfo_stream_command(struct execution *x)
{
    struct object value;
    int64_t limit;
    bool is_full;
    if (!find_stream(x, &value) || !parse_full(x, &is_full, &limit))
        return;
    const struct xstream *stream = xstream_of(&value);
    if (is_full) {
        execution_let_go(x, full_work(stream, (uint64_t)limit));
        reply_full(x->reply, stream, (uint64_t)limit);
        return;
    }
    reply_map(x->reply, 10);
    reply_counts(x->reply, stream);
    name_integer(x->reply, "groups", stream->group_count);
    reply_edge(x->reply, stream, "first-entry", false);
    reply_edge(x->reply, stream, "last-entry", true);
}

/* ---- groups and consumers ---- */

static void xinfo_groups_command(struct execution *x)
{
    struct object value;
    if (!find_stream(x, &value))
        return;
    const struct xstream *stream = xstream_of(&value);
    reply_array(x->reply, stream->group_count);
    for (size_t i = 0; i < stream->group_count; i++) {
        const struct xstream_group *group = stream->groups[i];
        reply_map(x->reply, 6);
        reply_bulk_text(x->reply, "name");
        reply_bulk(x->reply, group->name);
        name_integer(x->reply, "consumers", group->consumer_count);
        name_integer(x->reply, "pending", group->pending.count);
        name_id(x->reply, "last-delivered-id", group->last_id);
        reply_progress(x->reply, stream, group);
    }
}

static void reply_consumer(struct execution *x, const struct xstream_consumer *consumer)
{
    int64_t idle_ms = x->now_ms > consumer->seen_ms ? x->now_ms - consumer->seen_ms : 0;
    int64_t inactive_ms = x->now_ms > consumer->active_ms ? x->now_ms - consumer->active_ms : 0;
    reply_map(x->reply, 4);
    reply_bulk_text(x->reply, "name");
    reply_bulk(x->reply, consumer->name);
    name_integer(x->reply, "pending", consumer->pending.count);
    name_integer(x->reply, "idle", (uint64_t)idle_ms);
    name_integer(x->reply, "inactive", (uint64_t)(consumer->active_ms < 0 ? -1 : inactive_ms));
}

static void xinfo_consumers_command(struct execution *x)
{
    struct object value;
    if (!find_stream(x, &value))
        return;
    const struct xstream_group *group = xstream_group_find(xstream_of(&value), x->argv[3]);
    if (!group) {
        reply_no_group(x, x->argv[3]);
        return;
    }
    reply_array(x->reply, group->consumer_count);
    for (size_t i = 0; i < group->consumer_count; i++)
        reply_consumer(x, group->consumers[i]);
}

static void xinfo_help_command(struct execution *x)
{
    static const char *const lines[] = {
        "CONSUMERS <key> <groupname>",
        "    Tell of the consumers of a group.",
        "GROUPS <key>",
        "    Tell of the groups of a stream.",
        "STREAM <key> [FULL [COUNT <count>]",
        "    Tell of a stream.",
        NULL,
    };
    reply_help(x, lines);
}

static const struct command xinfo_subcommands[] = {
    {
        .name = "CONSUMERS",
        .run = xinfo_consumers_command,
        .arity = 4,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(2, KEY_RO | KEY_ACCESS)},
        .group = "stream",
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Tells about the consumers of a group.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("group")),
        .history = HISTORY({"7.2.0", "The field `inactive`."}),
    },
    {
        .name = "GROUPS",
        .run = xinfo_groups_command,
        .arity = 3,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(2, KEY_RO | KEY_ACCESS)},
        .group = "stream",
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Tells about the groups of a stream.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
        .history = HISTORY({"7.0.0", "The fields `entries-read` and `lag`."}),
    },
    {
        .name = "HELP",
        .run = xinfo_help_command,
        .arity = 2,
        .flags = COMMAND_LOADING | COMMAND_STALE,
        .group = "stream",
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Tells about the subcommands.",
    },
    {
        .name = "STREAM",
        .run = xinfo_stream_command,
        .arity = -3,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(2, KEY_RO | KEY_ACCESS)},
        .group = "stream",
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Tells about a stream.",
        .arguments =
            ARGUMENTS(ARG_KEY("key"),
                      {.name = "full_block",
                       .type = ARGUMENT_BLOCK,
                       .flags = ARGUMENT_OPTIONAL,
                       .children = ARGUMENTS(
                           ARG_TOKEN("full", "FULL"),
                           {.name = "count", .type = ARGUMENT_INTEGER, .token = "COUNT", .flags = ARGUMENT_OPTIONAL})}),
        .history = HISTORY({"6.0.0", "The option `FULL`."},
                           {"7.0.0", "The fields `max-deleted-entry-id`, `entries-added`, "
                                     "`recorded-first-entry-id`, `entries-read` and `lag`."},
                           {"7.2.0", "The field `active-time`."}),
    },
    {.name = NULL},
};

const struct command stream_info_commands[] = {
    {
        .name = "XINFO",
        .run = reply_subcommand_error,
        .arity = -2,
        .group = "stream",
        .since = "5.0.0",
        .complexity = "Depends on subcommand.",
        .summary = "A container for commands that tell about streams.",
        .subcommands = xinfo_subcommands,
    },
    {.name = NULL},
};
