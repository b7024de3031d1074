/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "tier/row.h"

/* What is durable where: two small files beside the rows. */

/* The last completed flush cycle. The stream before 'offset' is in the rows. */
struct checkpoint {
    uint64_t offset; /* the stream's end when the cycle began */
    int64_t wall_ms; /* the time then */
    uint64_t flushed_at[ROW_DATABASES];
    struct buffer state; /* keyspace_save_state's, of that moment */
};

void checkpoint_deinit(struct checkpoint *checkpoint);
/* Replaces the file in 'directory'; when it returns OK the checkpoint survives anything. */
enum status checkpoint_write(const char *directory, const struct checkpoint *checkpoint, char *error,
                             size_t error_size) MUST_USE;
/* STATUS_NOT_FOUND if there is no file; STATUS_CORRUPT, with an error that says what to do, if it is damaged. */
enum status checkpoint_read(const char *directory, struct checkpoint *checkpoint, char *error,
                            size_t error_size) MUST_USE;

/* The row bound: an offset that no row exceeds, on the device before the rows are. */
struct row_bound {
    int file; /* -1: not kept */
    uint64_t offset, sequence;
};
/* Opens or makes the file. */
enum status row_bound_open(struct row_bound *bound, const char *directory, char *error, size_t error_size) MUST_USE;
/* Raises the bound to at least 'offset'; with OK that is on the device. */
enum status row_bound_raise(struct row_bound *bound, uint64_t offset) MUST_USE;
void row_bound_close(struct row_bound *bound);

/* Whether the directory holds either file: data that somebody wants to keep. */
bool checkpoint_exists(const char *directory);
