/* SPDX-License-Identifier: BSD-3-Clause */
/* RocksDB as we use it: rows come in as sorted files only ("ingested"), so its memtable and its write-ahead log stay
 * empty, and what it knows is durable as soon as an ingest has returned.
 *
 * What its C API makes us do:
 *  - errors are strings; their beginnings tell the kind.
 *  - The library as packaged has its assertions on: a handle or iterator that is open at close aborts, and so does a
 *    table builder that is neither finished nor abandoned. So iterators live inside one call, and a writer is destroyed
 *    (which abandons) after each run.
 *  - There is no Resume after a background error that it does not recover from by itself. rocks_reopen is ours:
 *    'lock' is held shared by every call on 'database' and exclusively while that is replaced.
 *  - Its own log aborts the process when it is written to again after a write that failed, as on a full device; it
 *    cannot be turned off, nor be given. So it stands in memory, without a name, and nearly nothing goes into it.
 *  - The default column family's handle, which the batched read wants, is had only by opening with named families.
 *
 * The block cache is not strict: what is pinned at once (blocks being read, the tops of open files' indexes) may exceed
 * it for as long. A strict one refuses reads then, and ingests, whose file it would not let open: small nodes stood
 * still. The excess is allocated like all else, so entries make room for it. */
#include "tier/rocks.h"

#include <rocksdb/c.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"

#define MIB (INT64_C(1) << 20)
#define BLOCK_BYTES 2048
#define FILE_BYTES (32 * MIB)
#define BASE_LEVEL_BYTES (256 * MIB)
#define OPEN_FILES_MAX 512
#define BACKGROUND_JOBS 3 /* two compactions, and a flush that never comes */
/* Unsorted files that begin to be sorted in while runs come, and while none do. Files that are one round of the hand's do
 * not overlap, so that many stand in the way of a read as few; the more are sorted in at once, the fewer rows below are
 * written again for it. */
#define UNSORTED_FILES_BUSY 16
#define UNSORTED_FILES_AT_REST 4
#define FILTER_BITS 10
#define CACHE_BYTES_MIN MIB
#define PATH_BYTES 4096
#define LOG_DIRECTORY "/dev/shm/forebay-XXXXXX"

struct rocks {
    /* immutable after open */
    char directory[PATH_BYTES], run_path[PATH_BYTES];
    char log_directory[sizeof(LOG_DIRECTORY)]; /* empty: it stays among the rows */
    rocksdb_options_t *options;
    rocksdb_cache_t *cache;
    rocksdb_compactionfilter_t *filter;
    rocksdb_readoptions_t *read_options;
    bool (*drop)(void *context, struct bytes key, struct bytes value);
    void *context;

    pthread_rwlock_t lock;
    /* under lock */
    rocksdb_t *database; /* NULL after a reopen that failed */
    rocksdb_column_family_handle_t *family;

    /* the writing thread only */
    rocksdb_sstfilewriter_t *writer;
    bool is_busy; /* as rocks_set_busy was told, and the open database knows */
    char error[256];
};

/* ---- errors ---- */

static enum status status_of_text(const char *text)
{
    if (strstr(text, "No space left") || strstr(text, "Disk quota exceeded") || strstr(text, "Max allowed space"))
        return STATUS_NO_SPACE;
    if (strncmp(text, "Corruption", 10) == 0)
        return STATUS_CORRUPT;
    if (strstr(text, "Memory limit"))
        return STATUS_NO_MEMORY;
    if (strncmp(text, "Invalid argument", 16) == 0)
        return STATUS_INVALID;
    return STATUS_IO;
}

/* Consumes an error string of RocksDB's, keeping its words in 'copy' if there is one. */
static enum status status_take(char *text, char *copy, size_t copy_size)
{
    if (text == NULL)
        return STATUS_OK;
    enum status status = status_of_text(text);
    if (copy)
        snprintf(copy, copy_size, "%s", text);
    rocksdb_free(text);
    return status;
}

const char *rocks_error(const struct rocks *rocks)
{
    return rocks->error;
}

/* ---- opening and closing ---- */

