/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/bulk_load.h"
#include "replication/copy_progress.h"
#include "replication/rdb_file.h"

/* A primary's whole data set, which comes as an RDB file. What is there is emptied by requests, then keys are put in as they
 * are read (command/bulk_load.h). What cannot be done at once, and all after it of the same piece, becomes requests as well,
 * one RESTORE a key: they wait for locks and rows as those of a stream do. One thread. */
struct copy_in {
    struct buffer requests; /* to be executed next; the owner takes them from the front */
    struct bulk_load load;
    bool only_requests;        /* the owner's to set: the log takes no more now */
    bool skips_modules;        /* the owner's to set: their values are left out, else they are a refusal */
    bool from_forebay;         /* its maker says so */
    int stream_db;             /* selected in the stream that follows */
    uint64_t stream_bytes;     /* of which what is copied has effects already, so that it is whole only after them */
    uint64_t keys, keys_total; /* the latter about, and by a Forebay only; else 0 */
    uint64_t skipped;          /* values of modules */
    const char *refusal;       /* why a whole file is not taken; NULL: nothing but the reader's error */
    struct rdb_file_reader reader;
    int db; /* selected in requests */
};

/* The requests that empty everything stand first. */
void copy_in_begin(struct copy_in *copy, struct engine *engine);
/* Takes the next bytes of the file; *taken says how many: all, unless the file is over. No requests are left to execute.
 * STATUS_CLOSED: see 'refusal'. */
enum status copy_in_read(struct copy_in *copy, struct bytes bytes, size_t *taken) MUST_USE;
/* Of what has been read; bytes_total is for the owner to fill in. */
struct copy_progress copy_in_progress(const struct copy_in *copy);
/* No more will come: STATUS_CORRUPT if that was not all. */
enum status copy_in_finish(struct copy_in *copy) MUST_USE;
void copy_in_end(struct copy_in *copy);
