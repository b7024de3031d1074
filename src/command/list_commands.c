/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists at their ends. Everything that takes from an end or pushes to one goes through pop_from and push_to, which store the
 * list and say what changed. Commands by index and by value stand in list_index_commands.c, those that wait for elements in
 * list_wait_commands.c. */
#include "command/list_commands.h"

#include "command/apply.h"
#include "command/args.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/notify.h"
#include "object/list_object.h"
#include "resp/error_text.h"

bool list_find(struct execution *x, const struct key *key, bool for_write, struct entry **entry, struct object *list)
{
    *entry = for_write ? lookup_write(x, key) : lookup_read(x, key);
    if (!require_type(x, *entry, OBJECT_LIST))
        return false;
    *list = *entry ? entry_object(*entry) : object_empty(OBJECT_LIST);
    return true;
}

/* ---- ends ---- */

static const char *push_effect(enum list_end end)
{
    return end == LIST_HEAD ? "LPUSH" : "RPUSH";
}

void push_to(struct execution *x, const struct key *key, struct entry *entry, struct object *list, enum list_end end,
             const struct bytes *elements, size_t count)
{
    struct buffer *room = edit_room(x);
    for (size_t i = 0; i < count; i++) {
        list_object_push(list, room, end, elements[i]);
        execution_breathe(x);
    }
    stage_change(x, key, entry == NULL, push_effect(end), elements, count, 1);
    store_changed(x, key, entry, list);
    notify(x, NOTIFY_LIST, end == LIST_HEAD ? "lpush" : "rpush", key);
}

void pop_from(struct execution *x, const struct key *key, struct entry *entry, struct object *list, enum list_end end,
              size_t count)
{
    char digits[BYTES_INTEGER_MAX];
    list_object_drop(list, edit_room(x), end, count);
    notify(x, NOTIFY_LIST, end == LIST_HEAD ? "lpop" : "rpop", key);
    if (store_remainder(x, key, entry, list)) {
        notify(x, NOTIFY_GENERIC, "del", key);
        return;
    }
    struct bytes word = bytes_of(digits, bytes_from_int64(digits, (int64_t)count));
    stage_change(x, key, false, end == LIST_HEAD ? "LPOP" : "RPOP", &word, 1, 1);
}

void reply_from_end(struct execution *x, const struct object *list, enum list_end end, size_t count)
{
    struct list_iterator iterator;
    char digits[BYTES_INTEGER_MAX];
    struct bytes element;
    execution_let_go(x, count);
    list_iterator_init(&iterator, list, end == LIST_HEAD ? 0 : -1, end == LIST_TAIL);
    for (size_t i = 0; i < count && list_iterator_next(&iterator, digits, &element); i++)
        reply_bulk(x->reply, element);
    execution_hold_again(x);
}

static void push_command(struct execution *x, enum list_end end, bool only_existing)
{
    struct entry *entry;
    struct object list;
    if (!list_find(x, x->keys, true, &entry, &list))
        return;
    if (entry || !only_existing)
        push_to(x, x->keys, entry, &list, end, x->argv + 2, x->argc - 2);
    reply_integer(x->reply, entry || !only_existing ? (int64_t)list_object_length(&list) : 0);
}

static void lpush_command(struct execution *x)
{
    push_command(x, LIST_HEAD, false);
}

static void rpush_command(struct execution *x)
{
    push_command(x, LIST_TAIL, false);
}

static void lpushx_command(struct execution *x)
{
    push_command(x, LIST_HEAD, true);
}

static void rpushx_command(struct execution *x)
{
    push_command(x, LIST_TAIL, true);
}

static void pop_command(struct execution *x, enum list_end end)
{
    struct entry *entry;
    struct object list;
    int64_t count = 1;
    bool has_count = x->argc == 3;
    if (x->argc > 3) {
        reply_arity_error(x);
        return;
    }
    if (has_count && !arg_int64_in(x, x->argv[2], 0, INT64_MAX, ERROR_NOT_POSITIVE, &count))
        return;
    if (!list_find(x, x->keys, true, &entry, &list))
        return;
    size_t length = list_object_length(&list);
    if (!entry) {
        if (has_count)
            reply_null_array(x->reply);
        else
            reply_null(x->reply);
        return;
    }
    size_t popped = (uint64_t)count < length ? (size_t)count : length;
    if (has_count)
        reply_array(x->reply, popped);
    reply_from_end(x, &list, end, popped);
    if (popped > 0)
        pop_from(x, x->keys, entry, &list, end, popped);
}

static void lpop_command(struct execution *x)
{
    pop_command(x, LIST_HEAD);
}

static void rpop_command(struct execution *x)
{
    pop_command(x, LIST_TAIL);
}

bool list_clamp_range(int64_t length, int64_t *start, int64_t *stop)
{
    if (*start < 0)
        *start = *start + length < 0 ? 0 : *start + length;
    if (*stop < 0)
        *stop += length;
    if (*stop >= length)
        *stop = length - 1;
    return *start <= *stop && *start < length;
}

/* ---- effects ---- */

