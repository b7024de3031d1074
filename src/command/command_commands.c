/* SPDX-License-Identifier: BSD-3-Clause */
/* COMMAND tells clients what the table holds. Nothing is written down twice: all that is said here comes from the
 * rows, but for the tips, which only cluster-aware proxies read.
 *
 * Shapes are those of Redis 7.2 in both protocols: lists without order are sets in RESP3, an entry's subcommands are
 * an array (an empty set where there are none), what is unknown is null in INFO and left out in DOCS. */
#include "command/args.h"
#include "command/dispatch.h"

/* ---- small replies ---- */

static void reply_flag_names(struct reply *reply, uint64_t flags, const char *const *names, const char *prefix)
{
    size_t count = 0;
    for (unsigned bit = 0; names[bit] != NULL; bit++)
        count += flags >> bit & 1 && names[bit][0] != '\0';
    reply_set(reply, count);
    for (unsigned bit = 0; names[bit] != NULL; bit++) {
        if (!(flags >> bit & 1) || names[bit][0] == '\0')
            continue;
        struct buffer name = {0};
        buffer_append_text(&name, prefix);
        buffer_append_text(&name, names[bit]);
        reply_status_bytes(reply, buffer_bytes(&name));
        buffer_deinit(&name);
    }
}

/* In the order of enum command_flags. Redis does not show may_replicate. */
static const char *const command_flag_names[] = {
    "write",
    "readonly",
    "denyoom",
    "admin",
    "pubsub",
    "noscript",
    "blocking",
    "loading",
    "stale",
    "skip_monitor",
    "skip_slowlog",
    "asking",
    "fast",
    "no_auth",
    "",
    "no_async_loading",
    "no_multi",
    "allow_busy",
    "movablekeys",
    "no_mandatory_keys",
    NULL,
};

/* In the order of enum key_flags. */
static const char *const key_flag_names[] = {
    "RO", "RW", "OW", "RM", "access", "update", "insert", "delete", "not_key", "incomplete", "variable_flags", NULL,
};

/* In the order of enum argument_type and argument_flags. */
static const char *const argument_type_names[] = {
    "string", "integer", "double", "key", "pattern", "unix-time", "pure-token", "oneof", "block",
};
static const char *const argument_flag_names[] = {"optional", "multiple", "multiple_token", NULL};

/* ---- tips ---- */

