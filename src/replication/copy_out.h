/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>

#include "base/lock.h"
#include "base/thread.h"
#include "replication/copy_file.h"
#include "replication/copy_map.h"
#include "replication/copy_progress.h"
#include "replication/copy_send.h"
#include "replication/rdb_file.h"

struct engine;

/* A full sync under way, for one replica or several at once: made zeroed by memory_allocate_zeroed, filled in, started. Each
 * receiver's 'done' is posted, whatever comes; when all of them were, the thread has ended or is about to. */
struct copy_out {
    /* the caller's to set */
    struct engine *engine;
    uint64_t from; /* the stream's end before it; the stream is held from there */
    int32_t db;    /* selected there; -1: what follows selects one */
    bool knows_eof, knows_all_types, functions_only;
    void *owner;
    unsigned users, receiving; /* the owner's: who refers to it, and whose 'done' is still to come */

    /* how it went; read after any 'done' that tells of success */
    uint64_t end; /* the stream's end after the last range */
    uint64_t functions_offset, left_out;
    struct copy_map map;

    int64_t started_ms;
    _Atomic bool is_walking;  /* the delay is over; any thread, as are the following */
    _Atomic int64_t moved_ms; /* when the walk, or what it sends, last went on */
    _Atomic uint64_t keys;    /* so far */
    uint64_t keys_total;      /* about, of the begin */

    /* under the lock */
    struct lock lock;
    struct list joining;
    unsigned joined; /* of all times */
    unsigned late;   /* of them, since the walk began */
    bool is_open;    /* who comes may still join */

    /* private */
    struct thread thread;
    struct copy_receivers receivers;
    struct buffer head; /* what has been sent, while others may still join */
    char mark[41];
    struct copy_file file;
    struct rdb_file_writer writer;
    struct copy_place place;
    size_t range_begin; /* of the writer at the present range's begin, and so on */
    int range_db;
    int64_t sent_ms; /* when the writer was last emptied */
    uint64_t range_keys, range_left_out;
    uint64_t changes; /* of whole databases, before the first range */
    const char *failure;
    struct copy_telling telling;
};

/* For a first receiver. */
void copy_out_start(struct copy_out *copy, struct copy_receiver *receiver);
/* One more, which needs the same: from the same offset, with the same knowledge. False: it comes too late, there is no
 * room, or the walk stands still, since one of those who have joined takes nothing. */
bool copy_out_join(struct copy_out *copy, struct copy_receiver *receiver) MUST_USE;
/* Any thread, of one that was started; 'bytes' are a receiver's own. */
struct copy_progress copy_out_progress(const struct copy_out *copy, const struct copy_receiver *receiver);
/* When each receiver's 'done' has come: waits for the thread. */
void copy_out_finish(struct copy_out *copy);
void copy_out_destroy(struct copy_out **copy);
