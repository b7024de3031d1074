/* SPDX-License-Identifier: BSD-3-Clause */
#include "tier/tier.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "fake_keyspace.h"
#include "fake_stream.h"
#include "object/codec.h"
#include "tier/tier_private.h"

#define START 1000

/* A node's tier over a fake keyspace and stream; stop and start again keep the directory. */
struct node {
    char directory[64];
    struct keyspace *keyspace;
    struct stream *stream;
    struct tier *tier;
    int64_t cache_bytes, log_bytes_max, free_bytes_min, run_bytes;
    bool keep;
    char error[512];
};

static enum status node_open(struct node *node)
{
    struct tier_options options = {
        .directory = node->directory,
        .keyspace = node->keyspace = fake_create(),
        .keep = node->keep,
        .cache_bytes = &node->cache_bytes,
        .log_bytes_max = &node->log_bytes_max,
        .free_bytes_min = &node->free_bytes_min,
        .read_threads = 2,
        .run_bytes = node->run_bytes,
    };
    return tier_open(&node->tier, &options, node->error, sizeof(node->error));
}

static void node_start(struct node *node)
{
    assert_int_equal(node_open(node), STATUS_OK);
    tier_start(node->tier, node->stream);
}

static void node_stop(struct node *node, bool save)
{
    tier_close(&node->tier, save);
    fake_destroy(node->keyspace);
    node->keyspace = NULL;
}

static int node_setup(void **state)
{
    struct node *node = memory_allocate_zeroed(sizeof(*node));
    snprintf(node->directory, sizeof(node->directory), "/tmp/tier_test.XXXXXX");
    assert_non_null(mkdtemp(node->directory));
    node->cache_bytes = 8 << 20;
    node->log_bytes_max = INT64_C(1) << 40;
    node->run_bytes = 1 << 20;
    node->keep = true;
    node->stream = fake_stream_create(START);
    *state = node;
    return 0;
}

static int node_teardown(void **state)
{
    struct node *node = *state;
    char command[128];
    if (node->tier)
        tier_close(&node->tier, false);
    if (node->keyspace)
        fake_destroy(node->keyspace);
    memory_free(node->stream);
    snprintf(command, sizeof(command), "rm -rf %s", node->directory);
    memory_free(node);
    *state = NULL;
    return system(command);
}

static struct row_key key_of(uint8_t db, uint16_t slot, uint64_t hash, const char *name)
{
    return (struct row_key){db, slot, hash, bytes_of_text(name)};
}

struct seen {
    char text[256];
    uint64_t offset;
    int64_t expire_at_ms;
};

static void see(void *context, const struct row *row)
{
    struct seen *seen = context;
    struct buffer scratch = {0};
    struct object object;
    char digits[BYTES_INTEGER_MAX];
    assert_int_equal(codec_decode(row->payload, &scratch, &object), STATUS_OK);
    struct bytes bytes = string_object_bytes(&object, digits);
    snprintf(seen->text, sizeof(seen->text), "%.*s", (int)bytes.length, bytes.data);
    seen->offset = row->offset;
    seen->expire_at_ms = row->expire_at_ms;
    object_release(&object);
    buffer_deinit(&scratch);
}

static enum status read_row(struct node *node, struct row_key key, struct seen *seen)
{
    const struct backing *backing = tier_backing(node->tier);
    return backing->read(backing->context, &key, see, seen);
}

static void assert_row(struct node *node, struct row_key key, const char *text)
{
    struct seen seen = {.text = ""};
    assert_int_equal(read_row(node, key, &seen), STATUS_OK);
    assert_string_equal(seen.text, text);
}

static void assert_no_row(struct node *node, struct row_key key)
{
    struct seen seen;
    assert_int_equal(read_row(node, key, &seen), STATUS_NOT_FOUND);
}

/* ---- runs ---- */

static void a_saved_key_is_a_row_with_the_streams_end(void **state)
{
    struct node *node = *state;
    struct row_key key = key_of(3, 77, 12345, "session:1");
    struct object value = string_object_from_integer(42);
    struct seen seen;
    node_start(node);
    fake_put(node->keyspace, &key, value, 9999999999999);
    uint64_t end = fake_stream_write(node->stream);
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    assert_int_equal(read_row(node, key, &seen), STATUS_OK);
    assert_string_equal(seen.text, "42");
    assert_int_equal(seen.offset, end);
    assert_int_equal(seen.expire_at_ms, 9999999999999);
    assert_int_equal(fake_state(node->keyspace, &key), ENTRY_CLEAN);
    assert_true(node->stream->synced >= end);
}

static void a_tombstone_deletes_the_row_and_is_freed(void **state)
{
    struct node *node = *state;
    struct row_key key = key_of(0, 1, 1, "k");
    node_start(node);
    fake_put_text(node->keyspace, &key, "v");
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    assert_row(node, key, "v");
    fake_delete(node->keyspace, &key);
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    assert_no_row(node, key);
    assert_int_equal(fake_state(node->keyspace, &key), -1);
}

static void a_later_run_replaces_an_earlier_ones_row(void **state)
{
    struct node *node = *state;
    struct row_key key = key_of(0, 1, 1, "k");
    node_start(node);
    for (int i = 0; i < 20; i++) {
        char text[16];
        snprintf(text, sizeof(text), "v%d", i);
        fake_put_text(node->keyspace, &key, text);
        assert_int_equal(tier_save(node->tier), STATUS_OK);
        assert_row(node, key, text);
    }
}