/* What a proxy that spreads commands over shards should know of each; words parted by blanks. */
static const struct {
    const char *full_name, *tips;
} command_tips[] = {
    {"client|info", "nondeterministic_output"},
    {"client|list", "nondeterministic_output"},
    {"client|setinfo", "request_policy:all_nodes response_policy:all_succeeded"},
    {"command", "nondeterministic_output_order"},
    {"command|docs", "nondeterministic_output_order"},
    {"command|info", "nondeterministic_output_order"},
    {"command|list", "nondeterministic_output_order"},
    {"config|set", "request_policy:all_nodes response_policy:all_succeeded"},
    {"dbsize", "request_policy:all_shards response_policy:agg_sum"},
    {"del", "request_policy:multi_shard response_policy:agg_sum"},
    {"dump", "nondeterministic_output"},
    {"exists", "request_policy:multi_shard response_policy:agg_sum"},
    {"flushall", "request_policy:all_shards response_policy:all_succeeded"},
    {"flushdb", "request_policy:all_shards response_policy:all_succeeded"},
    {"info", "nondeterministic_output request_policy:all_shards response_policy:special"},
    {"keys", "request_policy:all_shards nondeterministic_output_order"},
    {"lastsave", "nondeterministic_output"},
    {"latency|doctor", "nondeterministic_output request_policy:all_nodes response_policy:special"},
    {"latency|graph", "nondeterministic_output request_policy:all_nodes response_policy:special"},
    {"latency|histogram", "nondeterministic_output request_policy:all_nodes response_policy:special"},
    {"latency|history", "nondeterministic_output request_policy:all_nodes response_policy:special"},
    {"latency|latest", "nondeterministic_output request_policy:all_nodes response_policy:special"},
    {"latency|reset", "request_policy:all_nodes response_policy:all_succeeded"},
    {"memory|doctor", "nondeterministic_output request_policy:all_shards response_policy:special"},
    {"memory|malloc-stats", "nondeterministic_output request_policy:all_shards response_policy:special"},
    {"memory|purge", "request_policy:all_shards response_policy:all_succeeded"},
    {"memory|stats", "nondeterministic_output request_policy:all_shards response_policy:special"},
    {"mget", "request_policy:multi_shard"},
    {"module|list", "nondeterministic_output_order"},
    {"mset", "request_policy:multi_shard response_policy:all_succeeded"},
    {"msetnx", "request_policy:multi_shard response_policy:agg_min"},
    {"object|encoding", "nondeterministic_output"},
    {"object|freq", "nondeterministic_output"},
    {"object|idletime", "nondeterministic_output"},
    {"object|refcount", "nondeterministic_output"},
    {"ping", "request_policy:all_shards response_policy:all_succeeded"},
    {"pttl", "nondeterministic_output"},
    {"randomkey", "request_policy:all_shards nondeterministic_output"},
    {"scan", "nondeterministic_output request_policy:special"},
    {"slowlog|get", "request_policy:all_nodes nondeterministic_output"},
    {"slowlog|len", "request_policy:all_nodes response_policy:agg_sum nondeterministic_output"},
    {"slowlog|reset", "request_policy:all_nodes response_policy:all_succeeded"},
    {"time", "nondeterministic_output"},
    {"touch", "request_policy:multi_shard response_policy:agg_sum"},
    {"ttl", "nondeterministic_output"},
    {"unlink", "request_policy:multi_shard response_policy:agg_sum"},
    {"wait", "request_policy:all_shards response_policy:agg_min"},
};

static const char *tips_of(const struct command_entry *entry)
{
    for (size_t i = 0; i < sizeof(command_tips) / sizeof(command_tips[0]); i++)
        if (strcmp(command_tips[i].full_name, entry->full_name) == 0)
            return command_tips[i].tips;
    return "";
}

static void reply_tips(struct reply *reply, const char *tips)
{
    size_t count = tips[0] != '\0';
    for (const char *c = tips; *c != '\0'; c++)
        count += *c == ' ';
    reply_set(reply, count);
    for (size_t i = 0; i < count; i++) {
        size_t length = strcspn(tips, " ");
        reply_bulk(reply, bytes_of(tips, length));
        tips += length + 1;
    }
}

/* ---- COMMAND INFO ---- */

/* A spec without a place says only that there may be more keys. */
static bool spec_is_unknown(const struct key_spec *spec)
{
    return spec->first == 0 && spec->keyword == NULL;
}

static void reply_begin_search(struct reply *reply, const struct key_spec *spec)
{
    reply_map(reply, 2);
    reply_bulk_text(reply, "type");
    reply_bulk_text(reply, spec->keyword != NULL ? "keyword" : spec_is_unknown(spec) ? "unknown" : "index");
    reply_bulk_text(reply, "spec");
    if (spec->keyword != NULL) {
        reply_map(reply, 2);
        reply_bulk_text(reply, "keyword");
        reply_bulk_text(reply, spec->keyword);
        reply_bulk_text(reply, "startfrom");
        reply_integer(reply, spec->first);
    } else if (spec_is_unknown(spec)) {
        reply_map(reply, 0);
    } else {
        reply_map(reply, 1);
        reply_bulk_text(reply, "index");
        reply_integer(reply, spec->first);
    }
}

static void reply_three_numbers(struct reply *reply, const char *const names[3], const int16_t numbers[3])
{
    reply_map(reply, 3);
    for (int i = 0; i < 3; i++) {
        reply_bulk_text(reply, names[i]);
        reply_integer(reply, numbers[i]);
    }
}

