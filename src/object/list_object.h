/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "object/object.h"

/* Lists: a listpack while small, then a chain of listpacks (a quicklist). Whoever changes one gives a room, as
 * object_edit_begin has it, and stores the view afterwards; the bytes given must not lie in the list. Indexes count from
 * 0, or from -1 backwards from the end. Elements read are good until the list changes; 'digits' (BYTES_INTEGER_MAX) is
 * where integers are spelled. */

enum list_end { LIST_HEAD, LIST_TAIL };

size_t list_object_length(const struct object *list);
/* False if the index is not there. */
bool list_object_get(const struct object *list, int64_t index, char *digits, struct bytes *element);

/* Puts the element before the first or behind the last. */
void list_object_push(struct object *list, struct buffer *room, enum list_end end, struct bytes element);
/* Removes up to 'count' elements from an end. */
void list_object_drop(struct object *list, struct buffer *room, enum list_end end, size_t count);
/* The index must be there. */
void list_object_set(struct object *list, struct buffer *room, int64_t index, struct bytes element);
/* Before or after the first element that equals the pivot; false if there is none. */
bool list_object_insert(struct object *list, struct buffer *room, struct bytes pivot, bool before,
                        struct bytes element);
/* Removes the first 'count' equal elements (0: all; negative: the last ones); returns how many. */
size_t list_object_remove(struct object *list, struct buffer *room, int64_t count, struct bytes element);

/* The two of these in two steps: what is found is good until the list changes. */
struct list_place {
    struct list_node *node; /* NULL: a listpack */
    size_t offset;
};
bool list_object_find(const struct object *list, struct bytes pivot, struct list_place *place);
void list_object_insert_at(struct object *list, struct buffer *room, const struct list_place *place, bool before,
                           struct bytes element);
struct list_matches {
    struct list_node **nodes; /* of a large list, those to be looked into, in their order */
    size_t count, capacity;
};
void list_object_match(const struct object *list, int64_t count, struct bytes element, struct list_matches *matches);
/* Frees the matches. */
size_t list_object_remove_matches(struct object *list, struct buffer *room, int64_t count, struct bytes element,
                                  struct list_matches *matches);

/* Walks from the element with this index (which must be there) on. */
struct list_iterator {
    const struct object *list;
    struct list_node *node; /* NULL: a listpack */
    struct bytes listpack;
    const uint8_t *position; /* NULL: at the end */
    bool backwards;
};
void list_iterator_init(struct list_iterator *iterator, const struct object *list, int64_t index, bool backwards);
/* False at the end. */
bool list_iterator_next(struct list_iterator *iterator, char *digits, struct bytes *element);
