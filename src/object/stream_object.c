/* SPDX-License-Identifier: BSD-3-Clause */
/* A stream's entries stand in nodes, listpacks that an ordered index finds by the id of their first entry.
 *
 * S1 ids rise over all entries, deleted ones included, and none is after last_id.
 * S2 a node has at least one live entry; length is the sum over the nodes.
 * S3 bytes is the sum of what is allocated: body, index, nodes with their capacity, groups. */
#include "object/stream_object.h"

#include "base/check.h"
#include "base/memory.h"
#include "object/object_limits.h"
#include "object/stream_private.h"

/* ---- body ---- */

struct xstream *xstream_create(void)
{
    struct xstream *stream = memory_allocate_zeroed(sizeof(*stream));
    stream->nodes.account = &stream->bytes;
    stream->bytes = sizeof(*stream);
    return stream;
}

static void destroy(void *body)
{
    struct xstream *stream = body;
    id_tree_clear(&stream->nodes, xstream_node_destroy);
    xstream_groups_free(stream);
    memory_free(stream);
}

static bool is_large(const struct xstream *stream)
{
    size_t parts = stream->nodes.count;
    for (size_t i = 0; i < stream->group_count && parts <= STREAM_FREE_AT_ONCE_MAX; i++)
        parts += stream->groups[i]->pending.count + stream->groups[i]->consumer_count + 1;
    return parts > STREAM_FREE_AT_ONCE_MAX;
}

void xstream_free(struct xstream *stream)
{
    if (is_large(stream))
        memory_free_later(stream, destroy);
    else
        destroy(stream);
}

struct xstream *xstream_edit(struct object *object)
{
    if (object->body == NULL)
        object->body = xstream_create();
    return object->body;
}

const struct xstream *xstream_of(const struct object *object)
{
    static const struct xstream empty;
    return object->body ? object->body : &empty;
}

/* ---- ids ---- */

bool stream_id_increment(struct stream_id *id)
{
    if (id->seq == UINT64_MAX && id->ms == UINT64_MAX)
        return false;
    id->ms += id->seq == UINT64_MAX;
    id->seq++;
    return true;
}

bool stream_id_decrement(struct stream_id *id)
{
    if (id->seq == 0 && id->ms == 0)
        return false;
    id->ms -= id->seq == 0;
    id->seq--;
    return true;
}

/* ---- nodes ---- */

static size_t node_size(const struct xstream_node *node)
{
    return sizeof(*node) + node->listpack.capacity;
}

/* Before a node is changed or taken out, or (NULL) added. */
static void node_will_change(struct xstream *stream, struct stream_id first, const struct xstream_node *node)
{
    struct object_capture *capture = atomic_load_explicit(&stream->capture, memory_order_relaxed);
    if (__builtin_expect(capture != NULL, 0))
        stream_capture_note(capture, first, node);
}

static void node_add(struct xstream *stream, struct stream_id first, struct xstream_node *node)
{
    node_will_change(stream, first, NULL);
    bool is_new = id_tree_insert(&stream->nodes, first, node);
    check(is_new);
    stream->bytes += node_size(node);
}

static void node_remove(struct xstream *stream, struct stream_id first)
{
    struct xstream_node *node = id_tree_remove(&stream->nodes, first);
    node_will_change(stream, first, node);
    stream->bytes -= node_size(node);
    xstream_node_destroy(node);
}

/* A node that grows no more gives back what it has too much. */
static void node_seal(struct xstream *stream, struct xstream_node *node)
{
    size_t capacity = memory_size_class(node->listpack.length);
    if (capacity >= node->listpack.capacity)
        return;
    stream->bytes -= node->listpack.capacity - capacity;
    node->listpack.data = memory_resize(node->listpack.data, capacity);
    node->listpack.capacity = capacity;
}

void xstream_append_node(struct xstream *stream, struct stream_id first, struct bytes bytes)
{
    struct xstream_node *node = memory_allocate_zeroed(sizeof(*node));
    buffer_append_bytes(&node->listpack, bytes);
    node_add(stream, first, node);
    stream->length += xstream_node_live(bytes);
}

