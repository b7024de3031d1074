/* SPDX-License-Identifier: BSD-3-Clause */
/* How effects of streams are applied. They are commands as Redis replicates them: XADD with the id that it got, XTRIM with
 * the length that it left, XCLAIM by force for whatever became pending, and XGROUP SETID for how far a group has read. */
#include "base/clock.h"
#include "base/memory.h"
#include "command/apply.h"
#include "command/stream_commands.h"

static bool good_id(struct bytes word, struct stream_id *id)
{
    return stream_id_parse(word, 0, id);
}

/* ---- entries ---- */

static bool append(struct object *value, struct bytes id_word, const struct bytes *words, size_t count)
{
    struct stream_id id;
    return good_id(id_word, &id) && stream_id_compare(id, xstream_of(value)->last_id) > 0 && count % 2 == 0 &&
           xstream_append(xstream_edit(value), id, words, count);
}

static bool apply_xadd(struct object *value, struct buffer *room, const struct effect *effect)
{
    (void)room;
    return append(value, effect->words[2], effect->words + 3, effect->count - 3);
}

/* MAXLEN = n */
static bool apply_xtrim(struct object *value, struct buffer *room, const struct effect *effect)
{
    (void)room;
    struct xstream_trim trim = {.by = XSTREAM_TRIM_LENGTH};
    if (!bytes_to_uint64(effect->words[4], &trim.length))
        return false;
    xstream_trim(xstream_edit(value), &trim);
    return true;
}

static bool apply_xdel(struct object *value, struct buffer *room, const struct effect *effect)
{
    (void)room;
    struct stream_id id;
    for (uint32_t i = 2; i < effect->count; i++)
        if (good_id(effect->words[i], &id))
            xstream_delete(xstream_edit(value), id);
    return true;
}

/* id ENTRIESADDED n MAXDELETEDID id */
static bool apply_xsetid(struct object *value, struct buffer *room, const struct effect *effect)
{
    (void)room;
    struct xstream *stream = xstream_edit(value);
    struct stream_id last_id;
    if (!good_id(effect->words[2], &last_id))
        return false;
    xstream_set_last_id(stream, last_id);
    return bytes_to_uint64(effect->words[4], &stream->entries_added) &&
           good_id(effect->words[6], &stream->max_deleted_id);
}

/* ---- groups ---- */

static struct xstream_group *group_of(struct object *value, struct bytes name)
{
    return xstream_group_find(xstream_of(value), name);
}

/* A consumer that was made without a word, before it got something. */
static struct xstream_consumer *consumer_of(struct object *value, struct xstream_group *group, struct bytes name)
{
    struct xstream_consumer *consumer = xstream_consumer_find(group, name);
    return consumer ? consumer : xstream_consumer_create(xstream_edit(value), group, name, clock_now_ms());
}

/* group id ENTRIESREAD n */
static bool apply_position(struct object *value, const struct bytes *words, bool creates)
{
    struct stream_id id;
    int64_t entries_read;
    if (!good_id(words[1], &id) || !bytes_to_int64(words[3], &entries_read))
        return false;
    if (creates)
        return xstream_group_create(xstream_edit(value), words[0], id, entries_read) != NULL;
    struct xstream_group *group = group_of(value, words[0]);
    if (!group)
        return false;
    xstream_group_set_position(xstream_edit(value), group, id, entries_read);
    return true;
}

static bool apply_consumer(struct object *value, const struct bytes *words, bool creates)
{
    struct xstream_group *group = group_of(value, words[0]);
    struct xstream_consumer *consumer = group ? xstream_consumer_find(group, words[1]) : NULL;
    if (!group || (!creates && !consumer))
        return false;
    if (creates)
        consumer_of(value, group, words[1]);
    else
        xstream_consumer_destroy(xstream_edit(value), group, consumer);
    return true;
}

static bool apply_xgroup(struct object *value, struct buffer *room, const struct effect *effect)
{
    (void)room;
    const struct bytes sub = effect->words[1], *words = effect->words + 3;
    uint32_t count = effect->count - 3;
    if (bytes_equal_text(sub, "CREATE") || bytes_equal_text(sub, "SETID"))
        return count >= 4 && apply_position(value, words, bytes_equal_text(sub, "CREATE"));
    if (bytes_equal_text(sub, "CREATECONSUMER") || bytes_equal_text(sub, "DELCONSUMER"))
        return count == 2 && apply_consumer(value, words, bytes_equal_text(sub, "CREATECONSUMER"));
    return bytes_equal_text(sub, "DESTROY") && xstream_group_destroy(xstream_edit(value), words[0]);
}

static bool apply_xack(struct object *value, struct buffer *room, const struct effect *effect)
{
    (void)room;
    struct stream_id id;
    struct xstream_group *group = group_of(value, effect->words[2]);
    for (uint32_t i = 3; group && i < effect->count; i++)
        if (good_id(effect->words[i], &id))
            xstream_pending_remove(xstream_edit(value), group, id);
    return group != NULL;
}

/* group consumer 0 id ... TIME ms RETRYCOUNT n FORCE JUSTID LASTID id */
#define XCLAIM_TAIL 8

static bool apply_xclaim(struct object *value, struct buffer *room, const struct effect *effect)
{
    (void)room;
    const struct bytes *tail = effect->words + effect->count - XCLAIM_TAIL;
    struct xstream_group *group = group_of(value, effect->words[2]);
    int64_t delivered_ms;
    uint64_t deliveries;
    struct stream_id id;
    if (!group || !bytes_to_int64(tail[1], &delivered_ms) || !bytes_to_uint64(tail[3], &deliveries))
        return false;
    struct xstream_consumer *consumer = consumer_of(value, group, effect->words[3]);
    consumer->active_ms = delivered_ms;
    for (const struct bytes *word = effect->words + 5; word < tail; word++) {
        if (!good_id(*word, &id))
            return false;
        struct xstream_pending *pending = xstream_pending_give(xstream_edit(value), group, id, consumer);
        xstream_pending_set(xstream_edit(value), group, id, pending, delivered_ms, deliveries);
    }
    return true;
}

const struct effect_form stream_effects[] = {
    {"XADD", OBJECT_STREAM, 5, apply_xadd},
    {"XTRIM", OBJECT_STREAM, 5, apply_xtrim},
    {"XDEL", OBJECT_STREAM, 3, apply_xdel},
    {"XSETID", OBJECT_STREAM, 7, apply_xsetid},
    {"XGROUP", OBJECT_STREAM, 4, apply_xgroup},
    {"XACK", OBJECT_STREAM, 4, apply_xack},
    {"XCLAIM", OBJECT_STREAM, 6 + XCLAIM_TAIL, apply_xclaim},
    {.name = NULL},
};