static unsigned char filter_drops(void *context, int level, const char *key, size_t key_length, const char *value,
                                  size_t value_length, char **new_value, size_t *new_value_length,
                                  unsigned char *value_changed)
{
    struct rocks *rocks = context;
    (void)level, (void)new_value, (void)new_value_length, (void)value_changed;
    return rocks->drop(rocks->context, bytes_of(key, key_length), bytes_of(value, value_length));
}

static const char *filter_name(void *context)
{
    (void)context;
    return "rows";
}

static void filter_destroyed(void *context)
{
    (void)context;
}

/* Index partitions and blocks share the one bounded cache; only the small top of each open file's index is pinned. The
 * keyspace's filter stands before every read, so that nearly all of them find their row, and nearly all rows are in
 * the last level, which therefore is read without a filter (options_set_levels). Files above it have one: without it
 * a get reads a block in each unsorted file whose range holds the key, which was twice as dear. */
static rocksdb_block_based_table_options_t *table_options_create(rocksdb_cache_t *cache)
{
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(table, cache);
    rocksdb_block_based_options_set_block_size(table, BLOCK_BYTES);
    rocksdb_block_based_options_set_index_type(table, rocksdb_block_based_table_index_type_two_level_index_search);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(table, 1);
    rocksdb_block_based_options_set_pin_top_level_index_and_filter(table, 1);
    rocksdb_block_based_options_set_format_version(table, 5);
    rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(FILTER_BITS));
    rocksdb_block_based_options_set_partition_filters(table, 1);
    return table;
}

static void options_set_levels(rocksdb_options_t *options)
{
    rocksdb_options_set_compression(options, rocksdb_lz4_compression);
    rocksdb_options_set_target_file_size_base(options, FILE_BYTES);
    rocksdb_options_set_max_bytes_for_level_base(options, BASE_LEVEL_BYTES);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
    rocksdb_options_set_level0_file_num_compaction_trigger(options, UNSORTED_FILES_AT_REST);
    rocksdb_options_set_optimize_filters_for_hits(options, 1);
    rocksdb_options_set_prefix_extractor(options, rocksdb_slicetransform_create_fixed_prefix(ROCKS_PREFIX_BYTES));
    rocksdb_options_set_max_background_jobs(options, BACKGROUND_JOBS);
    rocksdb_options_set_max_subcompactions(options, 1);
    rocksdb_options_set_bytes_per_sync(options, MIB);
}

/* What is never used is made small, what would delay an open or fill the directory is left out. */
static void options_set_frugal(rocksdb_options_t *options)
{
    rocksdb_options_set_write_buffer_size(options, 64 << 10);
    rocksdb_options_set_arena_block_size(options, 4 << 10);
    rocksdb_options_set_max_open_files(options, OPEN_FILES_MAX);
    rocksdb_options_set_max_file_opening_threads(options, 1);
    rocksdb_options_set_skip_stats_update_on_db_open(options, 1);
    rocksdb_options_set_skip_checking_sst_file_sizes_on_db_open(options, 1);
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    rocksdb_options_set_stats_persist_period_sec(options, 0);
    rocksdb_options_set_info_log_level(options, 5); /* what it says when it opens, which cannot be turned off */
    rocksdb_options_set_max_manifest_file_size(options, 8 * MIB);
}

static void log_directory_make(struct rocks *rocks)
{
    snprintf(rocks->log_directory, sizeof(rocks->log_directory), LOG_DIRECTORY);
    if (mkdtemp(rocks->log_directory))
        rocksdb_options_set_db_log_dir(rocks->options, rocks->log_directory);
    else
        rocks->log_directory[0] = '\0';
}

