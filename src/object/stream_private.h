/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "object/object_private.h"
#include "object/stream_node.h"
#include "object/stream_object.h"

/* More nodes, consumers and pending entries are freed in the background. */
#define STREAM_FREE_AT_ONCE_MAX 64

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
bool xstream_pending_own(struct xstream *stream, struct xstream_group *group, struct stream_id id,
                         struct xstream_consumer *consumer) MUST_USE;

/* Frees a group that has left its stream, in the background if it is large. */
void xstream_group_free(struct xstream_group *group);
void xstream_consumer_free(struct xstream_consumer *consumer);
void xstream_groups_free(struct xstream *stream);
/* Into an empty stream. */
void xstream_groups_copy(const struct xstream *stream, struct xstream *to);

/* A node is about to change, to be taken out, or (NULL) to be added under this id. */
void stream_capture_note(struct object_capture *capture, struct stream_id id, const struct xstream_node *node);

/* ---- groups under capture: stream_group_capture.c ---- */

/* What the capture has to write of a group that is as it is now; told by the group until it is written. */
struct captured_group *captured_group_begin(struct xstream_group *group);
/* Writes until so many bytes are left of '*bytes', which is none, or all of the group is written. True if it is: then it has
 * freed itself. */
bool captured_group_step(struct captured_group *captured, size_t *bytes, struct buffer *out);

/* A pending entry is about to change or to be dropped, or (NULL) to be added under this id. */
void captured_group_note(struct captured_group *captured, struct stream_id id, const struct xstream_pending *pending);
/* A consumer is about to be seen. */
void captured_group_note_seen(struct captured_group *captured, struct xstream_consumer *consumer);
/* Whether a consumer that has left the group, or the group that has left its stream, is to be freed by the capture. */
bool captured_group_keeps_consumer(struct captured_group *captured, struct xstream_consumer *consumer);
void captured_group_keep(struct captured_group *captured);

/* ---- parts of a payload ---- */

#define STREAM_ID_WIRE_BYTES 16
void stream_id_to_wire(struct stream_id id, char wire[STREAM_ID_WIRE_BYTES]);
void xstream_write_node(struct buffer *out, struct stream_id id, const struct xstream_node *node);
/* What stands between nodes and groups. */
void xstream_write_counts(struct buffer *out, const struct xstream *stream);
/* What stands before a group's pending entries, and before the ids of those of a consumer. */
void xstream_write_group(struct buffer *out, struct bytes name, struct stream_id last_id, int64_t entries_read,
                         size_t pending);
void xstream_write_pending(struct buffer *out, struct stream_id id, const struct xstream_pending *pending);
void xstream_write_consumer(struct buffer *out, struct bytes name, int64_t seen_ms, size_t pending);

extern const struct object_class stream_object_class;
void stream_object_encode(const struct object *object, struct buffer *out);
object_decode_function stream_object_decode;
