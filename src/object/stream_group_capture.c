/* SPDX-License-Identifier: BSD-3-Clause */
/* A group's pending entries are written in the order of their ids. Before one beyond the walk is changed or dropped, a copy of
 * it is put aside under its id; of one that comes there, a copy that nobody holds. What stands aside is written, or passed
 * over, in the place of the entry. The payload names each entry once more behind its consumer: the walk keeps these ids, for
 * each consumer in its record, until it is the consumers' turn.
 *
 * E1 a pending entry within the walk's bounds that has nothing aside is as it was at the begin, as is who holds it.
 * E2 whoever held something at the begin is among 'consumers', which are freed by nobody else before the group is written.
 * E3 a record is made for a consumer that has ids, was seen, or has left since the begin; others are as they were. */
#include "base/check.h"
#include "base/memory.h"
#include "object/stream_private.h"

/* What an entry costs of the bytes of a step, written or not: about what it is in the payload. */
#define ENTRY_BYTES 41
#define RECORD_BYTES 64
#define CHUNK_IDS_MIN 16
#define CHUNK_IDS_MAX 2048

/* Ids as they are written. */
struct id_chunk {
    struct id_chunk *next;
    uint32_t count, capacity;
    char ids[][STREAM_ID_WIRE_BYTES];
};

struct captured_consumer {
    struct xstream_consumer *consumer;
    struct captured_consumer *next; /* in any order */
    int64_t seen_ms;
    bool has_left;
    size_t count;
    struct id_chunk *first, *last;
};

struct captured_group {
    struct xstream_group *group;
    enum { AT_BEGIN, AT_PENDING, AT_CONSUMERS, AT_RECORDS } phase;
    bool has_left;

    /* as they were */
    struct stream_id last_id;
    int64_t entries_read;
    struct xstream_consumer **consumers;
    size_t consumer_count;

    struct stream_id next, last; /* pending entries from the one to the other are not written */
    bool is_walked;
    size_t left; /* pending entries that are not written yet */
    struct id_tree aside;
    size_t aside_bytes;
    size_t consumers_written;
    bool is_in_consumer; /* the next one's head is written */
    struct captured_consumer *records;
    struct id_chunk *spent; /* written; so many pages are better not given back under a lock */
};

struct captured_group *captured_group_begin(struct xstream_group *group)
{
    struct captured_group *captured = memory_allocate_zeroed(sizeof(*captured));
    struct id_place last = id_tree_last(&group->pending);
    size_t bytes = group->consumer_count * sizeof(*captured->consumers);
    *captured = (struct captured_group){.group = group,
                                        .last_id = group->last_id,
                                        .entries_read = group->entries_read,
                                        .consumer_count = group->consumer_count,
                                        .is_walked = last.leaf == NULL,
                                        .left = group->pending.count};
    captured->aside.account = &captured->aside_bytes;
    if (bytes > 0) {
        captured->consumers = memory_allocate(bytes);
        memcpy(captured->consumers, group->consumers, bytes);
    }
    if (last.leaf)
        captured->last = id_place_id(last);
    group->captured = captured;
    return captured;
}

/* ---- what changes meanwhile ---- */

static struct captured_consumer *record_of(struct captured_group *captured, struct xstream_consumer *consumer)
{
    if (!consumer->captured) {
        struct captured_consumer *record = memory_allocate_zeroed(sizeof(*record));
        *record =
            (struct captured_consumer){.consumer = consumer, .next = captured->records, .seen_ms = consumer->seen_ms};
        captured->records = consumer->captured = record;
    }
    return consumer->captured;
}

void captured_group_note(struct captured_group *captured, struct stream_id id, const struct xstream_pending *pending)
{
    bool is_beyond = !captured->is_walked && stream_id_compare(id, captured->next) >= 0 &&
                     stream_id_compare(id, captured->last) <= 0;
    if (!is_beyond || id_tree_find(&captured->aside, id))
        return;
    struct xstream_pending *copy = memory_allocate_zeroed(sizeof(*copy));
    if (pending)
        *copy = *pending;
    check(id_tree_insert(&captured->aside, id, copy));
}

void captured_group_note_seen(struct captured_group *captured, struct xstream_consumer *consumer)
{
    if (captured->phase < AT_RECORDS)
        record_of(captured, consumer);
}

bool captured_group_keeps_consumer(struct captured_group *captured, struct xstream_consumer *consumer)
{
    if (captured->phase == AT_RECORDS && !consumer->captured)
        return false;
    record_of(captured, consumer)->has_left = true;
    return true;
}

void captured_group_keep(struct captured_group *captured)
{
    captured->has_left = true;
}

/* ---- writing ---- */

static void spend(size_t *bytes, size_t spent)
{
    *bytes -= spent < *bytes ? spent : *bytes;
}

