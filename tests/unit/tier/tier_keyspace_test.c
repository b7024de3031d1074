/* SPDX-License-Identifier: BSD-3-Clause */
/* The tier behind the real keyspace: stories of keys that change their place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "fake_stream.h"
#include "keyspace/keyspace.h"
#include "object/string_object.h"
#include "tier/tier_private.h"

_Static_assert(offsetof(struct job, run) == offsetof(struct queued_job, run), "a job is queued as what it is");
_Static_assert(offsetof(struct job, mail) == offsetof(struct queued_job, mail), "a job is queued as what it is");
_Static_assert(PARTITION_COUNT == TIER_PARTITIONS && SLOT_COUNT == ROW_SLOTS && DATABASE_COUNT == ROW_DATABASES,
               "the tier walks the keyspace's places");

#define SEED 42

struct node {
    char directory[64];
    struct keyspace *keyspace;
    struct stream *stream;
    struct tier *tier;
    int64_t cache_bytes, log_bytes_max, free_bytes_min;
};

static void node_start(struct node *node)
{
    char error[512];
    node->keyspace = keyspace_create(SEED);
    struct tier_options options = {
        .directory = node->directory,
        .keyspace = node->keyspace,
        .keep = true,
        .cache_bytes = &node->cache_bytes,
        .log_bytes_max = &node->log_bytes_max,
        .free_bytes_min = &node->free_bytes_min,
        .read_threads = 2,
    };
    assert_int_equal(tier_open(&node->tier, &options, error, sizeof(error)), STATUS_OK);
    keyspace_set_backing(node->keyspace, tier_backing(node->tier));
    tier_start(node->tier, node->stream);
}

static void node_stop(struct node *node, bool save)
{
    tier_close(&node->tier, save);
    keyspace_destroy(&node->keyspace);
}

static int node_setup(void **state)
{
    struct node *node = memory_allocate_zeroed(sizeof(*node));
    snprintf(node->directory, sizeof(node->directory), "/tmp/tier_test.XXXXXX");
    assert_non_null(mkdtemp(node->directory));
    node->cache_bytes = 8 << 20;
    node->log_bytes_max = INT64_C(1) << 40;
    node->stream = fake_stream_create(1000);
    *state = node;
    node_start(node);
    return 0;
}

static int node_teardown(void **state)
{
    struct node *node = *state;
    char command[128];
    node_stop(node, false);
    memory_free(node->stream);
    snprintf(command, sizeof(command), "rm -rf %s", node->directory);
    memory_free(node);
    return system(command);
}

/* ---- commands, as a worker would run them ---- */

static struct lock *lock_of(struct node *node, const struct key *key)
{
    return keyspace_partition_lock(node->keyspace, key_partition(key));
}

static void set(struct node *node, const char *name, const char *text, int64_t expire_at_ms)
{
    struct key key = keyspace_key(node->keyspace, bytes_of_text(name), 0);
    struct object value;
    assert_true(string_object_from_bytes(bytes_of_text(text), &value));
    lock_acquire(lock_of(node, &key));
    keyspace_put(node->keyspace, &key, &value, expire_at_ms);
    fake_stream_write(node->stream);
    keyspace_release_one(node->keyspace, key_partition(&key));
}

static void note_delivery(void *owner, int status)
{
    assert_int_equal(status, STATUS_OK);
    ++*(int *)owner;
}

static void wake_semaphore(void *semaphore)
{
    sem_post(semaphore);
}

/* Makes the key present, waiting for a reader if that needs one; true if it did. */
static bool warm(struct node *node, const struct key *key)
{
    sem_t arrived;
    struct mailbox home;
    int delivered = 0;
    sem_init(&arrived, 0, 0);
    mailbox_init(&home, wake_semaphore, &arrived);
    lock_acquire(lock_of(node, key));
    struct load *load = load_begin(node->keyspace, key, 1, &home, note_delivery, &delivered);
    keyspace_release_one(node->keyspace, key_partition(key));
    if (load) {
        load_submit(load);
        while (delivered == 0) {
            sem_wait(&arrived);
            mailbox_drain(&home);
        }
        load_end(&load);
    }
    sem_destroy(&arrived);
    return delivered > 0;
}

