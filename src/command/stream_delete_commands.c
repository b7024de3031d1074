/* SPDX-License-Identifier: BSD-3-Clause */
/* XDELEX and XACKDEL: entries go, and what groups still hold of them is kept, goes with them, or keeps them. To the stream
 * of effects they are the XACKs and the XDEL that they come to. */
#include "base/memory.h"
#include "command/args.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/notify.h"
#include "command/stream_commands.h"

/* What becomes of the groups' references to an entry. */
enum reference_policy { KEEP_REFERENCES, DELETE_REFERENCES, ONLY_ACKNOWLEDGED };

/* Codes of the reply, one for each id. */
enum deletion_code { NO_SUCH_ENTRY = -1, DELETED = 1, STILL_REFERENCED = 2 };

struct deletion {
    enum reference_policy policy;
    const struct bytes *ids; /* the words */
    size_t count;
    struct xstream_group *group; /* of XACKDEL, which touches only what it holds; else NULL */
};

static bool parse_ids(struct execution *x, size_t *at, struct deletion *deletion)
{
    int64_t count;
    if (*at + 1 >= x->argc || !bytes_to_int64(x->argv[*at + 1], &count) || count < 1) {
        reply_error(x->reply, "ERR Number of IDs must be a positive integer");
        return false;
    }
    if ((uint64_t)count > x->argc - *at - 2) {
        reply_error(x->reply, "ERR The `numids` parameter must match the number of arguments");
        return false;
    }
    deletion->ids = x->argv + *at + 2;
    deletion->count = (size_t)count;
    *at += (size_t)count + 2;
    return true;
}

static bool parse_policy(struct bytes word, enum reference_policy *policy)
{
    static const char *const names[] = {"KEEPREF", "DELREF", "ACKED"};
    for (unsigned i = 0; i < 3; i++)
        if (arg_is(word, names[i])) {
            *policy = (enum reference_policy)i;
            return true;
        }
    return false;
}

/* [KEEPREF | DELREF | ACKED] IDS n id ..., in any order. */
static bool parse_deletion(struct execution *x, size_t at, struct deletion *deletion)
{
    bool has_policy = false;
    *deletion = (struct deletion){.policy = KEEP_REFERENCES};
    while (at < x->argc) {
        if (!deletion->ids && arg_is(x->argv[at], "IDS")) {
            if (!parse_ids(x, &at, deletion))
                return false;
            continue;
        }
        if (has_policy || !parse_policy(x->argv[at], &deletion->policy))
            break;
        has_policy = true;
        at++;
    }
    if (at < x->argc || !deletion->ids) {
        reply_syntax_error(x);
        return false;
    }
    struct stream_id id;
    for (size_t i = 0; i < deletion->count; i++)
        if (!arg_stream_id(x, deletion->ids[i], 0, &id))
            return false;
    return true;
}

/* Whether a group holds the entry as pending, or has still to read it. */
static bool is_referenced(const struct xstream *stream, struct stream_id id)
{
    for (size_t i = 0; i < stream->group_count; i++) {
        const struct xstream_group *group = stream->groups[i];
        if (stream_id_compare(group->last_id, id) < 0 || xstream_pending_find(group, id))
            return true;
    }
    return false;
}

static bool acknowledge(struct execution *x, struct xstream *stream, struct xstream_group *group, struct stream_id id)
{
    if (!xstream_pending_remove(stream, group, id))
        return false;
    stream_stage_acknowledged(x, &x->keys[0], group->name, id);
    return true;
}

/* What a whole command has done so far. */
struct outcome {
    struct bytes *deleted; /* ids */
    size_t deleted_count;
    bool references_changed;
};

static int delete_one(struct execution *x, struct xstream *stream, const struct deletion *deletion, struct bytes word,
                      struct outcome *outcome)
{
    struct stream_id id = STREAM_ID_MIN;
    if (!stream_id_parse(word, 0, &id))
        return NO_SUCH_ENTRY;
    if (deletion->group) {
        if (!acknowledge(x, stream, deletion->group, id))
            return NO_SUCH_ENTRY;
        outcome->references_changed = true;
    }
    bool exists = xstream_has(stream, id);
    if (deletion->policy == ONLY_ACKNOWLEDGED && exists && is_referenced(stream, id))
        return STILL_REFERENCED;
    if (deletion->policy == DELETE_REFERENCES)
        for (size_t i = 0; i < stream->group_count; i++)
            outcome->references_changed |= acknowledge(x, stream, stream->groups[i], id);
    if (exists && xstream_delete(stream, id))
        outcome->deleted[outcome->deleted_count++] = word;
    /* What the group held is gone as was asked, even if somebody else deleted the entry before. */
    return exists || deletion->group ? DELETED : NO_SUCH_ENTRY;
}

