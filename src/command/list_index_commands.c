/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists by index and by value. */
#include "command/args.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/list_commands.h"
#include "command/notify.h"
#include "resp/error_text.h"

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
    struct list_place place;
    execution_let_go(x, list_object_length(&list));
    bool found = list_object_find(&list, x->argv[3], &place);
    execution_hold_again(x);
    if (!found) {
        reply_integer(x->reply, -1);
        return;
    }
    list_object_insert_at(&list, edit_room(x), &place, before, x->argv[4]);
    stage_change(x, x->keys, false, "LINSERT", x->argv + 2, 3, 3);
    store_changed(x, x->keys, entry, &list);
    reply_integer(x->reply, (int64_t)list_object_length(&list));
    notify(x, NOTIFY_LIST, "linsert", x->keys);
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
    if (!entry || !list_clamp_range((int64_t)list_object_length(&list), &start, &stop)) {
        reply_array(x->reply, 0);
        return;
    }
    execution_let_go(x, (size_t)(stop - start + 1));
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
    if (!list_clamp_range(length, &start, &stop)) {
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

/* What must be looked for is looked for while others have the partition. */
static size_t remove_equal(struct execution *x, struct object *list, int64_t count)
{
    struct list_matches matches;
    execution_let_go(x, list_object_length(list));
    list_object_match(list, count, x->argv[3], &matches);
    execution_hold_again(x);
    return list_object_remove_matches(list, edit_room(x), count, x->argv[3], &matches);
}

static void lrem_command(struct execution *x)
{
    struct entry *entry;
    struct object list;
    int64_t count;
    if (!arg_int64(x, x->argv[2], &count) || !is_negatable(x, count) || !list_find(x, x->keys, true, &entry, &list))
        return;
    size_t removed = entry ? remove_equal(x, &list, count) : 0;
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
    execution_let_go(x, (size_t)length);
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

/* ---- the rows ---- */

const struct command list_index_commands[] = {
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
    {.name = NULL},
};
