/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists. Everything that takes from an end or pushes to one goes through pop_from and push_to, which store the list and
 * say what changed. The commands that wait for elements stand in list_wait_commands.c. */
#include "command/list_commands.h"

#include "command/apply.h"
#include "command/args.h"
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
    for (size_t i = 0; i < count; i++)
        list_object_push(list, room, end, elements[i]);
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
    list_iterator_init(&iterator, list, end == LIST_HEAD ? 0 : -1, end == LIST_TAIL);
    for (size_t i = 0; i < count && list_iterator_next(&iterator, digits, &element); i++)
        reply_bulk(x->reply, element);
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

/* ---- by index ---- */

static void llen_command(struct execution *x)
{
    struct entry *entry;
    struct object list;
    if (list_find(x, x->keys, false, &entry, &list))
        reply_integer(x->reply, (int64_t)list_object_length(&list));
}

static void lindex_command(struct execution *x)
{
    struct entry *entry;
    struct object list;
    struct bytes element;
    char digits[BYTES_INTEGER_MAX];
    int64_t index;
    if (!list_find(x, x->keys, false, &entry, &list))
        return;
    if (!entry)
        reply_null(x->reply);
    else if (!arg_int64(x, x->argv[2], &index))
        return;
    else if (list_object_get(&list, index, digits, &element))
        reply_bulk(x->reply, element);
    else
        reply_null(x->reply);
}

static void lset_command(struct execution *x)
{
    struct entry *entry;
    struct object list;
    int64_t index;
    if (!list_find(x, x->keys, true, &entry, &list))
        return;
    if (!entry) {
        reply_error(x->reply, ERROR_NO_SUCH_KEY);
        return;
    }
    if (!arg_int64(x, x->argv[2], &index))
        return;
    int64_t length = (int64_t)list_object_length(&list);
    if (index >= length || index < -length) {
        reply_error(x->reply, ERROR_INDEX_RANGE);
        return;
    }
    list_object_set(&list, edit_room(x), index, x->argv[3]);
    stage_change(x, x->keys, false, "LSET", x->argv + 2, 2, 2);
    store_changed(x, x->keys, entry, &list);
    reply_status(x->reply, "OK");
    notify(x, NOTIFY_LIST, "lset", x->keys);
}

static void linsert_command(struct execution *x)
{
    struct entry *entry;
    struct object list;
    bool before = arg_is(x->argv[2], "BEFORE");
    if (!before && !arg_is(x->argv[2], "AFTER")) {
        reply_syntax_error(x);
        return;
    }
    if (!list_find(x, x->keys, true, &entry, &list))
        return;
    if (!entry) {
        reply_integer(x->reply, 0);
        return;
    }
    if (!list_object_insert(&list, edit_room(x), x->argv[3], before, x->argv[4])) {
        reply_integer(x->reply, -1);
        return;
    }
    stage_change(x, x->keys, false, "LINSERT", x->argv + 2, 3, 3);
    store_changed(x, x->keys, entry, &list);
    reply_integer(x->reply, (int64_t)list_object_length(&list));
    notify(x, NOTIFY_LIST, "linsert", x->keys);
}

/* Indexes as Redis takes them; false if they name nothing. */
static bool clamp_range(int64_t length, int64_t *start, int64_t *stop)
{
    if (*start < 0)
        *start = *start + length < 0 ? 0 : *start + length;
    if (*stop < 0)
        *stop += length;
    if (*stop >= length)
        *stop = length - 1;
    return *start <= *stop && *start < length;
}

static void lrange_command(struct execution *x)
{
    struct entry *entry;
    struct object list;
    struct list_iterator iterator;
    struct bytes element;
    char digits[BYTES_INTEGER_MAX];
    int64_t start, stop;
    if (!arg_int64(x, x->argv[2], &start) || !arg_int64(x, x->argv[3], &stop) ||
        !list_find(x, x->keys, false, &entry, &list))
        return;
    if (!entry || !clamp_range((int64_t)list_object_length(&list), &start, &stop)) {
        reply_array(x->reply, 0);
        return;
    }
    reply_array(x->reply, (size_t)(stop - start + 1));
    list_iterator_init(&iterator, &list, start, false);
    for (; start <= stop && list_iterator_next(&iterator, digits, &element); start++)
        reply_bulk(x->reply, element);
}

