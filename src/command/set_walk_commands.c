/* SPDX-License-Identifier: BSD-3-Clause */
/* All members of a set, some by chance, and some after others. Members that are drawn and removed are told as SREM. */
#include "base/memory.h"
#include "command/args.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/member_scan.h"
#include "command/notify.h"
#include "command/sample.h"
#include "command/set_commands.h"
#include "command/word_list.h"
#include "resp/error_text.h"

/* ---- all members ---- */

static void reply_members(struct execution *x, const struct object *set)
{
    struct set_walk walk;
    struct bytes member;
    set_walk_begin(&walk, set);
    while (set_walk_next(&walk, &member))
        reply_bulk(x->reply, member);
}

static void smembers_command(struct execution *x)
{
    struct entry *entry;
    struct object set;
    if (!set_lookup_read(x, x->keys, &entry, &set))
        return;
    reply_set(x->reply, object_count(&set));
    execution_let_go(x, object_count(&set));
    reply_members(x, &set);
}

static void sscan_compact(struct execution *x, const struct member_scan *scan, const struct object *set)
{
    struct set_walk walk;
    struct bytes member;
    size_t found = 0;
    member_scan_reply_cursor(x, 0);
    size_t handle = reply_deferred_begin(x->reply);
    set_walk_begin(&walk, set);
    while (set_walk_next(&walk, &member)) {
        if (!member_scan_matches(scan, member))
            continue;
        reply_bulk(x->reply, member);
        found++;
    }
    reply_deferred_array(x->reply, handle, found);
}

static void sscan_table(struct execution *x, const struct member_scan *scan, const struct member_table *table)
{
    struct member_list list;
    execution_let_go(x, (size_t)scan->count);
    member_scan_reply_cursor(x, member_scan_table(scan, table, &list));
    reply_array(x->reply, list.count);
    for (size_t i = 0; i < list.count; i++)
        reply_bulk(x->reply, member_name(list.members[i]));
    memory_free(list.members);
}

static void sscan_command(struct execution *x)
{
    struct member_scan scan;
    struct entry *entry;
    struct object set;
    if (!member_scan_parse_cursor(x, &scan) || !set_lookup_read(x, x->keys, &entry, &set))
        return;
    if (!entry)
        member_scan_reply_empty(x);
    else if (!member_scan_parse_options(x, false, &scan))
        return;
    else if (set_object_table(&set))
        sscan_table(x, &scan, set_object_table(&set));
    else
        sscan_compact(x, &scan, &set);
}

/* ---- random members ---- */

static void srandmember_one(struct execution *x)
{
    char digits[BYTES_INTEGER_MAX];
    struct entry *entry;
    struct object set;
    if (!set_lookup_read(x, x->keys, &entry, &set))
        return;
    if (!entry)
        reply_null(x->reply);
    else
        reply_bulk(x->reply, set_object_at(&set, random_below(&x->worker->random, object_count(&set)), digits));
}

static void reply_repeated(struct execution *x, const struct object *set, uint64_t repeats)
{
    char digits[BYTES_INTEGER_MAX];
    size_t total = object_count(set);
    if (!sample_fits(x, set, repeats))
        return;
    execution_let_go(x, repeats);
    reply_array(x->reply, repeats);
    for (uint64_t i = 0; i < repeats; i++)
        reply_bulk(x->reply, set_object_at(set, random_below(&x->worker->random, total), digits));
}

static void reply_sample(struct execution *x, const struct object *set, size_t count)
{
    char digits[BYTES_INTEGER_MAX];
    execution_let_go(x, count);
    size_t *ranks = memory_allocate(count * sizeof(*ranks));
    sample_ranks(&x->worker->random, object_count(set), count, ranks);
    reply_array(x->reply, count);
    for (size_t i = 0; i < count; i++)
        reply_bulk(x->reply, set_object_at(set, ranks[i], digits));
    memory_free(ranks);
}

static void srandmember_command(struct execution *x)
{
    struct entry *entry;
    struct object set;
    int64_t count;
    if (x->argc == 2) {
        srandmember_one(x);
        return;
    }
    if (x->argc > 3) {
        reply_syntax_error(x);
        return;
    }
    if (!arg_int64(x, x->argv[2], &count) ||
        !arg_int64_in(x, x->argv[2], -INT64_MAX, INT64_MAX, ERROR_RANGE_SYMMETRIC, &count) ||
        !set_lookup_read(x, x->keys, &entry, &set))
        return;
    if (!entry || count == 0) {
        reply_array(x->reply, 0);
    } else if (count < 0) {
        reply_repeated(x, &set, (uint64_t)-count);
    } else if ((uint64_t)count >= object_count(&set)) {
        reply_array(x->reply, object_count(&set));
        execution_let_go(x, object_count(&set));
        reply_members(x, &set);
    } else {
        reply_sample(x, &set, (size_t)count);
    }
}

