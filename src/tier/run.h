/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/bytes.h"
#include "base/status.h"
#include "keyspace/backing.h"
#include "tier/rocks.h"

/* A run in the making: what was captured from the keyspace, until it is a file of rows. Flusher thread only. All
 * zero is valid and empty; memory is kept from run to run. */
struct run_row {
    struct block *block; /* a large value, encoded when the row is written; else NULL */
    size_t position;     /* in bytes: row key, then the value or, for a block, what stands before its payload */
    uint32_t key_length : 31;
    uint32_t deleted : 1;
};

struct run {
    struct buffer bytes;
    struct object_capture *large; /* of the last row, of which there is more to write; or NULL */
    struct buffer piece;          /* of it, got and not added yet */
    struct run_row *rows;         /* in capture order */
    size_t count, capacity;
    size_t block_bytes;
    uint64_t offset_max;                  /* the largest offset in it: I2 waits for it */
    uint64_t db_offset_max[16];           /* of each db's rows and deletions; 0: none */
    size_t rows_written, deletes_written; /* by run_write */
    uint64_t file_bytes;
};

void run_deinit(struct run *run);
/* Forgets everything, releases blocks; gives memory back that an unusual run took. */
void run_clear(struct run *run);

/* Room for so many rows and bytes, before the lock is taken: what grows is copied. */
void run_make_room(struct run *run, size_t rows, size_t bytes);
/* Adds a key under its partition's lock: copies or encodes the value, or takes a reference to its block. value NULL:
 * the row is to be deleted. 'offset' is the stream's end. Of a large collection that is the begin: the pieces are
 * to be got, after the lock was released, as long as there is a large value. */
void run_add(struct run *run, const struct row_key *key, const struct object *value, int64_t expire_at_ms,
             uint64_t offset);
/* Gets a piece of the large value that was added last, under the lock of its partition, and adds it, without. */
void run_get_piece(struct run *run);
void run_add_piece(struct run *run);
/* How much was captured, in bytes of keys and values. */
static inline size_t run_bytes(const struct run *run)
{
    return run->bytes.length + run->block_bytes;
}

/* Writes all as a file of rows; on failure the caller discards the file. */
enum status run_write(struct run *run, struct rocks *rocks) MUST_USE;

/* The key that was captured index-th; its name points into the run. */
struct row_key run_key(const struct run *run, size_t index);