static void keys_of_equal_hash_may_come_in_any_order(void **state)
{
    struct node *node = *state;
    struct row_key keys[] = {key_of(0, 5, 9, "a"), key_of(0, 5, 9, "b"), key_of(0, 5, 9, "")};
    node_start(node);
    node->keyspace->capture_backwards = true;
    fake_put_text(node->keyspace, &keys[0], "1");
    fake_put_text(node->keyspace, &keys[1], "2");
    fake_put_text(node->keyspace, &keys[2], "3");
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    assert_row(node, keys[0], "1");
    assert_row(node, keys[1], "2");
    assert_row(node, keys[2], "3");
    assert_int_equal(node->keyspace->ingested, 3);
}

static void a_large_value_is_written_from_its_block(void **state)
{
    struct node *node = *state;
    struct row_key key = key_of(0, 1, 1, "large");
    struct block *block = block_create(5 << 20, 5 << 20);
    for (size_t i = 0; i < block->length; i++)
        block->data[i] = (char)(i * 7919 >> 8);
    struct object value = {.type = OBJECT_STRING, .encoding = ENCODING_BLOCK, .block = block};
    node_start(node);
    fake_put(node->keyspace, &key, value, ENTRY_NO_EXPIRE);
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    assert_int_equal(atomic_load(&block->references), 1);
    rocks_compact(node->tier->rocks); /* it does not fit a shard of the cache, here nor when it is read */
    struct load *load = fake_load_create(&key, 1);
    tier_backing(node->tier)->load(tier_backing(node->tier)->context, load);
    fake_load_wait(load);
    struct buffer scratch = {0};
    struct object read;
    assert_int_equal(load->statuses[0], STATUS_OK);
    assert_int_equal(codec_decode(buffer_bytes(&load->payloads[0]), &scratch, &read), STATUS_OK);
    assert_int_equal(read.block->length, block->length);
    assert_memory_equal(read.block->data, block->data, block->length);
    object_release(&read);
    buffer_deinit(&scratch);
    fake_load_destroy(load);
}

static void put_many(struct node *node, unsigned count, char names[][16])
{
    for (unsigned i = 0; i < count; i++) {
        snprintf(names[i], 16, "key:%u", i);
        struct row_key key = key_of((uint8_t)(i % 3), (uint16_t)(i * 31 % FAKE_SLOTS), i, names[i]);
        fake_put_text(node->keyspace, &key, names[i]);
    }
    fake_stream_write(node->stream);
}

static struct row_key many_key(unsigned i, char names[][16])
{
    return key_of((uint8_t)(i % 3), (uint16_t)(i * 31 % FAKE_SLOTS), i, names[i]);
}

static void a_cycle_of_many_runs_reaches_every_key(void **state)
{
    struct node *node = *state;
    static char names[20000][16];
    node->run_bytes = 100000;
    node_start(node);
    put_many(node, 20000, names);
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    struct tier_info info;
    tier_read_info(node->tier, &info);
    assert_true(info.runs >= 5);
    assert_int_equal(info.rows_written, 20000);
    assert_int_equal(keyspace_dirty_count(node->keyspace), 0);
    for (unsigned i = 0; i < 20000; i += 37)
        assert_row(node, many_key(i, names), names[i]);
}

static void wanting_clean_entries_makes_them_without_a_cycle(void **state)
{
    struct node *node = *state;
    struct row_key key = key_of(0, 1, 1, "k");
    const struct backing *backing;
    node->keep = false;
    node_start(node);
    backing = tier_backing(node->tier);
    fake_put_text(node->keyspace, &key, "v");
    while (keyspace_dirty_count(node->keyspace) > 0)
        backing->want_clean(backing->context);
    while (fake_state(node->keyspace, &key) != ENTRY_CLEAN)
        ;
    assert_row(node, key, "v");
}

static void a_long_log_begins_a_cycle(void **state)
{
    struct node *node = *state;
    struct row_key key = key_of(0, 1, 1, "k");
    node->log_bytes_max = 100;
    node_start(node);
    fake_put_text(node->keyspace, &key, "v");
    for (int i = 0; i < 20; i++)
        fake_stream_write(node->stream);
    while (tier_checkpoint_offset(node->tier) < START + 200)
        ;
    assert_int_equal(node->stream->dropped_before, START + 200);
    assert_row(node, key, "v");
}

/* ---- failures ---- */

static void a_run_whose_log_cannot_be_synced_is_discarded_and_written_later(void **state)
{
    struct node *node = *state;
    struct row_key key = key_of(0, 1, 1, "k"), gone = key_of(0, 1, 2, "gone");
    node_start(node);
    fake_put_text(node->keyspace, &key, "old");
    fake_put_text(node->keyspace, &gone, "there");
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    fake_put_text(node->keyspace, &key, "new");
    fake_delete(node->keyspace, &gone);
    fake_stream_write(node->stream);
    node->stream->sync_failures_left = 1;
    assert_int_equal(tier_save(node->tier), STATUS_IO);
    assert_int_equal(fake_state(node->keyspace, &key), ENTRY_DIRTY);
    assert_int_equal(fake_state(node->keyspace, &gone), ENTRY_GONE);
    assert_row(node, key, "old");
    assert_row(node, gone, "there");
    assert_non_null(tier_failure(node->tier));
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    assert_null(tier_failure(node->tier));
    assert_row(node, key, "new");
    assert_no_row(node, gone);
}

