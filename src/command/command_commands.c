/* SPDX-License-Identifier: BSD-3-Clause */
/* COMMAND tells clients what the table holds. Nothing is written down twice: all that is said comes from the rows, but for
 * the tips. command_info.c and command_docs.c say it of one command. */
#include "command/command_commands.h"

#include "command/args.h"

static void reply_info_of_all(struct execution *x)
{
    reply_array(x->reply, command_top_level_count());
    for (uint32_t id = 0; id < command_top_level_count(); id++)
        reply_command_info(x->reply, command_by_id(id));
}

static void command_info_command(struct execution *x)
{
    if (x->argc == 2) {
        reply_info_of_all(x);
        return;
    }
    reply_array(x->reply, x->argc - 2);
    for (size_t i = 2; i < x->argc; i++)
        reply_command_info(x->reply, command_by_full_name(x->argv[i]));
}

static void command_command(struct execution *x)
{
    if (x->argc > 1)
        reply_subcommand_error(x);
    else
        reply_info_of_all(x);
}

static void command_count_command(struct execution *x)
{
    reply_integer(x->reply, command_top_level_count());
}

static void command_docs_command(struct execution *x)
{
    size_t pairs = 0, map = reply_deferred_begin(x->reply);
    for (uint32_t id = 0; x->argc == 2 && id < command_top_level_count(); id++, pairs++)
        reply_command_docs(x->reply, command_by_id(id));
    for (size_t i = 2; i < x->argc; i++) {
        const struct command_entry *entry = command_by_full_name(x->argv[i]);
        if (entry == NULL)
            continue;
        reply_command_docs(x->reply, entry);
        pairs++;
    }
    reply_deferred_map(x->reply, map, pairs);
}

/* ---- COMMAND LIST ---- */

struct list_filter {
    enum { LIST_ALL, LIST_NONE, LIST_CATEGORY, LIST_PATTERN } kind;
    uint64_t category;
    struct bytes pattern;
};

static bool filter_passes(const struct list_filter *filter, const struct command_entry *entry)
{
    switch (filter->kind) {
    case LIST_NONE:
        return false;
    case LIST_CATEGORY:
        return entry->categories & filter->category;
    case LIST_PATTERN:
        return bytes_match(filter->pattern, bytes_of_text(entry->full_name), true);
    default:
        return true;
    }
}

static uint64_t category_of(struct bytes name)
{
    for (unsigned bit = 0; acl_category_names[bit] != NULL; bit++)
        if (bytes_equal_text(name, acl_category_names[bit]))
            return UINT64_C(1) << bit;
    return 0;
}

/* Nothing here is a module's, so that filter lets nothing pass. */
static bool filter_parse(struct execution *x, struct list_filter *filter)
{
    *filter = (struct list_filter){.kind = LIST_ALL};
    if (x->argc == 2)
        return true;
    bool whole = x->argc == 5 && arg_is(x->argv[2], "FILTERBY");
    if (whole && arg_is(x->argv[3], "MODULE"))
        filter->kind = LIST_NONE;
    else if (whole && arg_is(x->argv[3], "ACLCAT"))
        *filter = (struct list_filter){.kind = LIST_CATEGORY, .category = category_of(x->argv[4])};
    else if (whole && arg_is(x->argv[3], "PATTERN"))
        *filter = (struct list_filter){.kind = LIST_PATTERN, .pattern = x->argv[4]};
    else
        reply_syntax_error(x);
    return filter->kind != LIST_ALL;
}

static void command_list_command(struct execution *x)
{
    struct list_filter filter;
    if (!filter_parse(x, &filter))
        return;
    size_t count = 0, array = reply_deferred_begin(x->reply);
    for (uint32_t id = 0; id < command_count(); id++) {
        const struct command_entry *entry = command_by_id(id);
        if (!filter_passes(&filter, entry))
            continue;
        reply_bulk_text(x->reply, entry->full_name);
        count++;
    }
    reply_deferred_array(x->reply, array, count);
}

/* ---- COMMAND GETKEYS ---- */

struct found_keys {
    struct execution *x;
    const struct command *row; /* of the command that is asked about */
    bool with_flags;
    size_t count;
};

static void reply_found_key(void *context, size_t index, uint16_t flags)
{
    struct found_keys *found = context;
    found->count++;
    if (found->with_flags)
        reply_array(found->x->reply, 2);
    reply_bulk(found->x->reply, found->x->argv[index + 2]);
    if ((flags & KEY_VARIABLE) && found->row->call_flags)
        flags = found->row->call_flags(found->x->argv + 2, found->x->argc - 2);
    if (found->with_flags)
        reply_flag_names(found->x->reply, flags, key_flag_names, "");
}

static void count_found_key(void *context, size_t index, uint16_t flags)
{
    (void)index, (void)flags;
    ++*(size_t *)context;
}

/* The command that the words after COMMAND GETKEYS call; replies what is wrong with them and returns NULL. */
static const struct command_entry *called_command(struct execution *x)
{
    const struct bytes *words = x->argv + 2;
    size_t count = x->argc - 2;
    const struct command_entry *entry = command_resolve(words, count);
    if (entry == NULL || (entry->subcommands != NULL && count > 1)) {
        reply_error(x->reply, "ERR Invalid command specified");
        return NULL;
    }
    if (command_spec_count(entry->row) == 0 && entry->row->more_keys == NULL) {
        reply_error(x->reply, "ERR The command has no key arguments");
        return NULL;
    }
    if (entry->arity > 0 ? count != (size_t)entry->arity : count < (size_t)-entry->arity) {
        reply_error(x->reply, "ERR Invalid number of arguments specified for command");
        return NULL;
    }
    return entry;
}

