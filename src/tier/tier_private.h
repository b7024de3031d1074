/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "base/thread.h"
#include "keyspace/backing.h"
#include "stream/stream.h"
#include "tier/checkpoint.h"
#include "tier/rocks.h"
#include "tier/row.h"
#include "tier/run.h"
#include "tier/tier.h"

/* What the parts of the tier share. Leaf locks only, none of them held while a function of the keyspace is called. */

#define READERS_MAX 32
#define TIER_PARTITIONS 256 /* the keyspace's: a slot belongs to partition slot % 256 */

/* ---- reader.c: loads and jobs ---- */

struct queued_load {
    struct load *load;
    int64_t queued_us;
};

/* The layout of the keyspace's struct job, which backing.h only names; the tier's unit tests compare the two. */
struct queued_job {
    struct mail mail; /* its link serves as the queue's */
    void (*run)(struct job *job);
};

struct readers {
    struct thread threads[READERS_MAX];
    unsigned count; /* immutable after start */
    pthread_mutex_t lock;
    pthread_cond_t wake_loads, wake_jobs; /* reader 0 waits on the first, the others on the second */
    /* under lock */
    struct queued_load *loads; /* a ring; a power of two */
    size_t load_head, load_count, load_capacity;
    struct queued_job *job_first, *job_last;
    size_t job_count;
    unsigned waiting_loads, waiting_jobs;
    bool stopping;
    /* any thread */
    _Atomic uint64_t served, keys, misses, errors, us_sum, us_max, us_buckets[TIER_LATENCY_BUCKETS];
    _Atomic int64_t error_logged_us;
};

void readers_init(struct tier *tier);
void readers_start(struct tier *tier);
/* Serves what is queued, then ends the threads. */
void readers_stop(struct tier *tier);
void readers_deinit(struct tier *tier);
void reader_load(void *context, struct load *load);
void reader_run(void *context, struct job *job);
/* The backing's other reads, on the caller's thread. */
enum status reader_rows(void *context, uint8_t db, uint16_t slot, uint64_t hash_from, uint64_t hash_to,
                        bool (*visit)(void *visitor, const struct row *row), void *visitor);
enum status reader_read(void *context, const struct row_key *key, void (*take)(void *taker, const struct row *row),
                        void *taker);

/* ---- expired.c: rows past their expiry, on their way to the keyspace ---- */

struct expired {
    pthread_mutex_t lock;
    struct buffer reported; /* under lock: row keys, each after its 4-byte length */
    _Atomic uint64_t reported_count, dropped_count;

    /* flusher only */
    struct buffer batch; /* taken from 'reported', delivered up to batch_at */
    size_t batch_at;
    int64_t *look_at_ms[ROW_DATABASES]; /* of each slot; NULL: no row of the db was seen to expire */
    struct sweep_hand {
        uint8_t db;
        uint32_t slot;
    } hand;
    struct buffer cursor; /* the last row key seen in the hand's slot; empty: the slot is not entered */
    int64_t next_step_us;
};

void expired_init(struct expired *expired);
void expired_deinit(struct expired *expired);
/* Any thread; drops the report when too many wait. */
void expired_report(struct expired *expired, struct bytes row_key);
/* Flusher: a row of the slot has this expiry, or none. */
void expired_note(struct expired *expired, uint8_t db, uint16_t slot, int64_t expire_at_ms);
/* Flusher: hands over to the keyspace some of what is due, reported or found; nothing if called again too soon. */
void expired_step(struct tier *tier, int64_t now_us);

/* ---- ttl_filter.c: what compactions ask ---- */

bool ttl_filter_drop(void *tier, struct bytes key, struct bytes value);

/* ---- flusher.c ---- */

struct flusher {
    struct thread thread;
    bool started;
    sem_t wake;
    _Atomic bool clean_wanted, stopping, stopping_with_cycle;
    pthread_mutex_t lock;
    struct tier_save *saves; /* under lock: wishes not taken up yet */
    char last_error[256];    /* under lock */

    /* flusher thread only */
    struct run run;
    struct place {
        uint8_t db;
        uint16_t slot;
        uint64_t hash;
    } hand;                  /* where the walk goes on */
    uint32_t slots_left;     /* of the cycle under way, the hand's slot included; 0: none */
    struct checkpoint cycle; /* what the cycle under way will have made durable */
    int64_t cycle_began_us;
    struct tier_save *cycle_saves;         /* wishes that the cycle under way fulfils */
    int64_t retry_us;                      /* after a failure: not before */
    unsigned failures;                     /* in a row, of RocksDB */
    uint64_t db_offset_max[ROW_DATABASES]; /* of what was ingested; what stood in the rows at open has row_bound's */
    int64_t last_second_us, last_run_us;
    int64_t rebuild_retry_us; /* of the filter: not before, so that it takes a part of the time only */
    bool has_looked_for_rows; /* when the filter's first partition was rebuilt */
    uint32_t dbs_with_rows; /* a bit for each, perhaps also for one without; since that look, and as runs bring rows */
    int64_t cycle_ended_us;

    /* written by the flusher, read by any */
    _Atomic uint64_t checkpoint_offset, cycles, runs, run_failures, rows_written, deletes_written, bytes_written;
    _Atomic uint64_t run_memory, reopened, free_bytes;
    _Atomic int64_t checkpoint_ms, last_cycle_us, longest_hold_us;
    _Atomic bool cycle_running;
    _Atomic uint32_t filter_partitions_left;
    _Atomic(const char *) failure, stalled;
};

void flusher_init(struct tier *tier);
void flusher_start(struct tier *tier);
void flusher_stop(struct tier *tier, bool with_cycle);
void flusher_deinit(struct tier *tier);
void flusher_want_clean(void *context);
void flusher_add_save(struct tier *tier, struct tier_save *save);

/* ---- flushed.c: databases emptied at an offset ---- */

/* The backing's: under all locks, no I/O. */
void flushed_note(void *context, uint8_t db, uint64_t flushed_at);
/* Flusher, before each ingest and now and then: what is flushed for good may go from the device. */
void flushed_settle(struct tier *tier);

/* ---- filter_feed.c ---- */

/* Flusher, between runs: rebuilds one partition that answers "maybe"; false if there is none, or not now. 'busy': runs
 * are waiting. */
bool filter_rebuild_step(struct tier *tier, bool busy);

struct tier {
    /* immutable after start */
    struct tier_options options;
    char *directory, *row_directory, *run_directory;
    struct keyspace *keyspace;
    struct stream *stream; /* NULL before tier_start */
    struct rocks *rocks;
    struct backing backing;

    /* Rows of a db with a smaller offset do not exist: for readers at once, for what deletes them from the device
     * once the log is synced past the flush, since an unsynced flush can still be lost. */
    _Atomic uint64_t flushed_at[ROW_DATABASES];
    _Atomic uint64_t flushed_for_good[ROW_DATABASES];

    struct row_bound row_bound; /* flusher only after start */
    struct readers readers;
    struct expired expired;
    struct flusher flusher;
};

/* Whether a flush has ended the row's existence for readers. */
static inline bool tier_row_is_dead(const struct tier *tier, uint8_t db, uint64_t offset)
{
    return offset < atomic_load_explicit(&tier->flushed_at[db], memory_order_acquire);
}
