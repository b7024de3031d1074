/* SPDX-License-Identifier: BSD-3-Clause */
/* FUNCTION, FCALL and FCALL_RO. */
#include "command/args.h"
#include "command/function_library.h"
#include "command/info.h"
#include "command/script_running.h"
#include "resp/error_text.h"

static void reply_problem(struct execution *x, struct buffer *error)
{
    buffer_append(error, "", 1);
    reply_error(x->reply, error->data);
}

/* ---- calling ---- */

static void fcall(struct execution *x, bool read_only)
{
    int64_t key_count;
    const struct function *function = function_find(x->argv[1]);
    if (!function)
        reply_error(x->reply, "ERR Function not found");
    else if (!bytes_to_int64(x->argv[2], &key_count))
        reply_error(x->reply, "ERR Bad number of keys provided");
    else if (key_count < 0)
        reply_error(x->reply, "ERR Number of keys can't be negative");
    else if ((uint64_t)key_count > x->argc - 3)
        reply_error(x->reply, "ERR Number of keys can't be greater than number of args");
    else if (read_only && !(function->flags & SCRIPT_NO_WRITES))
        reply_error(x->reply, "ERR Can not execute a script with write flag using *_ro command.");
    else {
        struct script_call call = {.reference = function->reference,
                                   .name = function->name.data,
                                   .flags = function->flags,
                                   .read_only = read_only,
                                   .is_function = true};
        script_run(x, &call, (size_t)key_count);
    }
}

static void fcall_command(struct execution *x)
{
    fcall(x, false);
}

static void fcall_ro_command(struct execution *x)
{
    fcall(x, true);
}

/* ---- FUNCTION ---- */

static void function_load_command(struct execution *x)
{
    struct buffer name = {0}, error = {0};
    bool replace = x->argc == 4 && arg_is(x->argv[2], "REPLACE");
    if (x->argc > 4 || (x->argc == 4 && !replace)) {
        reply_error_format(x->reply, "ERR Unknown option given: %.*s", reply_quoted(x->argv[2]), x->argv[2].data);
        return;
    }
    enum library_policy policy = replace ? LIBRARIES_REPLACE : LIBRARIES_APPEND;
    if (library_load(&x->argv[x->argc - 1], 1, policy, &name, &error)) {
        library_changed(x);
        reply_bulk(x->reply, buffer_bytes(&name));
    } else {
        reply_problem(x, &error);
    }
    buffer_deinit(&name);
    buffer_deinit(&error);
}

static void function_delete_command(struct execution *x)
{
    if (!library_delete(x->argv[2])) {
        reply_error(x->reply, "ERR Library not found");
        return;
    }
    library_changed(x);
    reply_status(x->reply, "OK");
}