static void reply_find_keys(struct reply *reply, const struct key_spec *spec)
{
    static const char *const range_names[] = {"lastkey", "keystep", "limit"};
    static const char *const number_names[] = {"keynumidx", "firstkey", "keystep"};
    int16_t step = spec->step > 0 ? spec->step : 1;
    reply_map(reply, 2);
    reply_bulk_text(reply, "type");
    reply_bulk_text(reply, spec_is_unknown(spec) ? "unknown" : spec->count_at > 0 ? "keynum" : "range");
    reply_bulk_text(reply, "spec");
    if (spec_is_unknown(spec))
        reply_map(reply, 0);
    else if (spec->count_at > 0)
        reply_three_numbers(reply, number_names, (int16_t[]){(int16_t)(spec->count_at - 1), spec->keys_at, step});
    else
        reply_three_numbers(reply, range_names, (int16_t[]){spec->last, step, spec->limit});
}

static size_t count_specs(const struct command *row)
{
    size_t count = 0;
    while (count < KEY_SPECS_MAX && row->keys[count].flags != 0)
        count++;
    return count;
}

static void reply_key_specs(struct reply *reply, const struct command *row)
{
    size_t count = count_specs(row);
    reply_set(reply, count);
    for (const struct key_spec *spec = row->keys; spec < row->keys + count; spec++) {
        reply_map(reply, spec->notes != NULL ? 4 : 3);
        if (spec->notes != NULL) {
            reply_bulk_text(reply, "notes");
            reply_bulk_text(reply, spec->notes);
        }
        reply_bulk_text(reply, "flags");
        reply_flag_names(reply, spec->flags, key_flag_names, "");
        reply_bulk_text(reply, "begin_search");
        reply_begin_search(reply, spec);
        reply_bulk_text(reply, "find_keys");
        reply_find_keys(reply, spec);
    }
}

static size_t count_subcommands(const struct command_entry *entry)
{
    size_t count = 0;
    while (entry->subcommands != NULL && entry->subcommands[count] != NULL)
        count++;
    return count;
}

static void reply_info(struct reply *reply, const struct command_entry *entry)
{
    if (entry == NULL) {
        reply_null(reply);
        return;
    }
    reply_array(reply, 10);
    reply_bulk_text(reply, entry->full_name);
    reply_integer(reply, entry->arity);
    reply_flag_names(reply, entry->flags, command_flag_names, "");
    reply_integer(reply, entry->first_key);
    reply_integer(reply, entry->last_key);
    reply_integer(reply, entry->key_step);
    reply_flag_names(reply, entry->categories, acl_category_names, "@");
    reply_tips(reply, tips_of(entry));
    reply_key_specs(reply, entry->row);
    size_t count = count_subcommands(entry);
    if (count == 0)
        reply_set(reply, 0);
    else
        reply_array(reply, count);
    for (size_t i = 0; i < count; i++)
        reply_info(reply, entry->subcommands[i]);
}

static void reply_info_of_all(struct execution *x)
{
    reply_array(x->reply, command_top_level_count());
    for (uint32_t id = 0; id < command_top_level_count(); id++)
        reply_info(x->reply, command_by_id(id));
}