static bool apply_push(struct object *list, struct buffer *room, const struct effect *effect)
{
    enum list_end end = bytes_equal_text(effect->words[0], "lpush") ? LIST_HEAD : LIST_TAIL;
    for (uint32_t i = 2; i < effect->count; i++)
        list_object_push(list, room, end, effect->words[i]);
    return true;
}

static bool apply_pop(struct object *list, struct buffer *room, const struct effect *effect)
{
    int64_t count;
    if (!bytes_to_int64(effect->words[2], &count) || count < 0)
        return false;
    list_object_drop(list, room, bytes_equal_text(effect->words[0], "lpop") ? LIST_HEAD : LIST_TAIL, (size_t)count);
    return true;
}

static bool apply_lset(struct object *list, struct buffer *room, const struct effect *effect)
{
    int64_t index, length = (int64_t)list_object_length(list);
    if (!bytes_to_int64(effect->words[2], &index) || index >= length || index < -length)
        return false;
    list_object_set(list, room, index, effect->words[3]);
    return true;
}

static bool apply_linsert(struct object *list, struct buffer *room, const struct effect *effect)
{
    bool before = bytes_equal_text(effect->words[2], "before");
    return list_object_insert(list, room, effect->words[3], before, effect->words[4]);
}

static bool apply_lrem(struct object *list, struct buffer *room, const struct effect *effect)
{
    int64_t count;
    return bytes_to_int64(effect->words[2], &count) && list_object_remove(list, room, count, effect->words[3]) > 0;
}

static bool apply_ltrim(struct object *list, struct buffer *room, const struct effect *effect)
{
    int64_t start, stop, length = (int64_t)list_object_length(list);
    if (!bytes_to_int64(effect->words[2], &start) || !bytes_to_int64(effect->words[3], &stop) ||
        !list_clamp_range(length, &start, &stop))
        return false;
    list_object_drop(list, room, LIST_TAIL, (size_t)(length - 1 - stop));
    list_object_drop(list, room, LIST_HEAD, (size_t)start);
    return true;
}

const struct effect_form list_effects[] = {
    {"LPUSH", OBJECT_LIST, 3, apply_push},
    {"RPUSH", OBJECT_LIST, 3, apply_push},
    {"LPOP", OBJECT_LIST, 3, apply_pop},
    {"RPOP", OBJECT_LIST, 3, apply_pop},
    {"LSET", OBJECT_LIST, 4, apply_lset},
    {"LREM", OBJECT_LIST, 4, apply_lrem},
    {"LINSERT", OBJECT_LIST, 5, apply_linsert},
    {"LTRIM", OBJECT_LIST, 4, apply_ltrim},
    {.name = NULL},
};

/* ---- the rows ---- */

const struct command list_commands[] = {
    {
        .name = "LPOP",
        .run = lpop_command,
        .arity = -2,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_DELETE)},
        .group = "list",
        .since = "1.0.0",
        .complexity = "O(N)",
        .summary = "Removes elements from the head of a list and returns them.",
        .arguments = ARGUMENTS(
            ARG_KEY("key"), {.name = "count", .type = ARGUMENT_INTEGER, .flags = ARGUMENT_OPTIONAL, .since = "6.2.0"}),
        .history = HISTORY({"6.2.0", "Takes a `count`."}),
    },
    {
        .name = "LPUSH",
        .run = lpush_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_INSERT)},
        .group = "list",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Puts elements before the head of a list, which is made if it is missing.",
        .arguments =
            ARGUMENTS(ARG_KEY("key"), {.name = "element", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE}),
        .history = HISTORY({"2.4.0", "Takes several elements."}),
    },
    {
        .name = "LPUSHX",
        .run = lpushx_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_INSERT)},
        .group = "list",
        .since = "2.2.0",
        .complexity = "O(1)",
        .summary = "Puts elements before the head of a list if it exists.",
        .arguments =
            ARGUMENTS(ARG_KEY("key"), {.name = "element", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE}),
        .history = HISTORY({"4.0.0", "Takes several elements."}),
    },
    {
        .name = "RPOP",
        .run = rpop_command,
        .arity = -2,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_DELETE)},
        .group = "list",
        .since = "1.0.0",
        .complexity = "O(N)",
        .summary = "Removes elements from the tail of a list and returns them.",
        .arguments = ARGUMENTS(
            ARG_KEY("key"), {.name = "count", .type = ARGUMENT_INTEGER, .flags = ARGUMENT_OPTIONAL, .since = "6.2.0"}),
        .history = HISTORY({"6.2.0", "Takes a `count`."}),
    },
    {
        .name = "RPUSH",
        .run = rpush_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_INSERT)},
        .group = "list",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Puts elements behind the tail of a list, which is made if it is missing.",
        .arguments =
            ARGUMENTS(ARG_KEY("key"), {.name = "element", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE}),
        .history = HISTORY({"2.4.0", "Takes several elements."}),
    },
    {
        .name = "RPUSHX",
        .run = rpushx_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_INSERT)},
        .group = "list",
        .since = "2.2.0",
        .complexity = "O(1)",
        .summary = "Puts elements behind the tail of a list if it exists.",
        .arguments =
            ARGUMENTS(ARG_KEY("key"), {.name = "element", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE}),
        .history = HISTORY({"4.0.0", "Takes several elements."}),
    },
    {.name = NULL},
};
