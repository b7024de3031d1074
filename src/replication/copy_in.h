/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "replication/rdb_file.h"

/* A primary's whole data set, which comes as an RDB file, turned into the requests that make it here: what is there is
 * emptied, then one RESTORE a key. So a copy is taken in like a stream, with locks, effects and back-pressure of its own
 * commands, and whoever reads the log finds how these keys came to be. One thread. */
struct copy_in {
    struct buffer requests; /* to be executed next; the owner takes them from the front */
    bool from_forebay;      /* its maker says so */
    int stream_db;          /* selected in the stream that follows */
    uint64_t keys;
    struct rdb_file_reader reader;
    int db; /* selected in requests */
};

/* The requests that empty everything stand first. */
void copy_in_begin(struct copy_in *copy);
/* Takes the next bytes of the file; *taken says how many: all, unless the file is over. */
enum status copy_in_read(struct copy_in *copy, struct bytes bytes, size_t *taken) MUST_USE;
/* No more will come: STATUS_CORRUPT if that was not all. */
enum status copy_in_finish(struct copy_in *copy) MUST_USE;
void copy_in_end(struct copy_in *copy);
