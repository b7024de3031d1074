/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>

#include "object/id_tree.h"
#include "object/list_private.h"
#include "object/member_table.h"
#include "object/object_capture.h"

/* How far a walk in the order of names has come. */
struct name_cursor {
    bool is_set; /* else nothing was passed */
    struct buffer name;
};

struct object_capture {
    _Atomic(void *) home;
    struct object value;
    size_t left; /* members or nodes that are not written yet */

    /* of members: member_capture.c */
    uint64_t hash;             /* those with smaller hashes are written */
    bool is_walked;            /* of streams, too */
    int64_t first_ms;          /* what times are told from; OBJECT_NEVER_DUE: none are */
    struct member_table ahead; /* names that the walk is to pass over: written before, or new */
    struct buffer written;     /* what was written before, for the next step; of streams, what follows the nodes */

    uint64_t id; /* of all captures ever; of lists and streams */

    /* of lists: list_capture.c */
    struct list_node *next;  /* nodes before it are written */
    struct list_chain after; /* as they were, what stood behind the last node */

    /* of streams: stream_capture.c */
    struct stream_id next_id, last_id; /* nodes from the one to the other are not written */
    struct id_tree aside;              /* nodes that are written instead of those of the stream */
    size_t aside_bytes;
    size_t groups_left; /* those that are not written yet */
    struct name_cursor group_names;
    struct captured_group *present; /* in the midst of it */
    struct captured_group *gone;    /* have left the stream */
};

/* The table of a large set, hash or sorted set. */
struct member_table *capture_table(const struct object *object);
void member_capture_begin(struct object_capture *capture, struct buffer *out);
bool member_capture_step(struct object_capture *capture, size_t bytes, struct buffer *out);

void list_capture_begin(struct object_capture *capture, struct buffer *out);
bool list_capture_step(struct object_capture *capture, size_t bytes, struct buffer *out);

void stream_capture_begin(struct object_capture *capture, struct buffer *out);
bool stream_capture_step(struct object_capture *capture, size_t bytes, struct buffer *out);
