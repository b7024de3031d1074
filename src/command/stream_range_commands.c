/* SPDX-License-Identifier: BSD-3-Clause */
/* Entries of streams by their ids. */
#include "command/claims.h"
#include "command/args.h"
#include "command/stream_commands.h"

/* COUNT n, or nothing, to the end. A negative number is none. */
static bool parse_range_count(struct execution *x, int64_t *count)
{
    *count = -1;
    for (size_t at = 4; at < x->argc; at += 2) {
        if (!arg_is(x->argv[at], "COUNT") || at + 1 == x->argc) {
            reply_syntax_error(x);
            return false;
        }
        if (!arg_int64(x, x->argv[at + 1], count))
            return false;
        *count = *count < 0 ? 0 : *count;
    }
    return true;
}

/* The whole stream may be in the range, whatever its bounds are. */
static void reply_large_range(struct execution *x, const struct object *value, struct stream_id first,
                              struct stream_id last, bool backward, uint64_t count)
{
    size_t length = object_count(value);
    execution_let_go(x, count > 0 && count < length ? count : length);
    reply_stream_range(x->reply, xstream_of(value), first, last, backward, count);
}

static void range(struct execution *x, bool backward)
{
    struct stream_id first, last;
    struct entry *entry;
    struct object value;
    int64_t count;
    if (!arg_stream_start(x, x->argv[backward ? 3 : 2], &first) ||
        !arg_stream_end(x, x->argv[backward ? 2 : 3], &last) || !parse_range_count(x, &count) ||
        !stream_lookup(x, &x->keys[0], false, &entry, &value))
        return;
    if (!entry)
        reply_array(x->reply, 0);
    else if (count == 0)
        reply_null_array(x->reply);
    else
        reply_large_range(x, &value, first, last, backward, count < 0 ? 0 : (uint64_t)count);
}

static void xrange_command(struct execution *x)
{
    range(x, false);
}

static void xrevrange_command(struct execution *x)
{
    range(x, true);
}

const struct command stream_range_commands[] = {
    {
        .name = "XRANGE",
        .run = xrange_command,
        .arity = -4,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "stream",
        .since = "5.0.0",
        .complexity = "O(N)",
        .summary = "Returns entries within a range of ids.",
        .arguments =
            ARGUMENTS(ARG_KEY("key"), ARG_STRING("start"), ARG_STRING("end"),
                      {.name = "count", .type = ARGUMENT_INTEGER, .token = "COUNT", .flags = ARGUMENT_OPTIONAL}),
        .history = HISTORY({"6.2.0", "Bounds that exclude an id."}),
    },
    {
        .name = "XREVRANGE",
        .run = xrevrange_command,
        .arity = -4,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "stream",
        .since = "5.0.0",
        .complexity = "O(N)",
        .summary = "Returns entries within a range of ids, the last first.",
        .arguments =
            ARGUMENTS(ARG_KEY("key"), ARG_STRING("end"), ARG_STRING("start"),
                      {.name = "count", .type = ARGUMENT_INTEGER, .token = "COUNT", .flags = ARGUMENT_OPTIONAL}),
        .history = HISTORY({"6.2.0", "Bounds that exclude an id."}),
    },
    {.name = NULL},
};
