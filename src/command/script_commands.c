/* SPDX-License-Identifier: BSD-3-Clause */
/* EVAL and its like, and the cache of scripts. */
#include "command/args.h"
#include "command/gates.h"
#include "command/script_cache.h"
#include "command/script_running.h"
#include "resp/error_text.h"

bool script_key_count(struct execution *x, size_t *count)
{
    int64_t given;
    if (!arg_int64(x, x->argv[2], &given))
        return false;
    if (given < 0)
        reply_error(x->reply, "ERR Number of keys can't be negative");
    else if ((uint64_t)given > x->argc - 3)
        reply_error(x->reply, "ERR Number of keys can't be greater than number of args");
    else
        *count = (size_t)given;
    return given >= 0 && (uint64_t)given <= x->argc - 3;
}

static void run_script(struct execution *x, struct script *script, bool read_only)
{
    size_t key_count;
    if (!script_key_count(x, &key_count))
        return;
    struct script_call call = {
        .reference = script->reference, .name = script->digest, .flags = script->flags, .read_only = read_only};
    script_run(x, &call, key_count);
}

static void eval(struct execution *x, bool read_only)
{
    struct buffer error = {0};
    struct script *script = script_cache_load(x->argv[1], false, &error);
    if (script) {
        run_script(x, script, read_only);
    } else {
        buffer_append(&error, "", 1);
        reply_error(x->reply, error.data);
    }
    buffer_deinit(&error);
}

static void evalsha(struct execution *x, bool read_only)
{
    struct script *script = script_cache_find(x->argv[1]);
    if (script)
        run_script(x, script, read_only);
    else
        reply_error(x->reply, "NOSCRIPT No matching script. Please use EVAL.");
}

static void eval_command(struct execution *x)
{
    eval(x, false);
}

static void eval_ro_command(struct execution *x)
{
    eval(x, true);
}

static void evalsha_command(struct execution *x)
{
    evalsha(x, false);
}

static void evalsha_ro_command(struct execution *x)
{
    evalsha(x, true);
}

/* ---- SCRIPT ---- */

static void script_load_command(struct execution *x)
{
    struct buffer error = {0};
    struct script *script = script_cache_load(x->argv[2], true, &error);
    if (script) {
        reply_bulk_text(x->reply, script->digest);
    } else {
        buffer_append(&error, "", 1);
        reply_error(x->reply, error.data);
    }
    buffer_deinit(&error);
}

static void script_exists_command(struct execution *x)
{
    reply_array(x->reply, x->argc - 2);
    for (size_t i = 2; i < x->argc; i++)
        reply_integer(x->reply, script_cache_find(x->argv[i]) != NULL);
}

static void script_show_command(struct execution *x)
{
    struct script *script = script_cache_find(x->argv[2]);
    if (script)
        reply_bulk(x->reply, buffer_bytes(&script->body));
    else
        reply_error(x->reply, "NOSCRIPT No matching script. Please use EVAL.");
}

