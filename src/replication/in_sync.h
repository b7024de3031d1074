/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

/* Which replicas are in sync, and how far all of these are: who has everything that was acknowledged, and keeps up. Pure; one
 * thread, except for what others read. */

/* One replica; embedded in its owner, all zero at first. Offsets are this node's. */
struct in_sync_replica {
    struct list node;
    uint64_t has;          /* of the stream */
    uint64_t whole_from;   /* what it holds is one state of the data from there on only */
    uint64_t sampled_end;  /* where the stream ended ... */
    int64_t sampled_at_ms; /* ... at that time */
    int64_t kept_up_at_ms; /* when it last had all that there was then */
    _Atomic bool is_in;    /* any thread reads it */
};

struct in_sync_set {
    struct list replicas;
    uint64_t threshold; /* what was acknowledged, or may have been: who does not have it is not in sync */
    unsigned count;     /* with this node */
    uint64_t lowest;    /* what all replicas in the set have; UINT64_MAX if there is none */
};

void in_sync_set_init(struct in_sync_set *set, uint64_t threshold);
/* A replica begins to be fed. 'end': the stream's; it holds a copy whose parts agree from 'whole_from' on. */
void in_sync_join(struct in_sync_set *set, struct in_sync_replica *replica, uint64_t whole_from, uint64_t end,
                  int64_t now_ms);
/* It has told that it has so much. */
void in_sync_heard(struct in_sync_replica *replica, uint64_t has, uint64_t end, int64_t now_ms);
/* It is gone; does nothing if it never joined. */
void in_sync_leave(struct in_sync_replica *replica);
/* Decides who is in the set: who was stays while it keeps up, who was not comes when it has come to the threshold. */
void in_sync_decide(struct in_sync_set *set, int64_t now_ms, int64_t lag_ms_max);

/* Whether the set may acknowledge, of a shard with so many members; 0: that is not known, and it may not. */
static inline bool in_sync_is_quorum(const struct in_sync_set *set, int64_t members)
{
    return members > 0 && (int64_t)set->count * 2 > members;
}
static inline bool in_sync_is_all(const struct in_sync_set *set, int64_t members)
{
    return members > 0 && (int64_t)set->count >= members;
}
