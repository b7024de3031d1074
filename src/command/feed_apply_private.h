/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <pthread.h>
#include <semaphore.h>

#include "base/thread.h"
#include "command/feed_apply.h"
#include "command/feed_gather.h"

/* Of a piece, at least, where there are enough for all threads: so many are looked ahead to in memory. */
#define PIECE_EFFECTS 32

/* A thread, which waits for batches. */
struct applier {
    struct feed_apply *apply;
    struct worker *worker;
    struct mailbox mailbox;
    struct output output; /* stays empty: nobody reads replies */
    struct feed feed;     /* its session's, as if it had a link */
    struct thread thread;
    sem_t wake;
    _Atomic bool is_wanted;
};

struct piece {
    uint16_t begin, end; /* in the order */
};

struct feed_apply {
    struct feed *feed;
    struct engine *engine;
    struct mailbox *home;
    uint32_t gate_number, first_number;
    _Atomic bool must_end;

    /* the feed's thread only */
    struct applier *appliers[APPLY_THREADS_MAX]; /* of which 'started' are there; owned */
    uint32_t started;
    bool is_under_way, letter_is_out;
    struct mail letter; /* lent to whoever ends the batch, who posts it */

    /* the feed's thread writes it before the batch is handed over, and all read it until that is over */
    struct gathered gathered;
    struct piece pieces[PARTITION_COUNT];
    uint32_t piece_count;
    uint64_t floor;
    int64_t now_ms;

    _Atomic uint32_t next_piece, at_work; /* whose turn it is to be taken; threads that may still take one */
    pthread_mutex_t lock;                 /* of is_over */
    pthread_cond_t over;
    bool is_over;
};

/* ---- feed_applier.c ---- */

/* Starts a thread; 'index' is below APPLY_THREADS_MAX. */
struct applier *applier_start(struct feed_apply *apply, uint32_t index);
/* feed_apply.must_end is set; the thread's last batch is over. */
void applier_stop(struct applier **applier);
/* The batch is there, and at_work counts this thread. */
void applier_want(struct applier *applier);
