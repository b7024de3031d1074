/* SPDX-License-Identifier: BSD-3-Clause */
/* The door: what stands in the data directory, and in which order it is opened and closed.
 *
 *   rows/ rows-new/  RocksDB's files, and the run being made          with a log
 *   checkpoint       the last completed cycle                        (checkpoint.c)
 *   row-bound        an offset that no row exceeds
 *   overflow/ overflow-new/   rows of a node without a log: removed at open and at close
 *
 * Rows with a log and rows without never share a directory name: offsets of one mean nothing to the other. A node
 * without a log does not open where data of one with a log stands, since a mistyped option must not cost data. */
#include "tier/tier.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "tier/tier_private.h"

static char *path_create(const char *directory, const char *name)
{
    size_t size = strlen(directory) + 1 + strlen(name) + 1;
    char *path = memory_allocate(size);
    snprintf(path, size, "%s/%s", directory, name);
    return path;
}

static struct tier *tier_create(const struct tier_options *options)
{
    struct tier *tier = memory_allocate_zeroed(sizeof(*tier));
    tier->options = *options;
    tier->keyspace = options->keyspace;
    tier->row_bound.file = -1;
    tier->directory = path_create(options->directory, "");
    tier->directory[strlen(options->directory)] = '\0';
    tier->row_directory = path_create(options->directory, options->keep ? "rows" : "overflow");
    tier->run_directory = path_create(options->directory, options->keep ? "rows-new" : "overflow-new");
    tier->backing = (struct backing){
        .context = tier,
        .load = reader_load,
        .run = reader_run,
        .rows = reader_rows,
        .read = reader_read,
        .want_clean = flusher_want_clean,
        .flushed = flushed_note,
    };
    readers_init(tier);
    expired_init(&tier->expired);
    flusher_init(tier);
    return tier;
}

static void tier_destroy(struct tier *tier)
{
    rocks_close(&tier->rocks);
    row_bound_close(&tier->row_bound);
    flusher_deinit(tier);
    expired_deinit(&tier->expired);
    readers_deinit(tier);
    memory_free(tier->run_directory);
    memory_free(tier->row_directory);
    memory_free(tier->directory);
    memory_free(tier);
}

static enum status directory_open(struct tier *tier, char *error, size_t error_size)
{
    if (mkdir(tier->directory, 0700) != 0 && errno != EEXIST) {
        int number = errno;
        snprintf(error, error_size, "cannot make the directory %s: %s", tier->directory, strerror(number));
        return status_from_errno(number);
    }
    if (tier->options.keep)
        return row_bound_open(&tier->row_bound, tier->directory, error, error_size);
    if (checkpoint_exists(tier->directory)) {
        snprintf(error, error_size,
                 "%s holds durable data, and without a log it would be lost: set 'durability' to what wrote it, or "
                 "choose an empty directory",
                 tier->directory);
        return STATUS_INVALID;
    }
    rocks_remove(tier->row_directory, tier->run_directory);
    return STATUS_OK;
}

static enum status rows_open(struct tier *tier, char *error, size_t error_size)
{
    struct rocks_options options = {
        .directory = tier->row_directory,
        .run_directory = tier->run_directory,
        .cache_bytes = (size_t)*tier->options.cache_bytes,
        .drop = ttl_filter_drop,
        .context = tier,
    };
    return rocks_open(&tier->rocks, &options, error, error_size);
}

static bool rows_stand(const struct tier *tier)
{
    char *path = path_create(tier->row_directory, "CURRENT");
    bool stand = access(path, F_OK) == 0;
    memory_free(path);
    return stand;
}

