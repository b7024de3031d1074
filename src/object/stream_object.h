/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>

#include "base/status.h"
#include "object/object.h"
#include "object/stream_node.h"

/* Streams: entries of field and value pairs in order of their ids, and groups of consumers that share them. They are called
 * xstreams here, as their commands begin with an x and a stream is that of effects elsewhere. A stream without entries is
 * a value like any other and stays.
 *
 * All of this, groups, consumers, their names and what is pending included, belongs to the stream and is under the lock of
 * the value's partition; whoever looks something up may use it as long as that lock is held and nothing is removed. */
struct xstream {
    size_t length;                   /* entries */
    struct stream_id last_id;        /* of whatever was appended last, deleted or not */
    struct stream_id max_deleted_id; /* of what was deleted one by one; trimming does not count */
    uint64_t entries_added;          /* ever; stays at INT64_MAX once it is there */
    struct xstream_group **groups;   /* in order of their names */
    size_t group_count;
    /* private */
    struct id_tree nodes;                   /* by their first id */
    size_t bytes;                           /* of all that the stream owns */
    struct object_capture *_Atomic capture; /* told before nodes change; NULL: none */
};

/* The body of a stream that may be edited; one is made for an empty value. */
struct xstream *xstream_edit(struct object *object);
/* The body to be read; an empty one that is shared by all for an empty value. */
const struct xstream *xstream_of(const struct object *object);

/* ---- ids ---- */

/* The next or the previous id; false, with nothing changed, at the end of the range. */
bool stream_id_increment(struct stream_id *id);
bool stream_id_decrement(struct stream_id *id);

/* ---- entries ---- */

/* The id is after last_id. Words are field, value, field, value ...; false, with nothing changed, if they are more than
 * 1 GiB or none. */
bool xstream_append(struct xstream *stream, struct stream_id id, const struct bytes *words, size_t word_count) MUST_USE;
/* False if there is no such entry. Updates max_deleted_id. */
bool xstream_delete(struct xstream *stream, struct stream_id id);
bool xstream_has(const struct xstream *stream, struct stream_id id);
/* Not before the last live entry; what was deleted behind it is then as if it had never been. */
void xstream_set_last_id(struct xstream *stream, struct stream_id id);
/* The first or the last entry's id; false if there is none. */
bool xstream_first_id(const struct xstream *stream, struct stream_id *id);
bool xstream_last_entry_id(const struct xstream *stream, struct stream_id *id);

struct xstream_trim {
    enum { XSTREAM_TRIM_LENGTH, XSTREAM_TRIM_ID } by;
    uint64_t length;     /* XSTREAM_TRIM_LENGTH: as many stay */
    struct stream_id id; /* XSTREAM_TRIM_ID: what is before it goes */
    bool is_approximate; /* only whole nodes go */
    uint64_t limit;      /* of what goes, where that is approximate; 0: none */
};
/* How many entries went, from the first on. */
size_t xstream_trim(struct xstream *stream, const struct xstream_trim *trim);

/* A way through the entries. The stream is left alone meanwhile. */
struct xstream_cursor {
    struct stream_id id; /* of the present entry */
    size_t fields;       /* of it */
    bool is_at_end;      /* there is no present one */
    /* private */
    struct id_place node;
    struct xstream_view view;
    struct xstream_entry entry;
    const uint8_t *field, *value;
    size_t fields_left;
};
/* To the first entry whose id is not before this one, or, backward, the last that is not after it. */
void xstream_seek(const struct xstream *stream, struct stream_id id, bool backward, struct xstream_cursor *cursor);
void xstream_step(struct xstream_cursor *cursor, bool backward);
/* The next field of the present entry and its value; false behind the last. Short integers are spelt in 'digits'. */
bool xstream_next_field(struct xstream_cursor *cursor, struct bytes *field, struct bytes *value,
                        char digits[2 * BYTES_INTEGER_MAX]);

/* ---- groups ---- */

