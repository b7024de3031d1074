/* SPDX-License-Identifier: BSD-3-Clause */
/* Intersections, unions and differences. A result that is to be stored, and any union or difference, is built as a set of
 * its own first, so that a destination may be among its sources. */
#include "base/memory.h"
#include "command/args.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/notify.h"
#include "object/set_object.h"
#include "resp/error_text.h"

#include <stdlib.h>

/* The sets of some keys; a missing key's is empty. */
struct sources {
    struct object *sets;
    size_t count;
    size_t members;
    bool any_empty;
};

/* What is being built. */
struct result {
    struct object set;
    struct buffer room;
};

/* False (nothing to free) if a key holds another type. */
static bool sources_open(struct execution *x, const struct key *keys, size_t count, struct sources *sources)
{
    *sources = (struct sources){.sets = memory_allocate(count * sizeof(struct object)), .count = count};
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = lookup_read(x, &keys[i]);
        if (!require_type(x, entry, OBJECT_SET)) {
            memory_free(sources->sets);
            return false;
        }
        sources->sets[i] = entry ? entry_object(entry) : object_empty(OBJECT_SET);
        sources->members += object_count(&sources->sets[i]);
        sources->any_empty |= entry == NULL;
    }
    return true;
}

static void sources_close(struct sources *sources)
{
    memory_free(sources->sets);
}

static void result_init(struct result *result)
{
    *result = (struct result){.set = object_empty(OBJECT_SET)};
}

static void result_deinit(struct result *result)
{
    object_release(&result->set);
    buffer_deinit(&result->room);
}

/* ---- the three operations ---- */

static int order_by_count(const void *a, const void *b)
{
    size_t left = object_count(a), right = object_count(b);
    return left < right ? -1 : left > right;
}

static bool all_contain(const struct object *sets, size_t count, struct bytes member)
{
    for (size_t i = 0; i < count; i++)
        if (!set_object_contains(&sets[i], member))
            return false;
    return true;
}

/* Calls visit with the members of all sources until it returns false. The sources' order changes. */
static void intersect(struct sources *sources, bool (*visit)(void *context, struct bytes member), void *context)
{
    struct set_walk walk;
    struct bytes member;
    if (sources->any_empty)
        return;
    qsort(sources->sets, sources->count, sizeof(struct object), order_by_count);
    set_walk_begin(&walk, &sources->sets[0]);
    while (set_walk_next(&walk, &member))
        if (all_contain(sources->sets + 1, sources->count - 1, member) && !visit(context, member))
            return;
}

static bool result_add(void *context, struct bytes member)
{
    struct result *result = context;
    set_object_add(&result->set, &result->room, member);
    return true;
}

static void inter(struct sources *sources, struct result *result)
{
    intersect(sources, result_add, result);
}

static void unite(struct sources *sources, struct result *result)
{
    struct set_walk walk;
    struct bytes member;
    for (size_t i = 0; i < sources->count; i++) {
        set_walk_begin(&walk, &sources->sets[i]);
        while (set_walk_next(&walk, &member))
            result_add(result, member);
    }
}

static bool any_contains(const struct object *sets, size_t count, struct bytes member)
{
    for (size_t i = 0; i < count; i++)
        if (set_object_contains(&sets[i], member))
            return true;
    return false;
}

/* The largest of the others finds the most, so it is asked first. */
static void subtract(struct sources *sources, struct result *result)
{
    struct set_walk walk;
    struct bytes member;
    qsort(sources->sets + 1, sources->count - 1, sizeof(struct object), order_by_count);
    for (size_t low = 1, high = sources->count - 1; low < high; low++, high--) {
        struct object swapped = sources->sets[low];
        sources->sets[low] = sources->sets[high];
        sources->sets[high] = swapped;
    }
    set_walk_begin(&walk, &sources->sets[0]);
    while (set_walk_next(&walk, &member))
        if (!any_contains(sources->sets + 1, sources->count - 1, member))
            result_add(result, member);
}

/* ---- replies ---- */