static void a_file_that_cannot_be_written_loses_nothing(void **state)
{
    struct node *node = *state;
    struct row_key key = key_of(0, 1, 1, "k");
    char path[128];
    node_start(node);
    snprintf(path, sizeof(path), "%s/rows-new/run.sst", node->directory);
    assert_int_equal(mkdir(path, 0700), 0);
    fake_put_text(node->keyspace, &key, "v");
    for (int i = 0; i < 4; i++) /* often enough to open RocksDB again */
        assert_int_not_equal(tier_save(node->tier), STATUS_OK);
    struct tier_info info;
    tier_read_info(node->tier, &info);
    assert_int_equal(info.run_failures, 4);
    assert_int_equal(info.reopened, 1);
    assert_true(strlen(info.last_error) > 0);
    assert_int_equal(fake_state(node->keyspace, &key), ENTRY_DIRTY);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    assert_row(node, key, "v");
}

static void too_little_free_space_stops_spilling_and_says_so(void **state)
{
    struct node *node = *state;
    struct row_key key = key_of(0, 1, 1, "k");
    node_start(node);
    fake_put_text(node->keyspace, &key, "v");
    node->free_bytes_min = INT64_MAX;
    assert_int_equal(tier_save(node->tier), STATUS_NO_SPACE);
    assert_non_null(strstr(tier_failure(node->tier), "full"));
    assert_int_equal(fake_state(node->keyspace, &key), ENTRY_DIRTY);
    node->free_bytes_min = 0;
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    assert_null(tier_failure(node->tier));
}

static void the_hand_goes_back_to_where_a_failed_run_began(void **state)
{
    struct node *node = *state;
    static char names[3000][16];
    node->run_bytes = 10000;
    node_start(node);
    put_many(node, 3000, names);
    node->stream->sync_failures_left = 1;
    assert_int_not_equal(tier_save(node->tier), STATUS_OK);
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    assert_int_equal(keyspace_dirty_count(node->keyspace), 0);
    for (unsigned i = 0; i < 3000; i++)
        assert_row(node, many_key(i, names), names[i]);
}

/* ---- restarts ---- */

static void a_restart_finds_rows_state_and_checkpoint(void **state)
{
    struct node *node = *state;
    struct row_key key = key_of(2, 300, 4, "k");
    node_start(node);
    fake_put_text(node->keyspace, &key, "v");
    uint64_t end = fake_stream_write(node->stream);
    node_stop(node, true);
    assert_int_equal(node_open(node), STATUS_OK);
    assert_int_equal(tier_checkpoint_offset(node->tier), end);
    assert_int_equal(tier_row_offset_max(node->tier), end);
    assert_true(bytes_equal(buffer_bytes(&node->keyspace->restored), BYTES("the keyspace's state")));
    assert_row(node, key, "v");
}

static void rows_without_a_checkpoint_have_a_bound_all_the_same(void **state)
{
    struct node *node = *state;
    struct row_key key = key_of(0, 1, 1, "k");
    const struct backing *backing;
    bool has;
    node_start(node);
    backing = tier_backing(node->tier);
    fake_put_text(node->keyspace, &key, "v");
    uint64_t end = fake_stream_write(node->stream);
    /* One slot's dirty key, but not a whole cycle: the run ends at the row order's end, which is the hand's start. */
    node->run_bytes = 1;
    while (fake_state(node->keyspace, &key) != ENTRY_CLEAN)
        backing->want_clean(backing->context);
    node_stop(node, false);
    assert_int_equal(node_open(node), STATUS_OK);
    assert_true(tier_row_offset_max(node->tier) >= end);
    assert_int_equal(tier_row_has_effect(node->tier, &key, end, &has), STATUS_OK);
    assert_true(has);
    assert_int_equal(tier_row_has_effect(node->tier, &key, end + 1, &has), STATUS_OK);
    assert_false(has);
    struct row_key other = key_of(0, 1, 1, "other");
    assert_int_equal(tier_row_has_effect(node->tier, &other, 1, &has), STATUS_OK);
    assert_false(has);
}

static void an_offset_is_bounded_before_its_rows_are_in(void **state)
{
    struct node *node = *state;
    struct row_bound bound;
    for (uint64_t i = 1; i <= 5; i++) {
        assert_int_equal(row_bound_open(&bound, node->directory, node->error, sizeof(node->error)), STATUS_OK);
        assert_int_equal(bound.offset, (i - 1) * 100);
        assert_int_equal(row_bound_raise(&bound, i * 100), STATUS_OK);
        assert_int_equal(row_bound_raise(&bound, 1), STATUS_OK);
        row_bound_close(&bound);
    }
}

static void damage_file(struct node *node, const char *name, off_t at, size_t length)
{
    char path[128], noise[64];
    memset(noise, 0x5a, sizeof(noise));
    snprintf(path, sizeof(path), "%s/%s", node->directory, name);
    int file = open(path, O_WRONLY);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, noise, length, at), (ssize_t)length);
    close(file);
}

