/* SPDX-License-Identifier: BSD-3-Clause */
/* A list is a sequence of listpacks: one that stands in the entry (up to INLINE_BYTES_MAX), or a chain of nodes in a body.
 *
 * Q1 a node in the chain has at least one element, and count and bytes of the body are the sums over its nodes.
 * Q2 a node has at most what list-max-listpack-size allows, or a single element.
 * Q3 a body that shrinks stays a body: a list that breathes around the bound does not move each time.
 *
 * Editing goes through a place: the buffer of a listpack and an offset in it, wherever that stands. */
#include "object/list_object.h"

#include "base/check.h"
#include "base/memory.h"
#include "object/list_private.h"
#include "object/listpack.h"

/* Beyond this, moving the bytes in and out of the entry costs more than a node. */
#define INLINE_BYTES_MAX 512

static struct object object_of_body(struct list_body *body)
{
    return (struct object){.type = OBJECT_LIST, .encoding = ENCODING_QUICKLIST, .body = body};
}

/* The list as a body, made of its listpack if it was none. */
static struct list_body *body_of(struct object *list)
{
    if (list->encoding == ENCODING_QUICKLIST)
        return list->body;
    struct list_body *body = list_body_create();
    if (listpack_first(list->bytes))
        list_body_append(body, list->bytes);
    *list = object_of_body(body);
    return body;
}

/* ---- reading ---- */

size_t list_object_length(const struct object *list)
{
    if (list->encoding == ENCODING_QUICKLIST)
        return ((const struct list_body *)list->body)->count;
    return listpack_count(list->bytes);
}

/* The node with this index, which becomes the index within it; NULL if there is none. From the nearer end. */
static struct list_node *find_node(const struct list_body *body, int64_t *index)
{
    int64_t count = (int64_t)body->count, at = *index < 0 ? *index + count : *index;
    if (at < 0 || at >= count)
        return NULL;
    struct list_node *node;
    if (at < count / 2) {
        for (node = body->head; at >= (int64_t)node->count; node = node->next)
            at -= (int64_t)node->count;
    } else {
        int64_t behind = count - at;
        for (node = body->tail; behind > (int64_t)node->count; node = node->previous)
            behind -= (int64_t)node->count;
        at = (int64_t)node->count - behind;
    }
    *index = at;
    return node;
}

bool list_object_get(const struct object *list, int64_t index, char *digits, struct bytes *element)
{
    struct bytes listpack = list->bytes;
    if (list->encoding == ENCODING_QUICKLIST) {
        const struct list_node *node = find_node(list->body, &index);
        if (!node)
            return false;
        listpack = buffer_bytes(&node->listpack);
    }
    const uint8_t *position = listpack_seek(listpack, index);
    if (position)
        *element = listpack_get_bytes(position, digits);
    return position != NULL;
}

void list_iterator_init(struct list_iterator *iterator, const struct object *list, int64_t index, bool backwards)
{
    *iterator = (struct list_iterator){.list = list, .listpack = list->bytes, .backwards = backwards};
    if (list->encoding == ENCODING_QUICKLIST) {
        iterator->node = find_node(list->body, &index);
        check(iterator->node);
        iterator->listpack = buffer_bytes(&iterator->node->listpack);
    }
    iterator->position = listpack_seek(iterator->listpack, index);
}

static void iterator_advance(struct list_iterator *iterator)
{
    iterator->position =
        iterator->backwards ? listpack_prev(iterator->listpack, iterator->position) : listpack_next(iterator->position);
    if (iterator->position || !iterator->node)
        return;
    iterator->node = iterator->backwards ? iterator->node->previous : iterator->node->next;
    if (!iterator->node)
        return;
    iterator->listpack = buffer_bytes(&iterator->node->listpack);
    iterator->position = iterator->backwards ? listpack_last(iterator->listpack) : listpack_first(iterator->listpack);
}

bool list_iterator_next(struct list_iterator *iterator, char *digits, struct bytes *element)
{
    if (!iterator->position)
        return false;
    *element = listpack_get_bytes(iterator->position, digits);
    iterator_advance(iterator);
    return true;
}

/* ---- pushing ---- */

static void listpack_push(struct buffer *listpack, enum list_end end, struct bytes element)
{
    bool fits = end == LIST_HEAD ? listpack_prepend(listpack, element) : listpack_append(listpack, element);
    check(fits);
}

