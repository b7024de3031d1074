/* SPDX-License-Identifier: BSD-3-Clause */
/* Making and removing groups and consumers, and acknowledging what they have done. */
#include "command/claims.h"
#include "command/args.h"
#include "command/blocked.h"
#include "command/effects.h"
#include "command/notify.h"
#include "command/stream_commands.h"
#include "resp/error_text.h"

/* Between two looks at the clock. */
#define FORGOTTEN_AT_ONCE 32

/* ---- XGROUP ---- */

/* Where a subcommand works: argument 2 is the key, argument 3 the group. */
struct subject {
    struct entry *entry;
    struct object value;
    struct xstream_group *group; /* NULL: there is none */
};

/* False, and replied, if the key is missing or no stream. */
static bool subject_find(struct execution *x, bool may_create, struct subject *subject)
{
    if (!stream_lookup(x, &x->keys[0], true, &subject->entry, &subject->value))
        return false;
    subject->group = xstream_group_find(xstream_of(&subject->value), x->argv[3]);
    if (subject->entry || may_create)
        return true;
    reply_error(x->reply,
                "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use "
                "the MKSTREAM option to create an empty stream automatically.");
    return false;
}

static bool subject_find_group(struct execution *x, struct subject *subject)
{
    if (!subject_find(x, false, subject))
        return false;
    if (!subject->group)
        reply_no_group(x, x->argv[3]);
    return subject->group != NULL;
}

/* Who waits for the group is to hear of it; WATCH is about entries. */
static void subject_written(struct execution *x, struct subject *subject)
{
    keyspace_written_unwatched(x->keyspace, &x->keys[0], subject->entry);
    blocked_note(x, &x->keys[0]);
}

/* Puts back what has changed; 'sub' with these words is the effect, and xgroup-sub the event. */
static void subject_store(struct execution *x, struct subject *subject, const char *sub, const char *event,
                          const struct bytes *words, size_t count)
{
    const struct key *key = &x->keys[0];
    if (subject->entry)
        subject_written(x, subject);
    else
        store_changed(x, key, NULL, &subject->value);
    stage_subcommand(x, key, !subject->entry, "XGROUP", sub, words, count);
    notify(x, NOTIFY_STREAM, event, key);
}

struct group_options {
    bool makes_stream;
    int64_t entries_read;
};

static bool parse_entries_read(struct execution *x, struct bytes word, struct group_options *options)
{
    if (!arg_int64(x, word, &options->entries_read))
        return false;
    if (options->entries_read >= XSTREAM_ENTRIES_READ_UNKNOWN)
        return true;
    reply_error(x->reply, "ERR value for ENTRIESREAD must be positive or -1");
    return false;
}

/* MKSTREAM (of CREATE) and ENTRIESREAD n, from argument 5 on. */
static bool parse_options(struct execution *x, bool creates, struct group_options *options)
{
    *options = (struct group_options){.entries_read = XSTREAM_ENTRIES_READ_UNKNOWN};
    for (size_t at = 5; at < x->argc; at++) {
        if (creates && arg_is(x->argv[at], "MKSTREAM")) {
            options->makes_stream = true;
        } else if (arg_is(x->argv[at], "ENTRIESREAD") && at + 1 < x->argc) {
            if (!parse_entries_read(x, x->argv[++at], options))
                return false;
        } else {
            reply_usage_error(x);
            return false;
        }
    }
    return true;
}

/* An id, or $ for the last one; SETID also takes - and +. Before that, options that were given twice are refused. */
static bool parse_position(struct execution *x, bool creates, const struct xstream *stream, struct stream_id *id)
{
    struct bytes word = x->argv[4];
    if (x->argc > (creates ? 8 : 7)) {
        reply_usage_error(x);
        return false;
    }
    if (bytes_equal(word, BYTES("$")))
        *id = stream->last_id;
    else if (!creates && (bytes_equal(word, BYTES("-")) || bytes_equal(word, BYTES("+"))))
        *id = word.data[0] == '-' ? STREAM_ID_MIN : STREAM_ID_MAX;
    else
        return arg_stream_id(x, word, 0, id);
    return true;
}