static void script_flush_command(struct execution *x)
{
    if (x->argc > 3 || (x->argc == 3 && !arg_is(x->argv[2], "SYNC") && !arg_is(x->argv[2], "ASYNC"))) {
        reply_error(x->reply, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
        return;
    }
    script_cache_flush();
    reply_status(x->reply, "OK");
}

static void script_kill_command(struct execution *x)
{
    script_running_kill(x, false);
}

static void script_debug_command(struct execution *x)
{
    if (arg_is(x->argv[2], "NO"))
        reply_status(x->reply, "OK");
    else if (arg_is(x->argv[2], "YES") || arg_is(x->argv[2], "SYNC"))
        reply_error(x->reply, "ERR scripts cannot be debugged in this server");
    else
        reply_error(x->reply, "ERR Use SCRIPT DEBUG YES/SYNC/NO");
}

static void script_help_command(struct execution *x)
{
    static const char *const lines[] = {
        "DEBUG (YES|SYNC|NO)",
        "    Set the debug mode for subsequent scripts executed; there is only NO.",
        "EXISTS <sha1> [<sha1> ...]",
        "    Return which of the scripts are in the script cache.",
        "FLUSH [ASYNC|SYNC]",
        "    Empty the script cache.",
        "KILL",
        "    Kill the script that runs, unless it has written.",
        "LOAD <script>",
        "    Put a script into the script cache without running it.",
        "SHOW <sha1>",
        "    Return the text of a script of the script cache.",
        NULL,
    };
    reply_help(x, lines);
}

#define SCRIPT_ARGUMENTS(first)                                                                                        \
    ARGUMENTS(ARG_STRING(first), ARG_INTEGER("numkeys"),                                                               \
              {.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE},                   \
              {.name = "arg", .type = ARGUMENT_STRING, .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE})
#define RUNS_SCRIPT                                                                                                    \
    COMMAND_NOSCRIPT | COMMAND_SKIP_MONITOR | COMMAND_MAY_REPLICATE | COMMAND_STALE | COMMAND_MOVABLEKEYS |            \
        COMMAND_NO_MANDATORY_KEYS | COMMAND_SCRIPT

#define KEYS_UNKNOWN(spec_flags, text)                                                                                 \
    {                                                                                                                  \
        .flags = (spec_flags), .first = 2, .count_at = 1, .keys_at = 1, .step = 1, .notes = (text)                     \
    }

static const struct command script_subcommands[] = {
    {
        .name = "DEBUG",
        .run = script_debug_command,
        .arity = 3,
        .flags = COMMAND_NOSCRIPT,
        .group = "scripting",
        .since = "3.2.0",
        .complexity = "O(1)",
        .summary = "Sets the debug mode of scripts, of which there is none.",
        .arguments = ARGUMENTS(
            {.name = "mode",
             .type = ARGUMENT_ONEOF,
             .children = ARGUMENTS(ARG_TOKEN("yes", "YES"), ARG_TOKEN("sync", "SYNC"), ARG_TOKEN("no", "NO"))}),
    },
    {
        .name = "EXISTS",
        .run = script_exists_command,
        .arity = -3,
        .flags = COMMAND_NOSCRIPT | COMMAND_SCRIPT,
        .group = "scripting",
        .since = "2.6.0",
        .complexity = "O(N) where N is the number of scripts to look for",
        .summary = "Returns which scripts are in the script cache.",
        .arguments = ARGUMENTS({.name = "sha1", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE}),
    },
    {
        .name = "FLUSH",
        .run = script_flush_command,
        .arity = -2,
        .flags = COMMAND_NOSCRIPT | COMMAND_SCRIPT,
        .group = "scripting",
        .since = "2.6.0",
        .complexity = "O(N) where N is the number of scripts in the cache",
        .summary = "Empties the script cache.",
        .arguments = ARGUMENTS({.name = "flush-type",
                                .type = ARGUMENT_ONEOF,
                                .flags = ARGUMENT_OPTIONAL,
                                .since = "6.2.0",
                                .children = ARGUMENTS(ARG_TOKEN("async", "ASYNC"), ARG_TOKEN("sync", "SYNC"))}),
        .history = HISTORY({"6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers."}),
    },
    {
        .name = "HELP",
        .run = script_help_command,
        .arity = 2,
        .flags = COMMAND_LOADING | COMMAND_STALE,
        .group = "scripting",
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Returns a text about the subcommands.",
    },
    {
        .name = "KILL",
        .run = script_kill_command,
        .arity = 2,
        .flags = COMMAND_NOSCRIPT | COMMAND_ALLOW_BUSY,
        .group = "scripting",
        .since = "2.6.0",
        .complexity = "O(1)",
        .summary = "Ends the script that runs, unless it has written.",
    },
    {
        .name = "LOAD",
        .run = script_load_command,
        .arity = 3,
        .flags = COMMAND_NOSCRIPT | COMMAND_STALE | COMMAND_SCRIPT,
        .group = "scripting",
        .since = "2.6.0",
        .complexity = "O(N) where N is the length of the script",
        .summary = "Puts a script into the script cache.",
        .arguments = ARGUMENTS(ARG_STRING("script")),
    },
    {
        .name = "SHOW",
        .run = script_show_command,
        .arity = 3,
        .flags = COMMAND_NOSCRIPT | COMMAND_SCRIPT,
        .group = "scripting",
        .since = "8.0.0",
        .complexity = "O(1)",
        .summary = "Returns the text of a script in the script cache.",
        .arguments = ARGUMENTS(ARG_STRING("sha1")),
    },
    {.name = NULL},
};

const struct command script_commands[] = {
    {
        .name = "EVAL",
        .run = eval_command,
        .arity = -3,
        .flags = RUNS_SCRIPT,
        .keys = {KEYS_UNKNOWN(KEY_RW | KEY_ACCESS | KEY_UPDATE, "what a script does to its keys is not known before")},
        .group = "scripting",
        .since = "2.6.0",
        .complexity = "Depends on the script",
        .summary = "Runs a script in the server.",
        .arguments = SCRIPT_ARGUMENTS("script"),
    },
    {
        .name = "EVAL_RO",
        .run = eval_ro_command,
        .arity = -3,
        .flags = RUNS_SCRIPT | COMMAND_READONLY,
        .keys = {KEYS_UNKNOWN(KEY_RO | KEY_ACCESS, "what a script does to its keys is not known before")},
        .group = "scripting",
        .since = "7.0.0",
        .complexity = "Depends on the script",
        .summary = "Runs a script that only reads.",
        .arguments = SCRIPT_ARGUMENTS("script"),
    },
    {
        .name = "EVALSHA",
        .run = evalsha_command,
        .arity = -3,
        .flags = RUNS_SCRIPT,
        .keys = {KEYS_UNKNOWN(KEY_RW | KEY_ACCESS | KEY_UPDATE, NULL)},
        .group = "scripting",
        .since = "2.6.0",
        .complexity = "Depends on the script",
        .summary = "Runs a script of the script cache, named by its digest.",
        .arguments = SCRIPT_ARGUMENTS("sha1"),
    },
    {
        .name = "EVALSHA_RO",
        .run = evalsha_ro_command,
        .arity = -3,
        .flags = RUNS_SCRIPT | COMMAND_READONLY,
        .keys = {KEYS_UNKNOWN(KEY_RO | KEY_ACCESS, NULL)},
        .group = "scripting",
        .since = "7.0.0",
        .complexity = "Depends on the script",
        .summary = "Runs a script of the script cache that only reads.",
        .arguments = SCRIPT_ARGUMENTS("sha1"),
    },
    {
        .name = "SCRIPT",
        .run = reply_subcommand_error,
        .arity = -2,
        .group = "scripting",
        .since = "2.6.0",
        .complexity = "Depends on subcommand.",
        .summary = "A container for commands about scripts.",
        .subcommands = script_subcommands,
    },
    {.name = NULL},
};