static void a_torn_bound_leaves_the_one_before(void **state)
{
    struct node *node = *state;
    struct row_bound bound;
    assert_int_equal(row_bound_open(&bound, node->directory, node->error, sizeof(node->error)), STATUS_OK);
    assert_int_equal(row_bound_raise(&bound, 100), STATUS_OK);
    assert_int_equal(row_bound_raise(&bound, 200), STATUS_OK);
    row_bound_close(&bound);
    damage_file(node, "row-bound", 8, 4); /* 0 and 200 went there */
    assert_int_equal(row_bound_open(&bound, node->directory, node->error, sizeof(node->error)), STATUS_OK);
    assert_int_equal(bound.offset, 100);
    row_bound_close(&bound);
    damage_file(node, "row-bound", 512 + 8, 4);
    assert_int_equal(row_bound_open(&bound, node->directory, node->error, sizeof(node->error)), STATUS_CORRUPT);
    assert_non_null(strstr(node->error, "row-bound is damaged"));
    row_bound_close(&bound);
}

static void a_damaged_checkpoint_is_refused_at_every_byte(void **state)
{
    struct node *node = *state;
    node_start(node);
    node_stop(node, true);
    struct checkpoint checkpoint = {0};
    char path[128];
    struct stat about;
    snprintf(path, sizeof(path), "%s/checkpoint", node->directory);
    assert_int_equal(stat(path, &about), 0);
    char *whole = memory_allocate((size_t)about.st_size);
    int file = open(path, O_RDWR);
    assert_int_equal(pread(file, whole, (size_t)about.st_size, 0), about.st_size);
    for (off_t at = 0; at < about.st_size; at++) {
        char other = (char)(whole[at] ^ 1);
        assert_int_equal(pwrite(file, &other, 1, at), 1);
        assert_int_equal(checkpoint_read(node->directory, &checkpoint, node->error, sizeof(node->error)),
                         STATUS_CORRUPT);
        assert_int_equal(pwrite(file, &whole[at], 1, at), 1);
    }
    for (off_t length = 0; length < about.st_size; length++) {
        assert_int_equal(ftruncate(file, length), 0);
        assert_int_equal(checkpoint_read(node->directory, &checkpoint, node->error, sizeof(node->error)),
                         STATUS_CORRUPT);
        assert_non_null(strstr(node->error, "checkpoint is damaged"));
        assert_int_equal(pwrite(file, whole, (size_t)about.st_size, 0), about.st_size);
    }
    assert_int_equal(node_open(node) == STATUS_OK, true);
    node_stop(node, false);
    assert_int_equal(ftruncate(file, 10), 0);
    assert_int_equal(node_open(node), STATUS_CORRUPT);
    checkpoint_deinit(&checkpoint);
    memory_free(whole);
    close(file);
}

static void missing_rows_beside_a_checkpoint_are_refused(void **state)
{
    struct node *node = *state;
    char from[128], to[128];
    node_start(node);
    node_stop(node, true);
    snprintf(from, sizeof(from), "%s/rows", node->directory);
    snprintf(to, sizeof(to), "%s/elsewhere", node->directory);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(node_open(node), STATUS_CORRUPT);
    assert_non_null(strstr(node->error, "rows is missing"));
}

static void rows_of_a_node_without_a_log_do_not_outlive_it(void **state)
{
    struct node *node = *state;
    struct row_key key = key_of(0, 1, 1, "k");
    char path[128];
    node->keep = false;
    node_start(node);
    fake_put_text(node->keyspace, &key, "v");
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    assert_row(node, key, "v");
    node_stop(node, true);
    snprintf(path, sizeof(path), "%s/overflow", node->directory);
    assert_int_not_equal(access(path, F_OK), 0);
    node_start(node);
    assert_no_row(node, key);
    assert_int_equal(tier_checkpoint_offset(node->tier), 0);
}

static void a_node_without_a_log_does_not_open_durable_data(void **state)
{
    struct node *node = *state;
    struct row_key key = key_of(0, 1, 1, "session");
    node_start(node);
    fake_put_text(node->keyspace, &key, "v");
    node_stop(node, true);
    node->keep = false;
    assert_int_equal(node_open(node), STATUS_INVALID);
    assert_non_null(strstr(node->error, "holds durable data"));
    fake_destroy(node->keyspace);
    node->keep = true;
    assert_int_equal(node_open(node), STATUS_OK);
    assert_row(node, key, "v");
}

static void the_filter_is_rebuilt_from_all_rows(void **state)
{
    struct node *node = *state;
    static char names[2000][16];
    node_start(node);
    put_many(node, 2000, names);
    node_stop(node, true);
    assert_int_equal(node_open(node), STATUS_OK);
    assert_false(keyspace_filter_is_ready(node->keyspace, 0));
    tier_start(node->tier, node->stream);
    for (uint32_t partition = 0; partition < FAKE_PARTITIONS; partition++)
        while (!keyspace_filter_is_ready(node->keyspace, partition)) {
            pthread_mutex_lock(&node->keyspace->lock);
            if (!node->keyspace->filter_ready[partition])
                pthread_cond_wait(&node->keyspace->changed, &node->keyspace->lock);
            pthread_mutex_unlock(&node->keyspace->lock);
        }
    assert_int_equal(node->keyspace->in_filter, 2000);
}

/* ---- flushed databases ---- */

static void flush(struct node *node, uint8_t db)
{
    const struct backing *backing = tier_backing(node->tier);
    backing->flushed(backing->context, db, fake_stream_write(node->stream));
}

