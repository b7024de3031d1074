/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of SLOWLOG and of COMMANDLOG, its younger sister, which has one log for each type of what is noted. Only slow
 * commands are; the logs of large requests and replies are always empty. */
#include "command/args.h"
#include "command/server_commands.h"
#include "command/slowlog.h"

/* ---- SLOWLOG ---- */

static void slowlog_help_command(struct execution *x)
{
    static const char *const lines[] = {
        "GET [<count>]",
        "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
        "    Entries are made of:",
        "    id, timestamp, time in microseconds, arguments array, client IP and port,",
        "    client name",
        "LEN",
        "    Return the length of the slowlog.",
        "RESET",
        "    Reset the slowlog.",
        NULL,
    };
    reply_help(x, lines);
}

const struct command slowlog_subcommands[] = {
    {
        .name = "GET",
        .run = slowlog_get_command,
        .arity = -2,
        .flags = COMMAND_ADMIN | COMMAND_LOADING | COMMAND_STALE,
        .group = "server",
        .since = "2.2.12",
        .complexity = "O(N) where N is the number of entries returned",
        .summary = "Returns the newest entries of the log of slow commands.",
        .arguments = ARGUMENTS({.name = "count", .type = ARGUMENT_INTEGER, .flags = ARGUMENT_OPTIONAL}),
        .history = HISTORY({"4.0.0", "Added client IP address, port and name to the reply."}),
    },
    {
        .name = "HELP",
        .run = slowlog_help_command,
        .arity = 2,
        .flags = COMMAND_LOADING | COMMAND_STALE,
        .group = "server",
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Returns a text about the subcommands.",
    },
    {
        .name = "LEN",
        .run = slowlog_len_command,
        .arity = 2,
        .flags = COMMAND_ADMIN | COMMAND_LOADING | COMMAND_STALE,
        .group = "server",
        .since = "2.2.12",
        .complexity = "O(1)",
        .summary = "Returns how many entries the log of slow commands has.",
    },
    {
        .name = "RESET",
        .run = slowlog_reset_command,
        .arity = 2,
        .flags = COMMAND_ADMIN | COMMAND_LOADING | COMMAND_STALE,
        .group = "server",
        .since = "2.2.12",
        .complexity = "O(N) where N is the number of entries in the log",
        .summary = "Empties the log of slow commands.",
    },
    {.name = NULL},
};

/* ---- COMMANDLOG ---- */

enum commandlog_type { COMMANDLOG_SLOW, COMMANDLOG_EMPTY, COMMANDLOG_NONE };

/* The last argument is the type; COMMANDLOG_NONE: the error has been replied. */
static enum commandlog_type commandlog_parse_type(struct execution *x)
{
    struct bytes word = x->argv[x->argc - 1];
    if (arg_is(word, "slow"))
        return COMMANDLOG_SLOW;
    if (arg_is(word, "large-request") || arg_is(word, "large-reply"))
        return COMMANDLOG_EMPTY;
    reply_error(x->reply, "ERR type should be one of the following: slow, large-request, large-reply");
    return COMMANDLOG_NONE;
}

static void commandlog_get_command(struct execution *x)
{
    int64_t count;
    enum commandlog_type type = commandlog_parse_type(x);
    if (type == COMMANDLOG_SLOW) {
        struct execution without_type = *x;
        without_type.argc--;
        slowlog_get_command(&without_type);
    } else if (type == COMMANDLOG_EMPTY &&
               arg_int64_in(x, x->argv[2], -1, INT64_MAX, "ERR count should be greater than or equal to -1", &count))
        reply_array(x->reply, 0);
}

static void commandlog_len_command(struct execution *x)
{
    enum commandlog_type type = commandlog_parse_type(x);
    if (type == COMMANDLOG_SLOW)
        slowlog_len_command(x);
    else if (type == COMMANDLOG_EMPTY)
        reply_integer(x->reply, 0);
}

static void commandlog_reset_command(struct execution *x)
{
    enum commandlog_type type = commandlog_parse_type(x);
    if (type == COMMANDLOG_SLOW)
        slowlog_reset_command(x);
    else if (type == COMMANDLOG_EMPTY)
        reply_status(x->reply, "OK");
}

static void commandlog_help_command(struct execution *x)
{
    static const char *const lines[] = {
        "GET <count> <type>",
        "    Return top <count> entries of the specified <type> from the commandlog (-1 mean all).",
        "    Entries are made of:",
        "    id, timestamp,",
        "        time in microseconds for type of slow,",
        "        or size in bytes for type of large-request and large-reply,",
        "    arguments array, client IP and port,",
        "    client name",
        "LEN <type>",
        "    Return the length of the specified type of commandlog.",
        "RESET <type>",
        "    Reset the specified type of commandlog.",
        NULL,
    };
    reply_help(x, lines);
}

#define COMMANDLOG_ROW(word, handler, words)                                                                           \
    .name = (word), .run = (handler), .arity = (words), .flags = COMMAND_ADMIN | COMMAND_LOADING | COMMAND_STALE,      \
    .group = "server", .since = "8.1.0"
#define COMMANDLOG_TYPE                                                                                                \
    {                                                                                                                  \
        .name = "type", .type = ARGUMENT_ONEOF,                                                                        \
        .children = ARGUMENTS(ARG_TOKEN("slow", "SLOW"), ARG_TOKEN("large-request", "LARGE-REQUEST"),                  \
                              ARG_TOKEN("large-reply", "LARGE-REPLY"))                                                 \
    }

const struct command commandlog_subcommands[] = {
    {
        COMMANDLOG_ROW("GET", commandlog_get_command, 4),
        .complexity = "O(N) where N is the number of entries returned",
        .summary = "Returns the newest entries of one of the logs of commands.",
        .arguments = ARGUMENTS(ARG_INTEGER("count"), COMMANDLOG_TYPE),
    },
    {
        .name = "HELP",
        .run = commandlog_help_command,
        .arity = 2,
        .flags = COMMAND_LOADING | COMMAND_STALE,
        .group = "server",
        .since = "8.1.0",
        .complexity = "O(1)",
        .summary = "Returns a text about the subcommands.",
    },
    {
        COMMANDLOG_ROW("LEN", commandlog_len_command, 3),
        .complexity = "O(1)",
        .summary = "Returns how many entries one of the logs of commands has.",
        .arguments = ARGUMENTS(COMMANDLOG_TYPE),
    },
    {
        COMMANDLOG_ROW("RESET", commandlog_reset_command, 3),
        .complexity = "O(N) where N is the number of entries in the log",
        .summary = "Empties one of the logs of commands.",
        .arguments = ARGUMENTS(COMMANDLOG_TYPE),
    },
    {.name = NULL},
};