/* Whether the limits, which count bytes as dumped, let the node take an entry with words of so many bytes. */
static bool node_has_room(const struct xstream_node *node, size_t bytes)
{
    struct bytes there = xstream_node_bytes(node);
    size_t bytes_max = (size_t)object_limits.stream_node_max_bytes,
           entries_max = (size_t)object_limits.stream_node_max_entries;
    if (bytes_max > 0 && LISTPACK_SIZE_BYTES + there.length + bytes >= bytes_max)
        return false;
    return entries_max == 0 || xstream_node_live(there) + xstream_node_deleted(there) < entries_max;
}

/* ---- appending ---- */

static bool append_to_last(struct xstream *stream, struct id_place place, struct stream_id id,
                           const struct bytes *words, size_t word_count)
{
    struct xstream_node *node = id_place_value(place);
    size_t before = node_size(node);
    node_will_change(stream, id_place_id(place), node);
    bool appended = xstream_node_append(node, id_place_id(place), id, words, word_count);
    stream->bytes += node_size(node) - before;
    return appended;
}

static void append_node_with(struct xstream *stream, struct stream_id id, const struct bytes *words, size_t word_count)
{
    struct xstream_node *node = xstream_node_create(words, word_count);
    bool fits = xstream_node_append(node, id, id, words, word_count);
    check(fits);
    node_add(stream, id, node);
}

bool xstream_append(struct xstream *stream, struct stream_id id, const struct bytes *words, size_t word_count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < word_count; i++)
        bytes += words[i].length;
    /* A node has its first entry's fields twice over, and each word some bytes around it. */
    if (word_count < 2 || bytes + word_count * 12 > LISTPACK_BYTES_MAX / 2)
        return false;
    struct id_place last = id_tree_last(&stream->nodes);
    if (last.leaf == NULL || !node_has_room(id_place_value(last), bytes) ||
        !append_to_last(stream, last, id, words, word_count)) {
        if (last.leaf)
            node_seal(stream, id_place_value(last));
        append_node_with(stream, id, words, word_count);
    }
    stream->length++;
    stream->entries_added += stream->entries_added < INT64_MAX;
    stream->last_id = id;
    return true;
}

/* ---- deleting ---- */

static struct xstream_view view_at(struct id_place place)
{
    return xstream_view_of(xstream_node_bytes(id_place_value(place)), id_place_id(place));
}

/* Takes entries out of a node, and the node with its last live one. Returns how many were live. */
static size_t node_cut(struct xstream *stream, struct id_place place, const uint8_t *from, const uint8_t *to)
{
    struct xstream_node *node = id_place_value(place);
    size_t before = node_size(node), live = xstream_node_live(xstream_node_bytes(node));
    node_will_change(stream, id_place_id(place), node);
    xstream_node_cut(node, from, to);
    stream->bytes += node_size(node) - before;
    size_t left = xstream_node_live(xstream_node_bytes(node));
    stream->length -= live - left;
    if (left == 0)
        node_remove(stream, id_place_id(place));
    else if (node->listpack.length < node->listpack.capacity / 4)
        node_seal(stream, node);
    return live - left;
}

/* The live entry with this id. */
static bool find_entry(const struct xstream *stream, struct stream_id id, struct id_place *place,
                       struct xstream_entry *entry)
{
    *place = id_tree_floor(&stream->nodes, id);
    if (place->leaf == NULL)
        return false;
    struct xstream_view view = view_at(*place);
    return xstream_view_seek(&view, id, false, entry) && !entry->is_deleted && stream_id_compare(entry->id, id) == 0;
}

bool xstream_has(const struct xstream *stream, struct stream_id id)
{
    struct id_place place;
    struct xstream_entry entry;
    return find_entry(stream, id, &place, &entry);
}

bool xstream_delete(struct xstream *stream, struct stream_id id)
{
    struct id_place place;
    struct xstream_entry entry;
    if (!find_entry(stream, id, &place, &entry))
        return false;
    node_cut(stream, place, entry.position, xstream_entry_end(&entry));
    if (stream_id_compare(id, stream->max_deleted_id) > 0)
        stream->max_deleted_id = id;
    return true;
}

