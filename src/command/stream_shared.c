/* SPDX-License-Identifier: BSD-3-Clause */
/* Ids as words, entries as replies, and what groups tell the stream of effects. */
#include "command/args.h"
#include "command/effects.h"
#include "command/notify.h"
#include "command/stream_commands.h"
#include "resp/error_text.h"

/* ---- ids ---- */

/* Every entry that is added or replied is spelt here. */
struct bytes stream_id_text(struct stream_id id, char text[STREAM_ID_TEXT_MAX])
{
    size_t length = bytes_from_uint64(text, id.ms);
    text[length++] = '-';
    length += bytes_from_uint64(text + length, id.seq);
    return bytes_of(text, length);
}

void reply_stream_id(struct reply *reply, struct stream_id id)
{
    char text[STREAM_ID_TEXT_MAX];
    reply_bulk(reply, stream_id_text(id, text));
}

/* Leading zeros are good here. */
static bool parse_part(struct bytes digits, uint64_t *value)
{
    while (digits.length > 1 && digits.data[0] == '0')
        digits = bytes_of(digits.data + 1, digits.length - 1);
    return bytes_to_uint64(digits, value);
}

bool stream_id_parse(struct bytes word, uint64_t missing_seq, struct stream_id *id)
{
    const char *dash = word.length ? memchr(word.data, '-', word.length) : NULL;
    id->seq = missing_seq;
    if (!dash)
        return parse_part(word, &id->ms);
    size_t length = (size_t)(dash - word.data);
    return parse_part(bytes_of(word.data, length), &id->ms) &&
           parse_part(bytes_of(dash + 1, word.length - length - 1), &id->seq);
}

bool arg_stream_id(struct execution *x, struct bytes word, uint64_t missing_seq, struct stream_id *id)
{
    if (stream_id_parse(word, missing_seq, id))
        return true;
    reply_error(x->reply, ERROR_STREAM_ID);
    return false;
}

static bool arg_bound(struct execution *x, struct bytes word, uint64_t missing_seq, struct stream_id *id,
                      bool *excluded)
{
    *excluded = word.length > 1 && word.data[0] == '(';
    if (*excluded)
        return arg_stream_id(x, bytes_of(word.data + 1, word.length - 1), missing_seq, id);
    if (bytes_equal(word, BYTES("-")))
        *id = STREAM_ID_MIN;
    else if (bytes_equal(word, BYTES("+")))
        *id = STREAM_ID_MAX;
    else
        return arg_stream_id(x, word, missing_seq, id);
    return true;
}

bool arg_stream_start(struct execution *x, struct bytes word, struct stream_id *id)
{
    bool excluded;
    if (!arg_bound(x, word, 0, id, &excluded))
        return false;
    if (!excluded || stream_id_increment(id))
        return true;
    reply_error(x->reply, "ERR invalid start ID for the interval");
    return false;
}

bool arg_stream_end(struct execution *x, struct bytes word, struct stream_id *id)
{
    bool excluded;
    if (!arg_bound(x, word, UINT64_MAX, id, &excluded))
        return false;
    if (!excluded || stream_id_decrement(id))
        return true;
    reply_error(x->reply, "ERR invalid end ID for the interval");
    return false;
}

bool arg_stream_count(struct execution *x, struct bytes word, const char *error, int64_t *count)
{
    if (!arg_int64(x, word, count))
        return false;
    if (*count < 0)
        reply_error(x->reply, error);
    return *count >= 0;
}

/* ---- look-up ---- */

bool stream_lookup(struct execution *x, const struct key *key, bool writes, struct entry **entry, struct object *value)
{
    *entry = writes ? lookup_write(x, key) : lookup_read(x, key);
    if (!require_type(x, *entry, OBJECT_STREAM))
        return false;
    *value = *entry ? entry_object(*entry) : object_empty(OBJECT_STREAM);
    return true;
}

void reply_no_group(struct execution *x, struct bytes name)
{
    struct bytes key = x->keys[0].name;
    reply_error_format(x->reply, ERROR_NO_GROUP_FORMAT, (int)name.length, name.data, (int)key.length, key.data);
}

struct xstream_group *stream_group_required(struct execution *x, const struct key *key, const struct xstream *stream,
                                            struct bytes name)
{
    struct xstream_group *group = xstream_group_find(stream, name);
    if (!group)
        reply_error_format(x->reply, "NOGROUP No such key '%.*s' or consumer group '%.*s'", reply_quoted(key->name),
                           key->name.data, reply_quoted(name), name.data);
    return group;
}

/* ---- entries ---- */