/* "" if there is no such key. */
static const char *get(struct node *node, const char *name)
{
    static char text[256];
    char digits[BYTES_INTEGER_MAX];
    struct key key = keyspace_key(node->keyspace, bytes_of_text(name), 0);
    text[0] = '\0';
    warm(node, &key);
    lock_acquire(lock_of(node, &key));
    struct entry *entry = keyspace_find(node->keyspace, &key);
    if (entry) {
        struct object value = entry_object(entry);
        struct bytes bytes = string_object_bytes(&value, digits);
        snprintf(text, sizeof(text), "%.*s", (int)bytes.length, bytes.data);
    }
    keyspace_release_one(node->keyspace, key_partition(&key));
    return text;
}

static void del(struct node *node, const char *name)
{
    struct key key = keyspace_key(node->keyspace, bytes_of_text(name), 0);
    warm(node, &key);
    lock_acquire(lock_of(node, &key));
    struct entry *entry = keyspace_find(node->keyspace, &key);
    if (entry)
        keyspace_remove(node->keyspace, &key, entry);
    fake_stream_write(node->stream);
    keyspace_release_one(node->keyspace, key_partition(&key));
}

static void evict_all(struct node *node)
{
    for (uint32_t partition = 0; partition < PARTITION_COUNT; partition++) {
        size_t dirty_seen = 0;
        for (int i = 0; i < 100; i++)
            if (keyspace_evict_step(node->keyspace, partition, SIZE_MAX / 2, EVICT_TIER, EVICT_CLEAN, clock_now_ms(),
                                    &dirty_seen) == 0)
                break;
    }
}

static void save(struct node *node)
{
    assert_int_equal(tier_save(node->tier), STATUS_OK);
}

static uint64_t resident(struct node *node)
{
    return keyspace_counts(node->keyspace, 0).resident;
}

/* ---- stories ---- */

static void a_key_that_left_memory_is_read_back(void **state)
{
    struct node *node = *state;
    set(node, "k", "value", ENTRY_NO_EXPIRE);
    save(node);
    evict_all(node);
    assert_int_equal(resident(node), 0);
    assert_int_equal(keyspace_counts(node->keyspace, 0).keys, 1);
    assert_string_equal(get(node, "k"), "value");
    assert_int_equal(resident(node), 1);
    assert_string_equal(get(node, "other"), "");
}

static void a_dirty_key_is_not_evicted(void **state)
{
    struct node *node = *state;
    set(node, "k", "value", ENTRY_NO_EXPIRE);
    evict_all(node);
    assert_int_equal(resident(node), 1);
}

static void a_deleted_key_does_not_return(void **state)
{
    struct node *node = *state;
    set(node, "k", "old", ENTRY_NO_EXPIRE);
    save(node);
    evict_all(node);
    del(node, "k");
    assert_string_equal(get(node, "k"), "");
    save(node);
    evict_all(node);
    assert_string_equal(get(node, "k"), "");
    set(node, "k", "new", ENTRY_NO_EXPIRE);
    save(node);
    evict_all(node);
    assert_string_equal(get(node, "k"), "new");
}

static void a_failed_run_leaves_the_newest_value(void **state)
{
    struct node *node = *state;
    set(node, "k", "1", ENTRY_NO_EXPIRE);
    save(node);
    set(node, "k", "2", ENTRY_NO_EXPIRE);
    node->stream->sync_failures_left = 1;
    assert_int_not_equal(tier_save(node->tier), STATUS_OK);
    evict_all(node);
    assert_string_equal(get(node, "k"), "2");
    save(node);
    evict_all(node);
    assert_int_equal(resident(node), 0);
    assert_string_equal(get(node, "k"), "2");
}

