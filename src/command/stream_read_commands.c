/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading what is new since an id or, for a group, since its last one. XREAD and XREADGROUP share their syntax
 * and their way of waiting. Who waits is served with one key at a time, and finds its id by where the key's word stands; a $
 * is made an id before the wait begins. */
#include "base/memory.h"
#include "command/args.h"
#include "command/blocked.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/stream_commands.h"
#include "resp/error_text.h"

/* ---- the words of XREAD and XREADGROUP ---- */

struct reading {
    struct execution *x;
    bool is_group, waits, no_ack;
    int64_t timeout_ms;
    uint64_t count; /* 0: all */
    struct bytes group, consumer;
    size_t keys_at, key_count; /* among the arguments; as many ids follow */
    size_t replied;            /* streams that had something */
    size_t handle;
};

static bool refuse(struct execution *x, const char *error)
{
    reply_error(x->reply, error);
    return false;
}

static bool parse_count(struct reading *reading, struct bytes word)
{
    int64_t count;
    if (!arg_int64(reading->x, word, &count))
        return false;
    reading->count = count < 0 ? 0 : (uint64_t)count;
    return true;
}

static bool parse_timeout(struct reading *reading, struct bytes word)
{
    struct execution *x = reading->x;
    int64_t timeout_ms;
    if (!bytes_to_int64(word, &timeout_ms))
        return refuse(x, ERROR_TIMEOUT_NOT_INTEGER);
    if (timeout_ms < 0)
        return refuse(x, ERROR_TIMEOUT_NEGATIVE);
    if (timeout_ms > INT64_MAX - x->now_ms)
        return refuse(x, ERROR_TIMEOUT_RANGE);
    reading->waits = true;
    reading->timeout_ms = timeout_ms;
    return true;
}

static bool parse_streams(struct reading *reading, size_t at)
{
    struct execution *x = reading->x;
    reading->keys_at = at;
    reading->key_count = (x->argc - at) / 2;
    if ((x->argc - at) % 2 == 0)
        return true;
    reply_error_format(x->reply,
                       "ERR Unbalanced '%s' list of streams: for each stream key an ID or '%c' must be specified.",
                       x->command->full_name, reading->is_group ? '>' : '$');
    return false;
}

/* An option that XREAD does not have, or none at all. */
static bool parse_group_option(struct reading *reading, size_t *at)
{
    struct execution *x = reading->x;
    struct bytes word = x->argv[*at];
    bool is_group = arg_is(word, "GROUP") && *at + 2 < x->argc;
    if (!is_group && !arg_is(word, "NOACK")) {
        reply_syntax_error(x);
        return false;
    }
    if (!reading->is_group) {
        reply_error_format(x->reply, "ERR The %s option is only supported by XREADGROUP. You called XREAD instead.",
                           is_group ? "GROUP" : "NOACK");
        return false;
    }
    reading->no_ack |= !is_group;
    if (is_group) {
        reading->group = x->argv[*at + 1];
        reading->consumer = x->argv[*at + 2];
        *at += 2;
    }
    return true;
}

static bool parse(struct reading *reading)
{
    struct execution *x = reading->x;
    for (size_t at = 1; at < x->argc; at++) {
        struct bytes word = x->argv[at];
        bool has_more = at + 1 < x->argc, good;
        if (has_more && arg_is(word, "STREAMS")) {
            if (reading->is_group && !reading->group.data)
                return parse_streams(reading, at + 1) && refuse(x, "ERR Missing GROUP option for XREADGROUP");
            return parse_streams(reading, at + 1);
        }
        if (has_more && arg_is(word, "BLOCK"))
            good = parse_timeout(reading, x->argv[++at]);
        else if (has_more && arg_is(word, "COUNT"))
            good = parse_count(reading, x->argv[++at]);
        else
            good = parse_group_option(reading, &at);
        if (!good)
            return false;
    }
    reply_syntax_error(x);
    return false;
}

/* ---- one stream ---- */

/* A stream and from where on it is read. */
struct source {
    const struct key *key;
    struct entry *entry;
    struct object value;
    struct xstream_group *group; /* of XREADGROUP */
    struct stream_id after;      /* what is not after it is known */
    bool is_history;             /* XREADGROUP: what is pending for the consumer, instead of what is new */
};