static bool count_row(void *visitor, const struct row *row)
{
    (void)row;
    ++*(unsigned *)visitor;
    return true;
}

static unsigned rows_in(struct node *node, uint8_t db, uint16_t slot)
{
    const struct backing *backing = tier_backing(node->tier);
    unsigned count = 0;
    assert_int_equal(backing->rows(backing->context, db, slot, 0, UINT64_MAX, count_row, &count), STATUS_OK);
    return count;
}

static void flushed_rows_do_not_exist_for_any_reader(void **state)
{
    struct node *node = *state;
    struct row_key key = key_of(1, 7, 1, "k"), other = key_of(2, 7, 1, "k");
    node_start(node);
    fake_put_text(node->keyspace, &key, "v");
    fake_put_text(node->keyspace, &other, "v");
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    assert_int_equal(rows_in(node, 1, 7), 1);
    flush(node, 1);
    assert_no_row(node, key);
    assert_int_equal(rows_in(node, 1, 7), 0);
    struct load *load = fake_load_create(&key, 1);
    tier_backing(node->tier)->load(tier_backing(node->tier)->context, load);
    fake_load_wait(load);
    assert_int_equal(load->statuses[0], STATUS_OK);
    assert_int_equal(load->payloads[0].length, 0);
    fake_load_destroy(load);
    assert_row(node, other, "v");
    fake_stream_write(node->stream);
    fake_put_text(node->keyspace, &key, "after");
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    assert_row(node, key, "after");
}

static void a_run_captured_before_a_flush_brings_nothing_back(void **state)
{
    struct node *node = *state;
    struct row_key key = key_of(0, 1, 1, "k");
    struct row_bound none = {.file = -1};
    assert_int_equal(node_open(node), STATUS_OK);
    node->tier->stream = node->stream;
    row_bound_close(&node->tier->row_bound);
    node->tier->row_bound = none;
    struct run run = {0};
    struct object value = {.type = OBJECT_STRING, .encoding = ENCODING_RAW, .bytes = BYTES("v")};
    run_add(&run, &key, &value, ENTRY_NO_EXPIRE, stream_end(node->stream));
    flush(node, 0);
    assert_int_equal(run_write(&run, node->tier->rocks), STATUS_OK);
    assert_int_equal(rocks_run_ingest(node->tier->rocks), STATUS_OK);
    assert_no_row(node, key);
    run_deinit(&run);
}

static void a_flush_survives_a_restart_with_its_checkpoint(void **state)
{
    struct node *node = *state;
    struct row_key key = key_of(0, 1, 1, "k");
    node_start(node);
    fake_put_text(node->keyspace, &key, "v");
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    flush(node, 0);
    fake_delete(node->keyspace, &key); /* the fake keeps it as clean, a real one would have dropped it */
    node_stop(node, true);
    assert_int_equal(node_open(node), STATUS_OK);
    assert_no_row(node, key);
}

/* ---- compaction ---- */

static bool count_bytes(void *visitor, struct bytes key, struct bytes value)
{
    (void)key, (void)value;
    ++*(unsigned *)visitor;
    return true;
}

static unsigned rows_on_device(struct node *node)
{
    unsigned count = 0;
    assert_int_equal(rocks_range(node->tier->rocks, BYTES(""), (struct bytes){0}, count_bytes, &count), STATUS_OK);
    return count;
}

static void ingest_a_run(struct node *node, int64_t number)
{
    struct run run = {0};
    for (uint16_t slot = 0; slot < 3; slot++) {
        struct row_key key = key_of(0, slot, 1, "key");
        struct object value = string_object_from_integer(number);
        run_add(&run, &key, &value, INT64_MAX, START);
    }
    assert_int_equal(run_write(&run, node->tier->rocks), STATUS_OK);
    assert_int_equal(rocks_run_ingest(node->tier->rocks), STATUS_OK);
    run_deinit(&run);
}

static void runs_in_close_order_are_sorted_in_when_they_cease(void **state)
{
    struct node *node = *state;
    const struct timespec pause = {.tv_nsec = 1000000};
    assert_int_equal(node_open(node), STATUS_OK);
    rocks_set_busy(node->tier->rocks, true);
    for (int i = 0; i < 13; i++)
        ingest_a_run(node, i);
    assert_int_equal(rocks_unsorted_files(node->tier->rocks), 12); /* the first found nothing to be sorted with */
    rocks_set_busy(node->tier->rocks, false);
    for (int i = 0; i < 30000 && rocks_unsorted_files(node->tier->rocks) > 3; i++)
        nanosleep(&pause, NULL);
    assert_true(rocks_unsorted_files(node->tier->rocks) <= 3);
    assert_row(node, key_of(0, 1, 1, "key"), "12");
}

