/* SPDX-License-Identifier: BSD-3-Clause */
/* Entries that are left scattered over pages are gathered, and nothing about them changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/thread.h"
#include "keyspace/keyspace.h"
#include "object/string_object.h"

#define KEYS 100000
#define KEPT_EVERY 5
#define EXPIRE_AT_MS INT64_C(1900000000000)

static struct key key_of(struct keyspace *keyspace, unsigned number)
{
    static char text[32];
    size_t length = (size_t)snprintf(text, sizeof(text), "key:%u", number);
    return keyspace_key(keyspace, bytes_of(text, length), (int)(number % 2));
}

static struct bytes value_of(unsigned number)
{
    static char text[80];
    return bytes_of(text, (size_t)snprintf(text, sizeof(text), "%u: a value of some forty bytes, as many are", number));
}

static int64_t expiry_of(unsigned number)
{
    return number % 3 == 0 ? EXPIRE_AT_MS + number : ENTRY_NO_EXPIRE;
}

static void put(struct keyspace *keyspace, unsigned number)
{
    struct object value;
    struct key key = key_of(keyspace, number);
    assert_true(string_object_from_bytes(value_of(number), &value));
    assert_true(keyspace_try_one(keyspace, key_partition(&key)));
    keyspace_put(keyspace, &key, &value, expiry_of(number));
    keyspace_release_one(keyspace, key_partition(&key));
}

static void remove_key(struct keyspace *keyspace, unsigned number)
{
    struct key key = key_of(keyspace, number);
    assert_true(keyspace_try_one(keyspace, key_partition(&key)));
    keyspace_remove(keyspace, &key, keyspace_find(keyspace, &key));
    keyspace_release_one(keyspace, key_partition(&key));
}

static void assert_stands(struct keyspace *keyspace, unsigned number)
{
    struct key key = key_of(keyspace, number);
    assert_true(keyspace_try_one(keyspace, key_partition(&key)));
    const struct entry *entry = keyspace_find(keyspace, &key);
    assert_non_null(entry);
    struct bytes value = entry_object(entry).bytes, expected = value_of(number);
    assert_int_equal(value.length, expected.length);
    assert_memory_equal(value.data, expected.data, value.length);
    assert_int_equal(entry_expire_at_ms(entry), expiry_of(number));
    keyspace_release_one(keyspace, key_partition(&key));
}

/* Every partition once round; returns how many entries moved. */
static unsigned gather_round(struct keyspace *keyspace)
{
    unsigned moved = 0;
    for (uint32_t i = 0; i < PARTITION_COUNT; i++) {
        struct gather_step step;
        do {
            step = keyspace_gather_step(keyspace, i);
            moved += step.moved;
        } while (!step.is_round_over);
    }
    return moved;
}

/* The sanitizers have an allocator of their own, which does not tell how its pages are used. */
#ifdef FOREBAY_NO_JEMALLOC
#define ALLOCATOR_TELLS false
#else
#define ALLOCATOR_TELLS true
#endif

static size_t sparse_bytes(void)
{
    memory_refresh();
    return memory_sparse_bytes();
}

static void scattered_entries_are_gathered_and_stay_what_they_are(void **state)
{
    (void)state;
    struct keyspace *keyspace = keyspace_create(42);
    size_t before = sparse_bytes();
    for (unsigned i = 0; i < KEYS; i++)
        put(keyspace, i);
    for (unsigned i = 0; i < KEYS; i++)
        if (i % KEPT_EVERY != 0)
            remove_key(keyspace, i);
    size_t scattered = sparse_bytes();
    unsigned moved = gather_round(keyspace);
    gather_round(keyspace);
    size_t gathered = sparse_bytes();
    if (ALLOCATOR_TELLS) {
        assert_true(scattered > before + KEYS / 2 * 80);
        assert_true(moved > 0);
        assert_true(gathered - before < (scattered - before) / 3);
    } else {
        assert_int_equal(moved, 0);
    }
    for (unsigned i = 0; i < KEYS; i += KEPT_EVERY)
        assert_stands(keyspace, i);
    keyspace_destroy(&keyspace);
}

struct look {
    struct keyspace *keyspace;
    uint32_t partition;
    unsigned looked;
};

static void look_run(void *argument)
{
    struct look *look = argument;
    look->looked = keyspace_gather_step(look->keyspace, look->partition).looked;
}

/* On another thread, as one that holds a partition never takes it again. */
static unsigned looked_elsewhere(struct keyspace *keyspace, uint32_t partition)
{
    struct look look = {.keyspace = keyspace, .partition = partition};
    struct thread thread;
    thread_start(&thread, "gather", look_run, &look);
    thread_stop(&thread);
    return look.looked;
}

static void a_held_partition_is_left_alone(void **state)
{
    (void)state;
    struct keyspace *keyspace = keyspace_create(42);
    put(keyspace, 0);
    struct key key = key_of(keyspace, 0);
    assert_true(keyspace_try_one(keyspace, key_partition(&key)));
    assert_int_equal(looked_elsewhere(keyspace, key_partition(&key)), 0);
    keyspace_release_one(keyspace, key_partition(&key));
    assert_int_equal(looked_elsewhere(keyspace, key_partition(&key)), 1);
    keyspace_destroy(&keyspace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scattered_entries_are_gathered_and_stay_what_they_are),
        cmocka_unit_test(a_held_partition_is_left_alone),
    };
    memory_thread_enter();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    memory_thread_leave();
    return failed;
}
