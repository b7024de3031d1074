/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups of a stream and their consumers. What was delivered to these and not acknowledged is stream_pending.c's.
 *
 * G2 groups and consumers stand in order of their names, each name once.
 * G3 bytes of a group is the sum of what it owns, its place among the stream's groups included; that of the stream has it.
 * G4 what a capture has still to write of a group is told to it before it changes. */
#include "base/check.h"
#include "base/memory.h"
#include "object/stream_private.h"

#include <stdlib.h>

/* ---- arrays in order of name ---- */

/* Groups and consumers begin with their name. */
static struct bytes name_of(const void *named)
{
    return *(const struct bytes *)named;
}

/* Where the name stands or would. */
static size_t find_name(void *const *items, size_t count, struct bytes name, bool *found)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (bytes_compare(name_of(items[middle]), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < count && bytes_equal(name_of(items[low]), name);
    return low;
}

static void *insert_at(void *items, size_t *count, size_t at, void *item)
{
    void **grown = memory_resize(items, (*count + 1) * sizeof(*grown));
    memmove(&grown[at + 1], &grown[at], (*count - at) * sizeof(*grown));
    grown[at] = item;
    ++*count;
    return grown;
}

static int compare_names(const void *a, const void *b)
{
    return bytes_compare(name_of(*(void *const *)a), name_of(*(void *const *)b));
}

bool xstream_names_sort(void *items, size_t count)
{
    void **named = items;
    bool is_sorted = true, is_good = true;
    for (size_t i = 1; i < count && is_sorted; i++)
        is_sorted = compare_names(&named[i - 1], &named[i]) < 0;
    if (is_sorted)
        return true;
    qsort(named, count, sizeof(*named), compare_names);
    for (size_t i = 1; i < count && is_good; i++)
        is_good = compare_names(&named[i - 1], &named[i]) < 0;
    return is_good;
}

size_t xstream_names_after(const void *items, size_t count, struct bytes name)
{
    bool found;
    size_t at = find_name(items, count, name, &found);
    return at + found;
}

static void remove_at(void **items, size_t *count, size_t at)
{
    --*count;
    memmove(&items[at], &items[at + 1], (*count - at) * sizeof(*items));
}

static struct bytes name_copy(struct bytes name)
{
    char *copy = memory_allocate(name.length ? name.length : 1);
    memcpy(copy, name.data, name.length);
    return bytes_of(copy, name.length);
}

/* What one costs besides its trees: itself, its name, its pointer. */
static size_t named_bytes(size_t size, struct bytes name)
{
    return size + name.length + sizeof(void *);
}

/* ---- what changes ---- */

void xstream_group_account(struct xstream *stream, const struct xstream_group *group, size_t bytes_before)
{
    stream->bytes += group->bytes - bytes_before;
}

void xstream_group_will_change(struct xstream *stream, struct xstream_group *group)
{
    struct object_capture *capture = atomic_load_explicit(&stream->capture, memory_order_relaxed);
    if (__builtin_expect(capture != NULL, 0))
        stream_capture_note_group(capture, group);
}

/* ---- groups ---- */

struct xstream_group *xstream_group_find(const struct xstream *stream, struct bytes name)
{
    bool found;
    size_t at = find_name((void *const *)stream->groups, stream->group_count, name, &found);
    return found ? stream->groups[at] : NULL;
}

static struct xstream_group *group_insert(struct xstream *stream, size_t at, struct bytes name,
                                          struct stream_id last_id, int64_t entries_read)
{
    struct xstream_group *group = memory_allocate_zeroed(sizeof(*group));
    group->name = name_copy(name);
    group->last_id = last_id;
    group->entries_read = entries_read;
    group->pending.account = &group->bytes;
    group->bytes = named_bytes(sizeof(*group), name);
    group->captured_id = stream_capture_id(stream);
    stream->groups = insert_at(stream->groups, &stream->group_count, at, group);
    xstream_group_account(stream, group, 0);
    return group;
}

struct xstream_group *xstream_group_create(struct xstream *stream, struct bytes name, struct stream_id last_id,
                                           int64_t entries_read)
{
    bool found;
    size_t at = find_name((void *const *)stream->groups, stream->group_count, name, &found);
    return found ? NULL : group_insert(stream, at, name, last_id, entries_read);
}

struct xstream_group *xstream_group_append(struct xstream *stream, struct bytes name)
{
    return group_insert(stream, stream->group_count, name, STREAM_ID_MIN, XSTREAM_ENTRIES_READ_UNKNOWN);
}

void xstream_consumer_free(struct xstream_consumer *consumer)
{
    id_tree_clear(&consumer->pending, NULL);
    memory_free((void *)consumer->name.data);
    memory_free(consumer);
}

static void group_free(void *taken)
{
    struct xstream_group *group = taken;
    for (size_t i = 0; i < group->consumer_count; i++)
        xstream_consumer_free(group->consumers[i]);
    memory_free(group->consumers);
    id_tree_clear(&group->pending, memory_free);
    memory_free((void *)group->name.data);
    memory_free(group);
}

void xstream_group_free(struct xstream_group *group)
{
    if (group->pending.count + group->consumer_count > STREAM_FREE_AT_ONCE_MAX)
        memory_free_later(group, group_free);
    else
        group_free(group);
}

void xstream_group_set_position(struct xstream *stream, struct xstream_group *group, struct stream_id last_id,
                                int64_t entries_read)
{
    xstream_group_will_change(stream, group);
    group->last_id = last_id;
    group->entries_read = entries_read;
}

bool xstream_group_destroy(struct xstream *stream, struct bytes name)
{
    bool found;
    size_t at = find_name((void *const *)stream->groups, stream->group_count, name, &found);
    if (!found)
        return false;
    struct xstream_group *group = stream->groups[at];
    remove_at((void **)stream->groups, &stream->group_count, at);
    stream->bytes -= group->bytes;
    struct object_capture *capture = atomic_load_explicit(&stream->capture, memory_order_relaxed);
    if (!capture || !stream_capture_keeps_group(capture, group))
        xstream_group_free(group);
    return true;
}

void xstream_groups_free(struct xstream *stream)
{
    for (size_t i = 0; i < stream->group_count; i++)
        group_free(stream->groups[i]);
    memory_free(stream->groups);
    stream->groups = NULL;
    stream->group_count = 0;
}

/* ---- consumers ---- */

struct xstream_consumer *xstream_consumer_find(const struct xstream_group *group, struct bytes name)
{
    bool found;
    size_t at = find_name((void *const *)group->consumers, group->consumer_count, name, &found);
    return found ? group->consumers[at] : NULL;
}

static struct xstream_consumer *consumer_insert(struct xstream *stream, struct xstream_group *group, size_t at,
                                                struct bytes name, int64_t now_ms)
{
    struct xstream_consumer *consumer = memory_allocate_zeroed(sizeof(*consumer));
    size_t before = group->bytes;
    xstream_group_will_change(stream, group);
    consumer->captured_id = stream_capture_id(stream);
    consumer->name = name_copy(name);
    consumer->seen_ms = now_ms;
    consumer->active_ms = -1;
    consumer->pending.account = &group->bytes;
    group->consumers = insert_at(group->consumers, &group->consumer_count, at, consumer);
    group->bytes += named_bytes(sizeof(*consumer), name);
    xstream_group_account(stream, group, before);
    return consumer;
}

struct xstream_consumer *xstream_consumer_create(struct xstream *stream, struct xstream_group *group, struct bytes name,
                                                 int64_t now_ms)
{
    bool found;
    size_t at = find_name((void *const *)group->consumers, group->consumer_count, name, &found);
    return found ? NULL : consumer_insert(stream, group, at, name, now_ms);
}

struct xstream_consumer *xstream_consumer_append(struct xstream *stream, struct xstream_group *group, struct bytes name,
                                                 int64_t seen_ms)
{
    return consumer_insert(stream, group, group->consumer_count, name, seen_ms);
}

void xstream_consumer_seen(struct xstream *stream, struct xstream_group *group, struct xstream_consumer *consumer,
                           int64_t now_ms)
{
    xstream_group_will_change(stream, group);
    if (__builtin_expect(group->captured != NULL, 0))
        captured_group_note_seen(group->captured, consumer);
    consumer->seen_ms = now_ms;
}

bool xstream_consumer_forget(struct xstream *stream, struct xstream_group *group, struct xstream_consumer *consumer,
                             size_t most)
{
    while (consumer->pending.count > 0 && most-- > 0)
        xstream_pending_remove(stream, group, id_place_id(id_tree_last(&consumer->pending)));
    return consumer->pending.count > 0;
}

void xstream_consumer_destroy(struct xstream *stream, struct xstream_group *group, struct xstream_consumer *consumer)
{
    bool found;
    size_t at = find_name((void *const *)group->consumers, group->consumer_count, consumer->name, &found);
    check(found && group->consumers[at] == consumer);
    xstream_group_will_change(stream, group);
    xstream_consumer_forget(stream, group, consumer, SIZE_MAX);
    remove_at((void **)group->consumers, &group->consumer_count, at);
    size_t bytes = named_bytes(sizeof(*consumer), consumer->name);
    group->bytes -= bytes;
    stream->bytes -= bytes;
    if (!group->captured || !captured_group_keeps_consumer(group->captured, consumer))
        xstream_consumer_free(consumer);
}

/* ---- how much was read ---- */

bool xstream_has_gap_after(const struct xstream *stream, struct stream_id id)
{
    struct stream_id first;
    return stream_id_compare(stream->max_deleted_id, STREAM_ID_MIN) > 0 &&
           stream_id_compare(id, stream->max_deleted_id) <= 0 && xstream_first_id(stream, &first) &&
           stream_id_compare(first, stream->max_deleted_id) <= 0;
}

int64_t xstream_estimate_read(const struct xstream *stream, struct stream_id id)
{
    int64_t added = (int64_t)stream->entries_added;
    struct stream_id first;
    int to_last = stream_id_compare(id, stream->last_id);
    if (added == 0 || (stream->length == 0 && to_last <= 0))
        return added;
    if (to_last >= 0)
        return to_last == 0 ? added : XSTREAM_ENTRIES_READ_UNKNOWN;
    xstream_first_id(stream, &first);
    int to_first = stream_id_compare(id, first);
    bool has_no_gap = stream_id_compare(stream->max_deleted_id, STREAM_ID_MIN) == 0 ||
                      stream_id_compare(stream->max_deleted_id, first) < 0;
    if (has_no_gap && to_first <= 0)
        return added - (int64_t)stream->length + (to_first == 0);
    return XSTREAM_ENTRIES_READ_UNKNOWN;
}

bool xstream_group_lag(const struct xstream *stream, const struct xstream_group *group, uint64_t *lag)
{
    int64_t read = group->entries_read;
    *lag = 0;
    if (stream->entries_added == 0)
        return true;
    if (read == XSTREAM_ENTRIES_READ_UNKNOWN || xstream_has_gap_after(stream, group->last_id))
        read = xstream_estimate_read(stream, group->last_id);
    *lag = stream->entries_added - (uint64_t)read;
    return read != XSTREAM_ENTRIES_READ_UNKNOWN;
}

/* ---- copying ---- */

static void copy_group(const struct xstream_group *group, struct xstream *to)
{
    struct xstream_group *copied = xstream_group_create(to, group->name, group->last_id, group->entries_read);
    for (size_t i = 0; i < group->consumer_count; i++) {
        const struct xstream_consumer *consumer = group->consumers[i];
        struct xstream_consumer *holder = xstream_consumer_create(to, copied, consumer->name, consumer->seen_ms);
        holder->active_ms = consumer->active_ms;
        for (struct id_place place = id_tree_first(&consumer->pending); place.leaf; place = id_place_next(place)) {
            const struct xstream_pending *pending = id_place_value(place);
            struct xstream_pending *given = xstream_pending_give(to, copied, id_place_id(place), holder);
            xstream_pending_set(to, copied, id_place_id(place), given, pending->delivered_ms, pending->deliveries);
        }
    }
}

void xstream_groups_copy(const struct xstream *stream, struct xstream *to)
{
    for (size_t i = 0; i < stream->group_count; i++)
        copy_group(stream->groups[i], to);
}
