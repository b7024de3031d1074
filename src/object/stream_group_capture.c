/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups are written in the order of their names, and those that have left the stream behind them. Of a group there is a record
 * from its first change on, or from when it is its turn.
 *
 * Its pending entries are written in the order of their ids. Before one beyond the walk is changed or dropped, a copy of it is
 * put aside under its id; of one that comes there, a copy that nobody holds. What stands aside is written, or passed over, in
 * the place of the entry. The payload names each entry once more behind its consumer: the walk keeps these ids, for each
 * consumer in its record, until it is the consumers' turn, which have the same order as groups.
 *
 * E1 a pending entry within the walk's bounds that has nothing aside is as it was at the begin, as is who holds it.
 * E2 a group or consumer whose captured_id is that of the capture is new, or written, or (a group) has a record.
 * E3 a consumer has a record if it was there at the begin and has ids, was seen or has left since; else it is as it was.
 * E4 what leaves before it is written is freed by the capture. */
#include "base/check.h"
#include "base/memory.h"
#include "object/capture_private.h"
#include "object/stream_private.h"

/* What things cost of the bytes of a step, written or not: an entry, about what it is in the payload. */
#define ENTRY_BYTES 41
#define NAMED_BYTES 64
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
    struct captured_group *next; /* of those that have left the stream */
    uint64_t id;                 /* of the capture */
    enum { AT_BEGIN, AT_PENDING, AT_CONSUMERS, AT_RECORDS } phase;
    bool has_left;

    /* as they were */
    struct stream_id last_id;
    int64_t entries_read;
    size_t consumer_count;

    struct stream_id first, last; /* pending entries from the one to the other are not written */
    bool is_walked;
    size_t left; /* pending entries that are not written yet */
    struct id_tree aside;
    size_t aside_bytes;

    struct name_cursor consumer_names;
    size_t consumers_left;
    struct captured_consumer *present; /* in the midst of its ids */
    struct captured_consumer *records;
    struct id_chunk *spent; /* written; so many pages are better not given back under a lock */
};

/* ---- the order of names ---- */

static size_t cursor_index(const struct name_cursor *cursor, const void *items, size_t count)
{
    return cursor->is_set ? xstream_names_after(items, count, buffer_bytes(&cursor->name)) : 0;
}

static void cursor_set(struct name_cursor *cursor, struct bytes name)
{
    cursor->is_set = true;
    cursor->name.length = 0;
    buffer_append_bytes(&cursor->name, name);
}

static void spend(size_t *bytes, size_t spent)
{
    *bytes -= spent < *bytes ? spent : *bytes;
}

/* ---- what changes meanwhile ---- */

uint64_t stream_capture_id(const struct xstream *stream)
{
    const struct object_capture *capture = atomic_load_explicit(&stream->capture, memory_order_relaxed);
    return capture ? capture->id : 0;
}

void stream_capture_note_group(struct object_capture *capture, struct xstream_group *group)
{
    if (group->captured_id == capture->id)
        return;
    struct captured_group *captured = memory_allocate_zeroed(sizeof(*captured));
    struct id_place last = id_tree_last(&group->pending);
    *captured = (struct captured_group){.group = group,
                                        .id = capture->id,
                                        .last_id = group->last_id,
                                        .entries_read = group->entries_read,
                                        .consumer_count = group->consumer_count,
                                        .consumers_left = group->consumer_count,
                                        .is_walked = last.leaf == NULL,
                                        .left = group->pending.count};
    captured->aside.account = &captured->aside_bytes;
    if (last.leaf)
        captured->last = id_place_id(last);
    group->captured = captured;
    group->captured_id = capture->id;
}

bool stream_capture_keeps_group(struct object_capture *capture, struct xstream_group *group)
{
    stream_capture_note_group(capture, group);
    struct captured_group *captured = group->captured;
    if (!captured)
        return false;
    captured->has_left = true;
    if (captured != capture->present) {
        captured->next = capture->gone;
        capture->gone = captured;
    }
    return true;
}

void captured_group_note(struct captured_group *captured, struct stream_id id, const struct xstream_pending *pending)
{
    bool is_beyond = !captured->is_walked && stream_id_compare(id, captured->first) >= 0 &&
                     stream_id_compare(id, captured->last) <= 0;
    if (!is_beyond || id_tree_find(&captured->aside, id))
        return;
    struct xstream_pending *copy = memory_allocate_zeroed(sizeof(*copy));
    if (pending)
        *copy = *pending;
    check(id_tree_insert(&captured->aside, id, copy));
}

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

void captured_group_note_seen(struct captured_group *captured, struct xstream_consumer *consumer)
{
    if (consumer->captured_id != captured->id)
        record_of(captured, consumer);
}

bool captured_group_keeps_consumer(struct captured_group *captured, struct xstream_consumer *consumer)
{
    if (consumer->captured_id == captured->id && !consumer->captured)
        return false;
    record_of(captured, consumer)->has_left = true;
    return true;
}

/* ---- pending entries ---- */

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
    struct id_place live = id_tree_ceiling(&captured->group->pending, captured->first);
    struct id_place aside = id_tree_ceiling(&captured->aside, captured->first);
    for (; *bytes > 0 && !captured->is_walked; spend(bytes, ENTRY_BYTES)) {
        int order = !live.leaf ? 1 : !aside.leaf ? -1 : stream_id_compare(id_place_id(live), id_place_id(aside));
        struct id_place place = order < 0 ? live : aside;
        captured->is_walked = !place.leaf || stream_id_compare(id_place_id(place), captured->last) > 0;
        if (captured->is_walked)
            break;
        captured->first = id_place_id(place);
        write_pending(captured, captured->first, id_place_value(place), out);
        captured->is_walked = !stream_id_increment(&captured->first);
        if (order <= 0)
            live = id_place_next(live);
        if (order >= 0)
            aside = id_place_next(aside);
    }
}

