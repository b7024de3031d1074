/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/chain_table.h"
#include "base/mailbox.h"
#include "base/random.h"
#include "command/session.h"
#include "keyspace/keyspace.h"
#include "stream/effect.h"

struct channel_tables;
struct engine;
struct request;

/* Times of one command on one worker; written by it alone, read by INFO as they are. */
#define LATENCY_BUCKETS 128
struct command_stats {
    uint64_t calls, ticks, failed, rejected;
    uint32_t *buckets; /* LATENCY_BUCKETS counts, see statistics.h; NULL until used */
};

#define HELD_UP_UNKNOWN UINT32_MAX

/* What one loop thread needs to execute requests. Its thread only, except where said. */
struct worker {
    uint32_t number;
    struct engine *engine;
    struct mailbox *mailbox;
    int64_t now_ms;     /* of the present turn */
    uint64_t now_ticks; /* of the present command's start */
    struct random random;
    struct effect_batch effects;     /* of the present execution */
    struct buffer notices;           /* of the present execution: notify.c */
    struct buffer filled;            /* keys that blocked clients may wait for, of the present execution: blocked.c */
    struct list served;              /* blocked clients to be told when it is over */
    struct list blocked;             /* blocked clients of this worker with a time, the next first */
    struct buffer edit_room;         /* where small collections are edited; see edit_room of effects.h */
    struct channel_tables *channels; /* its sessions' subscriptions; NULL until there are some */
    struct chain_table changed_keys; /* of this turn, for those who track prefixes: tracking.c */
    struct request *requests;        /* of the present batch */
    struct list retry;               /* sessions to resume when a lock or memory may be free */
    struct list waiting;             /* sessions whose replies wait for the stream in this turn */
    struct list unwatched;           /* watches that nobody wants, but whose partitions were held: transaction.h */
    struct list paused;              /* sessions that wait for a time */
    struct list claim_wishes;        /* of sessions: claim_wish.c */
    struct list stalled;             /* sessions whose wait a failing stream sent back */
    struct command_stats *stats;     /* by command id */
    bool memory_short;               /* this turn found no room */
    uint32_t held_up_by;             /* what the present execution could not lock, see keyspace.h; or HELD_UP_UNKNOWN */
    bool retry_soon;                 /* retry after this turn, not only when the timer fires */
    uint32_t evict_partition;        /* where the next eviction step goes */
    uint32_t expire_partition;       /* where the next expiry step looks */
    uint64_t slow_ticks;             /* beyond it a command is slow: slowlog, latency monitor */
    void (*retry_later)(void *loop); /* has worker_retry called in a millisecond */
    void (*wake_at)(void *loop, int64_t at_ms); /* has worker_wake called then, or earlier */
    /* In the middle of a turn: cuts it short and has worker_turn_within called for all but the busy connection. */
    void (*answer_others)(void *loop, void *busy_connection);
    struct turn_item *items; /* of the present turn */
    size_t item_count;
    bool turn_is_cut;
    void *loop;
    struct key *keys;        /* scratch: keys of the present execution */
    uint32_t *key_arguments; /* the argument each key stands at */
    uint16_t *key_flags;
    size_t key_count, key_capacity;
    struct key_claim *claims; /* scratch: of the present execution */
    size_t claim_capacity;
    /* Likewise; while they stand, the keyspace links them, and their texts are the request's. */
    struct name_claim *name_claims;
};

/* Adds to the keys of the present execution. */
void worker_add_key(struct worker *worker, const struct key *key, uint32_t argument, uint16_t flags);

/* A worker for the thread that will own the mailbox; 'number' is below THREADS_MAX and no other worker's. Destroyed when its
 * thread has ended and its sessions are gone. */
struct worker *worker_create(struct engine *engine, uint32_t number, struct mailbox *mailbox);
void worker_destroy(struct worker **worker);

/* A ready connection of a turn: where its bytes are and, set by worker_turn, how many were consumed. */
struct turn_item {
    struct session *session;
    struct bytes input;
    size_t consumed;
};
/* Passes two to four: parses and prefetches in batches, executes, writes the log; holds connections whose replies
 * must wait. 'count' may be 0 (mail or timers only). */
void worker_turn(struct worker *worker, struct turn_item *items, size_t count, int64_t now_ms);

/* The begin of a turn in which requests come in another way: feed_apply.c. */
void worker_begin_turn(struct worker *worker, int64_t now_ms);

/* A turn inside of a turn, while a script takes long: requests are refused, except those that may be answered then. */
void worker_turn_within(struct worker *worker, struct turn_item *items, size_t count, int64_t now_ms);
/* From inside of a long execution of the session: answers the others. */
void worker_answer_others(struct worker *worker, struct session *busy);

/* Resumes sessions whose time has come; called as worker->wake_at asked for. */
void worker_wake(struct worker *worker, int64_t now_ms);
/* Resumes sessions of the retry list; called by the retry timer. */
void worker_retry(struct worker *worker);
