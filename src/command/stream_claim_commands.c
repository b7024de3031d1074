/* SPDX-License-Identifier: BSD-3-Clause */
/* What is pending: looking at it, and taking it from consumers that will not finish it. */
#include "command/claims.h"
#include "command/args.h"
#include "command/effects.h"
#include "command/stream_commands.h"
#include "resp/error_text.h"

/* ---- XPENDING ---- */

static void reply_summary_of_consumers(struct execution *x, const struct xstream_group *group)
{
    size_t handle = reply_deferred_begin(x->reply), replied = 0;
    execution_let_go(x, group->consumer_count);
    for (size_t i = 0; i < group->consumer_count; i++) {
        const struct xstream_consumer *consumer = group->consumers[i];
        if (consumer->pending.count == 0)
            continue;
        reply_array(x->reply, 2);
        reply_bulk(x->reply, consumer->name);
        reply_bulk_integer(x->reply, (int64_t)consumer->pending.count);
        replied++;
    }
    reply_deferred_array(x->reply, handle, replied);
}

static void reply_summary(struct execution *x, const struct xstream_group *group)
{
    reply_array(x->reply, 4);
    reply_integer(x->reply, (int64_t)group->pending.count);
    if (group->pending.count == 0) {
        reply_null(x->reply);
        reply_null(x->reply);
        reply_null_array(x->reply);
        return;
    }
    reply_stream_id(x->reply, id_place_id(id_tree_first(&group->pending)));
    reply_stream_id(x->reply, id_place_id(id_tree_last(&group->pending)));
    reply_summary_of_consumers(x, group);
}

struct pending_query {
    int64_t idle_min_ms, count;
    struct stream_id first, last;
    struct bytes consumer; /* NULL data: all */
};

/* [IDLE ms] start end count [consumer], from argument 3 on; what comes behind is not looked at. */
static bool xpending_parse(struct execution *x, struct pending_query *query)
{
    size_t at = 3;
    bool has_idle = x->argc > 3 && arg_is(x->argv[3], "IDLE");
    *query = (struct pending_query){0};
    if (has_idle) {
        if (!arg_int64(x, x->argv[4], &query->idle_min_ms))
            return false;
        at += 2;
    }
    if (x->argc < at + 3) {
        reply_syntax_error(x);
        return false;
    }
    if (!arg_int64(x, x->argv[at + 2], &query->count) || !arg_stream_start(x, x->argv[at], &query->first) ||
        !arg_stream_end(x, x->argv[at + 1], &query->last))
        return false;
    if (x->argc > at + 3)
        query->consumer = x->argv[at + 3];
    return true;
}

static int64_t idle_ms(const struct execution *x, const struct xstream_pending *pending)
{
    return x->now_ms > pending->delivered_ms ? x->now_ms - pending->delivered_ms : 0;
}

static void reply_pending_range(struct execution *x, const struct id_tree *tree, const struct pending_query *query)
{
    size_t handle = reply_deferred_begin(x->reply);
    int64_t replied = 0;
    bool looks_at_all = query->idle_min_ms > 0 || (query->count > 0 && (uint64_t)query->count > tree->count);
    execution_let_go(x, looks_at_all ? tree->count : query->count > 0 ? (size_t)query->count : 0);
    for (struct id_place place = id_tree_ceiling(tree, query->first);
         place.leaf && replied < query->count && stream_id_compare(id_place_id(place), query->last) <= 0;
         place = id_place_next(place)) {
        const struct xstream_pending *pending = id_place_value(place);
        if (idle_ms(x, pending) < query->idle_min_ms)
            continue;
        reply_array(x->reply, 4);
        reply_stream_id(x->reply, id_place_id(place));
        reply_bulk(x->reply, pending->consumer->name);
        reply_integer(x->reply, idle_ms(x, pending));
        reply_integer(x->reply, (int64_t)pending->deliveries);
        replied++;
    }
    reply_deferred_array(x->reply, handle, (size_t)replied);
}

static void xpending_command(struct execution *x)
{
    struct pending_query query = {0};
    struct entry *entry;
    struct object value;
    if (x->argc != 3 && (x->argc < 6 || x->argc > 9)) {
        reply_syntax_error(x);
        return;
    }
    if ((x->argc > 3 && !xpending_parse(x, &query)) || !stream_lookup(x, &x->keys[0], false, &entry, &value))
        return;
    const struct xstream_group *group = stream_group_required(x, &x->keys[0], xstream_of(&value), x->argv[2]);
    if (!group)
        return;
    if (x->argc == 3) {
        reply_summary(x, group);
        return;
    }
    const struct xstream_consumer *consumer = query.consumer.data ? xstream_consumer_find(group, query.consumer) : NULL;
    if (query.consumer.data && !consumer)
        reply_array(x->reply, 0);
    else
        reply_pending_range(x, consumer ? &consumer->pending : &group->pending, &query);
}

