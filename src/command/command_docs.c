/* SPDX-License-Identifier: BSD-3-Clause */
/* What COMMAND DOCS says of a command: the texts of its row, and its arguments as a tree. */
#include "command/command_commands.h"

/* In the order of enum argument_type and argument_flags. */
static const char *const argument_type_names[] = {
    "string", "integer", "double", "key", "pattern", "unix-time", "pure-token", "oneof", "block",
};
static const char *const argument_flag_names[] = {"optional", "multiple", "multiple_token", NULL};

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

void reply_command_docs(struct reply *reply, const struct command_entry *entry)
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
    size_t count = command_subcommand_count(entry);
    if (count > 0) {
        reply_bulk_text(reply, "subcommands");
        reply_map(reply, count);
        pairs++;
    }
    for (size_t i = 0; i < count; i++)
        reply_command_docs(reply, entry->subcommands[i]);
    reply_deferred_map(reply, map, pairs);
}