/* By this thread: a compaction may be under way. */
static uint64_t bytes_read(void)
{
    char text[64];
    unsigned long long count;
    FILE *file = fopen("/proc/thread-self/io", "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    assert_int_equal(sscanf(text, "rchar: %llu", &count), 1);
    fclose(file);
    return count;
}

static void ingest_one(struct node *node, struct row_key key, size_t length)
{
    struct run run = {0};
    struct block *block = block_create(length, length);
    uint64_t state = length;
    for (size_t i = 0; i < length; i++)
        block->data[i] = (char)((state = state * 6364136223846793005 + 1442695040888963407) >> 56);
    struct object value = {.type = OBJECT_STRING, .encoding = ENCODING_BLOCK, .block = block};
    run_add(&run, &key, &value, ENTRY_NO_EXPIRE, START);
    assert_int_equal(run_write(&run, node->tier->rocks), STATUS_OK);
    assert_int_equal(rocks_run_ingest(node->tier->rocks), STATUS_OK);
    run_deinit(&run);
    block_release(block);
}

/* Each in a file of its own, where a seek for anything before it would find it next. */
static void rows_of_a_slot_are_read_without_a_large_one_behind_it(void **state)
{
    struct node *node = *state;
    unsigned count = 0;
    assert_int_equal(node_open(node), STATUS_OK);
    for (uint16_t slot = 0; slot < 100; slot++)
        ingest_one(node, key_of(0, slot, 1, "small"), 10);
    for (unsigned again = 0; again < 3; again++)
        ingest_one(node, key_of(0, 200, 1, "large"), 2 << 20);
    assert_true(rocks_unsorted_files(node->tier->rocks) >= 2);
    uint64_t before = bytes_read();
    for (uint16_t slot = 0; slot < 100; slot++)
        count += rows_in(node, 0, slot);
    assert_int_equal(count, 100);
    assert_true(bytes_read() - before < 2 << 20);
    assert_int_equal(rows_in(node, 0, 200), 1);
}

static void compaction_drops_flushed_rows_only_when_the_flush_cannot_be_lost(void **state)
{
    struct node *node = *state;
    static char names[300][16];
    node_start(node);
    put_many(node, 300, names); /* 100 in each of three dbs */
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    tier_close(&node->tier, false);
    fake_destroy(node->keyspace);
    assert_int_equal(node_open(node), STATUS_OK); /* not started: nobody settles flushes meanwhile */
    node->tier->stream = node->stream;
    flush(node, 1);
    flushed_settle(node->tier);
    rocks_compact(node->tier->rocks);
    assert_int_equal(rows_on_device(node), 300);
    node->stream->synced = node->stream->end;
    flushed_settle(node->tier);
    rocks_compact(node->tier->rocks);
    assert_int_equal(rows_on_device(node), 200);
    node->tier->stream = NULL;
}

static void compaction_reports_expired_rows_and_keeps_them(void **state)
{
    struct node *node = *state;
    struct row_key due = key_of(0, 1, 1, "due"), later = key_of(0, 1, 2, "later"), never = key_of(0, 1, 3, "never");
    node_start(node);
    fake_put(node->keyspace, &due, string_object_from_integer(1), 1000);
    fake_put(node->keyspace, &later, string_object_from_integer(2), INT64_MAX);
    fake_put_text(node->keyspace, &never, "3");
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    rocks_compact(node->tier->rocks);
    pthread_mutex_lock(&node->keyspace->lock);
    while (node->keyspace->expired_count == 0)
        pthread_cond_wait(&node->keyspace->changed, &node->keyspace->lock);
    assert_string_equal(node->keyspace->expired_names.data, "due");
    pthread_mutex_unlock(&node->keyspace->lock);
    assert_int_equal(rows_on_device(node), 3);
}

static void a_row_whose_expiry_was_put_off_is_not_reported(void **state)
{
    struct node *node = *state;
    struct row_key slid = key_of(0, 1, 1, "slid");
    char row_key[64];
    node_start(node);
    fake_put(node->keyspace, &slid, string_object_from_integer(1), INT64_MAX);
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    row_key_write(&slid, row_key);
    tier_close(&node->tier, false);
    fake_destroy(node->keyspace);
    assert_int_equal(node_open(node), STATUS_OK);
    expired_report(&node->tier->expired, bytes_of(row_key, row_key_length(&slid))); /* as seen in an old version */
    expired_step(node->tier, clock_monotonic_us());
    assert_int_equal(node->keyspace->expired_count, 0);
}

/* Closes the node and opens it again without its threads: the test is the flusher then. */
static void restart_unstarted(struct node *node)
{
    node_stop(node, false);
    assert_int_equal(node_open(node), STATUS_OK);
    while (filter_rebuild_step(node->tier, false))
        ;
}

static bool step_reports(struct node *node, size_t *reported)
{
    size_t before = node->keyspace->expired_count;
    expired_step(node->tier, INT64_MAX);
    *reported = node->keyspace->expired_count - before;
    return *reported > 0;
}

static void rows_that_nobody_reads_are_reported_once_they_are_due(void **state)
{
    struct node *node = *state;
    struct row_key due = key_of(0, 1, 1, "due"), far = key_of(3, FAKE_SLOTS - 1, 2, "far");
    node_start(node);
    fake_put(node->keyspace, &due, string_object_from_integer(1), 1000);
    fake_put(node->keyspace, &far, string_object_from_integer(2), 1000);
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    pthread_mutex_lock(&node->keyspace->lock);
    while (node->keyspace->expired_count < 2)
        pthread_cond_wait(&node->keyspace->changed, &node->keyspace->lock);
    bool due_is_first = strcmp(node->keyspace->expired_names.data, "due") == 0;
    bool both = memcmp(node->keyspace->expired_names.data, due_is_first ? "due\0far" : "far\0due", 8) == 0;
    pthread_mutex_unlock(&node->keyspace->lock);
    assert_true(both); /* the sweep begins where it last stood */
}

static void a_sweep_after_a_restart_knows_where_to_look(void **state)
{
    struct node *node = *state;
    int64_t now_ms = clock_now_ms();
    struct row_key due = key_of(0, 1, 1, "due"), later = key_of(0, 2, 1, "later"), never = key_of(0, 3, 1, "never");
    size_t reported;
    node_start(node);
    fake_put(node->keyspace, &due, string_object_from_integer(1), 1000);
    fake_put(node->keyspace, &later, string_object_from_integer(2), now_ms + 1000000);
    fake_put_text(node->keyspace, &never, "3");
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    restart_unstarted(node);
    const int64_t *looks = node->tier->expired.look_at_ms[0];
    assert_null(node->tier->expired.look_at_ms[1]);
    assert_true(looks[1] <= now_ms);
    assert_true(step_reports(node, &reported));
    assert_int_equal(reported, 1);
    assert_string_equal(node->keyspace->expired_names.data, "due");
    assert_in_range(looks[1], now_ms + 1, now_ms + 600000);
    assert_in_range(looks[2], now_ms + 1000000, now_ms + 1600000);
    assert_true(looks[3] == INT64_MAX);
    assert_false(step_reports(node, &reported));
}

static void a_sweep_goes_in_steps_and_reports_each_row_once(void **state)
{
    struct node *node = *state;
    static char names[3000][16];
    node_start(node);
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(names[i], sizeof(names[i]), "key:%u", i);
        struct row_key key = key_of(2, (uint16_t)(i % 3 * 5), i, names[i]);
        fake_put(node->keyspace, &key, string_object_from_integer(i), i % 2 ? 1000 : INT64_MAX);
    }
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    restart_unstarted(node);
    size_t reported;
    for (int i = 0; i < 3000 && node->keyspace->expired_count < 1500; i++) {
        step_reports(node, &reported);
        assert_true(reported <= 256);
    }
    assert_int_equal(node->keyspace->expired_count, 1500);
    while (node->tier->expired.cursor.length > 0)
        step_reports(node, &reported);
    assert_int_equal(node->keyspace->expired_count, 1500);
}