void reply_stream_entry(struct reply *reply, struct xstream_cursor *cursor)
{
    struct bytes field, value;
    char digits[2 * BYTES_INTEGER_MAX];
    reply_array(reply, 2);
    reply_stream_id(reply, cursor->id);
    reply_array(reply, cursor->fields * 2);
    while (xstream_next_field(cursor, &field, &value, digits)) {
        reply_bulk(reply, field);
        reply_bulk(reply, value);
    }
}

void reply_stream_range(struct reply *reply, const struct xstream *stream, struct stream_id first,
                        struct stream_id last, bool backward, uint64_t count)
{
    struct xstream_cursor cursor;
    size_t handle = reply_deferred_begin(reply);
    uint64_t replied = 0;
    for (xstream_seek(stream, backward ? last : first, backward, &cursor); !cursor.is_at_end;
         xstream_step(&cursor, backward)) {
        if (backward ? stream_id_compare(cursor.id, first) < 0 : stream_id_compare(cursor.id, last) > 0)
            break;
        reply_stream_entry(reply, &cursor);
        if (++replied == count)
            break;
    }
    reply_deferred_array(reply, handle, replied);
}

/* ---- effects of groups ---- */

/* Ids of one effect: what else it has, and its own limit. */
#define CLAIM_WORDS 12
#define CLAIM_IDS_MAX 100

static void stage_claim(struct execution *x, const struct key *key, const struct xstream_group *group,
                        struct bytes consumer, const struct stream_id *ids, size_t count, struct bytes time,
                        struct bytes deliveries)
{
    char texts[CLAIM_IDS_MAX][STREAM_ID_TEXT_MAX], last[STREAM_ID_TEXT_MAX];
    struct bytes words[CLAIM_IDS_MAX + CLAIM_WORDS] = {group->name, consumer, BYTES("0")};
    size_t at = 3;
    for (size_t i = 0; i < count; i++)
        words[at++] = stream_id_text(ids[i], texts[i]);
    const struct bytes tail[] = {BYTES("TIME"),       time,
                                 BYTES("RETRYCOUNT"), deliveries,
                                 BYTES("FORCE"),      BYTES("JUSTID"),
                                 BYTES("LASTID"),     stream_id_text(group->last_id, last)};
    memcpy(&words[at], tail, sizeof(tail));
    at += sizeof(tail) / sizeof(tail[0]);
    stage_change(x, key, false, "XCLAIM", words, at, at);
}

void stream_stage_claims(struct execution *x, const struct key *key, const struct xstream_group *group,
                         struct bytes consumer, const struct stream_id *ids, size_t count, int64_t delivered_ms,
                         uint64_t deliveries)
{
    char time[BYTES_INTEGER_MAX], number[BYTES_INTEGER_MAX];
    if (!x->recording)
        return;
    const struct bytes time_word = bytes_of(time, bytes_from_int64(time, delivered_ms));
    const struct bytes count_word = bytes_of(number, bytes_from_uint64(number, deliveries));
    for (size_t at = 0, some; at < count; at += some) {
        some = count - at < CLAIM_IDS_MAX ? count - at : CLAIM_IDS_MAX;
        stage_claim(x, key, group, consumer, ids + at, some, time_word, count_word);
    }
}

void stream_stage_group_position(struct execution *x, const struct key *key, const struct xstream_group *group)
{
    char id[STREAM_ID_TEXT_MAX], read[BYTES_INTEGER_MAX];
    if (!x->recording)
        return;
    const struct bytes words[] = {group->name, stream_id_text(group->last_id, id), BYTES("ENTRIESREAD"),
                                  bytes_of(read, bytes_from_int64(read, group->entries_read))};
    stage_subcommand(x, key, false, "XGROUP", "SETID", words, sizeof(words) / sizeof(words[0]));
}

void stream_stage_acknowledged(struct execution *x, const struct key *key, struct bytes group, struct stream_id id)
{
    char text[STREAM_ID_TEXT_MAX];
    const struct bytes words[] = {group, stream_id_text(id, text)};
    stage_change(x, key, false, "XACK", words, 2, 2);
}

struct xstream_consumer *stream_consumer_required(struct execution *x, const struct key *key, struct xstream *stream,
                                                  struct xstream_group *group, struct bytes name)
{
    struct xstream_consumer *consumer = xstream_consumer_find(group, name);
    if (consumer) {
        xstream_consumer_seen(stream, group, consumer, x->now_ms);
        return consumer;
    }
    const struct bytes words[] = {group->name, name};
    stage_subcommand(x, key, false, "XGROUP", "CREATECONSUMER", words, 2);
    notify(x, NOTIFY_STREAM, "xgroup-createconsumer", key);
    return xstream_consumer_create(stream, group, name, x->now_ms);
}