static void create_group(struct execution *x, struct subject *subject, struct stream_id id, int64_t entries_read)
{
    char text[STREAM_ID_TEXT_MAX], read[BYTES_INTEGER_MAX];
    struct bytes words[5] = {x->argv[3], stream_id_text(id, text), BYTES("ENTRIESREAD"),
                             bytes_of(read, bytes_from_int64(read, entries_read)), BYTES("MKSTREAM")};
    xstream_group_create(xstream_edit(&subject->value), x->argv[3], id, entries_read);
    subject_store(x, subject, "CREATE", "xgroup-create", words, subject->entry ? 4 : 5);
    reply_status(x->reply, "OK");
}

static void xgroup_create_command(struct execution *x)
{
    struct group_options options;
    struct subject subject;
    struct stream_id id;
    if (!parse_options(x, true, &options) || !subject_find(x, options.makes_stream, &subject) ||
        !parse_position(x, true, xstream_of(&subject.value), &id))
        return;
    if (subject.group)
        reply_error(x->reply, ERROR_BUSY_GROUP);
    else
        create_group(x, &subject, id, options.entries_read);
}

static void xgroup_setid_command(struct execution *x)
{
    struct group_options options;
    struct subject subject;
    struct stream_id id;
    if (!parse_options(x, false, &options) || !subject_find_group(x, &subject) ||
        !parse_position(x, false, xstream_of(&subject.value), &id))
        return;
    xstream_group_set_position(xstream_edit(&subject.value), subject.group, id, options.entries_read);
    subject_written(x, &subject);
    stream_stage_group_position(x, &x->keys[0], subject.group);
    notify(x, NOTIFY_STREAM, "xgroup-setid", &x->keys[0]);
    reply_status(x->reply, "OK");
}

static void xgroup_destroy_command(struct execution *x)
{
    struct subject subject;
    if (!subject_find(x, false, &subject))
        return;
    if (subject.group) {
        xstream_group_destroy(xstream_edit(&subject.value), x->argv[3]);
        subject_store(x, &subject, "DESTROY", "xgroup-destroy", x->argv + 3, 1);
    }
    reply_integer(x->reply, subject.group != NULL);
}

static void xgroup_createconsumer_command(struct execution *x)
{
    struct subject subject;
    if (!subject_find_group(x, &subject))
        return;
    bool is_new = xstream_consumer_create(xstream_edit(&subject.value), subject.group, x->argv[4], x->now_ms) != NULL;
    if (is_new)
        subject_store(x, &subject, "CREATECONSUMER", "xgroup-createconsumer", x->argv + 3, 2);
    reply_integer(x->reply, is_new);
}

/* What is pending for a consumer that goes, a few at a time; to others it is one change. */
static void forget_pending(struct execution *x, struct subject *subject, struct xstream_consumer *consumer)
{
    while (xstream_consumer_forget(xstream_edit(&subject->value), subject->group, consumer, FORGOTTEN_AT_ONCE))
        execution_breathe_out(x);
}

static void xgroup_delconsumer_command(struct execution *x)
{
    struct subject subject;
    size_t pending = 0;
    if (!subject_find_group(x, &subject))
        return;
    struct xstream_consumer *consumer = xstream_consumer_find(subject.group, x->argv[4]);
    if (consumer) {
        pending = consumer->pending.count;
        struct xstream *stream = xstream_edit(&subject.value);
        forget_pending(x, &subject, consumer);
        xstream_consumer_destroy(stream, subject.group, consumer);
        subject_store(x, &subject, "DELCONSUMER", "xgroup-delconsumer", x->argv + 3, 2);
    }
    reply_integer(x->reply, (int64_t)pending);
}

static void xgroup_help_command(struct execution *x)
{
    static const char *const lines[] = {
        "CREATE <key> <groupname> <id|$> [option]",
        "    Make a group of consumers. Options are:",
        "    * MKSTREAM",
        "      Make an empty stream if there is none.",
        "    * ENTRIESREAD entries_read",
        "      How many entries the group has read (for internal use).",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "    Make a consumer in a group.",
        "DELCONSUMER <key> <groupname> <consumer>",
        "    Remove a consumer, with what is pending for it.",
        "DESTROY <key> <groupname>",
        "    Remove a group.",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Set the last delivered id of a group, and how many entries it has read.",
        NULL,
    };
    reply_help(x, lines);
}

/* ---- XACK ---- */

