/* SPDX-License-Identifier: BSD-3-Clause */
/* All fields of a hash, some by chance, and some after others. */
#include "base/memory.h"
#include "command/args.h"
#include "command/claims.h"
#include "command/hash_lookup.h"
#include "command/member_scan.h"
#include "command/sample.h"
#include "resp/error_text.h"

/* ---- all fields ---- */

enum parts { FIELDS = 1, VALUES = 2 };

static void reply_parts(struct execution *x, const struct hash_walk *walk, unsigned parts)
{
    if (parts & FIELDS)
        reply_bulk(x->reply, walk->field);
    if (parts & VALUES)
        reply_bulk(x->reply, walk->value);
}

static void reply_all(struct execution *x, const struct object *hash, unsigned parts)
{
    struct hash_walk walk;
    execution_let_go(x, object_count(hash));
    hash_walk_begin(&walk, hash, HASH_AT_ANY_TIME);
    while (hash_walk_next(&walk))
        reply_parts(x, &walk, parts);
}

static void hgetall_command(struct execution *x)
{
    struct entry *entry;
    struct object hash;
    if (!hash_lookup_read(x, x->keys, true, &entry, &hash))
        return;
    reply_map(x->reply, object_count(&hash));
    reply_all(x, &hash, FIELDS | VALUES);
}

static void hkeys_command(struct execution *x)
{
    struct entry *entry;
    struct object hash;
    if (!hash_lookup_read(x, x->keys, true, &entry, &hash))
        return;
    reply_array(x->reply, object_count(&hash));
    reply_all(x, &hash, FIELDS);
}

static void hvals_command(struct execution *x)
{
    struct entry *entry;
    struct object hash;
    if (!hash_lookup_read(x, x->keys, true, &entry, &hash))
        return;
    reply_array(x->reply, object_count(&hash));
    reply_all(x, &hash, VALUES);
}

static void hscan_compact(struct execution *x, const struct member_scan *scan, const struct object *hash)
{
    struct hash_walk walk;
    size_t found = 0;
    member_scan_reply_cursor(x, 0);
    size_t handle = reply_deferred_begin(x->reply);
    hash_walk_begin(&walk, hash, x->expiry_ms);
    while (hash_walk_next(&walk)) {
        if (!member_scan_matches(scan, walk.field))
            continue;
        reply_parts(x, &walk, scan->no_values ? FIELDS : FIELDS | VALUES);
        found++;
    }
    reply_deferred_array(x->reply, handle, scan->no_values ? found : found * 2);
}

static void drop_expired(struct member_list *list, int64_t now_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (!hash_member_is_expired(list->members[i], now_ms))
            list->members[kept++] = list->members[i];
    list->count = kept;
}

static void hscan_table(struct execution *x, const struct member_scan *scan, const struct member_table *table)
{
    struct member_list list;
    execution_let_go(x, (size_t)scan->count);
    member_scan_reply_cursor(x, member_scan_table(scan, table, &list));
    drop_expired(&list, x->expiry_ms);
    reply_array(x->reply, scan->no_values ? list.count : list.count * 2);
    for (size_t i = 0; i < list.count; i++) {
        reply_bulk(x->reply, member_name(list.members[i]));
        if (!scan->no_values)
            reply_bulk(x->reply, member_value(list.members[i]));
    }
    memory_free(list.members);
}

static void hscan_command(struct execution *x)
{
    struct member_scan scan;
    struct entry *entry;
    struct object hash;
    if (!member_scan_parse_cursor(x, &scan) || !hash_lookup_read(x, x->keys, false, &entry, &hash))
        return;
    if (!entry)
        member_scan_reply_empty(x);
    else if (!member_scan_parse_options(x, true, &scan))
        return;
    else if (hash_object_table(&hash))
        hscan_table(x, &scan, hash_object_table(&hash));
    else
        hscan_compact(x, &scan, &hash);
}

/* ---- random fields ---- */

/* RESP3 has each field with its value in an array of their own. */
static void reply_drawn_head(struct execution *x, size_t count, unsigned parts)
{
    reply_array(x->reply, parts == FIELDS || x->reply->protocol > 2 ? count : count * 2);
}

static void reply_drawn(struct execution *x, const struct object *hash, size_t rank, unsigned parts)
{
    struct hash_walk walk;
    hash_walk_at(&walk, hash, rank);
    if (parts != FIELDS && x->reply->protocol > 2)
        reply_array(x->reply, 2);
    reply_parts(x, &walk, parts);
}

static void reply_repeated(struct execution *x, const struct object *hash, uint64_t repeats, unsigned parts)
{
    size_t total = object_count(hash);
    if (!sample_fits(x, hash, repeats))
        return;
    execution_let_go(x, repeats);
    reply_drawn_head(x, repeats, parts);
    for (uint64_t i = 0; i < repeats; i++)
        reply_drawn(x, hash, random_below(&x->worker->random, total), parts);
}