/* ---- consumers ---- */

static void write_head(struct captured_group *captured, struct xstream_consumer *consumer, struct buffer *out)
{
    struct captured_consumer *record = consumer->captured;
    check(captured->consumers_left > 0);
    captured->consumers_left--;
    consumer->captured_id = captured->id;
    xstream_write_consumer(out, consumer->name, record ? record->seen_ms : consumer->seen_ms,
                           record ? record->count : 0);
    captured->present = record && record->first ? record : NULL;
}

static void write_ids(struct captured_group *captured, struct buffer *out)
{
    struct captured_consumer *record = captured->present;
    struct id_chunk *chunk = record->first;
    buffer_append(out, chunk->ids, chunk->count * sizeof(chunk->ids[0]));
    record->first = chunk->next;
    chunk->next = captured->spent;
    captured->spent = chunk;
    if (!record->first)
        captured->present = NULL;
}

/* Those that are in the group. True if that was all. */
static bool write_consumers(struct captured_group *captured, size_t *bytes, struct buffer *out)
{
    const struct xstream_group *group = captured->group;
    size_t at = cursor_index(&captured->consumer_names, group->consumers, group->consumer_count);
    while (*bytes > 0 && (captured->present || at < group->consumer_count)) {
        size_t before = out->length;
        if (captured->present)
            write_ids(captured, out);
        else if (group->consumers[at++]->captured_id != captured->id)
            write_head(captured, group->consumers[at - 1], out);
        spend(bytes, NAMED_BYTES + out->length - before);
    }
    bool is_done = !captured->present && at == group->consumer_count;
    if (!is_done && at > 0)
        cursor_set(&captured->consumer_names, group->consumers[at - 1]->name);
    return is_done;
}

/* The consumer is the group's alone again, or nobody's. */
static void drop_record(struct captured_group *captured)
{
    struct captured_consumer *record = captured->records;
    captured->records = record->next;
    record->consumer->captured = NULL;
    if (record->has_left)
        xstream_consumer_free(record->consumer);
    memory_free(record);
}

/* Who has left before he was written, is written here. True if that was all. */
static bool write_records(struct captured_group *captured, size_t *bytes, struct buffer *out)
{
    while (*bytes > 0 && captured->records) {
        size_t before = out->length;
        if (captured->present)
            write_ids(captured, out);
        else if (captured->records->consumer->captured_id != captured->id)
            write_head(captured, captured->records->consumer, out);
        else
            drop_record(captured);
        spend(bytes, NAMED_BYTES + out->length - before);
    }
    return !captured->records;
}

/* ---- groups ---- */

static void captured_free(void *taken)
{
    struct captured_group *captured = taken;
    for (struct id_chunk *chunk = captured->spent, *next; chunk; chunk = next) {
        next = chunk->next;
        memory_free(chunk);
    }
    id_tree_clear(&captured->aside, memory_free);
    buffer_deinit(&captured->consumer_names.name);
    memory_free(captured);
}

static void captured_end(struct captured_group *captured)
{
    check(captured->consumers_left == 0);
    captured->group->captured = NULL;
    if (captured->has_left)
        xstream_group_free(captured->group);
    if (captured->aside.count > STREAM_FREE_AT_ONCE_MAX || captured->spent)
        memory_free_later(captured, captured_free);
    else
        captured_free(captured);
}

/* True if all of the group is written. */
static bool write_group(struct captured_group *captured, size_t *bytes, struct buffer *out)
{
    if (captured->phase == AT_BEGIN) {
        xstream_write_group(out, captured->group->name, captured->last_id, captured->entries_read, captured->left);
        spend(bytes, NAMED_BYTES + captured->group->name.length);
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
    if (captured->phase == AT_CONSUMERS && write_consumers(captured, bytes, out))
        captured->phase = AT_RECORDS;
    return captured->phase == AT_RECORDS && write_records(captured, bytes, out);
}

/* The next group in the order of names from *at on, or of those that have left; NULL if there is none. */
static struct captured_group *next_group(struct object_capture *capture, size_t *at, size_t *bytes)
{
    const struct xstream *stream = xstream_of(&capture->value);
    while (*bytes > 0 && *at < stream->group_count) {
        struct xstream_group *group = stream->groups[(*at)++];
        stream_capture_note_group(capture, group);
        spend(bytes, NAMED_BYTES);
        if (group->captured)
            return group->captured;
    }
    struct captured_group *gone = *bytes > 0 ? capture->gone : NULL;
    if (gone)
        capture->gone = gone->next;
    return gone;
}

bool stream_capture_groups_step(struct object_capture *capture, size_t *bytes, struct buffer *out)
{
    const struct xstream *stream = xstream_of(&capture->value);
    size_t at = cursor_index(&capture->group_names, stream->groups, stream->group_count);
    while (capture->groups_left > 0 && *bytes > 0) {
        if (!capture->present)
            capture->present = next_group(capture, &at, bytes);
        if (capture->present && write_group(capture->present, bytes, out)) {
            captured_end(capture->present);
            capture->present = NULL;
            capture->groups_left--;
        }
    }
    if (at > 0)
        cursor_set(&capture->group_names, stream->groups[at - 1]->name);
    return capture->groups_left == 0;
}