/* Flushes of the checkpoint are durable: it was written when the log was synced past them. */
static enum status checkpoint_open(struct tier *tier, char *error, size_t error_size)
{
    struct checkpoint *checkpoint = &tier->flusher.cycle;
    enum status status = checkpoint_read(tier->directory, checkpoint, error, error_size);
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    if (status != STATUS_OK)
        return status;
    if (!rows_stand(tier)) {
        snprintf(error, error_size,
                 "%s is missing, but a checkpoint beside it needs its rows: put it back, or let this "
                 "node copy its data from a replica into an empty directory",
                 tier->row_directory);
        return STATUS_CORRUPT;
    }
    for (int db = 0; db < ROW_DATABASES; db++) {
        atomic_store(&tier->flushed_at[db], checkpoint->flushed_at[db]);
        atomic_store(&tier->flushed_for_good[db], checkpoint->flushed_at[db]);
    }
    atomic_store(&tier->flusher.checkpoint_offset, checkpoint->offset);
    atomic_store(&tier->flusher.checkpoint_ms, checkpoint->wall_ms);
    status = keyspace_restore_state(tier->keyspace, buffer_bytes(&checkpoint->state));
    if (status != STATUS_OK)
        snprintf(error, error_size,
                 "the checkpoint in %s is not one of this version's: start the version that wrote "
                 "it, or restore from a backup",
                 tier->directory);
    return status;
}

static bool any_row(void *context, struct bytes key, struct bytes value)
{
    (void)key, (void)value;
    *(bool *)context = true;
    return false;
}

/* With rows the filter knows nothing of them yet, and each db may hold rows up to the bound. */
static enum status rows_acknowledge(struct tier *tier, char *error, size_t error_size)
{
    bool found = false;
    enum status status = rocks_range(tier->rocks, BYTES(""), (struct bytes){0}, any_row, &found);
    if (status != STATUS_OK) {
        snprintf(error, error_size, "cannot read the rows in %s: %s", tier->row_directory, status_text(status));
        return status;
    }
    if (!found)
        return STATUS_OK;
    keyspace_filter_lose(tier->keyspace);
    for (int db = 0; db < ROW_DATABASES; db++)
        tier->flusher.db_offset_max[db] = tier_row_offset_max(tier);
    return STATUS_OK;
}

enum status tier_open(struct tier **out, const struct tier_options *options, char *error, size_t error_size)
{
    struct tier *tier = tier_create(options);
    *out = NULL;
    enum status status = directory_open(tier, error, error_size);
    if (status == STATUS_OK && options->keep)
        status = checkpoint_open(tier, error, error_size);
    if (status == STATUS_OK)
        status = rows_open(tier, error, error_size);
    if (status == STATUS_OK)
        status = rows_acknowledge(tier, error, error_size);
    if (status == STATUS_OK)
        *out = tier;
    else
        tier_destroy(tier);
    return status;
}

void tier_start(struct tier *tier, struct stream *stream)
{
    check(tier->stream == NULL);
    tier->stream = stream;
    readers_start(tier);
    flusher_start(tier);
}

void tier_close(struct tier **out, bool save)
{
    struct tier *tier = *out;
    *out = NULL;
    if (tier == NULL)
        return;
    flusher_stop(tier, save && tier->options.keep); /* first: it may still make the keyspace load keys */
    readers_stop(tier);
    rocks_close(&tier->rocks);
    if (!tier->options.keep)
        rocks_remove(tier->row_directory, tier->run_directory);
    tier_destroy(tier);
}

const struct backing *tier_backing(struct tier *tier)
{
    return &tier->backing;
}

uint64_t tier_checkpoint_offset(const struct tier *tier)
{
    return atomic_load_explicit(&tier->flusher.checkpoint_offset, memory_order_acquire);
}

uint64_t tier_row_offset_max(const struct tier *tier)
{
    uint64_t checkpoint = tier_checkpoint_offset(tier);
    return tier->row_bound.offset > checkpoint ? tier->row_bound.offset : checkpoint;
}

static void note_offset(void *context, const struct row *row)
{
    *(uint64_t *)context = row->offset;
}