static void a_restart_knows_the_number_of_keys_and_finds_each(void **state)
{
    struct node *node = *state;
    char name[32];
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "key:%d", i);
        set(node, name, name, i % 2 ? ENTRY_NO_EXPIRE : INT64_MAX);
    }
    node_stop(node, true);
    node_start(node);
    assert_int_equal(keyspace_counts(node->keyspace, 0).keys, 3000);
    assert_int_equal(keyspace_counts(node->keyspace, 0).expires, 1500);
    for (int i = 0; i < 3000; i += 3) {
        snprintf(name, sizeof(name), "key:%d", i);
        assert_string_equal(get(node, name), name);
    }
}

static bool filter_is_ready(struct node *node)
{
    for (uint32_t partition = 0; partition < PARTITION_COUNT; partition++)
        if (!keyspace_filter_is_ready(node->keyspace, partition))
            return false;
    return true;
}

static void a_rebuilt_filter_hides_no_key_and_spares_reads_of_absent_ones(void **state)
{
    struct node *node = *state;
    char name[32];
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "key:%d", i);
        set(node, name, name, ENTRY_NO_EXPIRE);
    }
    node_stop(node, true);
    node_start(node);
    set(node, "key:1", "newer", ENTRY_NO_EXPIRE);
    del(node, "key:2");
    while (!filter_is_ready(node))
        save(node);
    evict_all(node);
    assert_string_equal(get(node, "key:1"), "newer");
    assert_string_equal(get(node, "key:2"), "");
    for (int i = 3; i < 3000; i++) {
        snprintf(name, sizeof(name), "key:%d", i);
        assert_string_equal(get(node, name), name);
    }
    int read = 0;
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "absent:%d", i);
        struct key key = keyspace_key(node->keyspace, bytes_of_text(name), 0);
        read += warm(node, &key);
    }
    assert_true(read < 50);
}

static void a_flushed_database_stays_empty_and_takes_new_keys(void **state)
{
    struct node *node = *state;
    set(node, "k", "old", ENTRY_NO_EXPIRE);
    set(node, "gone", "old", ENTRY_NO_EXPIRE);
    save(node);
    evict_all(node);
    keyspace_acquire_all(node->keyspace, 1);
    keyspace_flush(node->keyspace, 0, fake_stream_write(node->stream));
    keyspace_release_all(node->keyspace, 1);
    assert_string_equal(get(node, "k"), "");
    set(node, "k", "new", ENTRY_NO_EXPIRE);
    node_stop(node, true);
    node_start(node);
    assert_int_equal(keyspace_counts(node->keyspace, 0).keys, 1);
    assert_string_equal(get(node, "k"), "new");
    assert_string_equal(get(node, "gone"), "");
}

static void a_cold_key_past_its_expiry_is_brought_to_memory_to_expire(void **state)
{
    struct node *node = *state;
    struct key key = keyspace_key(node->keyspace, BYTES("k"), 0);
    bool more;
    set(node, "k", "v", clock_now_ms() - 1);
    save(node);
    evict_all(node);
    while (keyspace_expire_step(node->keyspace, key_partition(&key), clock_now_ms(), 10, &more) == 0)
        ;
    assert_int_equal(keyspace_counts(node->keyspace, 0).keys, 0);
    save(node);
    assert_string_equal(get(node, "k"), "");
}

#define story(name) cmocka_unit_test_setup_teardown(name, node_setup, node_teardown)

int main(void)
{
    log_open("", LOG_NOTHING, LOG_LOGFMT);
    const struct CMUnitTest tests[] = {
        story(a_key_that_left_memory_is_read_back),
        story(a_dirty_key_is_not_evicted),
        story(a_deleted_key_does_not_return),
        story(a_failed_run_leaves_the_newest_value),
        story(a_restart_knows_the_number_of_keys_and_finds_each),
        story(a_rebuilt_filter_hides_no_key_and_spares_reads_of_absent_ones),
        story(a_flushed_database_stays_empty_and_takes_new_keys),
        story(a_cold_key_past_its_expiry_is_brought_to_memory_to_expire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