static bool parse_after(struct reading *reading, struct bytes word, struct source *source)
{
    struct execution *x = reading->x;
    const struct xstream *stream = xstream_of(&source->value);
    bool is_last = bytes_equal(word, BYTES("$"));
    if (is_last && reading->is_group)
        return refuse(x,
                      "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this "
                      "consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just "
                      "return an empty result set.");
    source->after = stream->last_id;
    if (is_last)
        return true;
    if (bytes_equal(word, BYTES("+")) && !reading->is_group) {
        if (xstream_last_entry_id(stream, &source->after))
            stream_id_decrement(&source->after);
        return true;
    }
    bool is_new = bytes_equal(word, BYTES(">"));
    if (is_new && !reading->is_group)
        return refuse(x,
                      "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> "
                      "option.");
    source->is_history = reading->is_group && !is_new;
    if (!is_new)
        return arg_stream_id(x, word, 0, &source->after);
    source->after = source->group->last_id;
    return true;
}

static bool find_group(struct reading *reading, struct source *source)
{
    source->group = xstream_group_find(xstream_of(&source->value), reading->group);
    if (source->group)
        return true;
    reply_error_format(
        reading->x->reply, "NOGROUP No such key '%.*s' or consumer group '%.*s' in XREADGROUP with GROUP option",
        reply_quoted(source->key->name), source->key->name.data, reply_quoted(reading->group), reading->group.data);
    return false;
}

/* Looks up the key with the id that stands for it. False, and replied, if it cannot be read. */
static bool source_open(struct reading *reading, const struct key *key, struct source *source)
{
    struct execution *x = reading->x;
    size_t number = (size_t)(key - x->keys);
    if (x->serving)
        while (x->argv[reading->keys_at + number].data != key->name.data)
            number++;
    *source = (struct source){.key = key};
    return stream_lookup(x, key, reading->is_group, &source->entry, &source->value) &&
           (!reading->is_group || find_group(reading, source)) &&
           parse_after(reading, x->argv[reading->keys_at + reading->key_count + number], source);
}

/* Whether there is something to tell of it. A group has read on if its key was named before. */
static bool source_has_news(struct source *source)
{
    struct stream_id last;
    if (source->group && !source->is_history)
        source->after = source->group->last_id;
    return source->is_history ||
           (xstream_last_entry_id(xstream_of(&source->value), &last) && stream_id_compare(last, source->after) > 0);
}

/* ---- XREADGROUP ---- */

static void group_advance(struct xstream *stream, struct xstream_group *group, struct stream_id id)
{
    if (stream_id_compare(id, group->last_id) <= 0)
        return;
    int64_t read = group->entries_read;
    if (read != XSTREAM_ENTRIES_READ_UNKNOWN && !xstream_has_gap_after(stream, id))
        read += read < INT64_MAX;
    else if (stream->entries_added > 0)
        read = xstream_estimate_read(stream, id);
    xstream_group_set_position(stream, group, id, read);
}

static void give(struct execution *x, struct xstream *stream, struct source *source, struct xstream_consumer *consumer,
                 struct stream_id id)
{
    struct xstream_pending *pending = xstream_pending_give(stream, source->group, id, consumer);
    xstream_pending_set(stream, source->group, id, pending, x->now_ms, 1);
}

static void reply_new(struct reading *reading, struct source *source, struct xstream_consumer *consumer)
{
    struct execution *x = reading->x;
    struct xstream *stream = xstream_edit(&source->value);
    struct buffer given = {0}; /* ids, to be told to the stream together */
    struct xstream_cursor cursor;
    struct stream_id first = source->after;
    size_t handle = reply_deferred_begin(x->reply), replied = 0;
    stream_id_increment(&first);
    for (xstream_seek(stream, first, false, &cursor); !cursor.is_at_end; xstream_step(&cursor, false)) {
        struct stream_id id = cursor.id;
        group_advance(stream, source->group, id);
        reply_stream_entry(x->reply, &cursor);
        if (!reading->no_ack) {
            give(x, stream, source, consumer, id);
            buffer_append(&given, &id, sizeof(id));
        }
        if (++replied == reading->count)
            break;
        execution_breathe(x);
    }
    reply_deferred_array(x->reply, handle, replied);
    stream_stage_claims(x, source->key, source->group, consumer->name, (const struct stream_id *)given.data,
                        given.length / sizeof(struct stream_id), x->now_ms, 1);
    stream_stage_group_position(x, source->key, source->group);
    buffer_deinit(&given);
}