static void body_push(struct list_body *body, enum list_end end, struct bytes element)
{
    struct list_node *node = end == LIST_HEAD ? body->head : body->tail;
    if (!node || !list_within_limit(node->listpack.length + listpack_entry_bytes(element), node->count + 1)) {
        node = list_node_create();
        list_node_link(body, node, end == LIST_HEAD ? NULL : body->tail);
    }
    list_node_leave(body, node);
    listpack_push(&node->listpack, end, element);
    node->count++;
    list_node_enter(body, node);
}

/* Whether the listpack may stay in the entry with this element more. */
static bool stays_inline(const struct object *list, struct bytes element)
{
    size_t bytes = list->bytes.length + listpack_entry_bytes(element);
    return list->encoding == ENCODING_LISTPACK && bytes <= INLINE_BYTES_MAX &&
           list_within_limit(bytes, listpack_count(list->bytes) + 1);
}

void list_object_push(struct object *list, struct buffer *room, enum list_end end, struct bytes element)
{
    if (!stays_inline(list, element)) {
        body_push(body_of(list), end, element);
        return;
    }
    struct buffer *listpack = object_edit_begin(list, room);
    listpack_push(listpack, end, element);
    object_edit_end(list, listpack);
}

/* ---- places ---- */

/* Where an element stands. */
struct place {
    struct list_body *body; /* NULL: a listpack in the room */
    struct list_node *node;
    struct buffer *listpack;
    size_t offset;
};

/* The offset is good for list->bytes or for the node. */
static struct place place_begin(struct object *list, struct buffer *room, struct list_node *node, size_t offset)
{
    struct place place = {.node = node, .offset = offset};
    if (list->encoding == ENCODING_QUICKLIST) {
        check(node);
        place.body = list->body;
        place.listpack = &node->listpack;
        list_node_leave(place.body, node);
    } else {
        place.listpack = object_edit_begin(list, room);
    }
    return place;
}

static void place_end(struct place *place, struct object *list, int64_t count_change)
{
    if (!place->body) {
        object_edit_end(list, place->listpack);
        return;
    }
    place->node->count = (size_t)((int64_t)place->node->count + count_change);
    list_node_enter(place->body, place->node);
    if (place->node->count == 0) {
        list_node_unlink(place->body, place->node);
        list_node_destroy(place->node);
    }
}

static void insert_at(struct object *list, struct buffer *room, struct list_node *node, size_t offset,
                      struct bytes element)
{
    if (!node && !stays_inline(list, element))
        node = body_of(list)->head;
    if (node && !list_within_limit(node->listpack.length + listpack_entry_bytes(element), node->count + 1)) {
        node = list_node_open(list->body, node, offset);
        offset = LISTPACK_HEADER_BYTES;
    }
    struct place place = place_begin(list, room, node, offset);
    bool fits = listpack_insert(place.listpack, offset, element);
    check(fits);
    place_end(&place, list, 1);
}

/* The element as a node of its own, if its listpack cannot take it within the limit. */
static void replace_at(struct object *list, struct buffer *room, struct list_node *node, size_t offset,
                       struct bytes element)
{
    struct bytes listpack = node ? buffer_bytes(&node->listpack) : list->bytes;
    size_t step = listpack_step(listpack_at(listpack, offset));
    size_t bytes = listpack.length - step + listpack_entry_bytes(element);
    bool fits = node ? node->count == 1 || list_within_limit(bytes, node->count) : bytes <= INLINE_BYTES_MAX;
    if (!fits) {
        node = node ? node : body_of(list)->head;
        if (node->count > 1) {
            insert_at(list, room, node, offset + step, element);
            struct place old = place_begin(list, room, node, offset);
            listpack_delete(old.listpack, offset, 1);
            place_end(&old, list, -1);
            return;
        }
    }
    struct place place = place_begin(list, room, node, offset);
    fits = listpack_replace(place.listpack, offset, element);
    check(fits);
    place_end(&place, list, 0);
}

void list_object_set(struct object *list, struct buffer *room, int64_t index, struct bytes element)
{
    struct list_node *node = list->encoding == ENCODING_QUICKLIST ? find_node(list->body, &index) : NULL;
    struct bytes listpack = node ? buffer_bytes(&node->listpack) : list->bytes;
    const uint8_t *position = listpack_seek(listpack, index);
    check(position && (node || list->encoding != ENCODING_QUICKLIST));
    replace_at(list, room, node, listpack_offset(listpack, position), element);
}