static void options_create(struct rocks *rocks, size_t cache_bytes)
{
    if (cache_bytes < CACHE_BYTES_MIN)
        cache_bytes = CACHE_BYTES_MIN;
    rocks->cache = rocksdb_cache_create_lru(cache_bytes);
    rocks->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(rocks->options, 1);
    options_set_levels(rocks->options);
    options_set_frugal(rocks->options);
    log_directory_make(rocks);
    rocksdb_block_based_table_options_t *table = table_options_create(rocks->cache);
    rocksdb_options_set_block_based_table_factory(rocks->options, table);
    rocksdb_block_based_options_destroy(table);
    if (rocks->drop) {
        rocks->filter = rocksdb_compactionfilter_create(rocks, filter_destroyed, filter_drops, filter_name);
        rocksdb_options_set_compaction_filter(rocks->options, rocks->filter);
    }
    rocksdb_env_t *env = rocksdb_create_default_env();
    rocksdb_env_lower_thread_pool_cpu_priority(env);
    rocksdb_env_lower_thread_pool_io_priority(env);
    rocksdb_env_destroy(env);
    rocks->read_options = rocksdb_readoptions_create();
}

static void options_destroy(struct rocks *rocks)
{
    rocksdb_readoptions_destroy(rocks->read_options);
    rocksdb_options_destroy(rocks->options);
    rocksdb_cache_destroy(rocks->cache);
    if (rocks->filter)
        rocksdb_compactionfilter_destroy(rocks->filter);
}

static void directory_remove(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL)
        return;
    for (struct dirent *file; (file = readdir(directory)) != NULL;)
        unlinkat(dirfd(directory), file->d_name, 0);
    closedir(directory);
    rmdir(path);
}

static enum status database_open(struct rocks *rocks)
{
    const char *names[] = {"default"};
    const rocksdb_options_t *options[] = {rocks->options};
    char *text = NULL;
    rocks->database =
        rocksdb_open_column_families(rocks->options, rocks->directory, 1, names, options, &rocks->family, &text);
    if (text)
        rocks->database = NULL;
    rocks->is_busy = false;
    if (rocks->log_directory[0])
        directory_remove(rocks->log_directory);
    return status_take(text, rocks->error, sizeof(rocks->error));
}

static void database_close(struct rocks *rocks)
{
    if (rocks->database == NULL)
        return;
    rocksdb_cancel_all_background_work(rocks->database, 1);
    rocksdb_column_family_handle_destroy(rocks->family);
    rocksdb_close(rocks->database);
    rocks->database = NULL;
}

static bool directory_make(const char *path, char *error, size_t error_size)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return true;
    snprintf(error, error_size, "cannot make the directory %s: %s", path, strerror(errno));
    return false;
}

enum status rocks_open(struct rocks **out, const struct rocks_options *options, char *error, size_t error_size)
{
    *out = NULL;
    if (!directory_make(options->directory, error, error_size) ||
        !directory_make(options->run_directory, error, error_size))
        return status_from_errno(errno);
    struct rocks *rocks = memory_allocate_zeroed(sizeof(*rocks));
    snprintf(rocks->directory, sizeof(rocks->directory), "%s", options->directory);
    snprintf(rocks->run_path, sizeof(rocks->run_path), "%s/run.sst", options->run_directory);
    rocks->drop = options->drop;
    rocks->context = options->context;
    unlink(rocks->run_path);
    check(pthread_rwlock_init(&rocks->lock, NULL) == 0);
    options_create(rocks, options->cache_bytes);
    enum status status = database_open(rocks);
    if (status != STATUS_OK) {
        snprintf(error, error_size, "cannot open the rows in %s: %s", options->directory, rocks->error);
        rocks_close(&rocks);
    }
    *out = rocks;
    return status;
}

void rocks_close(struct rocks **out)
{
    struct rocks *rocks = *out;
    *out = NULL;
    if (rocks == NULL)
        return;
    rocks_run_discard(rocks);
    database_close(rocks);
    options_destroy(rocks);
    pthread_rwlock_destroy(&rocks->lock);
    memory_free(rocks);
}

enum status rocks_reopen(struct rocks *rocks)
{
    rocks_run_discard(rocks);
    pthread_rwlock_wrlock(&rocks->lock);
    database_close(rocks);
    enum status status = database_open(rocks);
    pthread_rwlock_unlock(&rocks->lock);
    return status;
}

void rocks_remove(const char *directory, const char *run_directory)
{
    rocksdb_options_t *options = rocksdb_options_create();
    char *text = NULL;
    rocksdb_destroy_db(options, directory, &text);
    rocksdb_free(text);
    rocksdb_options_destroy(options);
    directory_remove(directory);
    directory_remove(run_directory);
}