/* ---- what both ways of claiming share ---- */

struct claiming {
    struct execution *x;
    struct entry *entry;
    struct object value;
    struct xstream *stream;
    struct xstream_group *group;
    struct xstream_consumer *consumer;
    int64_t idle_min_ms;
    int64_t delivered_ms, deliveries; /* what claimed entries get; -1: one more than they had */
    bool just_ids, by_force;
};

/* Arguments 1 to 4. False, and replied, if there is no such group. */
static bool claiming_open(struct claiming *claiming, const char *idle_error)
{
    struct execution *x = claiming->x;
    if (!stream_lookup(x, &x->keys[0], true, &claiming->entry, &claiming->value))
        return false;
    claiming->group = stream_group_required(x, &x->keys[0], xstream_of(&claiming->value), x->argv[2]);
    if (!claiming->group)
        return false;
    claiming->stream = xstream_edit(&claiming->value);
    if (!bytes_to_int64(x->argv[4], &claiming->idle_min_ms)) {
        reply_error(x->reply, idle_error);
        return false;
    }
    return true;
}

static void claiming_begin(struct claiming *claiming)
{
    struct execution *x = claiming->x;
    claiming->consumer = stream_consumer_required(x, &x->keys[0], claiming->stream, claiming->group, x->argv[3]);
}

static void claiming_end(struct claiming *claiming)
{
    keyspace_written_unwatched(claiming->x->keyspace, &claiming->x->keys[0], claiming->entry);
}

/* An entry that was deleted from the stream is pending no more. */
static void forget(struct claiming *claiming, struct stream_id id)
{
    struct execution *x = claiming->x;
    if (xstream_pending_remove(claiming->stream, claiming->group, id))
        stream_stage_acknowledged(x, &x->keys[0], claiming->group->name, id);
}

static void reply_claimed(struct claiming *claiming, struct stream_id id)
{
    if (claiming->just_ids)
        reply_stream_id(claiming->x->reply, id);
    else {
        struct xstream_cursor cursor;
        xstream_seek(claiming->stream, id, false, &cursor);
        reply_stream_entry(claiming->x->reply, &cursor);
    }
}

static void claim(struct claiming *claiming, struct stream_id id)
{
    struct execution *x = claiming->x;
    bool is_new = xstream_pending_find(claiming->group, id) == NULL;
    struct xstream_pending *pending = xstream_pending_give(claiming->stream, claiming->group, id, claiming->consumer);
    uint64_t deliveries = pending->deliveries + is_new; /* as if it had been read */
    if (claiming->deliveries >= 0)
        deliveries = (uint64_t)claiming->deliveries;
    else if (!claiming->just_ids)
        deliveries++;
    xstream_pending_set(claiming->stream, claiming->group, id, pending, claiming->delivered_ms, deliveries);
    claiming->consumer->active_ms = x->now_ms;
    stream_stage_claims(x, &x->keys[0], claiming->group, claiming->consumer->name, &id, 1, pending->delivered_ms,
                        pending->deliveries);
}

/* Whether it has been idle for long enough. */
static bool is_due(const struct claiming *claiming, const struct xstream_pending *pending)
{
    return claiming->idle_min_ms <= 0 || idle_ms(claiming->x, pending) >= claiming->idle_min_ms;
}

/* ---- XCLAIM ---- */

static bool claim_number(struct execution *x, size_t at, const char *error, int64_t *value)
{
    if (bytes_to_int64(x->argv[at], value))
        return true;
    reply_error(x->reply, error);
    return false;
}

/* One option at *at; false, and replied, if it is none. */
static bool xclaim_option(struct claiming *claiming, size_t *at, struct stream_id *last_id)
{
    struct execution *x = claiming->x;
    struct bytes word = x->argv[*at];
    bool has_more = *at + 1 < x->argc;
    int64_t idle;
    if (arg_is(word, "FORCE"))
        return claiming->by_force = true;
    if (arg_is(word, "JUSTID"))
        return claiming->just_ids = true;
    if (has_more && arg_is(word, "IDLE")) {
        bool good = claim_number(x, ++*at, "ERR Invalid IDLE option argument for XCLAIM", &idle);
        if (!good || __builtin_sub_overflow(x->now_ms, idle, &claiming->delivered_ms))
            claiming->delivered_ms = -1;
        return good;
    }
    if (has_more && arg_is(word, "TIME"))
        return claim_number(x, ++*at, "ERR Invalid TIME option argument for XCLAIM", &claiming->delivered_ms);
    if (has_more && arg_is(word, "RETRYCOUNT"))
        return claim_number(x, ++*at, "ERR Invalid RETRYCOUNT option argument for XCLAIM", &claiming->deliveries);
    if (has_more && arg_is(word, "LASTID"))
        return arg_stream_id(x, x->argv[++*at], 0, last_id);
    reply_error_format(x->reply, "ERR Unrecognized XCLAIM option '%.*s'", reply_quoted(word), word.data);
    return false;
}

