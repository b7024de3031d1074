/* SPDX-License-Identifier: BSD-3-Clause */
/* The server about itself: the family's table, and those handlers that are too small for a file of their own. */
#include "command/server_commands.h"

#include "base/clock.h"
#include "command/args.h"
#include "command/monitor.h"

void reply_usage(struct execution *x)
{
    const struct command_entry *container = x->command->parent ? x->command->parent : x->command;
    int shown = x->argv[1].length > 128 ? 128 : (int)x->argv[1].length;
    reply_error_format(x->reply, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.", shown,
                       x->argv[1].data, container->row->name);
}

static void time_command(struct execution *x)
{
    int64_t now_us = clock_now_us();
    reply_array(x->reply, 2);
    reply_bulk_integer(x->reply, now_us / 1000000);
    reply_bulk_integer(x->reply, now_us % 1000000);
}

static void lolwut_command(struct execution *x)
{
    static const char picture[] = "\n"
                                  "        ~  ~~   ~    ~~ ~   ~  ~~ |#|\n"
                                  "     ~~   ~   ~~   ~     ~~   ~   |#|\n"
                                  "    ~   ~~   ~    ~  ~~    ~    ~~|#|____\n"
                                  "     ~     ~~  ~~    ~   ~~   ~   |#|    \\___\n"
                                  "    what is hot waits here; what is cold runs below\n"
                                  "\n"
                                  "Redis ver. 7.2.4\n";
    int64_t version;
    if (x->argc > 2 && arg_is(x->argv[1], "VERSION") && !arg_int64(x, x->argv[2], &version))
        return;
    reply_verbatim(x->reply, "txt", BYTES(picture));
}

/* ---- SHUTDOWN ---- */

static bool shutdown_parse(struct execution *x, bool *save, bool *abort)
{
    bool asks_save = false, asks_no_save = false, has_others = false;
    *abort = false;
    for (size_t i = 1; i < x->argc; i++) {
        struct bytes word = x->argv[i];
        if (arg_is(word, "SAVE"))
            asks_save = true;
        else if (arg_is(word, "NOSAVE"))
            asks_no_save = true;
        else if (arg_is(word, "NOW") || arg_is(word, "FORCE"))
            has_others = true;
        else if (arg_is(word, "ABORT"))
            *abort = true;
        else {
            reply_syntax_error(x);
            return false;
        }
    }
    *save = !asks_no_save;
    if ((asks_save && asks_no_save) || (*abort && (asks_save || asks_no_save || has_others))) {
        reply_syntax_error(x);
        return false;
    }
    return true;
}

/* There is no reply: the session stays suspended until the process closes its connection. */
static void shutdown_command(struct execution *x)
{
    bool save, abort;
    if (!shutdown_parse(x, &save, &abort))
        return;
    if (abort)
        reply_error(x->reply, "ERR No shutdown in progress.");
    else if (!engine_hooks.shutdown)
        reply_error(x->reply, "ERR Errors trying to SHUTDOWN. Check logs.");
    else {
        execution_suspend(x, SUSPENDED_JOB);
        engine_hooks.shutdown(save);
    }
}

/* ---- the table ---- */

#define FLUSH_TYPE                                                                                                     \
    ARGUMENTS(                                                                                                         \
        {.name = "flush-type",                                                                                         \
         .type = ARGUMENT_ONEOF,                                                                                       \
         .flags = ARGUMENT_OPTIONAL,                                                                                   \
         .children = ARGUMENTS({.name = "async", .type = ARGUMENT_PURE_TOKEN, .token = "ASYNC", .since = "4.0.0"},     \
                               {.name = "sync", .type = ARGUMENT_PURE_TOKEN, .token = "SYNC", .since = "6.2.0"})})
#define FLUSH_HISTORY                                                                                                  \
    HISTORY({"4.0.0", "Added the `ASYNC` flushing mode modifier."},                                                    \
            {"6.2.0", "Added the `SYNC` flushing mode modifier."})