/* Takes 'count' random members out, fewer than there are, and keeps copies of them. */
static void take_random(struct execution *x, struct object *set, size_t count, struct buffer *kept)
{
    struct buffer *room = edit_room(x);
    for (size_t i = 0; i < count; i++) {
        char digits[BYTES_INTEGER_MAX];
        size_t at = kept->length + sizeof(size_t);
        word_list_keep(kept, set_object_at(set, random_below(&x->worker->random, object_count(set)), digits));
        set_object_remove(set, room, bytes_of(kept->data + at, kept->length - at));
        execution_breathe(x);
    }
}

static void pop_all(struct execution *x, struct entry *entry, const struct object *set)
{
    reply_set(x->reply, object_count(set));
    execution_let_go(x, object_count(set));
    reply_members(x, set);
    execution_hold_again(x);
    delete_key(x, x->keys, entry);
    notify(x, NOTIFY_SET, "spop", x->keys);
    notify(x, NOTIFY_GENERIC, "del", x->keys);
}

static void spop_some(struct execution *x, struct entry *entry, struct object *set, size_t count)
{
    struct buffer kept = {0};
    struct word_list popped;
    take_random(x, set, count, &kept);
    word_list_init(&popped);
    word_list_add_kept(&popped, &kept);
    if (x->argc > 2)
        reply_set(x->reply, count);
    for (size_t i = 0; i < popped.count; i++) {
        reply_bulk(x->reply, popped.words[i]);
        execution_breathe(x);
    }
    set_store_taken(x, x->keys, entry, set, &popped, "spop");
    word_list_deinit(&popped);
    buffer_deinit(&kept);
}

static void spop_command(struct execution *x)
{
    struct entry *entry;
    struct object set;
    int64_t count = 1;
    if (x->argc > 3) {
        reply_syntax_error(x);
        return;
    }
    if ((x->argc == 3 && !arg_int64_in(x, x->argv[2], 0, INT64_MAX, ERROR_NOT_POSITIVE, &count)) ||
        !set_lookup_write(x, x->keys, &entry, &set))
        return;
    if (!entry && x->argc == 2)
        reply_null(x->reply);
    else if (!entry || count == 0)
        reply_set(x->reply, 0);
    else if (x->argc == 3 && (uint64_t)count >= object_count(&set))
        pop_all(x, entry, &set);
    else
        spop_some(x, entry, &set, (size_t)count);
}

/* ---- the rows ---- */

const struct command set_walk_commands[] = {
    {
        .name = "SMEMBERS",
        .run = smembers_command,
        .arity = 2,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "set",
        .since = "1.0.0",
        .complexity = "O(N)",
        .summary = "Returns all members of a set.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "SPOP",
        .run = spop_command,
        .arity = -2,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_DELETE)},
        .group = "set",
        .since = "1.0.0",
        .summary = "Takes random members out of a set and returns them.",
        .arguments = ARGUMENTS(
            ARG_KEY("key"), {.name = "count", .type = ARGUMENT_INTEGER, .flags = ARGUMENT_OPTIONAL, .since = "3.2.0"}),
        .history = HISTORY({"3.2.0", "Added the `count` argument."}),
    },
    {
        .name = "SRANDMEMBER",
        .run = srandmember_command,
        .arity = -2,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "set",
        .since = "1.0.0",
        .summary = "Returns random members of a set.",
        .arguments = ARGUMENTS(
            ARG_KEY("key"), {.name = "count", .type = ARGUMENT_INTEGER, .flags = ARGUMENT_OPTIONAL, .since = "2.6.0"}),
        .history = HISTORY({"2.6.0", "Added the optional `count` argument."}),
    },
    {
        .name = "SSCAN",
        .run = sscan_command,
        .arity = -3,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "set",
        .since = "2.8.0",
        .complexity = "O(1)",
        .summary = "Walks over a set's members, some at each call.",
        .arguments =
            ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("cursor"),
                      {.name = "pattern", .type = ARGUMENT_PATTERN, .token = "MATCH", .flags = ARGUMENT_OPTIONAL},
                      {.name = "count", .type = ARGUMENT_INTEGER, .token = "COUNT", .flags = ARGUMENT_OPTIONAL}),
    },
    {.name = NULL},
};
