/* SPDX-License-Identifier: BSD-3-Clause */
/* A primary is believed what it says of keys, and nothing else: what it sends may be damaged, or be no primary's at all.
 *
 * Clients' requests come in many forms, of which the parser takes all; effects have one (stream/effect.c), and replay takes no
 * other. What was logged here as it came and is not of that form would have the node refuse its own log at the next start. The
 * same holds for brackets that do not nest, and for databases that do not exist. */
#include "command/feed_check.h"

#include <string.h>

#include "stream/effect.h"

static size_t digits_of(size_t number)
{
    size_t digits = 1;
    while (number >= 10) {
        number /= 10;
        digits++;
    }
    return digits;
}

static bool is_line_end(const char *at)
{
    return at[0] == '\r' && at[1] == '\n';
}

/* Numbers that are as short as they can be are written in one way. */
static bool has_effects_form(struct bytes raw, const struct resp_args *args)
{
    size_t length = 1 + digits_of(args->count) + 2;
    if (args->count == 0 || args->count > EFFECT_WORDS_MAX || raw.length < length || raw.data[0] != '*' ||
        !is_line_end(raw.data + length - 2))
        return false;
    for (size_t i = 0; i < args->count; i++) {
        struct bytes word = args->values[i];
        length += 1 + digits_of(word.length) + 2;
        if (length > raw.length || word.data != raw.data + length || raw.length - length < word.length + 2 ||
            !is_line_end(word.data - 2) || !is_line_end(word.data + word.length))
            return false;
        length += word.length + 2;
    }
    return length == raw.length;
}

static bool is_called(const struct command_entry *command, const char *name)
{
    return strcmp(command->full_name, name) == 0;
}

/* What replay knows by its exact word. */
static bool fits_replay(const struct request *request, bool in_bracket)
{
    const struct resp_args *args = &request->args;
    const char *name = request->command->full_name;
    int64_t db;
    if (strcmp(name, "multi") == 0)
        return !in_bracket && args->count == 1 && bytes_equal(args->values[0], BYTES("MULTI"));
    if (strcmp(name, "exec") == 0)
        return in_bracket && args->count == 1 && bytes_equal(args->values[0], BYTES("EXEC"));
    if (strcmp(name, "select") == 0)
        return args->count == 2 && bytes_equal(args->values[0], BYTES("SELECT")) &&
               bytes_to_int64(args->values[1], &db) && db >= 0 && db < DATABASE_COUNT;
    return strcmp(name, "discard") != 0;
}

/* MIGRATE would have this node talk to whom the primary likes. */
static bool is_passed_over(const struct command_entry *command, bool is_stream)
{
    static const char *const others[] = {"select", "multi", "exec", "discard", "ping", "publish", "spublish"};
    if (command->flags & (is_stream ? COMMAND_WRITE : COMMAND_WRITE | COMMAND_MAY_REPLICATE))
        return is_called(command, "migrate");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (is_called(command, others[i]))
            return false;
    return true;
}

enum feed_verdict feed_check(struct bytes raw, const struct request *request, bool is_stream, bool in_bracket)
{
    const struct command_entry *command = request->command;
    if (request->protocol_error || (is_stream && !has_effects_form(raw, &request->args)))
        return FEED_BROKEN;
    if (!command) /* its reply is an error */
        return FEED_FITS;
    if (is_stream && !(command->flags & COMMAND_WRITE) && !fits_replay(request, in_bracket))
        return FEED_BROKEN;
    return is_passed_over(command, is_stream) ? FEED_PASSED_OVER : FEED_FITS;
}
