/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>

#include "command/engine.h"
#include "replication/rdb_file.h"

/* All keys of the node as of one moment, as an RDB file. Made zeroed, filled in, run by one thread. */
struct rdb_copy {
    /* the caller's to set */
    struct engine *engine;
    void *context;
    /* What was taken is worth nothing, the file begins anew. False ends the copy. */
    bool (*restart)(void *context);
    /* The next bytes of the file. False ends the copy. */
    bool (*take)(void *context, struct bytes bytes);

    /* how it went */
    _Atomic uint64_t keys; /* read by others meanwhile */
    uint64_t recent;       /* of types that Redis 7.0 does not read */
    bool is_blurred;       /* not all keys are of the moment */
    enum status status;
    const char *failure; /* what could not be done; NULL where a callback ended it */

    /* private */
    struct rdb_file_writer writer;
    struct moment *moment; /* NULL: keys are taken as they are found */
    struct buffer functions;
    struct keyspace_counts counts[DATABASE_COUNT]; /* at the moment */
    struct copy_place place;
    size_t range_begin;  /* in the writer */
    struct buffer shown; /* struct shown_key, of the present range */
};

/* Background threads only. False: it has ended early. */
bool rdb_copy_run(struct rdb_copy *copy);
