/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>

#include "base/mailbox.h"
#include "base/thread.h"
#include "replication/copy_map.h"
#include "replication/copy_progress.h"
#include "replication/rdb_file.h"

struct engine;

/* A full sync under way: made zeroed by memory_allocate_zeroed, filled in, started; then 'done' is posted, whatever comes. */
struct copy_out {
    /* the caller's to set */
    struct engine *engine;
    int fd;              /* the thread has it while it runs, and ... */
    struct tls *tls;     /* ... this, NULL if there is none */
    struct buffer reply; /* sent first */
    uint64_t from;       /* the stream's end before it; the stream is held from there */
    int32_t db;          /* selected there; -1: what follows selects one */
    bool knows_eof, knows_all_types, functions_only;
    struct mailbox *home;
    struct mail done;
    void *owner;

    /* how it went; read after 'done' */
    bool is_complete;
    _Atomic(const char *) failure; /* why it ended early; static */
    uint64_t end;                  /* the stream's end after the last range */
    uint64_t functions_offset, left_out;
    int64_t started_ms;
    struct copy_map map;

    _Atomic uint64_t bytes, keys; /* so far; any thread */
    uint64_t keys_total;          /* about, of the begin */

    /* private */
    struct thread thread;
    struct rdb_file_writer writer;
    struct copy_place place;
    size_t mark; /* of the writer at the present range's begin, and so on */
    int mark_db;
    uint64_t mark_keys, mark_left_out;
    uint64_t changes; /* of whole databases, before the first range */
    int file;         /* -1: none */
    int64_t kept_alive_ms;
    struct copy_telling telling;
};

void copy_out_start(struct copy_out *copy);
/* Any thread, of one that was started. */
struct copy_progress copy_out_progress(const struct copy_out *copy);
/* Any thread: it shall end soon, for a static reason. */
void copy_out_stop(struct copy_out *copy, const char *reason);
/* When the thread has ended (thread_stop). */
void copy_out_destroy(struct copy_out **copy);