static void ltrim_command(struct execution *x)
{
    struct entry *entry;
    struct object list;
    int64_t start, stop;
    if (!arg_int64(x, x->argv[2], &start) || !arg_int64(x, x->argv[3], &stop) ||
        !list_find(x, x->keys, true, &entry, &list))
        return;
    reply_status(x->reply, "OK");
    if (!entry)
        return;
    int64_t length = (int64_t)list_object_length(&list);
    notify(x, NOTIFY_LIST, "ltrim", x->keys);
    if (!clamp_range(length, &start, &stop)) {
        delete_key(x, x->keys, entry);
        notify(x, NOTIFY_GENERIC, "del", x->keys);
        return;
    }
    struct buffer *room = edit_room(x);
    list_object_drop(&list, room, LIST_TAIL, (size_t)(length - 1 - stop));
    list_object_drop(&list, room, LIST_HEAD, (size_t)start);
    stage_change(x, x->keys, false, "LTRIM", x->argv + 2, 2, 2);
    store_changed(x, x->keys, entry, &list);
}

/* ---- by value ---- */

/* Counts and ranks say by their sign where to begin. */
static bool is_negatable(struct execution *x, int64_t value)
{
    if (value == INT64_MIN)
        reply_error(x->reply, "ERR value is out of range, value must between -9223372036854775807 and "
                              "9223372036854775807");
    return value != INT64_MIN;
}

static void lrem_command(struct execution *x)
{
    struct entry *entry;
    struct object list;
    int64_t count;
    if (!arg_int64(x, x->argv[2], &count) || !is_negatable(x, count) || !list_find(x, x->keys, true, &entry, &list))
        return;
    size_t removed = entry ? list_object_remove(&list, edit_room(x), count, x->argv[3]) : 0;
    if (removed > 0) {
        notify(x, NOTIFY_LIST, "lrem", x->keys);
        if (store_remainder(x, x->keys, entry, &list))
            notify(x, NOTIFY_GENERIC, "del", x->keys);
        else
            stage_change(x, x->keys, false, "LREM", x->argv + 2, 2, 2);
    }
    reply_integer(x->reply, (int64_t)removed);
}

struct lpos_options {
    int64_t rank, count, length_max; /* count -1: not given */
};

static bool rank_is_good(struct execution *x, int64_t rank)
{
    if (rank == 0)
        reply_error(x->reply,
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use "
                    "negative to start from the end of the list");
    return rank != 0 && is_negatable(x, rank);
}

static bool lpos_parse(struct execution *x, struct lpos_options *options)
{
    *options = (struct lpos_options){.rank = 1, .count = -1};
    for (size_t i = 3; i < x->argc; i += 2) {
        if (i + 1 >= x->argc) {
            reply_syntax_error(x);
            return false;
        }
        struct bytes value = x->argv[i + 1];
        if (arg_is(x->argv[i], "RANK")) {
            if (!arg_int64(x, value, &options->rank) || !rank_is_good(x, options->rank))
                return false;
        } else if (arg_is(x->argv[i], "COUNT")) {
            if (!arg_int64_in(x, value, 0, INT64_MAX, "ERR COUNT can't be negative", &options->count))
                return false;
        } else if (arg_is(x->argv[i], "MAXLEN")) {
            if (!arg_int64_in(x, value, 0, INT64_MAX, "ERR MAXLEN can't be negative", &options->length_max))
                return false;
        } else {
            reply_syntax_error(x);
            return false;
        }
    }
    return true;
}

/* Calls reply_integer for the places found; returns how many. */
static size_t lpos_search(struct execution *x, const struct object *list, const struct lpos_options *options,
                          size_t count_max)
{
    bool backwards = options->rank < 0;
    int64_t skip = (backwards ? -options->rank : options->rank) - 1, length = (int64_t)list_object_length(list);
    int64_t looks = options->length_max ? options->length_max : INT64_MAX;
    struct list_iterator iterator;
    struct bytes element;
    char digits[BYTES_INTEGER_MAX];
    size_t found = 0;
    list_iterator_init(&iterator, list, backwards ? -1 : 0, backwards);
    for (int64_t i = 0; i < looks && found < count_max && list_iterator_next(&iterator, digits, &element); i++) {
        if (!bytes_equal(element, x->argv[2]) || skip-- > 0)
            continue;
        reply_integer(x->reply, backwards ? length - 1 - i : i);
        found++;
    }
    return found;
}