/* A pending entry that was deleted since is told without fields, and false is returned. */
static bool reply_pending(struct execution *x, const struct xstream *stream, struct stream_id id)
{
    struct xstream_cursor cursor;
    xstream_seek(stream, id, false, &cursor);
    if (!cursor.is_at_end && stream_id_compare(cursor.id, id) == 0) {
        reply_stream_entry(x->reply, &cursor);
        return true;
    }
    reply_array(x->reply, 2);
    reply_stream_id(x->reply, id);
    reply_null_array(x->reply);
    return false;
}

static void reply_history(struct reading *reading, struct source *source, struct xstream_consumer *consumer)
{
    struct execution *x = reading->x;
    struct xstream *stream = xstream_edit(&source->value);
    struct stream_id first = source->after;
    size_t handle = reply_deferred_begin(x->reply), replied = 0;
    bool has_more = stream_id_increment(&first);
    struct id_place place = id_tree_ceiling(&consumer->pending, first);
    for (; has_more && place.leaf; place = id_place_next(place)) {
        struct xstream_pending *pending = id_place_value(place);
        struct stream_id id = id_place_id(place);
        if (reply_pending(x, stream, id)) {
            xstream_pending_set(stream, source->group, id, pending, x->now_ms, pending->deliveries + 1);
            stream_stage_claims(x, source->key, source->group, consumer->name, &id, 1, x->now_ms, pending->deliveries);
        }
        if (++replied == reading->count)
            break;
        execution_breathe(x);
    }
    reply_deferred_array(x->reply, handle, replied);
}

/* The consumer is there from now on, whether it gets something or not. */
static struct xstream_consumer *source_consumer(struct reading *reading, struct source *source)
{
    struct xstream *stream = xstream_edit(&source->value);
    size_t consumers = source->group->consumer_count;
    struct xstream_consumer *consumer =
        stream_consumer_required(reading->x, source->key, stream, source->group, reading->consumer);
    if (source->group->consumer_count > consumers)
        keyspace_written_unwatched(reading->x->keyspace, source->key, source->entry);
    return consumer;
}

static void reply_to_consumer(struct reading *reading, struct source *source, struct xstream_consumer *consumer)
{
    if (source->is_history) {
        reply_history(reading, source, consumer);
    } else {
        consumer->active_ms = reading->x->now_ms;
        reply_new(reading, source, consumer);
    }
    keyspace_written_unwatched(reading->x->keyspace, source->key, source->entry);
}

/* ---- both ---- */

static void reply_source(struct reading *reading, struct source *source)
{
    struct reply *reply = reading->x->reply;
    struct xstream_consumer *consumer = reading->is_group ? source_consumer(reading, source) : NULL;
    if (!source_has_news(source))
        return;
    if (reading->replied++ == 0)
        reading->handle = reply_deferred_begin(reply);
    if (reply->protocol < 3)
        reply_array(reply, 2);
    reply_bulk(reply, source->key->name);
    if (consumer) {
        reply_to_consumer(reading, source, consumer);
        return;
    }
    struct stream_id first = source->after;
    stream_id_increment(&first);
    reply_stream_range(reply, xstream_of(&source->value), first, STREAM_ID_MAX, false, reading->count);
}

/* The command as it is to run when a key is filled: what $ stands for is known now. */
static void block(struct reading *reading, const struct source *sources)
{
    struct execution *x = reading->x;
    const struct bytes *argv = x->argv;
    struct bytes *fixed = memory_allocate(x->argc * sizeof(*fixed));
    char(*texts)[STREAM_ID_TEXT_MAX] = memory_allocate(reading->key_count * sizeof(*texts));
    memcpy(fixed, argv, x->argc * sizeof(*fixed));
    for (size_t i = 0; !reading->is_group && !x->serving && i < reading->key_count; i++)
        fixed[reading->keys_at + reading->key_count + i] = stream_id_text(sources[i].after, texts[i]);
    x->argv = fixed;
    execution_block(x, reading->is_group ? BLOCK_ON_ANY_CHANGE : OBJECT_STREAM, false, reading->timeout_ms,
                    reply_null_array);
    x->argv = argv;
    memory_free(texts);
    memory_free(fixed);
}