static void function_flush_command(struct execution *x)
{
    if (x->argc > 3 || (x->argc == 3 && !arg_is(x->argv[2], "SYNC") && !arg_is(x->argv[2], "ASYNC"))) {
        reply_error(x->reply, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
        return;
    }
    library_flush();
    library_changed(x);
    reply_status(x->reply, "OK");
}

static void function_dump_command(struct execution *x)
{
    struct buffer payload = {0};
    library_dump(&payload);
    reply_bulk(x->reply, buffer_bytes(&payload));
    buffer_deinit(&payload);
}

static void function_restore_command(struct execution *x)
{
    static const char *const policies[] = {"APPEND", "REPLACE", "FLUSH"};
    struct buffer error = {0};
    int policy = x->argc == 3 ? LIBRARIES_APPEND : -1;
    for (int i = 0; x->argc == 4 && i < 3; i++)
        if (arg_is(x->argv[3], policies[i]))
            policy = i;
    if (policy < 0) {
        reply_error(x->reply, "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.");
        return;
    }
    if (library_restore(x->argv[2], (enum library_policy)policy, &error)) {
        library_changed(x);
        reply_status(x->reply, "OK");
    } else {
        reply_problem(x, &error);
    }
    buffer_deinit(&error);
}

struct listing {
    struct reply *reply;
    struct bytes pattern; /* none: all */
    bool with_code;
    size_t count;
};

static void reply_flags(struct reply *reply, uint32_t flags)
{
    reply_set(reply, (size_t)__builtin_popcount(flags));
    for (int i = 0; script_flag_names[i]; i++)
        if (flags & 1u << i)
            reply_status(reply, script_flag_names[i]);
}

static void list_function(struct reply *reply, const struct function *function)
{
    reply_map(reply, 3);
    reply_bulk_text(reply, "name");
    reply_bulk(reply, buffer_bytes(&function->name));
    reply_bulk_text(reply, "description");
    if (function->has_description)
        reply_bulk(reply, buffer_bytes(&function->description));
    else
        reply_null(reply);
    reply_bulk_text(reply, "flags");
    reply_flags(reply, function->flags);
}

static void list_library(void *context, const struct library *library)
{
    struct listing *listing = context;
    struct reply *reply = listing->reply;
    if (listing->pattern.data && !bytes_match(listing->pattern, buffer_bytes(&library->name), true))
        return;
    listing->count++;
    reply_map(reply, listing->with_code ? 4 : 3);
    reply_bulk_text(reply, "library_name");
    reply_bulk(reply, buffer_bytes(&library->name));
    reply_bulk_text(reply, "engine");
    reply_bulk_text(reply, "LUA");
    reply_bulk_text(reply, "functions");
    size_t count = 0, handle = reply_deferred_begin(reply);
    for (struct list *node = library->functions.next; node != &library->functions; node = node->next, count++)
        list_function(reply, list_entry(node, struct function, of_library));
    reply_deferred_array(reply, handle, count);
    if (!listing->with_code)
        return;
    reply_bulk_text(reply, "library_code");
    reply_bulk(reply, buffer_bytes(&library->code));
}

static bool listing_parse(struct execution *x, struct listing *listing)
{
    for (size_t i = 2; i < x->argc; i++) {
        if (arg_is(x->argv[i], "WITHCODE") && !listing->with_code) {
            listing->with_code = true;
        } else if (arg_is(x->argv[i], "LIBRARYNAME") && !listing->pattern.data) {
            if (++i == x->argc) {
                reply_error(x->reply, "ERR library name argument was not given");
                return false;
            }
            listing->pattern = x->argv[i];
        } else {
            reply_error_format(x->reply, "ERR Unknown argument %.*s", reply_quoted(x->argv[i]), x->argv[i].data);
            return false;
        }
    }
    return true;
}

static void function_list_command(struct execution *x)
{
    struct listing listing = {.reply = x->reply};
    if (!listing_parse(x, &listing))
        return;
    size_t handle = reply_deferred_begin(x->reply);
    library_each(list_library, &listing);
    reply_deferred_array(x->reply, handle, listing.count);
}

/* Counts are gauges, so that it may be asked while a function runs. */
static void function_stats_command(struct execution *x)
{
    reply_map(x->reply, 2);
    reply_bulk_text(x->reply, "running_script");
    script_running_reply(x);
    reply_bulk_text(x->reply, "engines");
    reply_map(x->reply, 1);
    reply_bulk_text(x->reply, "LUA");
    reply_map(x->reply, 2);
    reply_bulk_text(x->reply, "libraries_count");
    reply_integer(x->reply, info_gauges[GAUGE_number_of_libraries]);
    reply_bulk_text(x->reply, "functions_count");
    reply_integer(x->reply, info_gauges[GAUGE_number_of_functions]);
}

static void function_kill_command(struct execution *x)
{
    script_running_kill(x, true);
}

static void function_help_command(struct execution *x)
{
    static const char *const lines[] = {
        "DELETE <LIBRARY NAME>",
        "    Delete a library.",
        "DUMP",
        "    Return all libraries as one payload, for FUNCTION RESTORE.",
        "FLUSH [ASYNC|SYNC]",
        "    Delete all libraries.",
        "KILL",
        "    Kill the function that runs, unless it has written.",
        "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
        "    Return the libraries with their functions, and with their code.",
        "LOAD [REPLACE] <FUNCTION CODE>",
        "    Load a library.",
        "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
        "    Load the libraries of a payload: instead of all present ones, beside them (the default),",
        "    or instead of those of the same name.",
        "STATS",
        "    Return what runs, and how many libraries and functions there are.",
        NULL,
    };
    reply_help(x, lines);
}

#define FCALL_ARGUMENTS                                                                                                \
    ARGUMENTS(ARG_STRING("function"), ARG_INTEGER("numkeys"),                                                          \
              {.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE},                   \
              {.name = "arg", .type = ARGUMENT_STRING, .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE})
#define RUNS_FUNCTION                                                                                                  \
    COMMAND_NOSCRIPT | COMMAND_SKIP_MONITOR | COMMAND_MAY_REPLICATE | COMMAND_STALE | COMMAND_MOVABLEKEYS |            \
        COMMAND_NO_MANDATORY_KEYS | COMMAND_SCRIPT
#define FLUSH_TYPE                                                                                                     \
    ARGUMENTS({.name = "flush-type",                                                                                   \
               .type = ARGUMENT_ONEOF,                                                                                 \
               .flags = ARGUMENT_OPTIONAL,                                                                             \
               .children = ARGUMENTS(ARG_TOKEN("async", "ASYNC"), ARG_TOKEN("sync", "SYNC"))})
#define SUBCOMMAND(word, handler, words, its_flags, cost, text, ...)                                                   \
    {                                                                                                                  \
        .name = (word), .run = (handler), .arity = (words), .flags = (its_flags), .group = "scripting",                \
        .since = "7.0.0", .complexity = (cost), .summary = (text), __VA_ARGS__                                         \
    }
#define CHANGES (COMMAND_NOSCRIPT | COMMAND_WRITE | COMMAND_SCRIPT)

static const struct command function_subcommands[] = {
    SUBCOMMAND("DELETE", function_delete_command, 3, CHANGES, "O(1)", "Deletes a library.",
               .arguments = ARGUMENTS(ARG_STRING("library-name"))),
    SUBCOMMAND("DUMP", function_dump_command, 2, COMMAND_NOSCRIPT | COMMAND_SCRIPT,
               "O(N) where N is the number of libraries", "Returns all libraries as one payload.", ),
    SUBCOMMAND("FLUSH", function_flush_command, -2, CHANGES, "O(N) where N is the number of functions",
               "Deletes all libraries.", .arguments = FLUSH_TYPE),
    SUBCOMMAND("HELP", function_help_command, 2, COMMAND_LOADING | COMMAND_STALE, "O(1)",
               "Returns a text about the subcommands.", ),
    SUBCOMMAND("KILL", function_kill_command, 2, COMMAND_NOSCRIPT | COMMAND_ALLOW_BUSY, "O(1)",
               "Ends the function that runs, unless it has written.", ),
    SUBCOMMAND("LIST", function_list_command, -2, COMMAND_NOSCRIPT | COMMAND_SCRIPT,
               "O(N) where N is the number of functions", "Returns the libraries with their functions.",
               .arguments = ARGUMENTS({.name = "library-name-pattern",
                                       .type = ARGUMENT_STRING,
                                       .token = "LIBRARYNAME",
                                       .flags = ARGUMENT_OPTIONAL},
                                      ARG_FLAG("withcode", "WITHCODE"))),
    SUBCOMMAND("LOAD", function_load_command, -3, CHANGES | COMMAND_DENYOOM, "O(1) beside compiling the code",
               "Loads a library.", .arguments = ARGUMENTS(ARG_FLAG("replace", "REPLACE"), ARG_STRING("function-code"))),
    SUBCOMMAND("RESTORE", function_restore_command, -3, CHANGES | COMMAND_DENYOOM,
               "O(N) where N is the number of libraries in the payload", "Loads the libraries of a payload.",
               .arguments = ARGUMENTS(ARG_STRING("serialized-value"),
                                      {.name = "policy",
                                       .type = ARGUMENT_ONEOF,
                                       .flags = ARGUMENT_OPTIONAL,
                                       .children = ARGUMENTS(ARG_TOKEN("flush", "FLUSH"), ARG_TOKEN("append", "APPEND"),
                                                             ARG_TOKEN("replace", "REPLACE"))})),
    SUBCOMMAND("STATS", function_stats_command, 2, COMMAND_NOSCRIPT | COMMAND_ALLOW_BUSY, "O(1)",
               "Returns what runs, and how many functions there are.", ),
    {.name = NULL},
};

const struct command function_commands[] = {
    {
        .name = "FCALL",
        .run = fcall_command,
        .arity = -3,
        .flags = RUNS_FUNCTION,
        .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_UPDATE,
                  .first = 2,
                  .count_at = 1,
                  .keys_at = 1,
                  .step = 1,
                  .notes = "what a function does to its keys is not known before"}},
        .group = "scripting",
        .since = "7.0.0",
        .complexity = "Depends on the function",
        .summary = "Calls a function.",
        .arguments = FCALL_ARGUMENTS,
    },
    {
        .name = "FCALL_RO",
        .run = fcall_ro_command,
        .arity = -3,
        .flags = RUNS_FUNCTION | COMMAND_READONLY,
        .keys = {{.flags = KEY_RO | KEY_ACCESS,
                  .first = 2,
                  .count_at = 1,
                  .keys_at = 1,
                  .step = 1,
                  .notes = "what a function does to its keys is not known before"}},
        .group = "scripting",
        .since = "7.0.0",
        .complexity = "Depends on the function",
        .summary = "Calls a function that only reads.",
        .arguments = FCALL_ARGUMENTS,
    },
    {
        .name = "FUNCTION",
        .run = reply_subcommand_error,
        .arity = -2,
        .group = "scripting",
        .since = "7.0.0",
        .complexity = "Depends on subcommand.",
        .summary = "A container for commands about functions.",
        .subcommands = function_subcommands,
    },
    {.name = NULL},
};
