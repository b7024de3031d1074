/* SPDX-License-Identifier: BSD-3-Clause */
/* Sets. What really changed is told to the stream: SADD of the members that were new, SREM of those that were there or were
 * drawn at random. */
#include "command/set_commands.h"

#include "base/memory.h"
#include "command/apply.h"
#include "command/args.h"
#include "command/effects.h"
#include "command/member_scan.h"
#include "command/notify.h"
#include "command/sample.h"
#include "command/word_list.h"
#include "object/set_object.h"
#include "resp/error_text.h"

/* False if the key holds another type (an error is replied). 'set' is an empty one if the key is missing. */
static bool lookup_set_read(struct execution *x, const struct key *key, struct entry **entry, struct object *set)
{
    *entry = lookup_read(x, key);
    if (!require_type(x, *entry, OBJECT_SET))
        return false;
    *set = *entry ? entry_object(*entry) : object_empty(OBJECT_SET);
    return true;
}

static bool lookup_set_write(struct execution *x, const struct key *key, struct entry **entry, struct object *set)
{
    *entry = lookup_write(x, key);
    if (!require_type(x, *entry, OBJECT_SET))
        return false;
    *set = *entry ? entry_object(*entry) : object_empty(OBJECT_SET);
    return true;
}

/* ---- one member, some members ---- */

static void sadd_command(struct execution *x)
{
    struct entry *entry;
    struct object set;
    struct word_list added;
    if (!lookup_set_write(x, x->keys, &entry, &set))
        return;
    struct buffer *room = edit_room(x);
    word_list_init(&added);
    for (size_t i = 2; i < x->argc; i++)
        if (set_object_add(&set, room, x->argv[i]))
            word_list_add(&added, x->argv[i]);
    if (added.count > 0) {
        store_changed(x, x->keys, entry, &set);
        stage_change(x, x->keys, entry == NULL, "SADD", added.words, added.count, 1);
        notify(x, NOTIFY_SET, "sadd", x->keys);
    }
    reply_integer(x->reply, (int64_t)added.count);
    word_list_deinit(&added);
}

/* Stores what members were taken from, tells of them and of the event. */
static void store_taken(struct execution *x, const struct key *key, struct entry *entry, const struct object *set,
                        const struct word_list *taken, const char *event)
{
    bool is_gone = store_remainder(x, key, entry, set);
    if (!is_gone)
        stage_change(x, key, false, "SREM", taken->words, taken->count, 1);
    notify(x, NOTIFY_SET, event, key);
    if (is_gone)
        notify(x, NOTIFY_GENERIC, "del", key);
}

static void srem_command(struct execution *x)
{
    struct entry *entry;
    struct object set;
    struct word_list removed;
    if (!lookup_set_write(x, x->keys, &entry, &set))
        return;
    struct buffer *room = edit_room(x);
    word_list_init(&removed);
    for (size_t i = 2; entry && i < x->argc; i++)
        if (set_object_remove(&set, room, x->argv[i]))
            word_list_add(&removed, x->argv[i]);
    if (removed.count > 0)
        store_taken(x, x->keys, entry, &set, &removed, "srem");
    reply_integer(x->reply, (int64_t)removed.count);
    word_list_deinit(&removed);
}

static void smove_add(struct execution *x, struct entry *to, struct object *set)
{
    if (!set_object_add(set, edit_room(x), x->argv[3]))
        return;
    store_changed(x, &x->keys[1], to, set);
    stage_change(x, &x->keys[1], to == NULL, "SADD", &x->argv[3], 1, 1);
    notify(x, NOTIFY_SET, "sadd", &x->keys[1]);
}

static void smove_command(struct execution *x)
{
    struct entry *from = lookup_write(x, &x->keys[0]), *to = lookup_write(x, &x->keys[1]);
    if (!from) {
        reply_integer(x->reply, 0);
        return;
    }
    if (!require_type(x, from, OBJECT_SET) || !require_type(x, to, OBJECT_SET))
        return;
    struct object source = entry_object(from);
    if (from == to || !set_object_contains(&source, x->argv[3])) {
        reply_integer(x->reply, set_object_contains(&source, x->argv[3]));
        return;
    }
    struct word_list moved;
    word_list_init(&moved);
    word_list_add(&moved, x->argv[3]);
    set_object_remove(&source, edit_room(x), x->argv[3]);
    store_taken(x, &x->keys[0], from, &source, &moved, "srem");
    struct object target = to ? entry_object(to) : object_empty(OBJECT_SET);
    smove_add(x, to, &target);
    word_list_deinit(&moved);
    reply_integer(x->reply, 1);
}

