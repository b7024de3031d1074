/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/feed.h"

/* Executes what the primary sends on several threads, a batch at a time (feed_gather.h, keyspace/batch.c): each partition's
 * effects in their order, on one of them. On the feed's thread, except what is said otherwise. */
struct feed_apply;

#define APPLY_THREADS_MAX 16

/* For the feed, whose session is suspended while a batch is under way, and resumed by a letter to 'home'. Its workers have the
 * numbers below 'first_number', APPLY_THREADS_MAX + 1 of them. Threads are started when they are wanted first. */
struct feed_apply *feed_apply_create(struct feed *feed, struct engine *engine, struct mailbox *home,
                                     uint32_t first_number);
/* Ends the threads; nothing is under way. */
void feed_apply_destroy(struct feed_apply **apply);

/* Begins a batch with what stands at the input's front: it is appended, and how many bytes it has is returned; the session is
 * suspended. 0: so many bytes as *ahead says are to be executed as any requests first. */
size_t feed_apply_begin(struct feed_apply *apply, struct bytes input, int64_t now_ms, size_t *ahead);
bool feed_apply_is_under_way(const struct feed_apply *apply);
/* Sleeps until the batch that is under way has been executed; the feed's offset is behind it then. */
void feed_apply_wait(struct feed_apply *apply);

/* Batches since the start, and effects in them; any thread. */
struct feed_apply_counts {
    uint64_t batches, effects;
};
struct feed_apply_counts feed_apply_counts(void);