void xstream_set_last_id(struct xstream *stream, struct stream_id id)
{
    struct id_place place = id_tree_last(&stream->nodes);
    struct xstream_entry entry, last;
    stream->last_id = id;
    if (place.leaf == NULL)
        return;
    struct xstream_view view = view_at(place);
    if (!xstream_view_last(&view, &last) || stream_id_compare(last.id, id) <= 0)
        return;
    if (stream_id_increment(&id) && xstream_view_seek(&view, id, false, &entry))
        node_cut(stream, place, entry.position, xstream_entry_end(&last));
}

static bool node_is_trimmed(const struct xstream *stream, const struct xstream_trim *trim, struct id_place place)
{
    struct bytes node = xstream_node_bytes(id_place_value(place));
    if (trim->by == XSTREAM_TRIM_LENGTH)
        return stream->length - xstream_node_live(node) >= trim->length;
    struct xstream_view view = view_at(place);
    struct xstream_entry last;
    return xstream_view_last(&view, &last) && stream_id_compare(last.id, trim->id) < 0;
}

/* Whole nodes at the beginning. */
static size_t trim_nodes(struct xstream *stream, const struct xstream_trim *trim)
{
    size_t trimmed = 0;
    for (struct id_place place; (place = id_tree_first(&stream->nodes)).leaf && node_is_trimmed(stream, trim, place);) {
        size_t live = xstream_node_live(xstream_node_bytes(id_place_value(place)));
        if (trim->limit > 0 && trimmed + live > trim->limit)
            break;
        node_remove(stream, id_place_id(place));
        stream->length -= live;
        trimmed += live;
    }
    return trimmed;
}

/* What whole nodes did not make up for: entries of the first one. */
static size_t trim_entries(struct xstream *stream, const struct xstream_trim *trim)
{
    struct id_place place = id_tree_first(&stream->nodes);
    struct xstream_entry entry;
    if (place.leaf == NULL)
        return 0;
    struct xstream_view view = view_at(place);
    const uint8_t *end = view.entries;
    size_t excess = trim->by == XSTREAM_TRIM_LENGTH ? stream->length - (size_t)trim->length : 0;
    for (bool found = xstream_view_first(&view, &entry); found; found = xstream_view_next(&view, &entry)) {
        if (trim->by == XSTREAM_TRIM_LENGTH ? excess == 0 : stream_id_compare(entry.id, trim->id) >= 0)
            break;
        excess -= trim->by == XSTREAM_TRIM_LENGTH && !entry.is_deleted;
        end = xstream_entry_end(&entry);
    }
    return end == view.entries ? 0 : node_cut(stream, place, view.entries, end);
}

size_t xstream_trim(struct xstream *stream, const struct xstream_trim *trim)
{
    if (trim->by == XSTREAM_TRIM_LENGTH && stream->length <= trim->length)
        return 0;
    size_t trimmed = trim_nodes(stream, trim);
    return trim->is_approximate ? trimmed : trimmed + trim_entries(stream, trim);
}

/* ---- reading ---- */

static void cursor_set(struct xstream_cursor *cursor)
{
    const struct xstream_entry *entry = &cursor->entry;
    cursor->id = entry->id;
    cursor->fields = cursor->fields_left = entry->fields;
    cursor->value = entry->content;
    cursor->field = entry->has_own_fields ? entry->content : cursor->view.fields;
}

static bool cursor_move(struct xstream_cursor *cursor, bool backward)
{
    return backward ? xstream_view_previous(&cursor->view, &cursor->entry)
                    : xstream_view_next(&cursor->view, &cursor->entry);
}

static bool cursor_enter(struct xstream_cursor *cursor, bool backward)
{
    cursor->view = view_at(cursor->node);
    return backward ? xstream_view_last(&cursor->view, &cursor->entry)
                    : xstream_view_first(&cursor->view, &cursor->entry);
}

