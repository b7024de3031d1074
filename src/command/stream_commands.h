/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"
#include "object/stream_object.h"

/* What the files of stream commands share. */

/* The longest text of an id. */
#define STREAM_ID_TEXT_MAX (2 * BYTES_INTEGER_MAX + 1)
struct bytes stream_id_text(struct stream_id id, char text[STREAM_ID_TEXT_MAX]);
void reply_stream_id(struct reply *reply, struct stream_id id);

/* ms or ms-seq; false if it is neither. A missing seq is this one. */
bool stream_id_parse(struct bytes word, uint64_t missing_seq, struct stream_id *id);
/* The same for a handler: an error is replied. */
bool arg_stream_id(struct execution *x, struct bytes word, uint64_t missing_seq, struct stream_id *id);
/* The bounds of a range: also - and +, and a bracket that excludes the id. */
bool arg_stream_start(struct execution *x, struct bytes word, struct stream_id *id);
bool arg_stream_end(struct execution *x, struct bytes word, struct stream_id *id);

/* A number that must not be negative, else the error is replied. */
bool arg_stream_count(struct execution *x, struct bytes word, const char *error, int64_t *count);

/* Replies WRONGTYPE and returns false if the key holds another type; *entry is NULL where there is no key, and the value is
 * an empty stream then. */
bool stream_lookup(struct execution *x, const struct key *key, bool writes, struct entry **entry, struct object *value);
/* "NOGROUP No such consumer group ... for key name ...", the command's first key. */
void reply_no_group(struct execution *x, struct bytes name);
/* The group, or NULL, and an error is replied: "NOGROUP No such key ... or consumer group ...". */
struct xstream_group *stream_group_required(struct execution *x, const struct key *key, const struct xstream *stream,
                                            struct bytes name);

/* The cursor's entry: its id, then fields and values. */
void reply_stream_entry(struct reply *reply, struct xstream_cursor *cursor);
/* Entries from 'first' to 'last', backward from the last on, at most 'count' (0: all). */
void reply_stream_range(struct reply *reply, const struct xstream *stream, struct stream_id first,
                        struct stream_id last, bool backward, uint64_t count);

/* Tells the stream that the consumer has these entries pending, all with this time and count. */
void stream_stage_claims(struct execution *x, const struct key *key, const struct xstream_group *group,
                         struct bytes consumer, const struct stream_id *ids, size_t count, int64_t delivered_ms,
                         uint64_t deliveries);
/* Tells the stream how far the group has read. */
void stream_stage_group_position(struct execution *x, const struct key *key, const struct xstream_group *group);
void stream_stage_acknowledged(struct execution *x, const struct key *key, struct bytes group, struct stream_id id);
/* The consumer, made and told about if there was none. */
struct xstream_consumer *stream_consumer_required(struct execution *x, const struct key *key, struct xstream *stream,
                                                  struct xstream_group *group, struct bytes name);
