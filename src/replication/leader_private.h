/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "replication/copy_out.h"
#include "replication/failover.h"
#include "replication/quorum.h"
#include "replication/replication_private.h"

/* What the files of the leader share: the replicas of this node, and what is known of each. */

enum replica_state { REPLICA_COPYING, REPLICA_WAITING, REPLICA_ONLINE, REPLICA_FILE_SENT };
#define REPLICA_STATES 4
/* INFO's words. */
extern const char *const replica_state_names[REPLICA_STATES];

struct replica {
    struct link link;
    struct list node; /* in leader.replicas; changed under the lock */
    struct introduction about;
    struct copy_out *copy; /* set under the lock; others may have the same */
    struct copy_receiver receiver;
    bool is_receiving;   /* the copy, whose thread has the socket meanwhile */
    bool is_failed;      /* it is about to go */
    const char *failure; /* why; static */
    bool is_local, is_unix;
    struct copy_filter filter;
    struct buffer raw; /* read for the filter */
    struct stream_reader *reader;
    struct resp_parser parser;
    int64_t beyond_since_ms; /* of the soft output limit; 0: it is not */

    struct in_sync_replica in_sync;
    uint64_t whole_from; /* its copy is whole from this offset on */

    /* read by others under the lock */
    _Atomic int state;
    _Atomic uint64_t acked, synced;
    _Atomic int64_t heard_at_ms;

    /* under the lock */
    uint64_t scrub_asked; /* the last question of a scrub that was put to it; 0: it has answered */
    unsigned scrub_skips; /* questions in a row that it has passed over */
};

struct leader {
    struct engine *engine;
    struct loop *loop;
    struct resp_args args;
    struct stream_notice notice;
    bool is_noticing;
    struct loop_timer gather; /* runs while more is waited for without being woken */
    int64_t pinged_at_ms, now_ms;
    _Atomic bool stopping;
    _Atomic unsigned count, good_count;
    /* Who is no Forebay does not know that a copy is whole only behind its offset: if its link breaks before it has come so far,
     * it must not go on from there. Nor does this node know after a start whose copies were whole. */
    uint64_t unsure_below;
    struct copy_out *copy; /* the latest one, while others may join */

    struct lock lock; /* a leaf: of the list, for those who look at it from other threads */
    struct list replicas;

    struct mail acks_wanted;
    _Atomic bool acks_are_wanted;
    _Atomic bool acks_are_awaited; /* somebody waits for one to arrive */
};
extern struct leader leader;

static inline struct replica *replica_of(struct list *node)
{
    return list_entry(node, struct replica, node);
}

static inline enum replica_state state_of(const struct replica *replica)
{
    return (enum replica_state)atomic_load(&replica->state);
}

/* All of the following: loop thread. */

/* ---- leader.c ---- */

void replica_add(struct replica *replica);
void replica_destroy(struct replica *replica);
/* Its link, or copy, is ended soon. Once. */
void replica_fail(struct replica *replica, const char *reason);
/* It needs the copy no more. */
void replica_leave_copy(struct replica *replica);
/* The first byte of the stream that it may still need. */
uint64_t replica_needed_from(const struct replica *replica);
/* The stream is kept from the first byte on that any of them may still need. */
void leader_hold_needed(void);

/* ---- leader_link.c ---- */

/* What the loop calls for a replica's connection. */
struct link replica_link(void);
/* It counts from now on. */
void replica_online(struct replica *replica);

/* ---- leader_feed.c ---- */

/* Has replicas fed at the end of each turn of the loop. */
void leader_feed_setup(void);

/* ---- leader_acks.c ---- */

void leader_acks_setup(void);
/* Counts those that are in time, for leader_count_good. */
void leader_count_in_time(int64_t now_ms);
/* The replica has said REPLCONF ACK or SCRUB, or something else, which is passed over. */
void replica_said(struct replica *replica, const struct resp_args *args);
/* leader_scrub.c: the replica has said REPLCONF SCRUB. */
void replica_scrubbed(struct replica *replica, const struct resp_args *args);
/* Appends what is no effect, as PING, and has it written. */
void leader_append_aside(const char *command);