static void command_info_command(struct execution *x)
{
    if (x->argc == 2) {
        reply_info_of_all(x);
        return;
    }
    reply_array(x->reply, x->argc - 2);
    for (size_t i = 2; i < x->argc; i++)
        reply_info(x->reply, command_by_full_name(x->argv[i]));
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

/* ---- COMMAND DOCS ---- */

/* A pair of a map of texts; nothing for a text that the row does not have. */
static void reply_text_pair(struct reply *reply, size_t *pairs, const char *name, const char *text)
{
    if (text == NULL)
        return;
    reply_bulk_text(reply, name);
    reply_bulk_text(reply, text);
    ++*pairs;
}

static void reply_arguments(struct reply *reply, const struct argument *arguments);

static void reply_argument(struct reply *reply, const struct argument *argument)
{
    size_t pairs = 0, map = reply_deferred_begin(reply);
    bool has_children = argument->type == ARGUMENT_ONEOF || argument->type == ARGUMENT_BLOCK;
    reply_text_pair(reply, &pairs, "name", argument->name);
    reply_text_pair(reply, &pairs, "type", argument_type_names[argument->type]);
    reply_text_pair(reply, &pairs, "display_text", has_children ? NULL : argument->name);
    if (argument->type == ARGUMENT_KEY) {
        reply_bulk_text(reply, "key_spec_index");
        reply_integer(reply, argument->key_spec);
        pairs++;
    }
    reply_text_pair(reply, &pairs, "token", argument->token);
    reply_text_pair(reply, &pairs, "since", argument->since);
    if (argument->flags != 0) {
        reply_bulk_text(reply, "flags");
        reply_flag_names(reply, argument->flags, argument_flag_names, "");
        pairs++;
    }
    if (argument->children != NULL) {
        reply_bulk_text(reply, "arguments");
        reply_arguments(reply, argument->children);
        pairs++;
    }
    reply_deferred_map(reply, map, pairs);
}

static void reply_arguments(struct reply *reply, const struct argument *arguments)
{
    size_t count = 0;
    while (arguments[count].name != NULL)
        count++;
    reply_array(reply, count);
    for (size_t i = 0; i < count; i++)
        reply_argument(reply, &arguments[i]);
}

static void reply_history(struct reply *reply, const struct command_change *history)
{
    size_t count = 0;
    while (history[count].version != NULL)
        count++;
    reply_set(reply, count);
    for (size_t i = 0; i < count; i++) {
        reply_array(reply, 2);
        reply_bulk_text(reply, history[i].version);
        reply_bulk_text(reply, history[i].text);
    }
}

static void reply_named_docs(struct reply *reply, const struct command_entry *entry)
{
    static const char *const deprecated[] = {"deprecated", NULL};
    const struct command *row = entry->row;
    reply_bulk_text(reply, entry->full_name);
    size_t pairs = 0, map = reply_deferred_begin(reply);
    reply_text_pair(reply, &pairs, "summary", row->summary);
    reply_text_pair(reply, &pairs, "since", row->since);
    reply_text_pair(reply, &pairs, "group", row->group);
    reply_text_pair(reply, &pairs, "complexity", row->complexity);
    if (row->deprecated_since != NULL) {
        reply_bulk_text(reply, "doc_flags");
        reply_flag_names(reply, 1, deprecated, "");
        pairs++;
    }
    reply_text_pair(reply, &pairs, "deprecated_since", row->deprecated_since);
    reply_text_pair(reply, &pairs, "replaced_by", row->replaced_by);
    if (row->history != NULL) {
        reply_bulk_text(reply, "history");
        reply_history(reply, row->history);
        pairs++;
    }
    if (row->arguments != NULL) {
        reply_bulk_text(reply, "arguments");
        reply_arguments(reply, row->arguments);
        pairs++;
    }
    size_t count = count_subcommands(entry);
    if (count > 0) {
        reply_bulk_text(reply, "subcommands");
        reply_map(reply, count);
        pairs++;
    }
    for (size_t i = 0; i < count; i++)
        reply_named_docs(reply, entry->subcommands[i]);
    reply_deferred_map(reply, map, pairs);
}

static void command_docs_command(struct execution *x)
{
    size_t pairs = 0, map = reply_deferred_begin(x->reply);
    for (uint32_t id = 0; x->argc == 2 && id < command_top_level_count(); id++, pairs++)
        reply_named_docs(x->reply, command_by_id(id));
    for (size_t i = 2; i < x->argc; i++) {
        const struct command_entry *entry = command_by_full_name(x->argv[i]);
        if (entry == NULL)
            continue;
        reply_named_docs(x->reply, entry);
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
    if (count_specs(entry->row) == 0 && entry->row->more_keys == NULL) {
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