enum status tier_row_has_effect(struct tier *tier, const struct row_key *key, uint64_t effect_end, bool *has)
{
    uint64_t offset = 0;
    enum status status = reader_read(tier, key, note_offset, &offset);
    *has = status == STATUS_OK && offset >= effect_end;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* ---- saving ---- */

void tier_save_start(struct tier *tier, struct tier_save *save)
{
    flusher_add_save(tier, save);
}

static void semaphore_wake(void *semaphore)
{
    sem_post(semaphore);
}

static void nothing_delivered(struct mail *mail)
{
    (void)mail;
}

enum status tier_save(struct tier *tier)
{
    sem_t done;
    struct mailbox home;
    struct tier_save save = {.mail.deliver = nothing_delivered, .home = &home};
    sem_init(&done, 0, 0);
    mailbox_init(&home, semaphore_wake, &done);
    tier_save_start(tier, &save);
    while (sem_wait(&done) != 0)
        ;
    mailbox_drain(&home);
    sem_destroy(&done);
    return save.status;
}

/* ---- figures ---- */

const char *tier_failure(const struct tier *tier)
{
    return atomic_load_explicit(&tier->flusher.failure, memory_order_acquire);
}

size_t tier_memory_bytes(struct tier *tier)
{
    return rocks_memory_bytes(tier->rocks) + atomic_load_explicit(&tier->flusher.run_memory, memory_order_relaxed);
}

static void info_of_rocks(struct tier *tier, struct tier_info *info)
{
    struct rocks_info rocks;
    rocks_read_info(tier->rocks, &rocks);
    info->rows = rocks.rows;
    info->file_bytes = rocks.file_bytes;
    info->pending_compaction_bytes = rocks.pending_compaction_bytes;
    for (int level = 0; level < TIER_LEVELS; level++)
        info->level_files[level] = rocks.level_files[level];
    info->cache_bytes = rocks.cache_bytes;
    info->cache_bytes_max = rocks.cache_bytes_max;
    info->table_reader_bytes = rocks.table_reader_bytes;
}

static void info_of_readers(struct readers *readers, struct tier_info *info)
{
    info->loads = atomic_load(&readers->served);
    info->reads = atomic_load(&readers->keys);
    info->read_misses = atomic_load(&readers->misses);
    info->read_errors = atomic_load(&readers->errors);
    info->read_us_sum = atomic_load(&readers->us_sum);
    info->read_us_max = atomic_load(&readers->us_max);
    for (int i = 0; i < TIER_LATENCY_BUCKETS; i++)
        info->read_us_buckets[i] = atomic_load(&readers->us_buckets[i]);
    pthread_mutex_lock(&readers->lock);
    info->queued_loads = readers->load_count;
    info->queued_jobs = readers->job_count;
    pthread_mutex_unlock(&readers->lock);
}

static void info_of_flusher(struct flusher *flusher, struct tier_info *info)
{
    info->cycles = atomic_load(&flusher->cycles);
    info->runs = atomic_load(&flusher->runs);
    info->run_failures = atomic_load(&flusher->run_failures);
    info->rows_written = atomic_load(&flusher->rows_written);
    info->deletes_written = atomic_load(&flusher->deletes_written);
    info->bytes_written = atomic_load(&flusher->bytes_written);
    info->checkpoint_offset = atomic_load(&flusher->checkpoint_offset);
    info->checkpoint_ms = atomic_load(&flusher->checkpoint_ms);
    info->last_cycle_us = atomic_load(&flusher->last_cycle_us);
    info->longest_hold_us = atomic_load(&flusher->longest_hold_us);
    info->cycle_running = atomic_load(&flusher->cycle_running);
    info->filter_partitions_left = atomic_load(&flusher->filter_partitions_left);
    info->run_bytes = atomic_load(&flusher->run_memory);
    info->free_bytes = atomic_load(&flusher->free_bytes);
    info->reopened = atomic_load(&flusher->reopened);
    info->stalled = atomic_load(&flusher->stalled);
    info->failure = atomic_load(&flusher->failure);
    pthread_mutex_lock(&flusher->lock);
    memcpy(info->last_error, flusher->last_error, sizeof(info->last_error));
    pthread_mutex_unlock(&flusher->lock);
}

void tier_read_info(struct tier *tier, struct tier_info *info)
{
    *info = (struct tier_info){0};
    info_of_rocks(tier, info);
    info_of_readers(&tier->readers, info);
    info_of_flusher(&tier->flusher, info);
    info->expired_reported = atomic_load(&tier->expired.reported_count);
    info->expired_dropped = atomic_load(&tier->expired.dropped_count);
}