static void sismember_command(struct execution *x)
{
    struct entry *entry;
    struct object set;
    if (lookup_set_read(x, x->keys, &entry, &set))
        reply_integer(x->reply, entry && set_object_contains(&set, x->argv[2]));
}

static void smismember_command(struct execution *x)
{
    struct entry *entry;
    struct object set;
    if (!lookup_set_read(x, x->keys, &entry, &set))
        return;
    reply_array(x->reply, x->argc - 2);
    for (size_t i = 2; i < x->argc; i++)
        reply_integer(x->reply, entry && set_object_contains(&set, x->argv[i]));
}

static void scard_command(struct execution *x)
{
    struct entry *entry;
    struct object set;
    if (lookup_set_read(x, x->keys, &entry, &set))
        reply_integer(x->reply, (int64_t)object_count(&set));
}

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
    if (!lookup_set_read(x, x->keys, &entry, &set))
        return;
    reply_set(x->reply, object_count(&set));
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
    if (!member_scan_parse_cursor(x, &scan) || !lookup_set_read(x, x->keys, &entry, &set))
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
    if (!lookup_set_read(x, x->keys, &entry, &set))
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
    reply_array(x->reply, repeats);
    for (uint64_t i = 0; i < repeats; i++)
        reply_bulk(x->reply, set_object_at(set, random_below(&x->worker->random, total), digits));
}

static void reply_sample(struct execution *x, const struct object *set, size_t count)
{
    char digits[BYTES_INTEGER_MAX];
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
        !lookup_set_read(x, x->keys, &entry, &set))
        return;
    if (!entry || count == 0) {
        reply_array(x->reply, 0);
    } else if (count < 0) {
        reply_repeated(x, &set, (uint64_t)-count);
    } else if ((uint64_t)count >= object_count(&set)) {
        reply_array(x->reply, object_count(&set));
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
    }
}

static void pop_all(struct execution *x, struct entry *entry, const struct object *set)
{
    reply_set(x->reply, object_count(set));
    reply_members(x, set);
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
    for (size_t i = 0; i < count; i++)
        reply_bulk(x->reply, popped.words[i]);
    store_taken(x, x->keys, entry, set, &popped, "spop");
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
        !lookup_set_write(x, x->keys, &entry, &set))
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

/* ---- effects ---- */

static bool apply_sadd(struct object *set, struct buffer *room, const struct effect *effect)
{
    for (uint32_t i = 2; i < effect->count; i++)
        set_object_add(set, room, effect->words[i]);
    return true;
}

static bool apply_srem(struct object *set, struct buffer *room, const struct effect *effect)
{
    for (uint32_t i = 2; i < effect->count; i++)
        set_object_remove(set, room, effect->words[i]);
    return true;
}

const struct effect_form set_effects[] = {
    {"SADD", OBJECT_SET, 3, apply_sadd},
    {"SREM", OBJECT_SET, 3, apply_srem},
    {.name = NULL},
};

/* ---- the rows ---- */