static void keep_id(struct captured_consumer *record, struct stream_id id)
{
    struct id_chunk *chunk = record->last;
    if (!chunk || chunk->count == chunk->capacity) {
        uint32_t capacity = chunk ? chunk->capacity * 4 : CHUNK_IDS_MIN;
        capacity = capacity < CHUNK_IDS_MAX ? capacity : CHUNK_IDS_MAX;
        chunk = memory_allocate(sizeof(*chunk) + capacity * sizeof(chunk->ids[0]));
        *chunk = (struct id_chunk){.capacity = capacity};
        *(record->last ? &record->last->next : &record->first) = chunk;
        record->last = chunk;
    }
    stream_id_to_wire(id, chunk->ids[chunk->count++]);
    record->count++;
}

static void write_pending(struct captured_group *captured, struct stream_id id, const struct xstream_pending *pending,
                          struct buffer *out)
{
    if (!pending->consumer)
        return;
    check(captured->left > 0);
    captured->left--;
    xstream_write_pending(out, id, pending);
    keep_id(record_of(captured, pending->consumer), id);
}

static void walk_pending(struct captured_group *captured, size_t *bytes, struct buffer *out)
{
    struct id_place live = id_tree_ceiling(&captured->group->pending, captured->next);
    struct id_place aside = id_tree_ceiling(&captured->aside, captured->next);
    for (; *bytes > 0 && !captured->is_walked; spend(bytes, ENTRY_BYTES)) {
        int order = !live.leaf ? 1 : !aside.leaf ? -1 : stream_id_compare(id_place_id(live), id_place_id(aside));
        struct id_place place = order < 0 ? live : aside;
        captured->is_walked = !place.leaf || stream_id_compare(id_place_id(place), captured->last) > 0;
        if (captured->is_walked)
            break;
        captured->next = id_place_id(place);
        write_pending(captured, captured->next, id_place_value(place), out);
        captured->is_walked = !stream_id_increment(&captured->next);
        if (order <= 0)
            live = id_place_next(live);
        if (order >= 0)
            aside = id_place_next(aside);
    }
}

/* The next consumer, or some of its ids. */
static void write_consumer(struct captured_group *captured, size_t *bytes, struct buffer *out)
{
    const struct xstream_consumer *consumer = captured->consumers[captured->consumers_written];
    struct captured_consumer *record = consumer->captured;
    struct id_chunk *chunk = record ? record->first : NULL;
    size_t before = out->length;
    if (!captured->is_in_consumer)
        xstream_write_consumer(out, consumer->name, record ? record->seen_ms : consumer->seen_ms,
                               record ? record->count : 0);
    if (chunk) {
        buffer_append(out, chunk->ids, chunk->count * sizeof(chunk->ids[0]));
        record->first = chunk->next;
        chunk->next = captured->spent;
        captured->spent = chunk;
    }
    captured->is_in_consumer = chunk && record->first;
    captured->consumers_written += !captured->is_in_consumer;
    spend(bytes, out->length - before);
}

/* The consumers are the group's alone again, or nobody's. */
static void drop_record(struct captured_group *captured, size_t *bytes)
{
    struct captured_consumer *record = captured->records;
    captured->records = record->next;
    record->consumer->captured = NULL;
    if (record->has_left)
        xstream_consumer_free(record->consumer);
    memory_free(record);
    spend(bytes, RECORD_BYTES);
}

static void captured_free(void *taken)
{
    struct captured_group *captured = taken;
    for (struct id_chunk *chunk = captured->spent, *next; chunk; chunk = next) {
        next = chunk->next;
        memory_free(chunk);
    }
    id_tree_clear(&captured->aside, memory_free);
    memory_free(captured->consumers);
    memory_free(captured);
}

static void captured_end(struct captured_group *captured)
{
    captured->group->captured = NULL;
    if (captured->has_left)
        xstream_group_free(captured->group);
    if (captured->aside.count > STREAM_FREE_AT_ONCE_MAX || captured->spent)
        memory_free_later(captured, captured_free);
    else
        captured_free(captured);
}

bool captured_group_step(struct captured_group *captured, size_t *bytes, struct buffer *out)
{
    if (captured->phase == AT_BEGIN) {
        xstream_write_group(out, captured->group->name, captured->last_id, captured->entries_read, captured->left);
        captured->phase = AT_PENDING;
    }
    if (captured->phase == AT_PENDING) {
        walk_pending(captured, bytes, out);
        if (!captured->is_walked)
            return false;
        check(captured->left == 0);
        rdb_write_length(out, captured->consumer_count);
        captured->phase = AT_CONSUMERS;
    }
    while (captured->consumers_written < captured->consumer_count) {
        if (*bytes == 0)
            return false;
        write_consumer(captured, bytes, out);
    }
    captured->phase = AT_RECORDS;
    while (captured->records) {
        if (*bytes == 0)
            return false;
        drop_record(captured, bytes);
    }
    captured_end(captured);
    return true;
}