static void lpos_command(struct execution *x)
{
    struct lpos_options options;
    struct entry *entry;
    struct object list;
    if (!lpos_parse(x, &options) || !list_find(x, x->keys, false, &entry, &list))
        return;
    if (options.count < 0) {
        if (!entry || lpos_search(x, &list, &options, 1) == 0)
            reply_null(x->reply);
        return;
    }
    size_t handle = reply_deferred_begin(x->reply), found = 0;
    if (entry)
        found = lpos_search(x, &list, &options, options.count ? (size_t)options.count : SIZE_MAX);
    reply_deferred_array(x->reply, handle, found);
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
        !clamp_range(length, &start, &stop))
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

const struct command list_commands[] = {
    {
        .name = "LINDEX",
        .run = lindex_command,
        .arity = 3,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "list",
        .since = "1.0.0",
        .complexity = "O(N)",
        .summary = "Returns the element of a list at an index.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("index")),
    },
    {
        .name = "LINSERT",
        .run = linsert_command,
        .arity = 5,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_RW | KEY_INSERT)},
        .group = "list",
        .since = "2.2.0",
        .complexity = "O(N)",
        .summary = "Puts an element before or after another one of a list.",
        .arguments = ARGUMENTS(ARG_KEY("key"),
                               {.name = "where",
                                .type = ARGUMENT_ONEOF,
                                .children = ARGUMENTS(ARG_TOKEN("before", "BEFORE"), ARG_TOKEN("after", "AFTER"))},
                               ARG_STRING("pivot"), ARG_STRING("element")),
    },
    {
        .name = "LLEN",
        .run = llen_command,
        .arity = 2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO)},
        .group = "list",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Returns how many elements a list has.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
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
        .history = (const struct command_change[]){{"6.2.0", "Takes a `count`."}, {NULL, NULL}},
    },
    {
        .name = "LPOS",
        .run = lpos_command,
        .arity = -3,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "list",
        .since = "6.0.6",
        .complexity = "O(N)",
        .summary = "Returns the indexes of elements that equal a value.",
        .arguments =
            ARGUMENTS(ARG_KEY("key"), ARG_STRING("element"),
                      {.name = "rank", .type = ARGUMENT_INTEGER, .token = "RANK", .flags = ARGUMENT_OPTIONAL},
                      {.name = "num-matches", .type = ARGUMENT_INTEGER, .token = "COUNT", .flags = ARGUMENT_OPTIONAL},
                      {.name = "len", .type = ARGUMENT_INTEGER, .token = "MAXLEN", .flags = ARGUMENT_OPTIONAL}),
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
        .history = (const struct command_change[]){{"2.4.0", "Takes several elements."}, {NULL, NULL}},
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
        .history = (const struct command_change[]){{"4.0.0", "Takes several elements."}, {NULL, NULL}},
    },
    {
        .name = "LRANGE",
        .run = lrange_command,
        .arity = 4,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "list",
        .since = "1.0.0",
        .complexity = "O(S+N)",
        .summary = "Returns the elements between two indexes.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("start"), ARG_INTEGER("stop")),
    },
    {
        .name = "LREM",
        .run = lrem_command,
        .arity = 4,
        .flags = COMMAND_WRITE,
        .keys = {KEY_ONE(1, KEY_RW | KEY_DELETE)},
        .group = "list",
        .since = "1.0.0",
        .complexity = "O(N+M)",
        .summary = "Removes elements that equal a value.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("count"), ARG_STRING("element")),
    },
    {
        .name = "LSET",
        .run = lset_command,
        .arity = 4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "list",
        .since = "1.0.0",
        .complexity = "O(N)",
        .summary = "Replaces the element of a list at an index.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("index"), ARG_STRING("element")),
    },
    {
        .name = "LTRIM",
        .run = ltrim_command,
        .arity = 4,
        .flags = COMMAND_WRITE,
        .keys = {KEY_ONE(1, KEY_RW | KEY_DELETE)},
        .group = "list",
        .since = "1.0.0",
        .complexity = "O(N)",
        .summary = "Keeps only the elements between two indexes.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("start"), ARG_INTEGER("stop")),
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
        .history = (const struct command_change[]){{"6.2.0", "Takes a `count`."}, {NULL, NULL}},
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
        .history = (const struct command_change[]){{"2.4.0", "Takes several elements."}, {NULL, NULL}},
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
        .history = (const struct command_change[]){{"4.0.0", "Takes several elements."}, {NULL, NULL}},
    },
    {.name = NULL},
};