static void a_step_brings_few_large_values_to_memory(void **state)
{
    struct node *node = *state;
    static char text[600000], names[8][16];
    size_t reported;
    uint64_t noise = 1; /* which does not compress */
    for (size_t i = 0; i < sizeof(text); i++) {
        noise = noise * UINT64_C(6364136223846793005) + 1;
        text[i] = (char)(noise >> 56);
    }
    node_start(node);
    for (unsigned i = 0; i < 8; i++) {
        snprintf(names[i], sizeof(names[i]), "key:%u", i);
        struct row_key key = key_of(0, 1, i, names[i]);
        struct object value;
        assert_true(string_object_from_bytes(bytes_of(text, sizeof(text)), &value));
        fake_put(node->keyspace, &key, value, 1000);
    }
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    restart_unstarted(node);
    for (int i = 0; i < 100 && node->keyspace->expired_count < 8; i++) {
        step_reports(node, &reported);
        assert_true(reported <= 4);
    }
    assert_int_equal(node->keyspace->expired_count, 8);
}

/* ---- readers ---- */

static void loads_are_answered_each_with_its_own_rows(void **state)
{
    struct node *node = *state;
    static char names[5000][16];
    struct load *loads[300];
    const struct backing *backing;
    node_start(node);
    backing = tier_backing(node->tier);
    put_many(node, 5000, names);
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    for (unsigned i = 0; i < 300; i++) {
        struct row_key keys[5];
        unsigned count = 1 + i % 5;
        for (unsigned k = 0; k < count; k++)
            keys[k] = many_key((i * 17 + k * 1999) % 5000, names);
        if (i % 7 == 0)
            keys[0].name = BYTES("absent");
        loads[i] = fake_load_create(keys, count);
        backing->load(backing->context, loads[i]);
    }
    for (unsigned i = 0; i < 300; i++) {
        fake_load_wait(loads[i]);
        assert_int_equal(loads[i]->installed, loads[i]->count);
        for (unsigned k = 0; k < loads[i]->count; k++) {
            struct buffer *payload = &loads[i]->payloads[k];
            assert_int_equal(loads[i]->statuses[k], STATUS_OK);
            if (k == 0 && i % 7 == 0) {
                assert_int_equal(payload->length, 0);
                continue;
            }
            const char *name = names[(i * 17 + k * 1999) % 5000];
            assert_memory_equal(payload->data + payload->length - strlen(name), name, strlen(name));
        }
        fake_load_destroy(loads[i]);
    }
    struct tier_info info;
    tier_read_info(node->tier, &info);
    assert_int_equal(info.loads, 300);
    assert_int_equal(info.read_errors, 0);
}

static void a_load_of_more_keys_than_a_batch_is_served(void **state)
{
    struct node *node = *state;
    static char names[1000][16];
    static struct row_key keys[1000];
    const struct backing *backing;
    node_start(node);
    backing = tier_backing(node->tier);
    put_many(node, 1000, names);
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    for (unsigned i = 0; i < 1000; i++)
        keys[i] = many_key(i, names);
    struct load *load = fake_load_create(keys, 1000);
    backing->load(backing->context, load);
    fake_load_wait(load);
    assert_int_equal(load->installed, 1000);
    for (unsigned i = 0; i < 1000; i++)
        assert_true(load->payloads[i].length > 0);
    fake_load_destroy(load);
}