void rocks_set_cache_bytes(struct rocks *rocks, size_t cache_bytes)
{
    if (cache_bytes < CACHE_BYTES_MIN)
        cache_bytes = CACHE_BYTES_MIN;
    if (rocksdb_cache_get_capacity(rocks->cache) != cache_bytes)
        rocksdb_cache_set_capacity(rocks->cache, cache_bytes);
}

/* ---- reading ---- */

/* Takes the lock shared; false, with nothing held, if there is no database. */
static bool database_enter(struct rocks *rocks)
{
    pthread_rwlock_rdlock(&rocks->lock);
    if (rocks->database)
        return true;
    pthread_rwlock_unlock(&rocks->lock);
    return false;
}

static void database_leave(struct rocks *rocks)
{
    pthread_rwlock_unlock(&rocks->lock);
}

static void value_read(struct rocks *rocks, struct bytes key, struct rocks_value *value)
{
    char *text = NULL;
    value->pin =
        rocksdb_get_pinned_cf(rocks->database, rocks->read_options, rocks->family, key.data, key.length, &text);
    value->status = status_take(text, NULL, 0);
    if (value->pin)
        value->bytes.data = rocksdb_pinnableslice_value(value->pin, &value->bytes.length);
    else if (value->status == STATUS_OK)
        value->status = STATUS_NOT_FOUND;
}

enum status rocks_get(struct rocks *rocks, struct bytes key, void (*take)(void *taker, struct bytes value), void *taker)
{
    struct rocks_value value = {.status = STATUS_OK};
    if (!database_enter(rocks))
        return STATUS_IO;
    value_read(rocks, key, &value);
    if (value.status == STATUS_OK)
        take(taker, value.bytes);
    rocks_values_release(&value, 1);
    database_leave(rocks);
    return value.status;
}

/* The caller holds the lock. */
static void batch_read(struct rocks *rocks, const struct bytes *keys, size_t count, struct rocks_value *values)
{
    const char *names[ROCKS_BATCH_MAX] = {NULL};
    size_t lengths[ROCKS_BATCH_MAX] = {0};
    rocksdb_pinnableslice_t *pins[ROCKS_BATCH_MAX];
    char *texts[ROCKS_BATCH_MAX];
    for (size_t i = 0; i < count; i++) {
        names[i] = keys[i].data;
        lengths[i] = keys[i].length;
    }
    rocksdb_batched_multi_get_cf(rocks->database, rocks->read_options, rocks->family, count, names, lengths, pins,
                                 texts, true);
    for (size_t i = 0; i < count; i++) {
        struct rocks_value *value = &values[i];
        value->status = status_take(texts[i], NULL, 0);
        value->pin = pins[i];
        if (value->pin)
            value->bytes.data = rocksdb_pinnableslice_value(value->pin, &value->bytes.length);
        else if (value->status == STATUS_OK)
            value->status = STATUS_NOT_FOUND;
    }
}

void rocks_get_batch(struct rocks *rocks, const struct bytes *keys, size_t count, struct rocks_value *values)
{
    check(count > 0 && count <= ROCKS_BATCH_MAX);
    memset(values, 0, count * sizeof(*values));
    if (database_enter(rocks)) {
        if (count == 1)
            value_read(rocks, keys[0], values);
        else
            batch_read(rocks, keys, count, values);
        database_leave(rocks);
    } else {
        for (size_t i = 0; i < count; i++)
            values[i].status = STATUS_IO;
    }
}

void rocks_values_release(struct rocks_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (values[i].pin)
            rocksdb_pinnableslice_destroy(values[i].pin);
        values[i].pin = NULL;
    }
}

static enum status range_read(struct rocks *rocks, rocksdb_readoptions_t *options, struct bytes from,
                              bool (*visit)(void *visitor, struct bytes key, struct bytes value), void *visitor)
{
    rocksdb_iterator_t *iterator = rocksdb_create_iterator_cf(rocks->database, options, rocks->family);
    bool more = true;
    for (rocksdb_iter_seek(iterator, from.data, from.length); more && rocksdb_iter_valid(iterator);) {
        struct bytes key, value;
        key.data = rocksdb_iter_key(iterator, &key.length);
        value.data = rocksdb_iter_value(iterator, &value.length);
        more = visit(visitor, key, value);
        if (more)
            rocksdb_iter_next(iterator);
    }
    char *text = NULL;
    rocksdb_iter_get_error(iterator, &text);
    rocksdb_iter_destroy(iterator);
    return status_take(text, NULL, 0);
}

