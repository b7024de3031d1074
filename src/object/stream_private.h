/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "object/object_private.h"
#include "object/stream_node.h"
#include "object/stream_object.h"

struct xstream *xstream_create(void);
/* In the background if it is large. */
void xstream_free(struct xstream *stream);
/* A node of these bytes at the end, which have passed xstream_node_is_valid and are behind all there are. */
void xstream_append_node(struct xstream *stream, struct stream_id first, struct bytes node);

/* For decoding, where names may come in any order: behind all there are, and then, once and for all, sorted. False if a name
 * is there twice. */
struct xstream_group *xstream_group_append(struct xstream *stream, struct bytes name);
struct xstream_consumer *xstream_consumer_append(struct xstream *stream, struct xstream_group *group, struct bytes name,
                                                 int64_t seen_ms);
bool xstream_names_sort(void *items, size_t count) MUST_USE;

/* For decoding, where pending entries come before those who hold them. False if it is pending already. */
bool xstream_pending_put(struct xstream *stream, struct xstream_group *group, struct stream_id id, int64_t delivered_ms,
                         uint64_t deliveries) MUST_USE;
/* False if it is not pending, or somebody holds it. */
bool xstream_pending_own(struct xstream_group *group, struct stream_id id, struct xstream_consumer *consumer) MUST_USE;

void xstream_groups_free(struct xstream *stream);
/* Into an empty stream. */
void xstream_groups_copy(const struct xstream *stream, struct xstream *to);

/* A node is about to change, to be taken out, or (NULL) to be added under this id. */
void stream_capture_note(struct object_capture *capture, struct stream_id id, const struct xstream_node *node);
/* Parts of a payload: a node, and all that follows the nodes. */
void xstream_write_node(struct buffer *out, struct stream_id id, const struct xstream_node *node);
void xstream_write_rest(struct buffer *out, const struct xstream *stream);

extern const struct object_class stream_object_class;
void stream_object_encode(const struct object *object, struct buffer *out);
object_decode_function stream_object_decode;