static void finish(struct reading *reading, const struct source *sources)
{
    struct execution *x = reading->x;
    if (reading->replied == 0 && reading->waits && execution_may_block(x))
        block(reading, sources);
    else if (reading->replied == 0)
        reply_null_array(x->reply);
    else if (x->reply->protocol < 3)
        reply_deferred_array(x->reply, reading->handle, reading->replied);
    else
        reply_deferred_map(x->reply, reading->handle, reading->replied);
}

/* All keys are looked at before the first is replied to: an error is a whole reply. */
static bool open_all(struct reading *reading, struct source *sources)
{
    struct execution *x = reading->x;
    for (size_t i = 0; i < x->key_count; i++)
        if (!source_open(reading, &x->keys[i], &sources[i]))
            return false;
    return true;
}

/* The keys of an execution stand behind the first word STREAMS, which may be the name of a group. */
static bool keys_are_as_read(struct reading *reading)
{
    struct execution *x = reading->x;
    if (x->serving || (x->key_count == reading->key_count && x->keys[0].name.data == x->argv[reading->keys_at].data))
        return true;
    reply_syntax_error(x);
    return false;
}

static void read_streams(struct execution *x, bool is_group)
{
    struct reading reading = {.x = x, .is_group = is_group};
    struct source few[EXECUTION_KEYS_INLINE], *sources = few;
    if (!parse(&reading) || !keys_are_as_read(&reading))
        return;
    if (x->key_count > EXECUTION_KEYS_INLINE)
        sources = memory_allocate(x->key_count * sizeof(*sources));
    if (open_all(&reading, sources)) {
        for (size_t i = 0; i < x->key_count; i++)
            reply_source(&reading, &sources[i]);
        finish(&reading, sources);
    }
    if (sources != few)
        memory_free(sources);
}

static void xread_command(struct execution *x)
{
    read_streams(x, false);
}

static void xreadgroup_command(struct execution *x)
{
    read_streams(x, true);
}

const struct command stream_read_commands[] = {
    {
        .name = "XREAD",
        .run = xread_command,
        .arity = -4,
        .flags = COMMAND_READONLY | COMMAND_BLOCKING | COMMAND_MOVABLEKEYS,
        .keys = {{.flags = KEY_RO | KEY_ACCESS, .first = 1, .last = -1, .step = 1, .keyword = "STREAMS", .limit = 2}},
        .group = "stream",
        .since = "5.0.0",
        .summary = "Returns entries of streams that are after given ids; can wait for some.",
        .arguments =
            ARGUMENTS({.name = "count", .type = ARGUMENT_INTEGER, .token = "COUNT", .flags = ARGUMENT_OPTIONAL},
                      {.name = "milliseconds", .type = ARGUMENT_INTEGER, .token = "BLOCK", .flags = ARGUMENT_OPTIONAL},
                      {.name = "streams",
                       .type = ARGUMENT_BLOCK,
                       .token = "STREAMS",
                       .children = ARGUMENTS({.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE},
                                             {.name = "id", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE})}),
    },
    {
        .name = "XREADGROUP",
        .run = xreadgroup_command,
        .arity = -7,
        .flags = COMMAND_WRITE | COMMAND_BLOCKING | COMMAND_MOVABLEKEYS,
        .keys = {{.flags = KEY_RO | KEY_ACCESS, .first = 4, .last = -1, .step = 1, .keyword = "STREAMS", .limit = 2}},
        .group = "stream",
        .since = "5.0.0",
        .summary = "Returns new or pending entries of streams to a consumer of a group; can wait for some.",
        .arguments =
            ARGUMENTS({.name = "group_consumer",
                       .type = ARGUMENT_BLOCK,
                       .token = "GROUP",
                       .children = ARGUMENTS(ARG_STRING("group"), ARG_STRING("consumer"))},
                      {.name = "count", .type = ARGUMENT_INTEGER, .token = "COUNT", .flags = ARGUMENT_OPTIONAL},
                      {.name = "milliseconds", .type = ARGUMENT_INTEGER, .token = "BLOCK", .flags = ARGUMENT_OPTIONAL},
                      ARG_FLAG("noack", "NOACK"),
                      {.name = "streams",
                       .type = ARGUMENT_BLOCK,
                       .token = "STREAMS",
                       .children = ARGUMENTS({.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE},
                                             {.name = "id", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE})}),
    },
    {.name = NULL},
};