/* An unsorted file without a row of the prefix is known by its filter, and left out: else a seek reads a block of each, though
 * its next row be one of a hundred megabytes and far behind the range. The last level has no filters (options_set_levels): who
 * seeks there in a slot without rows reads the next row, however large. */
static enum status range_bounded(struct rocks *rocks, struct bytes from, struct bytes until, bool is_within_prefix,
                                 bool (*visit)(void *visitor, struct bytes key, struct bytes value), void *visitor)
{
    if (!database_enter(rocks))
        return STATUS_IO;
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_fill_cache(options, 0);
    rocksdb_readoptions_set_total_order_seek(options, !is_within_prefix);
    rocksdb_readoptions_set_prefix_same_as_start(options, is_within_prefix);
    if (until.data)
        rocksdb_readoptions_set_iterate_upper_bound(options, until.data, until.length);
    enum status status = range_read(rocks, options, from, visit, visitor);
    rocksdb_readoptions_destroy(options);
    database_leave(rocks);
    return status;
}

enum status rocks_range(struct rocks *rocks, struct bytes from, struct bytes until,
                        bool (*visit)(void *visitor, struct bytes key, struct bytes value), void *visitor)
{
    return range_bounded(rocks, from, until, false, visit, visitor);
}

enum status rocks_range_within_prefix(struct rocks *rocks, struct bytes from, struct bytes until,
                                      bool (*visit)(void *visitor, struct bytes key, struct bytes value), void *visitor)
{
    return range_bounded(rocks, from, until, true, visit, visitor);
}

/* ---- writing: 'database' changes on this thread only, so reading the pointer needs no lock here ---- */

enum status rocks_run_begin(struct rocks *rocks)
{
    check(rocks->writer == NULL);
    char *text = NULL;
    rocksdb_envoptions_t *environment = rocksdb_envoptions_create();
    rocks->writer = rocksdb_sstfilewriter_create(environment, rocks->options);
    rocksdb_envoptions_destroy(environment);
    rocksdb_sstfilewriter_open(rocks->writer, rocks->run_path, &text);
    return status_take(text, rocks->error, sizeof(rocks->error));
}

enum status rocks_run_put(struct rocks *rocks, struct bytes key, struct bytes value)
{
    char *text = NULL;
    rocksdb_sstfilewriter_put(rocks->writer, key.data, key.length, value.data, value.length, &text);
    return status_take(text, rocks->error, sizeof(rocks->error));
}

enum status rocks_run_delete(struct rocks *rocks, struct bytes key)
{
    char *text = NULL;
    rocksdb_sstfilewriter_delete(rocks->writer, key.data, key.length, &text);
    return status_take(text, rocks->error, sizeof(rocks->error));
}

enum status rocks_run_finish(struct rocks *rocks, uint64_t *file_bytes)
{
    char *text = NULL;
    rocksdb_sstfilewriter_finish(rocks->writer, &text);
    enum status status = status_take(text, rocks->error, sizeof(rocks->error));
    if (status == STATUS_OK)
        rocksdb_sstfilewriter_file_size(rocks->writer, file_bytes);
    rocksdb_sstfilewriter_destroy(rocks->writer);
    rocks->writer = NULL;
    return status;
}

enum status rocks_run_ingest(struct rocks *rocks)
{
    if (rocks->database == NULL) {
        snprintf(rocks->error, sizeof(rocks->error), "the rows are not open");
        return STATUS_IO;
    }
    const char *files[] = {rocks->run_path};
    char *text = NULL;
    rocksdb_ingestexternalfileoptions_t *options = rocksdb_ingestexternalfileoptions_create();
    rocksdb_ingestexternalfileoptions_set_move_files(options, 1);
    rocksdb_ingest_external_file_cf(rocks->database, rocks->family, files, 1, options, &text);
    rocksdb_ingestexternalfileoptions_destroy(options);
    return status_take(text, rocks->error, sizeof(rocks->error));
}

