/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "object/listpack.h"
#include "object/stream_object.h"

/* A run of entries of a stream as one listpack, byte for byte what Redis 5 and later keep and dump:
 *
 *   live | deleted | fields | field ... | 0 | entry ...                               all of it elements
 *   entry:  flags | ms | seq | value ...                          | elements          with the node's fields
 *           flags | ms | seq | fields | field | value ...         | elements          with its own
 *
 * ms and seq are differences to the node's id, which is that of its first entry; the count of elements leads back from an
 * entry to the one before. Bytes from outside pass xstream_node_is_valid before anything else reads them. */
struct xstream_node {
    struct buffer listpack;
};

enum xstream_entry_flag { XSTREAM_ENTRY_DELETED = 1, XSTREAM_ENTRY_SAME_FIELDS = 2 };

/* One entry, as it stands in a node. */
struct xstream_entry {
    const uint8_t *position; /* of its flags */
    const uint8_t *content;  /* of its first value, or, with its own fields, of the first of these */
    struct stream_id id;
    size_t fields;
    bool is_deleted, has_own_fields;
};

/* A node whose fields are those of these words, without entries. */
struct xstream_node *xstream_node_create(const struct bytes *words, size_t word_count);
void xstream_node_destroy(void *node);

static inline struct bytes xstream_node_bytes(const struct xstream_node *node)
{
    return buffer_bytes(&node->listpack);
}

size_t xstream_node_live(struct bytes node);
size_t xstream_node_deleted(struct bytes node);
/* Where its fields stand: 'count' elements. */
const uint8_t *xstream_node_fields(struct bytes node, size_t *count);

/* The first entry or the last, deleted ones included; false if there is none. 'first' is the node's id. */
bool xstream_node_first(struct bytes node, struct stream_id first, struct xstream_entry *entry);
bool xstream_node_last(struct bytes node, struct stream_id first, struct xstream_entry *entry);
/* The entry whose flags stand at the position. */
void xstream_entry_at(struct bytes node, struct stream_id first, const uint8_t *position, struct xstream_entry *entry);
bool xstream_entry_next(struct bytes node, struct stream_id first, struct xstream_entry *entry);
bool xstream_entry_previous(struct bytes node, struct stream_id first, struct xstream_entry *entry);
/* The element behind its last value, which is its count of elements. */
const uint8_t *xstream_entry_end(const struct xstream_entry *entry);

/* False, with nothing changed, if the node would exceed LISTPACK_BYTES_MAX. */
bool xstream_node_append(struct xstream_node *node, struct stream_id first, struct stream_id id,
                         const struct bytes *words, size_t word_count) MUST_USE;
/* Ends all positions. */
void xstream_node_mark_deleted(struct xstream_node *node, const struct xstream_entry *entry);

/* Takes out this entry and all behind it, which are deleted ones. Ends all positions. */
void xstream_node_drop_deleted(struct xstream_node *node, const struct xstream_entry *entry);

/* Whether every byte is as told above, ids rise and counts are right; then 'last' is the id of the last entry. */
bool xstream_node_is_valid(struct bytes dumped, struct stream_id first, struct stream_id *last) MUST_USE;
