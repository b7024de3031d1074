/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams: how long they are, deleting single entries, and setting what is known of the past. */
#include "command/stream_commands.h"

#include "command/args.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/notify.h"
#include "resp/error_text.h"

static void xlen_command(struct execution *x)
{
    struct entry *entry;
    struct object value;
    if (stream_lookup(x, &x->keys[0], false, &entry, &value))
        reply_integer(x->reply, (int64_t)xstream_of(&value)->length);
}

static void xdel_command(struct execution *x)
{
    const struct key *key = &x->keys[0];
    struct entry *entry;
    struct object value;
    struct stream_id id;
    size_t deleted = 0;
    if (!stream_lookup(x, key, true, &entry, &value))
        return;
    for (size_t i = 2; entry && i < x->argc; i++)
        if (!arg_stream_id(x, x->argv[i], 0, &id))
            return;
    for (size_t i = 2; entry && i < x->argc; i++) {
        deleted += stream_id_parse(x->argv[i], 0, &id) && xstream_delete(xstream_edit(&value), id);
        execution_breathe(x);
    }
    if (deleted > 0) {
        store_changed(x, key, entry, &value);
        stage_change(x, key, false, "XDEL", x->argv + 2, x->argc - 2, 1);
        notify(x, NOTIFY_STREAM, "xdel", key);
    }
    reply_integer(x->reply, (int64_t)deleted);
}

/* ---- XSETID ---- */

struct past {
    struct stream_id last_id, max_deleted_id;
    int64_t entries_added; /* -1: stays */
};

static bool xsetid_option(struct execution *x, size_t at, struct past *past)
{
    if (arg_is(x->argv[at], "ENTRIESADDED"))
        return arg_stream_count(x, x->argv[at + 1], "ERR entries_added must be positive", &past->entries_added);
    if (!arg_is(x->argv[at], "MAXDELETEDID")) {
        reply_syntax_error(x);
        return false;
    }
    if (!arg_stream_id(x, x->argv[at + 1], 0, &past->max_deleted_id))
        return false;
    if (stream_id_compare(past->last_id, past->max_deleted_id) >= 0)
        return true;
    reply_error(x->reply, "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
    return false;
}

static bool xsetid_parse(struct execution *x, struct past *past)
{
    *past = (struct past){.entries_added = -1};
    if (!arg_stream_id(x, x->argv[2], 0, &past->last_id))
        return false;
    for (size_t at = 3; at < x->argc; at += 2) {
        if (at + 1 == x->argc) {
            reply_syntax_error(x);
            return false;
        }
        if (!xsetid_option(x, at, past))
            return false;
    }
    return true;
}

static const char *xsetid_refusal(const struct xstream *stream, const struct past *past)
{
    struct stream_id last;
    if (!xstream_last_entry_id(stream, &last))
        return NULL;
    if (stream_id_compare(past->last_id, last) < 0)
        return "ERR The ID specified in XSETID is smaller than the target stream top item";
    if (past->entries_added != -1 && stream->length > (uint64_t)past->entries_added)
        return "ERR The entries_added specified in XSETID is smaller than the target stream length";
    return NULL;
}

static void set_past(struct execution *x, struct entry *entry, struct object *value, const struct past *past)
{
    struct xstream *stream = xstream_edit(value);
    char last[STREAM_ID_TEXT_MAX], deleted[STREAM_ID_TEXT_MAX], added[BYTES_INTEGER_MAX];
    xstream_set_last_id(stream, past->last_id);
    if (past->entries_added != -1)
        stream->entries_added = (uint64_t)past->entries_added;
    if (stream_id_compare(past->max_deleted_id, STREAM_ID_MIN) != 0)
        stream->max_deleted_id = past->max_deleted_id;
    keyspace_written_unwatched(x->keyspace, &x->keys[0], entry);
    const struct bytes words[] = {stream_id_text(stream->last_id, last), BYTES("ENTRIESADDED"),
                                  bytes_of(added, bytes_from_int64(added, (int64_t)stream->entries_added)),
                                  BYTES("MAXDELETEDID"), stream_id_text(stream->max_deleted_id, deleted)};
    stage_change(x, &x->keys[0], false, "XSETID", words, 5, 5);
    notify(x, NOTIFY_STREAM, "xsetid", &x->keys[0]);
    reply_status(x->reply, "OK");
}

static void xsetid_command(struct execution *x)
{
    struct past past;
    struct entry *entry;
    struct object value;
    if (!xsetid_parse(x, &past) || !stream_lookup(x, &x->keys[0], true, &entry, &value))
        return;
    const char *refusal = entry ? xsetid_refusal(xstream_of(&value), &past) : ERROR_NO_SUCH_KEY;
    if (refusal)
        reply_error(x->reply, refusal);
    else
        set_past(x, entry, &value, &past);
}

const struct command stream_commands[] = {
    {
        .name = "XDEL",
        .run = xdel_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_DELETE)},
        .group = "stream",
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Removes entries; returns how many there were.",
        .arguments = ARGUMENTS(ARG_KEY("key"), {.name = "id", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE}),
    },
    {
        .name = "XLEN",
        .run = xlen_command,
        .arity = 2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RO)},
        .group = "stream",
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Returns how many entries a stream has.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "XSETID",
        .run = xsetid_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE)},
        .group = "stream",
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Sets what a stream keeps of its past. For internal use.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("last-id"),
                               {.name = "entries_added",
                                .type = ARGUMENT_INTEGER,
                                .token = "ENTRIESADDED",
                                .flags = ARGUMENT_OPTIONAL,
                                .since = "7.0.0"},
                               {.name = "max_deleted_entry_id",
                                .type = ARGUMENT_STRING,
                                .token = "MAXDELETEDID",
                                .flags = ARGUMENT_OPTIONAL,
                                .since = "7.0.0"}),
        .history = HISTORY({"7.0.0", "Added the `entries_added` and `max_deleted_entry_id` arguments."}),
    },
    {.name = NULL},
};