void rocks_run_discard(struct rocks *rocks)
{
    if (rocks->writer)
        rocksdb_sstfilewriter_destroy(rocks->writer);
    rocks->writer = NULL;
    unlink(rocks->run_path);
}

void rocks_set_busy(struct rocks *rocks, bool is_busy)
{
    if (rocks->database == NULL || rocks->is_busy == is_busy)
        return;
    char number[16], *text = NULL;
    const char *keys[] = {"level0_file_num_compaction_trigger"}, *values[] = {number};
    snprintf(number, sizeof(number), "%d", is_busy ? UNSORTED_FILES_BUSY : UNSORTED_FILES_AT_REST);
    rocksdb_set_options_cf(rocks->database, rocks->family, 1, keys, values, &text);
    if (text == NULL)
        rocks->is_busy = is_busy;
    rocksdb_free(text);
}

enum status rocks_delete_files(struct rocks *rocks, struct bytes from, struct bytes until)
{
    char *text = NULL;
    if (rocks->database == NULL)
        return STATUS_IO;
    rocksdb_delete_file_in_range_cf(rocks->database, rocks->family, from.data, from.length, until.data, until.length,
                                    &text);
    return status_take(text, rocks->error, sizeof(rocks->error));
}

/* ---- figures ---- */

static uint64_t figure(struct rocks *rocks, const char *name)
{
    uint64_t value = 0;
    if (rocksdb_property_int_cf(rocks->database, rocks->family, name, &value) != 0)
        return 0;
    return value;
}

static uint32_t level_files(struct rocks *rocks, int level)
{
    char name[64];
    snprintf(name, sizeof(name), "rocksdb.num-files-at-level%d", level);
    char *text = rocksdb_property_value_cf(rocks->database, rocks->family, name);
    uint32_t files = text ? (uint32_t)strtoul(text, NULL, 10) : 0;
    rocksdb_free(text);
    return files;
}

uint32_t rocks_unsorted_files(struct rocks *rocks)
{
    if (!database_enter(rocks))
        return 0;
    uint32_t files = level_files(rocks, 0);
    database_leave(rocks);
    return files;
}

void rocks_compact(struct rocks *rocks)
{
    if (!database_enter(rocks))
        return;
    rocksdb_compactoptions_t *options = rocksdb_compactoptions_create();
    rocksdb_compactoptions_set_bottommost_level_compaction(options, 2); /* force */
    rocksdb_compact_range_cf_opt(rocks->database, rocks->family, options, NULL, 0, NULL, 0);
    rocksdb_compactoptions_destroy(options);
    database_leave(rocks);
}

void rocks_read_info(struct rocks *rocks, struct rocks_info *info)
{
    *info = (struct rocks_info){
        .cache_bytes = rocksdb_cache_get_usage(rocks->cache),
        .cache_bytes_max = rocksdb_cache_get_capacity(rocks->cache),
    };
    if (!database_enter(rocks))
        return;
    info->rows = figure(rocks, "rocksdb.estimate-num-keys");
    info->file_bytes = figure(rocks, "rocksdb.total-sst-files-size");
    info->pending_compaction_bytes = figure(rocks, "rocksdb.estimate-pending-compaction-bytes");
    info->table_reader_bytes = figure(rocks, "rocksdb.estimate-table-readers-mem");
    info->memtable_bytes = figure(rocks, "rocksdb.cur-size-all-mem-tables");
    for (int level = 0; level < ROCKS_LEVELS; level++)
        info->level_files[level] = level_files(rocks, level);
    database_leave(rocks);
}

size_t rocks_memory_bytes(struct rocks *rocks)
{
    size_t bytes = rocksdb_cache_get_usage(rocks->cache);
    if (!database_enter(rocks))
        return bytes;
    bytes += figure(rocks, "rocksdb.estimate-table-readers-mem") + figure(rocks, "rocksdb.cur-size-all-mem-tables");
    database_leave(rocks);
    return bytes;
}
