/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "object/id_tree.h"
#include "object/listpack.h"

/* A run of entries of a stream as one listpack, with the elements that Redis 5 and later keep and dump:
 *
 *   live | deleted | fields | field ... | 0 | entry ...                               all of it elements
 *   entry:  flags | ms | seq | value ...                          | elements          with the node's fields
 *           flags | ms | seq | fields | field | value ...         | elements          with its own
 *
 * ms and seq are differences to the node's id, which no entry is before; the count of elements leads back from an entry to
 * the one before. What is deleted here is taken out; elsewhere it is only marked, and counted. Bytes from outside pass
 * xstream_node_is_valid before anything else reads them. */
struct xstream_node {
    struct buffer listpack;
};

enum xstream_entry_flag { XSTREAM_ENTRY_DELETED = 1, XSTREAM_ENTRY_SAME_FIELDS = 2 };

/* A node to be read, with what its head tells; good until the node changes. */
struct xstream_view {
    struct bytes node;
    struct stream_id first; /* the node's id */
    size_t field_count;     /* of the node */
    const uint8_t *fields;  /* where these stand */
    const uint8_t *entries; /* the first, or the end */
};

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

struct xstream_view xstream_view_of(struct bytes node, struct stream_id first);
/* The first entry or the last, deleted ones included; false if there is none. */
bool xstream_view_first(const struct xstream_view *view, struct xstream_entry *entry);
bool xstream_view_last(const struct xstream_view *view, struct xstream_entry *entry);
/* The neighbours of an entry; false, and it stays what it is, if there is none. */
bool xstream_view_next(const struct xstream_view *view, struct xstream_entry *entry);
bool xstream_view_previous(const struct xstream_view *view, struct xstream_entry *entry);
/* The first entry that is not before the id, or, backward, the last that is not after it; deleted ones included. Walks from
 * the end of the node that is nearer by time. */
bool xstream_view_seek(const struct xstream_view *view, struct stream_id id, bool backward,
                       struct xstream_entry *entry);
/* Where the entry behind this one stands, or the end. */
const uint8_t *xstream_entry_end(const struct xstream_entry *entry);

/* False, with nothing changed, if the node would exceed LISTPACK_BYTES_MAX. */
bool xstream_node_append(struct xstream_node *node, struct stream_id first, struct stream_id id,
                         const struct bytes *words, size_t word_count) MUST_USE;
/* Takes out the entries that stand from 'from' up to 'to'. Ends all positions. */
void xstream_node_cut(struct xstream_node *node, const uint8_t *from, const uint8_t *to);

/* Whether every byte of a node as it is dumped (listpack_dump) is as told above, ids rise and counts are right; then 'last'
 * is the id of the last entry. */
bool xstream_node_is_valid(struct bytes dumped, struct stream_id first, struct stream_id *last) MUST_USE;
