/* SPDX-License-Identifier: BSD-3-Clause */
/* A command's line begins with its syntax as manuals write it: words in capitals are typed as they are, [x] may be left
 * out, a | b is one of both, x ... may be repeated. */
#include "command/command_markdown.h"

#include "base/memory.h"
#include "command/table.h"

#include <ctype.h>
#include <stdlib.h>

/* ---- syntax ---- */

static void print_arguments(struct buffer *out, const struct argument *arguments, const char *separator);

static void print_alone(struct buffer *out, const struct argument *argument)
{
    if (argument->token)
        buffer_append_format(out, argument->token[0] ? "%s" : "\"\"", argument->token);
    if (argument->type == ARGUMENT_PURE_TOKEN)
        return;
    if (argument->token)
        buffer_append_text(out, " ");
    if (!argument->children) {
        buffer_append_text(out, argument->name);
        return;
    }
    bool choice = argument->type == ARGUMENT_ONEOF;
    bool bounded = choice && (argument->token || !(argument->flags & ARGUMENT_OPTIONAL));
    buffer_append_text(out, bounded ? "<" : "");
    print_arguments(out, argument->children, choice ? " | " : " ");
    buffer_append_text(out, bounded ? ">" : "");
}

static void print_argument(struct buffer *out, const struct argument *argument)
{
    if (argument->flags & ARGUMENT_OPTIONAL)
        buffer_append_text(out, "[");
    print_alone(out, argument);
    if (argument->flags & (ARGUMENT_MULTIPLE | ARGUMENT_MULTIPLE_TOKEN)) {
        buffer_append_text(out, " [");
        struct argument again = *argument;
        if (!(argument->flags & ARGUMENT_MULTIPLE_TOKEN))
            again.token = NULL;
        print_alone(out, &again);
        buffer_append_text(out, " ...]");
    }
    if (argument->flags & ARGUMENT_OPTIONAL)
        buffer_append_text(out, "]");
}

static void print_arguments(struct buffer *out, const struct argument *arguments, const char *separator)
{
    for (const struct argument *argument = arguments; argument->name; argument++) {
        if (argument != arguments)
            buffer_append_text(out, separator);
        print_argument(out, argument);
    }
}

/* ---- a command ---- */

/* A bar would end the table's cell. */
static void print_cell(struct buffer *out, struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] == '|')
            buffer_append_text(out, "\\");
        buffer_append(out, &text.data[i], 1);
    }
}

static void print_command(struct buffer *out, const struct command_entry *command)
{
    const struct command *row = command->row;
    struct buffer syntax = {0};
    if (command->parent)
        buffer_append_format(&syntax, "%s ", command->parent->row->name);
    buffer_append_text(&syntax, row->name);
    if (row->arguments && row->arguments->name) {
        buffer_append_text(&syntax, " ");
        print_arguments(&syntax, row->arguments, " ");
    }
    buffer_append_text(out, "| `");
    print_cell(out, buffer_bytes(&syntax));
    buffer_append_format(out, "` | %s | ", row->since ? row->since : "");
    print_cell(out, bytes_of_text(row->complexity ? row->complexity : ""));
    buffer_append_text(out, " | ");
    print_cell(out, bytes_of_text(row->summary ? row->summary : ""));
    if (row->deprecated_since)
        buffer_append_format(out, " Deprecated since %s; use %s.", row->deprecated_since,
                             row->replaced_by ? row->replaced_by : "something else");
    buffer_append_text(out, " |\n");
    buffer_deinit(&syntax);
}

/* ---- the page ---- */

static int compare_commands(const void *a, const void *b)
{
    const struct command_entry *first = *(const struct command_entry *const *)a;
    const struct command_entry *second = *(const struct command_entry *const *)b;
    int by_group = strcmp(first->row->group, second->row->group);
    return by_group ? by_group : strcmp(first->full_name, second->full_name);
}

static void print_group(struct buffer *out, const char *name)
{
    buffer_append_format(out, "\n## %c%s\n\n| Command | Since | Time | What it does |\n| --- | --- | --- | --- |\n",
                         toupper((unsigned char)name[0]), name + 1);
}

void command_markdown(struct buffer *out)
{
    size_t count = 0;
    const struct command_entry **commands = memory_allocate(command_count() * sizeof(*commands));
    /* A container says nothing that its subcommands do not say, unless it does something itself. */
    for (uint32_t id = 0; id < command_count(); id++)
        if (!command_by_id(id)->subcommands || command_by_id(id)->arity == -1)
            commands[count++] = command_by_id(id);
    qsort(commands, count, sizeof(*commands), compare_commands);
    buffer_append_text(
        out, "# Commands\n\n"
             "Printed from the command table by `forebay-server --commands-markdown`. *Since* is the version of "
             "Redis\nor Valkey that had the command first. `COMMAND DOCS` tells a client the same.\n");
    const char *group = "";
    for (size_t i = 0; i < count; i++) {
        if (strcmp(group, commands[i]->row->group) != 0)
            print_group(out, group = commands[i]->row->group);
        print_command(out, commands[i]);
    }
    memory_free(commands);
}
