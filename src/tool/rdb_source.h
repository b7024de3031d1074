/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "replication/rdb_file.h"
#include "tool/progress.h"

/* An RDB file on a disk, or standard input ("-"), read through a visitor. */
struct rdb_source {
    const char *name;
    int fd;
    uint64_t bytes_total; /* 0: not known */
    bool is_stream;       /* it can be read once only */
    char error[256];      /* what is wrong with it, and where */
};

/* False: error says why. */
bool rdb_source_open(struct rdb_source *source, const char *name);
/* From its begin to its end. False: error says why, or the visitor has ended it and error is empty. Bytes behind the end of the
 * file are an error as well: they are no part of what was meant. */
bool rdb_source_read(struct rdb_source *source, struct rdb_file_reader *reader, struct progress *progress);
void rdb_source_close(struct rdb_source *source);