static void reply_operation(struct execution *x, void (*operation)(struct sources *sources, struct result *result))
{
    struct sources sources;
    struct result result;
    struct set_walk walk;
    struct bytes member;
    if (!sources_open(x, x->keys, x->key_count, &sources))
        return;
    result_init(&result);
    execution_let_go(x, sources.members);
    operation(&sources, &result);
    reply_set(x->reply, object_count(&result.set));
    set_walk_begin(&walk, &result.set);
    while (set_walk_next(&walk, &member))
        reply_bulk(x->reply, member);
    result_deinit(&result);
    execution_hold_again(x);
    sources_close(&sources);
}

/* Takes the result: over whatever the destination holds. */
static void store_result(struct execution *x, struct result *result, const char *event)
{
    struct entry *old = lookup_write(x, x->keys);
    size_t count = object_count(&result->set);
    if (count > 0) {
        store(x, x->keys, old, &result->set, ENTRY_NO_EXPIRE);
        notify(x, NOTIFY_SET, event, x->keys);
    } else if (old) {
        delete_key(x, x->keys, old);
        notify(x, NOTIFY_GENERIC, "del", x->keys);
    }
    buffer_deinit(&result->room);
    reply_integer(x->reply, (int64_t)count);
}

static void store_operation(struct execution *x, void (*operation)(struct sources *sources, struct result *result),
                            const char *event)
{
    struct sources sources;
    struct result result;
    if (!sources_open(x, x->keys + 1, x->key_count - 1, &sources))
        return;
    result_init(&result);
    execution_let_go(x, sources.members);
    operation(&sources, &result);
    execution_hold_again(x);
    sources_close(&sources);
    store_result(x, &result, event);
}

static void sinter_command(struct execution *x)
{
    reply_operation(x, inter);
}

static void sinterstore_command(struct execution *x)
{
    store_operation(x, inter, "sinterstore");
}

static void sunion_command(struct execution *x)
{
    reply_operation(x, unite);
}

static void sunionstore_command(struct execution *x)
{
    store_operation(x, unite, "sunionstore");
}

static void sdiff_command(struct execution *x)
{
    reply_operation(x, subtract);
}

static void sdiffstore_command(struct execution *x)
{
    store_operation(x, subtract, "sdiffstore");
}

/* ---- SINTERCARD ---- */

struct limited_count {
    uint64_t count, limit;
};

static bool count_member(void *context, struct bytes member)
{
    struct limited_count *counted = context;
    (void)member;
    return ++counted->count != counted->limit;
}

/* numkeys key ... [LIMIT limit]; 0 is no limit. */
static bool sintercard_parse(struct execution *x, int64_t *keys, int64_t *limit)
{
    if (!arg_int64_in(x, x->argv[1], 1, INT64_MAX, ERROR_NUMKEYS_POSITIVE, keys))
        return false;
    if ((uint64_t)*keys > x->argc - 2) {
        reply_error(x->reply, ERROR_NUMKEYS_RANGE);
        return false;
    }
    *limit = 0;
    for (size_t i = 2 + (size_t)*keys; i < x->argc; i += 2) {
        if (i + 1 == x->argc || !arg_is(x->argv[i], "LIMIT")) {
            reply_syntax_error(x);
            return false;
        }
        if (!arg_int64_in(x, x->argv[i + 1], 0, INT64_MAX, "ERR LIMIT can't be negative", limit))
            return false;
    }
    return true;
}

static void sintercard_command(struct execution *x)
{
    struct sources sources;
    int64_t keys, limit;
    if (!sintercard_parse(x, &keys, &limit) || !sources_open(x, x->keys, x->key_count, &sources))
        return;
    struct limited_count counted = {.limit = (uint64_t)limit};
    execution_let_go(x, sources.members);
    intersect(&sources, count_member, &counted);
    execution_hold_again(x);
    sources_close(&sources);
    reply_integer(x->reply, (int64_t)counted.count);
}

/* ---- the rows ---- */

const struct command set_algebra_commands[] = {
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