bool list_object_find(const struct object *list, struct bytes pivot, struct list_place *place)
{
    struct list_node *node = list->encoding == ENCODING_QUICKLIST ? ((struct list_body *)list->body)->head : NULL;
    do {
        struct bytes listpack = node ? buffer_bytes(&node->listpack) : list->bytes;
        const uint8_t *found = listpack_find(listpack_first(listpack), pivot, 0);
        if (found) {
            *place = (struct list_place){node, listpack_offset(listpack, found)};
            return true;
        }
        node = node ? node->next : NULL;
    } while (node);
    return false;
}

void list_object_insert_at(struct object *list, struct buffer *room, const struct list_place *place, bool before,
                           struct bytes element)
{
    struct bytes listpack = place->node ? buffer_bytes(&place->node->listpack) : list->bytes;
    size_t step = before ? 0 : listpack_step(listpack_at(listpack, place->offset));
    insert_at(list, room, place->node, place->offset + step, element);
}

bool list_object_insert(struct object *list, struct buffer *room, struct bytes pivot, bool before, struct bytes element)
{
    struct list_place place;
    bool found = list_object_find(list, pivot, &place);
    if (found)
        list_object_insert_at(list, room, &place, before, element);
    return found;
}

/* ---- removing ---- */

/* Takes whole nodes from an end into a body of their own, as long as 'count' covers them; returns what is left of it. */
static size_t drop_nodes(struct list_body *body, enum list_end end, size_t count)
{
    struct list_body dropped = {0};
    for (;;) {
        struct list_node *node = end == LIST_HEAD ? body->head : body->tail;
        if (!node || node->count > count)
            break;
        count -= node->count;
        list_node_unlink(body, node);
        list_node_link(&dropped, node, dropped.tail);
    }
    if (dropped.nodes > 0) {
        struct list_body *garbage = list_body_create();
        *garbage = dropped;
        list_body_free(garbage);
    }
    return count;
}

void list_object_drop(struct object *list, struct buffer *room, enum list_end end, size_t count)
{
    struct list_node *node = NULL;
    if (list->encoding == ENCODING_QUICKLIST) {
        count = drop_nodes(list->body, end, count);
        node = end == LIST_HEAD ? ((struct list_body *)list->body)->head : ((struct list_body *)list->body)->tail;
        if (!node || count == 0)
            return;
    }
    struct bytes listpack = node ? buffer_bytes(&node->listpack) : list->bytes;
    size_t length = listpack_count(listpack);
    count = count < length ? count : length;
    if (count == 0)
        return;
    const uint8_t *first = end == LIST_HEAD ? listpack_first(listpack) : listpack_seek(listpack, -(int64_t)count);
    struct place place = place_begin(list, room, node, listpack_offset(listpack, first));
    listpack_delete(place.listpack, place.offset, count);
    place_end(&place, list, -(int64_t)count);
}

/* Removes equal elements from one listpack, at most 'most', the last ones if 'backwards'. */
static size_t remove_in(struct object *list, struct buffer *room, struct list_node *node, size_t most, bool backwards,
                        struct bytes element)
{
    struct bytes listpack = node ? buffer_bytes(&node->listpack) : list->bytes;
    if (!listpack_find(listpack_first(listpack), element, 0))
        return 0;
    struct place place = place_begin(list, room, node, 0);
    const uint8_t *position =
        backwards ? listpack_last(buffer_bytes(place.listpack)) : listpack_first(buffer_bytes(place.listpack));
    size_t removed = 0;
    while (position && removed < most) {
        listpack = buffer_bytes(place.listpack);
        size_t offset = listpack_offset(listpack, position);
        bool equals = listpack_equals(position, element);
        const uint8_t *before = backwards ? listpack_prev(listpack, position) : NULL;
        size_t offset_before = before ? listpack_offset(listpack, before) : 0;
        if (equals)
            removed += listpack_delete(place.listpack, offset, 1);
        listpack = buffer_bytes(place.listpack);
        if (backwards)
            position = before ? listpack_at(listpack, offset_before) : NULL;
        else
            position = equals ? listpack_at(listpack, offset) : listpack_next(position);
    }
    place_end(&place, list, -(int64_t)removed);
    return removed;
}

