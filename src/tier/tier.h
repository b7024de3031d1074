/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "base/status.h"
#include "keyspace/backing.h"

/* Where cold rows live: RocksDB behind keyspace/backing.h. RAM is the pool, the tier the reservoir; README.md tells
 * how they stay in step. */
struct tier;
struct stream;

/* Pointers are to option rows, read whenever they matter, so that they may change while the tier runs. */
struct tier_options {
    const char *directory;                  /* rows, checkpoint and row bound stand in it; made if missing */
    struct keyspace *keyspace;              /* outlives the tier */
    bool keep;                              /* false (durability none): start empty, delete the rows at close */
    const int64_t *cache_bytes;             /* of RocksDB's blocks, index included; pinned ones may exceed it */
    const int64_t *log_bytes_max;           /* a cycle begins when the log since the checkpoint exceeds half of it */
    const int64_t *free_bytes_min;          /* below it on the device spilling stops */
    enum status (*before_checkpoint)(void); /* saves what else is to outlive the log below it; NULL: nothing */
    int64_t read_threads;                   /* at least 2 are started */
    int64_t run_bytes;                      /* names and values in one run; 0: 8 MiB */
};

/* Opens the rows and the checkpoint and gives the keyspace what they tell (its saved state; that its filter is lost
 * if there are rows). Then the order is: keyspace_set_backing, stream_open with tier_row_offset_max, stream_replay
 * from tier_checkpoint_offset, tier_start. On failure 'error' says which file, what is wrong and what to do. */
enum status tier_open(struct tier **tier, const struct tier_options *options, char *error, size_t error_size) MUST_USE;

/* What keyspace_set_backing wants. Until tier_start only 'read', 'rows' and 'flushed' are of use. */
const struct backing *tier_backing(struct tier *tier);

/* The stream before this offset is in the rows: replay begins here (0: none was ever written). */
uint64_t tier_checkpoint_offset(const struct tier *tier);
/* No row has a larger offset; the stream must not restart below it. */
uint64_t tier_row_offset_max(const struct tier *tier);
/* Whether the key's row already holds an effect that ends at effect_end, so that replay skips it. Reads the row. */
enum status tier_row_has_effect(struct tier *tier, const struct row_key *key, uint64_t effect_end, bool *has) MUST_USE;

/* Starts readers and flusher, after replay. The stream outlives the tier's threads. */
void tier_start(struct tier *tier, struct stream *stream);
/* Stops. With 'save' a last full cycle leaves a restart nothing to replay; failing that the log still has all. No
 * load or job may come any more. Before stream_close. */
void tier_close(struct tier **tier, bool save);

/* A wish for a checkpoint whose offset is not below the stream's end at the wish (SAVE, BGSAVE); owned by the caller
 * until delivered. */
struct tier_save {
    struct tier_save *next;
    struct mail mail; /* the caller sets mail.deliver; posted to home at the end */
    struct mailbox *home;
    enum status status; /* how it ended */
};
void tier_save_start(struct tier *tier, struct tier_save *save);
/* The same, waiting for it; background threads only. */
enum status tier_save(struct tier *tier) MUST_USE;

/* NULL, or why dirty entries cannot be written as rows now, as a text for clients and INFO; static. */
const char *tier_failure(const struct tier *tier);

/* Bytes RocksDB holds in memory: blocks, index, table readers; and the run being made. Any thread. */
size_t tier_memory_bytes(struct tier *tier);

#define TIER_LEVELS 7
#define TIER_LATENCY_BUCKETS 24

struct tier_info {
    uint64_t rows;       /* approximate: rewritten rows count twice until compacted */
    uint64_t file_bytes; /* of all row files */
    uint32_t level_files[TIER_LEVELS];
    uint64_t pending_compaction_bytes;
    uint64_t cycles, runs, run_failures;
    uint64_t rows_written, deletes_written, bytes_written;
    uint64_t loads, reads, read_misses, read_errors; /* loads: requests; reads: keys */
    uint64_t read_us_sum, read_us_max;               /* of a load, from its queueing to its end */
    uint64_t read_us_buckets[TIER_LATENCY_BUCKETS];  /* bucket i: below 2^i microseconds */
    uint64_t queued_loads, queued_jobs;
    uint64_t expired_reported, expired_dropped; /* dropped: the queue was full, a later look will find them */
    uint64_t checkpoint_offset;
    int64_t checkpoint_ms; /* wall time at its offset; 0: none */
    int64_t last_cycle_us;
    int64_t longest_hold_us; /* of a partition by the flusher: time of the processor, or on the clock if less */
    bool cycle_running;
    uint32_t filter_partitions_left; /* to rebuild */
    uint64_t cache_bytes, cache_bytes_max, table_reader_bytes, run_bytes;
    uint64_t free_bytes; /* on the device at the last look */
    uint64_t reopened;   /* times RocksDB was opened again after an error it does not recover from */
    const char *stalled; /* NULL, or what the flusher waits for */
    const char *failure; /* as tier_failure */
    char last_error[256];
};
void tier_read_info(struct tier *tier, struct tier_info *info);