static void xack_command(struct execution *x)
{
    const struct key *key = &x->keys[0];
    struct entry *entry;
    struct object value;
    struct stream_id id;
    int64_t acknowledged = 0;
    if (!stream_lookup(x, key, true, &entry, &value))
        return;
    struct xstream_group *group = xstream_group_find(xstream_of(&value), x->argv[2]);
    for (size_t i = 3; group && i < x->argc; i++)
        if (!arg_stream_id(x, x->argv[i], 0, &id))
            return;
    for (size_t i = 3; group && i < x->argc; i++) {
        acknowledged += stream_id_parse(x->argv[i], 0, &id) && xstream_pending_remove(xstream_edit(&value), group, id);
        execution_breathe(x);
    }
    if (acknowledged > 0) {
        keyspace_written_unwatched(x->keyspace, key, entry);
        stage_change_with(x, key, false, "XACK", &group->name, 1, x->argv + 3, x->argc - 3, 1);
    }
    reply_integer(x->reply, acknowledged);
}

static const struct command xgroup_subcommands[] = {
    {
        .name = "CREATE",
        .run = xgroup_create_command,
        .arity = -5,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(2, KEY_RW | KEY_INSERT)},
        .group = "stream",
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Makes a consumer group.",
        .arguments = ARGUMENTS(
            ARG_KEY("key"), ARG_STRING("group"),
            {.name = "id_or_new",
             .type = ARGUMENT_ONEOF,
             .children = ARGUMENTS(ARG_STRING("id"), ARG_TOKEN("new_id", "$"))},
            ARG_FLAG("mkstream", "MKSTREAM"),
            {.name = "entries_read", .type = ARGUMENT_INTEGER, .token = "ENTRIESREAD", .flags = ARGUMENT_OPTIONAL}),
        .history = HISTORY({"7.0.0", "The optional argument `entries_read`."}),
    },
    {
        .name = "CREATECONSUMER",
        .run = xgroup_createconsumer_command,
        .arity = 5,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(2, KEY_RW | KEY_INSERT)},
        .group = "stream",
        .since = "6.2.0",
        .complexity = "O(1)",
        .summary = "Makes a consumer in a group.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("group"), ARG_STRING("consumer")),
    },
    {
        .name = "DELCONSUMER",
        .run = xgroup_delconsumer_command,
        .arity = 5,
        .flags = COMMAND_WRITE,
        .keys = {KEY_ONE(2, KEY_RW | KEY_DELETE)},
        .group = "stream",
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Removes a consumer with what is pending for it.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("group"), ARG_STRING("consumer")),
    },
    {
        .name = "DESTROY",
        .run = xgroup_destroy_command,
        .arity = 4,
        .flags = COMMAND_WRITE,
        .keys = {KEY_ONE(2, KEY_RW | KEY_DELETE)},
        .group = "stream",
        .since = "5.0.0",
        .complexity = "O(N)",
        .summary = "Removes a consumer group.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("group")),
    },
    {
        .name = "HELP",
        .run = xgroup_help_command,
        .arity = 2,
        .flags = COMMAND_LOADING | COMMAND_STALE,
        .group = "stream",
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Tells about the subcommands.",
    },
    {
        .name = "SETID",
        .run = xgroup_setid_command,
        .arity = -5,
        .flags = COMMAND_WRITE,
        .keys = {KEY_ONE(2, KEY_RW | KEY_UPDATE)},
        .group = "stream",
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Says which entry a group has read last.",
        .arguments = ARGUMENTS(
            ARG_KEY("key"), ARG_STRING("group"),
            {.name = "id_or_new",
             .type = ARGUMENT_ONEOF,
             .children = ARGUMENTS(ARG_STRING("id"), ARG_TOKEN("new_id", "$"))},
            {.name = "entries_read", .type = ARGUMENT_INTEGER, .token = "ENTRIESREAD", .flags = ARGUMENT_OPTIONAL}),
        .history = HISTORY({"7.0.0", "The optional argument `entries_read`."}),
    },
    {.name = NULL},
};

const struct command stream_group_commands[] = {
    {
        .name = "XACK",
        .run = xack_command,
        .arity = -4,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "stream",
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Marks entries as done by a group; returns how many were pending.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("group"),
                               {.name = "id", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE}),
    },
    {
        .name = "XGROUP",
        .run = reply_subcommand_error,
        .arity = -2,
        .group = "stream",
        .since = "5.0.0",
        .complexity = "Depends on subcommand.",
        .summary = "A container for commands about consumer groups.",
        .subcommands = xgroup_subcommands,
    },
    {.name = NULL},
};
