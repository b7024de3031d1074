/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>

#include "object/list_private.h"
#include "object/member_table.h"
#include "object/object_capture.h"

struct object_capture {
    _Atomic(void *) home;
    struct object value;
    size_t left; /* members or nodes that are not written yet */

    /* of members: member_capture.c */
    uint64_t hash; /* those with smaller hashes are written */
    bool is_walked;
    int64_t first_ms;          /* what times are told from; OBJECT_NEVER_DUE: none are */
    struct member_table ahead; /* names that the walk is to pass over: written before, or new */
    struct buffer written;     /* what was written before, for the next step */

    /* of lists: list_capture.c */
    uint64_t id;
    struct list_node *next;  /* nodes before it are written */
    struct list_chain after; /* as they were, what stood behind the last node */
};

/* The table of a large set, hash or sorted set. */
struct member_table *capture_table(const struct object *object);
void member_capture_begin(struct object_capture *capture, struct buffer *out);
bool member_capture_step(struct object_capture *capture, size_t bytes, struct buffer *out);

void list_capture_begin(struct object_capture *capture, struct buffer *out);
bool list_capture_step(struct object_capture *capture, size_t bytes, struct buffer *out);
