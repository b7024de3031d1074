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
/* The index of the first group or consumer whose name is after this one. */
size_t xstream_names_after(const void *items, size_t count, struct bytes name);

/* For decoding, where pending entries come before those who hold them. False if it is pending already. */
bool xstream_pending_put(struct xstream *stream, struct xstream_group *group, struct stream_id id, int64_t delivered_ms,
                         uint64_t deliveries) MUST_USE;
/* False if it is not pending, or somebody holds it. */
bool xstream_pending_own(struct xstream *stream, struct xstream_group *group, struct stream_id id,
                         struct xstream_consumer *consumer) MUST_USE;

/* Before a group changes: tells a capture that has still to write it. */
void xstream_group_will_change(struct xstream *stream, struct xstream_group *group);
/* Behind each change of a group: the stream has its bytes as well. */
void xstream_group_account(struct xstream *stream, const struct xstream_group *group, size_t bytes_before);

/* Frees a group that has left its stream, in the background if it is large. */
void xstream_group_free(struct xstream_group *group);
void xstream_consumer_free(struct xstream_consumer *consumer);
void xstream_groups_free(struct xstream *stream);
/* Into an empty stream. */
void xstream_groups_copy(const struct xstream *stream, struct xstream *to);

/* A node is about to change, to be taken out, or (NULL) to be added under this id. */
void stream_capture_note(struct object_capture *capture, struct stream_id id, const struct xstream_node *node);

/* ---- groups under capture: stream_group_capture.c ---- */

/* The id of the stream's capture; 0 if there is none. */
uint64_t stream_capture_id(const struct xstream *stream);
/* The group, or something of it, is about to change: from now on there is a record of it, unless it is new or written. */
void stream_capture_note_group(struct object_capture *capture, struct xstream_group *group);
/* The group leaves its stream. Whether the capture, which has still to write it, frees it. */
bool stream_capture_keeps_group(struct object_capture *capture, struct xstream_group *group);
/* Writes until so many bytes are left of '*bytes', which is none, or all groups are written. True if they are. */
bool stream_capture_groups_step(struct object_capture *capture, size_t *bytes, struct buffer *out);

/* A pending entry of a group with a record is about to change or to be dropped, or (NULL) to be added under this id. */
void captured_group_note(struct captured_group *captured, struct stream_id id, const struct xstream_pending *pending);
/* A consumer is about to be seen. */
void captured_group_note_seen(struct captured_group *captured, struct xstream_consumer *consumer);
/* A consumer leaves its group. Whether the capture frees it. */
bool captured_group_keeps_consumer(struct captured_group *captured, struct xstream_consumer *consumer);

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