static size_t most_of(int64_t count)
{
    return count == 0 ? SIZE_MAX : count < 0 ? (size_t) - (uint64_t)count : (size_t)count;
}

static size_t count_equal(struct bytes listpack, struct bytes element)
{
    size_t count = 0;
    const uint8_t *position = listpack_first(listpack);
    while (position && (position = listpack_find(position, element, 0))) {
        position = listpack_next(position);
        count++;
    }
    return count;
}

static void matches_add(struct list_matches *matches, struct list_node *node)
{
    if (matches->count == matches->capacity) {
        matches->capacity = matches->capacity ? matches->capacity * 2 : 16;
        matches->nodes = memory_resize(matches->nodes, matches->capacity * sizeof(struct list_node *));
    }
    matches->nodes[matches->count++] = node;
}

void list_object_match(const struct object *list, int64_t count, struct bytes element, struct list_matches *matches)
{
    bool backwards = count < 0;
    const struct list_body *body = list->body;
    size_t left = most_of(count), equal;
    *matches = (struct list_matches){0};
    if (list->encoding != ENCODING_QUICKLIST)
        return;
    for (struct list_node *node = backwards ? body->tail : body->head; node && left > 0;
         node = backwards ? node->previous : node->next) {
        if ((equal = count_equal(buffer_bytes(&node->listpack), element)) == 0)
            continue;
        matches_add(matches, node);
        left -= equal < left ? equal : left;
    }
}

size_t list_object_remove_matches(struct object *list, struct buffer *room, int64_t count, struct bytes element,
                                  struct list_matches *matches)
{
    size_t most = most_of(count), removed = 0;
    if (list->encoding != ENCODING_QUICKLIST)
        return remove_in(list, room, NULL, most, count < 0, element);
    for (size_t i = 0; i < matches->count; i++)
        removed += remove_in(list, room, matches->nodes[i], most - removed, count < 0, element);
    memory_free(matches->nodes);
    return removed;
}

size_t list_object_remove(struct object *list, struct buffer *room, int64_t count, struct bytes element)
{
    struct list_matches matches;
    list_object_match(list, count, element, &matches);
    return list_object_remove_matches(list, room, count, element, &matches);
}

/* ---- what every type can do ---- */

static void release(struct object *list)
{
    if (list->encoding == ENCODING_QUICKLIST)
        list_body_free(list->body);
}

static size_t external_bytes(const struct object *list)
{
    if (list->encoding != ENCODING_QUICKLIST)
        return 0;
    return sizeof(struct list_body) + ((const struct list_body *)list->body)->bytes;
}

static struct object copy(const struct object *list)
{
    struct list_body *body = list_body_create();
    for (const struct list_node *node = ((const struct list_body *)list->body)->head; node; node = node->next)
        list_body_append(body, buffer_bytes(&node->listpack));
    return object_of_body(body);
}

static void each(const struct object *list, bool (*visit)(void *context, struct bytes element), void *context)
{
    struct list_iterator iterator;
    struct bytes element;
    char digits[BYTES_INTEGER_MAX];
    if (list_object_length(list) == 0)
        return;
    list_iterator_init(&iterator, list, 0, false);
    while (list_iterator_next(&iterator, digits, &element) && visit(context, element))
        ;
}

/* A chain of one short node is what Redis calls a listpack. */
static const char *encoding_name(const struct object *list)
{
    if (list->encoding != ENCODING_QUICKLIST)
        return "listpack";
    const struct list_body *body = list->body;
    bool is_one = body->nodes == 1 && list_within_limit(body->head->listpack.length, body->head->count);
    return is_one ? "listpack" : "quicklist";
}

static const char empty_listpack[LISTPACK_EMPTY_BYTES] = {0, 0, (char)0xff};

const struct object_class list_object_class = {
    .release = release,
    .external_bytes = external_bytes,
    .count = list_object_length,
    .copy = copy,
    .each = each,
    .encode = list_object_encode,
    .encoding_name = encoding_name,
    .empty = {.type = OBJECT_LIST, .encoding = ENCODING_LISTPACK, .bytes = {empty_listpack, LISTPACK_EMPTY_BYTES}},
};
