/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

/* RocksDB as an ordered map of bytes that is written by sorted runs only. The one file that includes rocksdb/c.h is
 * rocks.c: error strings, handles and options end there. */
struct rocks;

#define ROCKS_LEVELS 7
/* Of a row's key, which is longer, what ranges may have in common: the db and the slot. */
#define ROCKS_PREFIX_BYTES 3

struct rocks_options {
    const char *directory;     /* RocksDB's own */
    const char *run_directory; /* where runs are made, on the same device */
    size_t cache_bytes;
    /* Asked by compactions, on several threads at once, for each row: true drops it. */
    bool (*drop)(void *context, struct bytes key, struct bytes value);
    void *context;
};

/* Makes the directories if missing and removes what an interrupted run left. */
enum status rocks_open(struct rocks **rocks, const struct rocks_options *options, char *error,
                       size_t error_size) MUST_USE;
/* No call may be in flight. */
void rocks_close(struct rocks **rocks);
/* Deletes all files of a directory that is not open. */
void rocks_remove(const char *directory, const char *run_directory);
/* Closes and opens again: the way out of an error after which RocksDB refuses writes. Waits for reads in flight;
 * reads answer STATUS_IO if it does not open. One thread. */
enum status rocks_reopen(struct rocks *rocks) MUST_USE;
void rocks_set_cache_bytes(struct rocks *rocks, size_t cache_bytes);

/* ---- reading: any thread ---- */

/* STATUS_NOT_FOUND if there is none; the value is valid during the call of take. */
enum status rocks_get(struct rocks *rocks, struct bytes key, void (*take)(void *taker, struct bytes value),
                      void *taker) MUST_USE;

#define ROCKS_BATCH_MAX 64

struct rocks_value {
    enum status status;
    struct bytes bytes; /* valid until rocks_values_release */
    void *pin;
};
/* Reads up to ROCKS_BATCH_MAX keys, which ascend; each value has its own status. */
void rocks_get_batch(struct rocks *rocks, const struct bytes *keys, size_t count, struct rocks_value *values);
void rocks_values_release(struct rocks_value *values, size_t count);

/* Visits from <= key < until (NULL data: no end) in order until visit returns false. The view is the call's. */
enum status rocks_range(struct rocks *rocks, struct bytes from, struct bytes until,
                        bool (*visit)(void *visitor, struct bytes key, struct bytes value), void *visitor) MUST_USE;
/* The same for a range whose keys all begin with the ROCKS_PREFIX_BYTES of 'from'. */
enum status rocks_range_within_prefix(struct rocks *rocks, struct bytes from, struct bytes until,
                                      bool (*visit)(void *visitor, struct bytes key, struct bytes value),
                                      void *visitor) MUST_USE;

/* ---- writing: one thread; the error text is rocks_error ---- */

/* A run: begin, put and delete in strictly ascending order, finish (the file is then on the device), ingest. After
 * any failure, and instead of going on, discard. */
enum status rocks_run_begin(struct rocks *rocks) MUST_USE;
enum status rocks_run_put(struct rocks *rocks, struct bytes key, struct bytes value) MUST_USE;
enum status rocks_run_delete(struct rocks *rocks, struct bytes key) MUST_USE;
enum status rocks_run_finish(struct rocks *rocks, uint64_t *file_bytes) MUST_USE;
enum status rocks_run_ingest(struct rocks *rocks) MUST_USE;
void rocks_run_discard(struct rocks *rocks);

/* While runs come in close order their files are left unsorted for longer: then each row is sorted in with more others. To
 * be told too often costs nothing; every change costs some milliseconds. At rest at open. */
void rocks_set_busy(struct rocks *rocks, bool is_busy);

/* Deletes files that lie wholly in from <= key < until, whatever they hold; others keep their rows. */
enum status rocks_delete_files(struct rocks *rocks, struct bytes from, struct bytes until) MUST_USE;
/* Why the last writing call failed. */
const char *rocks_error(const struct rocks *rocks);

/* ---- figures: any thread ---- */

/* Files that compaction has not sorted in yet; many make every read dearer. */
uint32_t rocks_unsorted_files(struct rocks *rocks);
/* Sorts all in, as compactions would in time; for tests and measurements. Blocks. */
void rocks_compact(struct rocks *rocks);

struct rocks_info {
    uint64_t rows, file_bytes, pending_compaction_bytes;
    uint32_t level_files[ROCKS_LEVELS];
    uint64_t cache_bytes, cache_bytes_max, table_reader_bytes, memtable_bytes;
};
void rocks_read_info(struct rocks *rocks, struct rocks_info *info);
/* What it holds in memory. */
size_t rocks_memory_bytes(struct rocks *rocks);