const struct command set_commands[] = {
    {
        .name = "SADD",
        .run = sadd_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_INSERT)},
        .group = "set",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Adds members to a set; a missing key becomes one.",
        .arguments = ARGUMENTS(ARG_KEY("key"), {.name = "member", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE}),
        .history = (const struct command_change[]){{"2.4.0", "Accepts multiple `member` arguments."}, {NULL, NULL}},
    },
    {
        .name = "SCARD",
        .run = scard_command,
        .arity = 2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO)},
        .group = "set",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Returns how many members a set has.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "SDIFF",
        .run = sdiff_command,
        .arity = -2,
        .flags = COMMAND_READONLY,
        .keys = {KEY_RANGE(1, -1, 1, KEY_RO | KEY_ACCESS)},
        .group = "set",
        .since = "1.0.0",
        .complexity = "O(N)",
        .summary = "Returns the members of the first set that no other set has.",
        .arguments = ARGUMENTS({.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE}),
    },
    {
        .name = "SDIFFSTORE",
        .run = sdiffstore_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_OW | KEY_UPDATE), KEY_RANGE(2, -1, 1, KEY_RO | KEY_ACCESS)},
        .group = "set",
        .since = "1.0.0",
        .complexity = "O(N)",
        .summary = "Stores the members of the first source that no other source has.",
        .arguments = ARGUMENTS(ARG_KEY("destination"),
                               {.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE, .key_spec = 1}),
    },
    {
        .name = "SINTER",
        .run = sinter_command,
        .arity = -2,
        .flags = COMMAND_READONLY,
        .keys = {KEY_RANGE(1, -1, 1, KEY_RO | KEY_ACCESS)},
        .group = "set",
        .since = "1.0.0",
        .complexity = "O(N*M)",
        .summary = "Returns the members that all sets have.",
        .arguments = ARGUMENTS({.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE}),
    },
    {
        .name = "SINTERCARD",
        .run = sintercard_command,
        .arity = -3,
        .flags = COMMAND_READONLY | COMMAND_MOVABLEKEYS,
        .keys = {KEY_NUMBERED(1, KEY_RO | KEY_ACCESS)},
        .group = "set",
        .since = "7.0.0",
        .complexity = "O(N*M)",
        .summary = "Returns how many members all sets have in common, up to a limit.",
        .arguments =
            ARGUMENTS(ARG_INTEGER("numkeys"), {.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE},
                      {.name = "limit", .type = ARGUMENT_INTEGER, .token = "LIMIT", .flags = ARGUMENT_OPTIONAL}),
    },
    {
        .name = "SINTERSTORE",
        .run = sinterstore_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE), KEY_RANGE(2, -1, 1, KEY_RO | KEY_ACCESS)},
        .group = "set",
        .since = "1.0.0",
        .complexity = "O(N*M)",
        .summary = "Stores the members that all sources have.",
        .arguments = ARGUMENTS(ARG_KEY("destination"),
                               {.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE, .key_spec = 1}),
    },
    {
        .name = "SISMEMBER",
        .run = sismember_command,
        .arity = 3,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO)},
        .group = "set",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Says whether a set has a member.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("member")),
    },
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
        .name = "SMISMEMBER",
        .run = smismember_command,
        .arity = -3,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "set",
        .since = "6.2.0",
        .complexity = "O(N)",
        .summary = "Says of each of several members whether a set has it.",
        .arguments = ARGUMENTS(ARG_KEY("key"), {.name = "member", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE}),
    },
    {
        .name = "SMOVE",
        .run = smove_command,
        .arity = 4,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_DELETE), KEY_ONE(2, KEY_RW | KEY_INSERT)},
        .group = "set",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Takes a member out of one set and adds it to another, in one step.",
        .arguments = ARGUMENTS(ARG_KEY("source"), {.name = "destination", .type = ARGUMENT_KEY, .key_spec = 1},
                               ARG_STRING("member")),
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
        .history = (const struct command_change[]){{"3.2.0", "Added the `count` argument."}, {NULL, NULL}},
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
        .history = (const struct command_change[]){{"2.6.0", "Added the optional `count` argument."}, {NULL, NULL}},
    },
    {
        .name = "SREM",
        .run = srem_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_DELETE)},
        .group = "set",
        .since = "1.0.0",
        .complexity = "O(N)",
        .summary = "Takes members out of a set; a set without members is deleted.",
        .arguments = ARGUMENTS(ARG_KEY("key"), {.name = "member", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE}),
        .history = (const struct command_change[]){{"2.4.0", "Accepts multiple `member` arguments."}, {NULL, NULL}},
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
    {
        .name = "SUNION",
        .run = sunion_command,
        .arity = -2,
        .flags = COMMAND_READONLY,
        .keys = {KEY_RANGE(1, -1, 1, KEY_RO | KEY_ACCESS)},
        .group = "set",
        .since = "1.0.0",
        .complexity = "O(N)",
        .summary = "Returns the members that any of the sets has.",
        .arguments = ARGUMENTS({.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE}),
    },
    {
        .name = "SUNIONSTORE",
        .run = sunionstore_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_OW | KEY_UPDATE), KEY_RANGE(2, -1, 1, KEY_RO | KEY_ACCESS)},
        .group = "set",
        .since = "1.0.0",
        .complexity = "O(N)",
        .summary = "Stores the members that any of the sources has.",
        .arguments = ARGUMENTS(ARG_KEY("destination"),
                               {.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE, .key_spec = 1}),
    },
    {.name = NULL},
};