const struct command server_commands[] = {
    {
        .name = "ACL",
        .run = reply_subcommand_error,
        .arity = -2,
        .group = "server",
        .since = "6.0.0",
        .complexity = "Depends on subcommand.",
        .summary = "A container for commands about users and what they may do.",
        .subcommands = acl_subcommands,
    },
    {
        .name = "BGREWRITEAOF",
        .run = bgrewriteaof_command,
        .arity = 1,
        .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_NO_ASYNC_LOADING,
        .group = "server",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Moves the checkpoint in the background, so that the log before it is dropped.",
    },
    {
        .name = "BGSAVE",
        .run = bgsave_command,
        .arity = -1,
        .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_NO_ASYNC_LOADING,
        .group = "server",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Writes the RDB file and all changes as rows, in the background.",
        .arguments = ARGUMENTS({.name = "schedule",
                                .type = ARGUMENT_PURE_TOKEN,
                                .token = "SCHEDULE",
                                .flags = ARGUMENT_OPTIONAL,
                                .since = "3.2.2"}),
        .history = HISTORY({"3.2.2", "Added the `SCHEDULE` option."}),
    },
    {
        .name = "COMMANDLOG",
        .run = reply_subcommand_error,
        .arity = -2,
        .group = "server",
        .since = "8.1.0",
        .complexity = "Depends on subcommand.",
        .summary = "A container for commands about the logs of commands that were slow or large.",
        .subcommands = commandlog_subcommands,
    },
    {
        .name = "CONFIG",
        .arity = -2,
        .group = "server",
        .since = "2.0.0",
        .complexity = "Depends on subcommand.",
        .summary = "A container for commands about the server's settings.",
        .run = reply_subcommand_error,
        .subcommands = config_subcommands,
    },
    {
        .name = "DBSIZE",
        .run = dbsize_command,
        .arity = 1,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .group = "server",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Returns the number of keys in the database.",
    },
    {
        .name = "DEBUG",
        .run = debug_command,
        .arity = -2,
        .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_WALKS,
        .group = "server",
        .since = "1.0.0",
        .complexity = "Depends on subcommand.",
        .summary = "A container for commands that tests use.",
    },
    {
        .name = "FLUSHALL",
        .run = flushall_command,
        .arity = -1,
        .flags = COMMAND_WRITE | COMMAND_DANGEROUS | COMMAND_ALL_KEYS,
        .group = "server",
        .since = "1.0.0",
        .complexity = "O(1); what was held is freed in the background",
        .summary = "Removes all keys of all databases.",
        .arguments = FLUSH_TYPE,
        .history = FLUSH_HISTORY,
    },
    {
        .name = "FLUSHDB",
        .run = flushdb_command,
        .arity = -1,
        .flags = COMMAND_WRITE | COMMAND_DANGEROUS | COMMAND_ALL_KEYS,
        .group = "server",
        .since = "1.0.0",
        .complexity = "O(1); what was held is freed in the background",
        .summary = "Removes all keys of the database.",
        .arguments = FLUSH_TYPE,
        .history = FLUSH_HISTORY,
    },
    {
        .name = "INFO",
        .run = info_command,
        .arity = -1,
        .flags = COMMAND_LOADING | COMMAND_STALE | COMMAND_DANGEROUS,
        .group = "server",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Returns the state of the server and its statistics, by sections.",
        .arguments =
            ARGUMENTS({.name = "section", .type = ARGUMENT_STRING, .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE}),
        .history = HISTORY({"7.0.0", "Added support for taking multiple section arguments."}),
    },
    {
        .name = "LASTSAVE",
        .run = lastsave_command,
        .arity = 1,
        .flags = COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST,
        .group = "server",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Returns when the RDB file was last saved, as a Unix time.",
    },
    {
        .name = "LATENCY",
        .run = reply_subcommand_error,
        .arity = -2,
        .group = "server",
        .since = "2.8.13",
        .complexity = "Depends on subcommand.",
        .summary = "A container for commands about how long commands take.",
        .subcommands = latency_subcommands,
    },
    {
        .name = "LOLWUT",
        .run = lolwut_command,
        .arity = -1,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .group = "server",
        .since = "5.0.0",
        .summary = "Shows a picture and the version.",
        .arguments =
            ARGUMENTS({.name = "version", .type = ARGUMENT_INTEGER, .token = "VERSION", .flags = ARGUMENT_OPTIONAL}),
    },
    {
        .name = "MEMORY",
        .run = reply_subcommand_error,
        .arity = -2,
        .group = "server",
        .since = "4.0.0",
        .complexity = "Depends on subcommand.",
        .summary = "A container for commands about memory.",
        .subcommands = memory_subcommands,
    },
    {
        .name = "MODULE",
        .run = reply_subcommand_error,
        .arity = -2,
        .group = "server",
        .since = "4.0.0",
        .complexity = "Depends on subcommand.",
        .summary = "A container for commands about modules, of which there are none.",
        .subcommands = module_subcommands,
    },
    {
        .name = "MONITOR",
        .run = monitor_command,
        .arity = 1,
        .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE,
        .group = "server",
        .since = "1.0.0",
        .summary = "Shows every command as the server receives it.",
    },
    {
        .name = "SAVE",
        .run = save_command,
        .arity = 1,
        .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_NO_ASYNC_LOADING | COMMAND_NO_MULTI,
        .group = "server",
        .since = "1.0.0",
        .complexity = "O(N) where N is the number of keys; other clients do not wait",
        .summary = "Writes the RDB file and all changes as rows, and waits for it.",
    },
    {
        .name = "SHUTDOWN",
        .run = shutdown_command,
        .arity = -1,
        .flags =
            COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_NO_MULTI | COMMAND_ALLOW_BUSY,
        .group = "server",
        .since = "1.0.0",
        .complexity = "O(N) when saving, where N is the number of changed keys, otherwise O(1)",
        .summary = "Ends the server; what was acknowledged is in the log either way.",
        .arguments = ARGUMENTS(
            {.name = "save-selector",
             .type = ARGUMENT_ONEOF,
             .flags = ARGUMENT_OPTIONAL,
             .children = ARGUMENTS(ARG_TOKEN("nosave", "NOSAVE"), ARG_TOKEN("save", "SAVE"))},
            {.name = "now", .type = ARGUMENT_PURE_TOKEN, .token = "NOW", .flags = ARGUMENT_OPTIONAL, .since = "7.0.0"},
            {.name = "force",
             .type = ARGUMENT_PURE_TOKEN,
             .token = "FORCE",
             .flags = ARGUMENT_OPTIONAL,
             .since = "7.0.0"},
            {.name = "abort",
             .type = ARGUMENT_PURE_TOKEN,
             .token = "ABORT",
             .flags = ARGUMENT_OPTIONAL,
             .since = "7.0.0"}),
        .history = HISTORY({"7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers."}),
    },
    {
        .name = "SLOWLOG",
        .run = reply_subcommand_error,
        .arity = -2,
        .group = "server",
        .since = "2.2.12",
        .complexity = "Depends on subcommand.",
        .summary = "A container for commands about the log of slow commands.",
        .subcommands = slowlog_subcommands,
    },
    {
        .name = "SWAPDB",
        .run = swapdb_command,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_FAST | COMMAND_DANGEROUS | COMMAND_ALL_KEYS,
        .group = "server",
        .since = "4.0.0",
        .complexity = "O(1)",
        .summary = "Exchanges two databases.",
        .arguments = ARGUMENTS(ARG_INTEGER("index1"), ARG_INTEGER("index2")),
    },
    {
        .name = "TIME",
        .run = time_command,
        .arity = 1,
        .flags = COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST,
        .group = "server",
        .since = "2.6.0",
        .complexity = "O(1)",
        .summary = "Returns the server's time.",
    },
    {.name = NULL},
};