/* Ids from argument 5 up to 'ids_end', then options. */
static bool xclaim_parse(struct claiming *claiming, size_t *ids_end, struct stream_id *last_id)
{
    struct execution *x = claiming->x;
    struct stream_id id;
    for (*ids_end = 5; *ids_end < x->argc && stream_id_parse(x->argv[*ids_end], 0, &id);)
        ++*ids_end;
    for (size_t at = *ids_end; at < x->argc; at++)
        if (!xclaim_option(claiming, &at, last_id))
            return false;
    if (claiming->delivered_ms < 0 || claiming->delivered_ms > x->now_ms)
        claiming->delivered_ms = x->now_ms;
    return true;
}

/* True if it was claimed. */
static bool xclaim_one(struct claiming *claiming, struct stream_id id)
{
    struct xstream_pending *pending = xstream_pending_find(claiming->group, id);
    if (!xstream_has(claiming->stream, id)) {
        forget(claiming, id);
        return false;
    }
    if (pending ? !is_due(claiming, pending) : !claiming->by_force)
        return false;
    claim(claiming, id);
    reply_claimed(claiming, id);
    return true;
}

static void xclaim_command(struct execution *x)
{
    struct claiming claiming = {.x = x, .delivered_ms = -1, .deliveries = -1};
    struct stream_id last_id = STREAM_ID_MIN, id;
    size_t ids_end, claimed = 0;
    if (!claiming_open(&claiming, "ERR Invalid min-idle-time argument for XCLAIM") ||
        !xclaim_parse(&claiming, &ids_end, &last_id))
        return;
    claiming_begin(&claiming);
    if (stream_id_compare(last_id, claiming.group->last_id) > 0) {
        xstream_group_set_position(claiming.stream, claiming.group, last_id, claiming.group->entries_read);
        stream_stage_group_position(x, &x->keys[0], claiming.group);
    }
    size_t handle = reply_deferred_begin(x->reply);
    for (size_t i = 5; i < ids_end; i++) {
        claimed += stream_id_parse(x->argv[i], 0, &id) && xclaim_one(&claiming, id);
        execution_breathe(x);
    }
    reply_deferred_array(x->reply, handle, claimed);
    claiming_end(&claiming);
}

/* ---- XAUTOCLAIM ---- */

/* Pending entries that are looked at for each one that may be claimed. */
#define LOOKS_PER_CLAIM 10
#define AUTOCLAIM_COUNT_MAX (INT64_MAX / (16 * LOOKS_PER_CLAIM))

struct scan {
    struct stream_id start;
    int64_t count;
};

static bool xautoclaim_parse(struct claiming *claiming, struct scan *scan)
{
    struct execution *x = claiming->x;
    scan->count = 100;
    if (!claim_number(x, 4, "ERR Invalid min-idle-time argument for XAUTOCLAIM", &claiming->idle_min_ms) ||
        !arg_stream_start(x, x->argv[5], &scan->start))
        return false;
    for (size_t at = 6; at < x->argc; at++) {
        if (arg_is(x->argv[at], "JUSTID")) {
            claiming->just_ids = true;
        } else if (arg_is(x->argv[at], "COUNT") && at + 1 < x->argc) {
            if (!arg_int64_in(x, x->argv[++at], 1, AUTOCLAIM_COUNT_MAX, "ERR COUNT must be > 0", &scan->count))
                return false;
        } else {
            reply_syntax_error(x);
            return false;
        }
    }
    return true;
}

/* Ids, one behind the other. */
static void note_id(struct buffer *ids, struct stream_id id)
{
    buffer_append(ids, &id, sizeof(id));
}

static size_t ids_count(const struct buffer *ids)
{
    return ids->length / sizeof(struct stream_id);
}

static struct stream_id id_at(const struct buffer *ids, size_t index)
{
    struct stream_id id;
    memcpy(&id, ids->data + index * sizeof(id), sizeof(id));
    return id;
}