/* What was delivered to a consumer and not acknowledged. To be changed by xstream_pending_set. */
struct xstream_pending {
    int64_t delivered_ms; /* wall clock */
    uint64_t deliveries;
    struct xstream_consumer *consumer;
};

struct xstream_consumer {
    struct bytes name;
    int64_t seen_ms;        /* wall clock: the last attempt; to be changed by xstream_consumer_seen */
    int64_t active_ms;      /* the last one that got something; -1: none has */
    struct id_tree pending; /* struct xstream_pending, which are also in the group's */
    /* private */
    struct captured_consumer *captured; /* NULL: a capture knows no more of it than stands here */
    uint64_t captured_id;               /* the capture that has written it, or does not know it */
};

#define XSTREAM_ENTRIES_READ_UNKNOWN INT64_C(-1)

struct xstream_group {
    struct bytes name;
    struct stream_id last_id; /* to be changed, as what follows, by xstream_group_set_position */
    int64_t entries_read;     /* how many entries were ever added up to last_id, or XSTREAM_ENTRIES_READ_UNKNOWN */
    struct id_tree pending;   /* struct xstream_pending */
    struct xstream_consumer **consumers; /* in order of their names */
    size_t consumer_count;
    /* private */
    size_t bytes;                    /* of all that the group owns, which are counted in the stream's, too */
    struct captured_group *captured; /* told before the group changes; NULL: it was not yet, or has been written */
    uint64_t captured_id;            /* the capture that has a record of it or has written it, or does not know it */
};

/* NULL where there is none, or, creating, where there is one. */
struct xstream_group *xstream_group_find(const struct xstream *stream, struct bytes name);
struct xstream_group *xstream_group_create(struct xstream *stream, struct bytes name, struct stream_id last_id,
                                           int64_t entries_read);
void xstream_group_set_position(struct xstream *stream, struct xstream_group *group, struct stream_id last_id,
                                int64_t entries_read);
/* In constant time, and in the background if it is large. False if there is none. */
bool xstream_group_destroy(struct xstream *stream, struct bytes name);

struct xstream_consumer *xstream_consumer_find(const struct xstream_group *group, struct bytes name);
struct xstream_consumer *xstream_consumer_create(struct xstream *stream, struct xstream_group *group, struct bytes name,
                                                 int64_t now_ms);
void xstream_consumer_seen(struct xstream *stream, struct xstream_group *group, struct xstream_consumer *consumer,
                           int64_t now_ms);
/* Drops at most so many of its pending entries; whether there are more. */
bool xstream_consumer_forget(struct xstream *stream, struct xstream_group *group, struct xstream_consumer *consumer,
                             size_t most);
/* What is pending for it is pending no more. */
void xstream_consumer_destroy(struct xstream *stream, struct xstream_group *group, struct xstream_consumer *consumer);

struct xstream_pending *xstream_pending_find(const struct xstream_group *group, struct stream_id id);
/* Makes the entry pending for the consumer, and takes it from another. It keeps its time and count, or has zeros. */
struct xstream_pending *xstream_pending_give(struct xstream *stream, struct xstream_group *group, struct stream_id id,
                                             struct xstream_consumer *consumer);
void xstream_pending_set(struct xstream *stream, struct xstream_group *group, struct stream_id id,
                         struct xstream_pending *pending, int64_t delivered_ms, uint64_t deliveries);
/* False if it was not pending. */
bool xstream_pending_remove(struct xstream *stream, struct xstream_group *group, struct stream_id id);

/* Whether entries after this id were deleted one by one, behind the first that is left: then counts are guesses. */
bool xstream_has_gap_after(const struct xstream *stream, struct stream_id id);
/* How many entries were ever added up to this id, where that can be told; else XSTREAM_ENTRIES_READ_UNKNOWN. */
int64_t xstream_estimate_read(const struct xstream *stream, struct stream_id id);
/* Entries that the group has still to read; false if nobody knows. */
bool xstream_group_lag(const struct xstream *stream, const struct xstream_group *group, uint64_t *lag);