/* Keys are counted before the reply begins, since malformed arguments are found only on the way. */
static void reply_keys_of_call(struct execution *x, bool with_flags)
{
    const struct command_entry *entry = called_command(x);
    size_t count = 0;
    if (entry == NULL)
        return;
    bool well_formed = command_keys(entry, x->argv + 2, x->argc - 2, count_found_key, &count) && count > 0;
    if (!well_formed && entry->flags & COMMAND_NO_MANDATORY_KEYS) {
        reply_array(x->reply, 0);
        return;
    }
    if (!well_formed) {
        reply_error(x->reply, "ERR Invalid arguments specified for command");
        return;
    }
    struct found_keys found = {.x = x, .row = entry->row, .with_flags = with_flags};
    reply_array(x->reply, count);
    command_keys(entry, x->argv + 2, x->argc - 2, reply_found_key, &found);
}

static void command_getkeys_command(struct execution *x)
{
    reply_keys_of_call(x, false);
}

static void command_getkeysandflags_command(struct execution *x)
{
    reply_keys_of_call(x, true);
}

static void command_help_command(struct execution *x)
{
    static const char *const lines[] = {
        "(no subcommand)",
        "    Return details about all commands.",
        "COUNT",
        "    Return the total number of commands in this server.",
        "LIST [FILTERBY (MODULE|ACLCAT|PATTERN) <filter>]",
        "    Return the names of all commands, or of those that pass the filter.",
        "INFO [<command-name> ...]",
        "    Return details about the named commands, or about all.",
        "DOCS [<command-name> ...]",
        "    Return documentation of the named commands, or of all.",
        "GETKEYS <full-command>",
        "    Return the keys from a full command.",
        "GETKEYSANDFLAGS <full-command>",
        "    Return the keys and the access flags from a full command.",
        NULL,
    };
    reply_help(x, lines);
}

/* ---- the table ---- */

#define SUBCOMMAND(word, handler, words, version)                                                                      \
    .name = (word), .run = (handler), .arity = (words), .flags = COMMAND_LOADING | COMMAND_STALE, .group = "server",   \
    .since = (version)

static const struct command command_subcommands[] = {
    {
        SUBCOMMAND("COUNT", command_count_command, 2, "2.8.13"),
        .complexity = "O(1)",
        .summary = "Returns the number of commands.",
    },
    {
        SUBCOMMAND("DOCS", command_docs_command, -2, "7.0.0"),
        .complexity = "O(N) where N is the number of commands to look up",
        .summary = "Returns the documentation of commands.",
        .arguments = ARGUMENTS(
            {.name = "command-name", .type = ARGUMENT_STRING, .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE}),
    },
    {
        SUBCOMMAND("GETKEYS", command_getkeys_command, -3, "2.8.13"),
        .complexity = "O(N) where N is the number of arguments to the command",
        .summary = "Returns the keys that a command line names.",
        .arguments =
            ARGUMENTS(ARG_STRING("command"),
                      {.name = "arg", .type = ARGUMENT_STRING, .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE}),
    },
    {
        SUBCOMMAND("GETKEYSANDFLAGS", command_getkeysandflags_command, -3, "7.0.0"),
        .complexity = "O(N) where N is the number of arguments to the command",
        .summary = "Returns the keys that a command line names, each with what is done to it.",
        .arguments =
            ARGUMENTS(ARG_STRING("command"),
                      {.name = "arg", .type = ARGUMENT_STRING, .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE}),
    },
    {
        SUBCOMMAND("HELP", command_help_command, 2, "5.0.0"),
        .complexity = "O(1)",
        .summary = "Returns a text about the subcommands.",
    },
    {
        SUBCOMMAND("INFO", command_info_command, -2, "2.8.13"),
        .complexity = "O(N) where N is the number of commands to look up",
        .summary = "Returns what clients need to know of one, several or all commands.",
        .arguments = ARGUMENTS(
            {.name = "command-name", .type = ARGUMENT_STRING, .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE}),
        .history = HISTORY({"7.0.0", "Allowed to be called with no argument to get info on all commands."}),
    },
    {
        SUBCOMMAND("LIST", command_list_command, -2, "7.0.0"),
        .complexity = "O(N) where N is the total number of commands",
        .summary = "Returns the names of commands.",
        .arguments = ARGUMENTS({
            .name = "filterby",
            .type = ARGUMENT_ONEOF,
            .token = "FILTERBY",
            .flags = ARGUMENT_OPTIONAL,
            .children = ARGUMENTS({.name = "module-name", .type = ARGUMENT_STRING, .token = "MODULE"},
                                  {.name = "category", .type = ARGUMENT_STRING, .token = "ACLCAT"},
                                  {.name = "pattern", .type = ARGUMENT_PATTERN, .token = "PATTERN"}),
        }),
    },
    {.name = NULL},
};

const struct command command_commands[] = {
    {
        SUBCOMMAND("COMMAND", command_command, -1, "2.8.13"),
        .complexity = "O(N) where N is the total number of commands",
        .summary = "Returns what clients need to know of all commands.",
        .subcommands = command_subcommands,
    },
    {.name = NULL},
};