static void reply_sample(struct execution *x, const struct object *hash, size_t count, unsigned parts)
{
    execution_let_go(x, count);
    size_t *ranks = memory_allocate(count * sizeof(*ranks));
    sample_ranks(&x->worker->random, object_count(hash), count, ranks);
    reply_drawn_head(x, count, parts);
    for (size_t i = 0; i < count; i++)
        reply_drawn(x, hash, ranks[i], parts);
    memory_free(ranks);
}

static void reply_every(struct execution *x, const struct object *hash, unsigned parts)
{
    struct hash_walk walk;
    execution_let_go(x, object_count(hash));
    reply_drawn_head(x, object_count(hash), parts);
    hash_walk_begin(&walk, hash, HASH_AT_ANY_TIME);
    while (hash_walk_next(&walk)) {
        if (parts != FIELDS && x->reply->protocol > 2)
            reply_array(x->reply, 2);
        reply_parts(x, &walk, parts);
    }
}

/* [count [WITHVALUES]] */
static bool hrandfield_parse(struct execution *x, int64_t *count, unsigned *parts)
{
    *parts = FIELDS;
    if (!arg_int64(x, x->argv[2], count) ||
        !arg_int64_in(x, x->argv[2], -INT64_MAX, INT64_MAX, ERROR_RANGE_SYMMETRIC, count))
        return false;
    if (x->argc > 4 || (x->argc == 4 && !arg_is(x->argv[3], "WITHVALUES"))) {
        reply_syntax_error(x);
        return false;
    }
    if (x->argc == 3)
        return true;
    *parts = FIELDS | VALUES;
    return arg_int64_in(x, x->argv[2], -(INT64_MAX / 2), INT64_MAX / 2, ERROR_OUT_OF_RANGE, count);
}

static void hrandfield_command(struct execution *x)
{
    struct entry *entry;
    struct object hash;
    int64_t count = 1;
    unsigned parts = FIELDS;
    if ((x->argc > 2 && !hrandfield_parse(x, &count, &parts)) || !hash_lookup_read(x, x->keys, true, &entry, &hash))
        return;
    if (x->argc == 2 && !entry)
        reply_null(x->reply);
    else if (x->argc == 2)
        reply_drawn(x, &hash, random_below(&x->worker->random, object_count(&hash)), FIELDS);
    else if (!entry || count == 0)
        reply_array(x->reply, 0);
    else if (count < 0)
        reply_repeated(x, &hash, (uint64_t)-count, parts);
    else if ((uint64_t)count >= object_count(&hash))
        reply_every(x, &hash, parts);
    else
        reply_sample(x, &hash, (size_t)count, parts);
}

/* ---- the rows ---- */

const struct command hash_walk_commands[] = {
    {
        .name = "HGETALL",
        .run = hgetall_command,
        .arity = 2,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "hash",
        .since = "2.0.0",
        .complexity = "O(N)",
        .summary = "Returns all fields of a hash with their values.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "HKEYS",
        .run = hkeys_command,
        .arity = 2,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "hash",
        .since = "2.0.0",
        .complexity = "O(N)",
        .summary = "Returns the names of all fields of a hash.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "HRANDFIELD",
        .run = hrandfield_command,
        .arity = -2,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "hash",
        .since = "6.2.0",
        .complexity = "O(N)",
        .summary = "Returns random fields of a hash.",
        .arguments = ARGUMENTS(ARG_KEY("key"),
                               {.name = "options",
                                .type = ARGUMENT_BLOCK,
                                .flags = ARGUMENT_OPTIONAL,
                                .children = ARGUMENTS(ARG_INTEGER("count"), ARG_FLAG("withvalues", "WITHVALUES"))}),
    },
    {
        .name = "HSCAN",
        .run = hscan_command,
        .arity = -3,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "hash",
        .since = "2.8.0",
        .complexity = "O(1)",
        .summary = "Walks over a hash's fields and values, some at each call.",
        .arguments =
            ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("cursor"),
                      {.name = "pattern", .type = ARGUMENT_PATTERN, .token = "MATCH", .flags = ARGUMENT_OPTIONAL},
                      {.name = "count", .type = ARGUMENT_INTEGER, .token = "COUNT", .flags = ARGUMENT_OPTIONAL},
                      {.name = "novalues",
                       .type = ARGUMENT_PURE_TOKEN,
                       .token = "NOVALUES",
                       .flags = ARGUMENT_OPTIONAL,
                       .since = "7.4.0"}),
    },
    {
        .name = "HVALS",
        .run = hvals_command,
        .arity = 2,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "hash",
        .since = "2.0.0",
        .complexity = "O(N)",
        .summary = "Returns the values of all fields of a hash.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {.name = NULL},
};
