/* SPDX-License-Identifier: BSD-3-Clause */
/* MODULE: there are none, and none can be loaded. */
#include "command/args.h"
#include "command/server_commands.h"

static void module_list_command(struct execution *x)
{
    reply_array(x->reply, 0);
}

static void module_load_command(struct execution *x)
{
    reply_error(x->reply, "ERR Error loading the extension. Please check the server logs.");
}

static void module_unload_command(struct execution *x)
{
    reply_error(x->reply, "ERR Error unloading module: no such module with that name");
}

static void module_help_command(struct execution *x)
{
    static const char *const lines[] = {"LIST", "    Return a list of loaded modules.", NULL};
    reply_help(x, lines);
}

const struct command module_subcommands[] = {
    {
        .name = "HELP",
        .run = module_help_command,
        .arity = 2,
        .flags = COMMAND_LOADING | COMMAND_STALE,
        .group = "server",
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Returns a text about the subcommands.",
    },
    {
        .name = "LIST",
        .run = module_list_command,
        .arity = 2,
        .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT,
        .group = "server",
        .since = "4.0.0",
        .complexity = "O(N) where N is the number of loaded modules.",
        .summary = "Returns all loaded modules: none, they are not supported.",
    },
    {
        .name = "LOAD",
        .run = module_load_command,
        .arity = -3,
        .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_NO_ASYNC_LOADING,
        .group = "server",
        .since = "4.0.0",
        .complexity = "O(1)",
        .summary = "Loads a module: refused, modules are not supported.",
        .arguments =
            ARGUMENTS(ARG_STRING("path"),
                      {.name = "arg", .type = ARGUMENT_STRING, .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE}),
    },
    {
        .name = "LOADEX",
        .run = module_load_command,
        .arity = -3,
        .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_NO_ASYNC_LOADING,
        .group = "server",
        .since = "7.0.0",
        .complexity = "O(1)",
        .summary = "Loads a module with settings: refused, modules are not supported.",
        .arguments = ARGUMENTS(
            ARG_STRING("path"),
            {.name = "args", .type = ARGUMENT_STRING, .token = "ARGS", .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE}),
    },
    {
        .name = "UNLOAD",
        .run = module_unload_command,
        .arity = 3,
        .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_NO_ASYNC_LOADING,
        .group = "server",
        .since = "4.0.0",
        .complexity = "O(1)",
        .summary = "Unloads a module: there is none.",
        .arguments = ARGUMENTS(ARG_STRING("name")),
    },
    {.name = NULL},
};