/* Claims what is due from the start on, and forgets what no longer exists. Returns where to go on, or 0-0. */
static struct stream_id scan_pending(struct claiming *claiming, const struct scan *scan, struct buffer *claimed,
                                     struct buffer *gone)
{
    int64_t count = scan->count, looks = scan->count * LOOKS_PER_CLAIM;
    struct stream_id next = scan->start;
    struct id_place place;
    bool has_more = true;
    while ((place = id_tree_ceiling(&claiming->group->pending, next)).leaf && has_more && looks-- > 0 && count > 0) {
        struct stream_id id = next = id_place_id(place);
        has_more = stream_id_increment(&next);
        if (!xstream_has(claiming->stream, id)) {
            note_id(gone, id);
            forget(claiming, id);
            count--;
        } else if (is_due(claiming, id_place_value(place))) {
            note_id(claimed, id);
            claim(claiming, id);
            count--;
        }
        execution_breathe(claiming->x);
    }
    return place.leaf && has_more ? id_place_id(place) : STREAM_ID_MIN;
}

static void reply_scanned(struct claiming *claiming, struct stream_id next, const struct buffer *claimed,
                          const struct buffer *gone)
{
    struct reply *reply = claiming->x->reply;
    reply_array(reply, 3);
    reply_stream_id(reply, next);
    reply_array(reply, ids_count(claimed));
    for (size_t i = 0; i < ids_count(claimed); i++)
        reply_claimed(claiming, id_at(claimed, i));
    reply_array(reply, ids_count(gone));
    for (size_t i = 0; i < ids_count(gone); i++)
        reply_stream_id(reply, id_at(gone, i));
}

static void xautoclaim_command(struct execution *x)
{
    struct claiming claiming = {.x = x, .delivered_ms = x->now_ms, .deliveries = -1};
    struct scan scan;
    struct buffer claimed = {0}, gone = {0};
    if (!xautoclaim_parse(&claiming, &scan) || !claiming_open(&claiming, ERROR_NOT_INTEGER))
        return;
    claiming_begin(&claiming);
    struct stream_id next = scan_pending(&claiming, &scan, &claimed, &gone);
    reply_scanned(&claiming, next, &claimed, &gone);
    claiming_end(&claiming);
    buffer_deinit(&claimed);
    buffer_deinit(&gone);
}

const struct command stream_claim_commands[] = {
    {
        .name = "XAUTOCLAIM",
        .run = xautoclaim_command,
        .arity = -6,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_DELETE)},
        .group = "stream",
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Takes entries that are pending for long from their consumers, by a scan.",
        .arguments =
            ARGUMENTS(ARG_KEY("key"), ARG_STRING("group"), ARG_STRING("consumer"), ARG_STRING("min-idle-time"),
                      ARG_STRING("start"),
                      {.name = "count", .type = ARGUMENT_INTEGER, .token = "COUNT", .flags = ARGUMENT_OPTIONAL},
                      ARG_FLAG("justid", "JUSTID")),
        .history = HISTORY({"7.0.0", "The reply names entries that were pending and no longer exist."}),
    },
    {
        .name = "XCLAIM",
        .run = xclaim_command,
        .arity = -6,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "stream",
        .since = "5.0.0",
        .complexity = "O(log N)",
        .summary = "Takes named pending entries from their consumers.",
        .arguments = ARGUMENTS(
            ARG_KEY("key"), ARG_STRING("group"), ARG_STRING("consumer"), ARG_STRING("min-idle-time"),
            {.name = "id", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE},
            {.name = "ms", .type = ARGUMENT_INTEGER, .token = "IDLE", .flags = ARGUMENT_OPTIONAL},
            {.name = "unix-time-milliseconds", .type = ARGUMENT_UNIX_TIME, .token = "TIME", .flags = ARGUMENT_OPTIONAL},
            {.name = "count", .type = ARGUMENT_INTEGER, .token = "RETRYCOUNT", .flags = ARGUMENT_OPTIONAL},
            ARG_FLAG("force", "FORCE"), ARG_FLAG("justid", "JUSTID"),
            {.name = "id", .type = ARGUMENT_STRING, .token = "LASTID", .flags = ARGUMENT_OPTIONAL}),
    },
    {
        .name = "XPENDING",
        .run = xpending_command,
        .arity = -3,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "stream",
        .since = "5.0.0",
        .complexity = "O(N)",
        .summary = "Tells what a group has read and not acknowledged.",
        .arguments = ARGUMENTS(
            ARG_KEY("key"), ARG_STRING("group"),
            {.name = "filters",
             .type = ARGUMENT_BLOCK,
             .flags = ARGUMENT_OPTIONAL,
             .children = ARGUMENTS({.name = "min-idle-time",
                                    .type = ARGUMENT_INTEGER,
                                    .token = "IDLE",
                                    .flags = ARGUMENT_OPTIONAL,
                                    .since = "6.2.0"},
                                   ARG_STRING("start"), ARG_STRING("end"), ARG_INTEGER("count"),
                                   {.name = "consumer", .type = ARGUMENT_STRING, .flags = ARGUMENT_OPTIONAL})}),
        .history = HISTORY({"6.2.0", "The option `IDLE`, and bounds that exclude an id."}),
    },
    {.name = NULL},
};