/* From an entry of the cursor's node, which may be missing, to the nearest live one in the direction. */
static void cursor_settle(struct xstream_cursor *cursor, bool found, bool backward)
{
    while (found && cursor->entry.is_deleted)
        found = cursor_move(cursor, backward);
    while (!found) {
        cursor->node = (backward ? id_place_previous : id_place_next)(cursor->node);
        if (cursor->node.leaf == NULL) {
            cursor->is_at_end = true;
            return;
        }
        found = cursor_enter(cursor, backward);
        while (found && cursor->entry.is_deleted)
            found = cursor_move(cursor, backward);
    }
    cursor_set(cursor);
}

void xstream_seek(const struct xstream *stream, struct stream_id id, bool backward, struct xstream_cursor *cursor)
{
    cursor->node = id_tree_floor(&stream->nodes, id);
    if (cursor->node.leaf == NULL && !backward)
        cursor->node = id_tree_first(&stream->nodes);
    cursor->is_at_end = cursor->node.leaf == NULL;
    if (cursor->is_at_end)
        return;
    cursor->view = view_at(cursor->node);
    cursor->entry = (struct xstream_entry){.fields = 0};
    cursor_settle(cursor, xstream_view_seek(&cursor->view, id, backward, &cursor->entry), backward);
}

void xstream_step(struct xstream_cursor *cursor, bool backward)
{
    cursor_settle(cursor, cursor_move(cursor, backward), backward);
}

bool xstream_next_field(struct xstream_cursor *cursor, struct bytes *field, struct bytes *value,
                        char digits[2 * BYTES_INTEGER_MAX])
{
    if (cursor->fields_left == 0)
        return false;
    cursor->fields_left--;
    *field = listpack_get_bytes(cursor->field, digits);
    if (cursor->entry.has_own_fields)
        cursor->value = cursor->field + listpack_step(cursor->field);
    *value = listpack_get_bytes(cursor->value, digits + BYTES_INTEGER_MAX);
    if (cursor->entry.has_own_fields) {
        cursor->field = cursor->value + listpack_step(cursor->value);
    } else {
        cursor->field += listpack_step(cursor->field);
        cursor->value += listpack_step(cursor->value);
    }
    return true;
}

bool xstream_first_id(const struct xstream *stream, struct stream_id *id)
{
    struct xstream_cursor cursor;
    xstream_seek(stream, STREAM_ID_MIN, false, &cursor);
    *id = cursor.is_at_end ? STREAM_ID_MIN : cursor.id;
    return !cursor.is_at_end;
}

bool xstream_last_entry_id(const struct xstream *stream, struct stream_id *id)
{
    struct xstream_cursor cursor;
    xstream_seek(stream, STREAM_ID_MAX, true, &cursor);
    *id = cursor.is_at_end ? STREAM_ID_MIN : cursor.id;
    return !cursor.is_at_end;
}

/* ---- the class ---- */

static void release(struct object *object)
{
    if (object->body)
        xstream_free(object->body);
    object->body = NULL;
}

static size_t external_bytes(const struct object *object)
{
    return xstream_of(object)->bytes;
}

static size_t count(const struct object *object)
{
    return xstream_of(object)->length;
}

static struct object copy(const struct object *object)
{
    const struct xstream *stream = xstream_of(object);
    struct xstream *copied = xstream_create();
    for (struct id_place place = id_tree_first(&stream->nodes); place.leaf; place = id_place_next(place))
        xstream_append_node(copied, id_place_id(place), xstream_node_bytes(id_place_value(place)));
    copied->last_id = stream->last_id;
    copied->max_deleted_id = stream->max_deleted_id;
    copied->entries_added = stream->entries_added;
    xstream_groups_copy(stream, copied);
    return (struct object){.type = OBJECT_STREAM, .encoding = ENCODING_STREAM, .body = copied};
}

const struct object_class stream_object_class = {
    .release = release,
    .external_bytes = external_bytes,
    .count = count,
    .copy = copy,
    .empty = {.type = OBJECT_STREAM, .encoding = ENCODING_STREAM},
    .encode = stream_object_encode,
};