struct test_job {
    struct queued_job job;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool began, may_end, ended;
};

static void test_job_run(struct job *queued)
{
    struct test_job *job = (struct test_job *)queued;
    pthread_mutex_lock(&job->lock);
    job->began = true;
    pthread_cond_broadcast(&job->changed);
    while (!job->may_end)
        pthread_cond_wait(&job->changed, &job->lock);
    job->ended = true;
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->lock);
}

static void test_job_await(struct test_job *job, const bool *what)
{
    pthread_mutex_lock(&job->lock);
    while (!*what)
        pthread_cond_wait(&job->changed, &job->lock);
    pthread_mutex_unlock(&job->lock);
}

static void long_jobs_hold_up_no_load(void **state)
{
    struct node *node = *state;
    struct row_key key = key_of(0, 1, 1, "k");
    struct test_job jobs[3];
    const struct backing *backing;
    node_start(node);
    backing = tier_backing(node->tier);
    for (int i = 0; i < 3; i++) {
        jobs[i] = (struct test_job){
            .job.run = test_job_run, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
        backing->run(backing->context, (struct job *)&jobs[i]);
    }
    test_job_await(&jobs[0], &jobs[0].began);
    for (int i = 0; i < 100; i++) {
        struct load *load = fake_load_create(&key, 1);
        backing->load(backing->context, load);
        fake_load_wait(load);
        fake_load_destroy(load);
    }
    for (int i = 0; i < 3; i++) {
        pthread_mutex_lock(&jobs[i].lock);
        jobs[i].may_end = true;
        pthread_cond_broadcast(&jobs[i].changed);
        pthread_mutex_unlock(&jobs[i].lock);
        test_job_await(&jobs[i], &jobs[i].ended);
    }
}

static void rows_are_visited_in_order_between_two_hashes(void **state)
{
    struct node *node = *state;
    struct row_key keys[] = {key_of(0, 5, 1, "a"), key_of(0, 5, 2, "b"), key_of(0, 5, UINT64_MAX, "c"),
                             key_of(0, 6, 0, "d")};
    const struct backing *backing;
    unsigned count = 0;
    node_start(node);
    backing = tier_backing(node->tier);
    for (int i = 0; i < 4; i++)
        fake_put_text(node->keyspace, &keys[i], "v");
    assert_int_equal(tier_save(node->tier), STATUS_OK);
    assert_int_equal(rows_in(node, 0, 5), 3);
    assert_int_equal(rows_in(node, 0, 6), 1);
    assert_int_equal(backing->rows(backing->context, 0, 5, 2, 2, count_row, &count), STATUS_OK);
    assert_int_equal(count, 1);
}

#define story(name) cmocka_unit_test_setup_teardown(name, node_setup, node_teardown)

int main(void)
{
    log_open("", LOG_NOTHING, LOG_LOGFMT);
    const struct CMUnitTest tests[] = {
        story(a_saved_key_is_a_row_with_the_streams_end),
        story(a_tombstone_deletes_the_row_and_is_freed),
        story(a_later_run_replaces_an_earlier_ones_row),
        story(keys_of_equal_hash_may_come_in_any_order),
        story(a_large_value_is_written_from_its_block),
        story(a_cycle_of_many_runs_reaches_every_key),
        story(wanting_clean_entries_makes_them_without_a_cycle),
        story(a_long_log_begins_a_cycle),
        story(a_run_whose_log_cannot_be_synced_is_discarded_and_written_later),
        story(a_file_that_cannot_be_written_loses_nothing),
        story(too_little_free_space_stops_spilling_and_says_so),
        story(the_hand_goes_back_to_where_a_failed_run_began),
        story(a_restart_finds_rows_state_and_checkpoint),
        story(rows_without_a_checkpoint_have_a_bound_all_the_same),
        story(an_offset_is_bounded_before_its_rows_are_in),
        story(a_torn_bound_leaves_the_one_before),
        story(a_damaged_checkpoint_is_refused_at_every_byte),
        story(missing_rows_beside_a_checkpoint_are_refused),
        story(rows_of_a_node_without_a_log_do_not_outlive_it),
        story(a_node_without_a_log_does_not_open_durable_data),
        story(the_filter_is_rebuilt_from_all_rows),
        story(flushed_rows_do_not_exist_for_any_reader),
        story(a_run_captured_before_a_flush_brings_nothing_back),
        story(a_flush_survives_a_restart_with_its_checkpoint),
        story(runs_in_close_order_are_sorted_in_when_they_cease),
        story(rows_of_a_slot_are_read_without_a_large_one_behind_it),
        story(compaction_drops_flushed_rows_only_when_the_flush_cannot_be_lost),
        story(compaction_reports_expired_rows_and_keeps_them),
        story(a_row_whose_expiry_was_put_off_is_not_reported),
        story(rows_that_nobody_reads_are_reported_once_they_are_due),
        story(a_sweep_after_a_restart_knows_where_to_look),
        story(a_sweep_goes_in_steps_and_reports_each_row_once),
        story(a_step_brings_few_large_values_to_memory),
        story(loads_are_answered_each_with_its_own_rows),
        story(a_load_of_more_keys_than_a_batch_is_served),
        story(long_jobs_hold_up_no_load),
        story(rows_are_visited_in_order_between_two_hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
