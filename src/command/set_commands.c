/* SPDX-License-Identifier: BSD-3-Clause */
/* Sets, member by member. What really changed is told to the stream: SADD of the members that were new, SREM of those that
 * were there. */
#include "command/set_commands.h"

#include "command/apply.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/notify.h"
#include "command/word_list.h"

bool set_lookup_read(struct execution *x, const struct key *key, struct entry **entry, struct object *set)
{
    *entry = lookup_read(x, key);
    if (!require_type(x, *entry, OBJECT_SET))
        return false;
    *set = *entry ? entry_object(*entry) : object_empty(OBJECT_SET);
    return true;
}

bool set_lookup_write(struct execution *x, const struct key *key, struct entry **entry, struct object *set)
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
    if (!set_lookup_write(x, x->keys, &entry, &set))
        return;
    struct buffer *room = edit_room(x);
    word_list_init(&added);
    for (size_t i = 2; i < x->argc; i++) {
        if (set_object_add(&set, room, x->argv[i]))
            word_list_add(&added, x->argv[i]);
        execution_breathe(x);
    }
    if (added.count > 0) {
        store_changed(x, x->keys, entry, &set);
        stage_change(x, x->keys, entry == NULL, "SADD", added.words, added.count, 1);
        notify(x, NOTIFY_SET, "sadd", x->keys);
    }
    reply_integer(x->reply, (int64_t)added.count);
    word_list_deinit(&added);
}

void set_store_taken(struct execution *x, const struct key *key, struct entry *entry, const struct object *set,
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
    if (!set_lookup_write(x, x->keys, &entry, &set))
        return;
    struct buffer *room = edit_room(x);
    word_list_init(&removed);
    for (size_t i = 2; entry && i < x->argc; i++) {
        if (set_object_remove(&set, room, x->argv[i]))
            word_list_add(&removed, x->argv[i]);
        execution_breathe(x);
    }
    if (removed.count > 0)
        set_store_taken(x, x->keys, entry, &set, &removed, "srem");
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
    set_store_taken(x, &x->keys[0], from, &source, &moved, "srem");
    struct object target = to ? entry_object(to) : object_empty(OBJECT_SET);
    smove_add(x, to, &target);
    word_list_deinit(&moved);
    reply_integer(x->reply, 1);
}

static void sismember_command(struct execution *x)
{
    struct entry *entry;
    struct object set;
    if (set_lookup_read(x, x->keys, &entry, &set))
        reply_integer(x->reply, entry && set_object_contains(&set, x->argv[2]));
}

static void smismember_command(struct execution *x)
{
    struct entry *entry;
    struct object set;
    if (!set_lookup_read(x, x->keys, &entry, &set))
        return;
    reply_array(x->reply, x->argc - 2);
    for (size_t i = 2; i < x->argc; i++)
        reply_integer(x->reply, entry && set_object_contains(&set, x->argv[i]));
}

static void scard_command(struct execution *x)
{
    struct entry *entry;
    struct object set;
    if (set_lookup_read(x, x->keys, &entry, &set))
        reply_integer(x->reply, (int64_t)object_count(&set));
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
        .history = HISTORY({"2.4.0", "Accepts multiple `member` arguments."}),
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
        .history = HISTORY({"2.4.0", "Accepts multiple `member` arguments."}),
    },
    {.name = NULL},
};