static void delete_all(struct execution *x, const struct deletion *deletion, struct entry *entry, struct object *value)
{
    struct xstream *stream = xstream_edit(value);
    struct outcome outcome = {.deleted = memory_allocate(deletion->count * sizeof(struct bytes))};
    reply_array(x->reply, deletion->count);
    for (size_t i = 0; i < deletion->count; i++) {
        reply_integer(x->reply, delete_one(x, stream, deletion, deletion->ids[i], &outcome));
        execution_breathe(x);
    }
    if (outcome.deleted_count > 0) {
        store_changed(x, &x->keys[0], entry, value);
        stage_change(x, &x->keys[0], false, "XDEL", outcome.deleted, outcome.deleted_count, 1);
        notify(x, NOTIFY_STREAM, "xdel", &x->keys[0]);
    } else if (outcome.references_changed) {
        keyspace_written_unwatched(x->keyspace, &x->keys[0], entry);
    }
    memory_free(outcome.deleted);
}

static void reply_none_deleted(struct execution *x, size_t count)
{
    reply_array(x->reply, count);
    for (size_t i = 0; i < count; i++)
        reply_integer(x->reply, NO_SUCH_ENTRY);
}

/* XDELEX key [KEEPREF | DELREF | ACKED] IDS n id ... */
static void xdelex_command(struct execution *x)
{
    struct entry *entry;
    struct object value;
    struct deletion deletion;
    if (!parse_deletion(x, 2, &deletion) || !stream_lookup(x, &x->keys[0], true, &entry, &value))
        return;
    if (entry)
        delete_all(x, &deletion, entry, &value);
    else
        reply_none_deleted(x, deletion.count);
}

/* XACKDEL key group [KEEPREF | DELREF | ACKED] IDS n id ... */
static void xackdel_command(struct execution *x)
{
    struct entry *entry;
    struct object value;
    struct deletion deletion;
    if (!parse_deletion(x, 3, &deletion) || !stream_lookup(x, &x->keys[0], true, &entry, &value))
        return;
    deletion.group = xstream_group_find(xstream_of(&value), x->argv[2]);
    if (deletion.group)
        delete_all(x, &deletion, entry, &value);
    else
        reply_none_deleted(x, deletion.count);
}

#define DELETION_ARGUMENTS                                                                                             \
    {.name = "condition",                                                                                              \
     .type = ARGUMENT_ONEOF,                                                                                           \
     .flags = ARGUMENT_OPTIONAL,                                                                                       \
     .children =                                                                                                       \
         ARGUMENTS(ARG_TOKEN("keepref", "KEEPREF"), ARG_TOKEN("delref", "DELREF"), ARG_TOKEN("acked", "ACKED"))},      \
    {                                                                                                                  \
        .name = "ids", .type = ARGUMENT_BLOCK, .token = "IDS",                                                         \
        .children = ARGUMENTS({.name = "numids", .type = ARGUMENT_INTEGER},                                            \
                              {.name = "id", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE})                     \
    }

const struct command stream_delete_commands[] = {
    {
        .name = "XACKDEL",
        .run = xackdel_command,
        .arity = -6,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_UPDATE | KEY_DELETE)},
        .group = "stream",
        .since = "8.2.0",
        .complexity = "O(1) for each id.",
        .summary = "Marks entries as done by a group and deletes them.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_STRING("group"), DELETION_ARGUMENTS),
    },
    {
        .name = "XDELEX",
        .run = xdelex_command,
        .arity = -5,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_DELETE)},
        .group = "stream",
        .since = "8.2.0",
        .complexity = "O(1) for each id.",
        .summary = "Deletes entries, with a choice of what becomes of the groups' references to them.",
        .arguments = ARGUMENTS(ARG_KEY("key"), DELETION_ARGUMENTS),
    },
    {.name = NULL},
};
