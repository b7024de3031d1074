/* SPDX-License-Identifier: BSD-3-Clause */
/* A checkpoint has the counts of its moment, whatever changes before they are copied. */
#include "unit/keyspace/fake_backing.h"

#include "base/thread.h"

#define NEVER ENTRY_NO_EXPIRE
#define CHURN_KEYS 500
#define SAVES 100

static void note_called(void *context)
{
    *(bool *)context = true;
}

static struct fake_backing *restore(struct buffer *saved)
{
    struct fake_backing *fake = fake_create();
    assert_int_equal(keyspace_restore_state(fake->keyspace, buffer_bytes(saved)), STATUS_OK);
    buffer_deinit(saved);
    return fake;
}

static void put_many(struct fake_backing *fake, const char *prefix)
{
    char name[24];
    for (int i = 0; i < CHURN_KEYS; i++) {
        snprintf(name, sizeof(name), "%s%d", prefix, i);
        fake_put(fake, name, "v", 100000);
    }
}

static void what_changes_a_count_has_it_copied_before(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct buffer saved = {0};
    bool called = false;
    fake_put(fake, "{s}goes", "v", NEVER);
    fake_put(fake, "{s}gets a time", "v", NEVER);
    fake_put(fake, "{t}has one", "v", 100000);
    struct state_save *save = state_save_begin(fake->keyspace, note_called, &called);
    assert_true(called);
    fake_put(fake, "{s}gets a time", "v", 100000);
    assert_true(fake_remove(fake, "{s}goes"));
    put_many(fake, "comes");
    state_save_end(fake->keyspace, &save, &saved);
    fake_put(fake, "late", "v", NEVER);
    fake_destroy(&fake);

    fake = restore(&saved);
    assert_int_equal(keyspace_counts(fake->keyspace, 0).keys, 3);
    assert_int_equal(keyspace_counts(fake->keyspace, 0).expires, 1);
    assert_int_equal(keyspace_slot_count(fake->keyspace, 0, keyspace_slot_of(BYTES("{s}"))), 2);
    assert_int_equal(keyspace_slot_count(fake->keyspace, 0, keyspace_slot_of(BYTES("{t}"))), 1);
    fake_destroy(&fake);
}

static void databases_are_as_before_they_were_emptied_and_exchanged(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct buffer saved = {0};
    bool called = false;
    put_many(fake, "k");
    struct state_save *save = state_save_begin(fake->keyspace, note_called, &called);
    assert_true(keyspace_try_all(fake->keyspace, 0));
    keyspace_flush(fake->keyspace, 0, 1);
    keyspace_swap(fake->keyspace, 0, 7);
    keyspace_release_all(fake->keyspace, 0);
    fake_put(fake, "new", "v", NEVER);
    state_save_end(fake->keyspace, &save, &saved);
    fake_destroy(&fake);

    fake = restore(&saved);
    assert_int_equal(keyspace_physical_db(fake->keyspace, 0), 0);
    assert_int_equal(keyspace_counts(fake->keyspace, 0).keys, CHURN_KEYS);
    assert_int_equal(keyspace_counts(fake->keyspace, 0).expires, CHURN_KEYS);
    assert_int_equal(keyspace_counts(fake->keyspace, 7).keys, 0);
    fake_destroy(&fake);
}

struct churn {
    struct fake_backing *fake;
    struct thread thread;
    _Atomic bool stops;
    struct keyspace_counts at_moment;
};

static void note_counts(void *context)
{
    struct churn *churn = context;
    churn->at_moment = keyspace_counts(churn->fake->keyspace, 0);
}

static void put_or_remove(struct keyspace *keyspace, const struct key *key, int64_t expire_at_ms)
{
    struct object value = string_object_from_integer(5);
    struct lock *lock = keyspace_partition_lock(keyspace, key_partition(key));
    lock_acquire(lock);
    struct entry *entry = keyspace_find(keyspace, key);
    if (entry)
        keyspace_remove(keyspace, key, entry);
    else
        keyspace_put(keyspace, key, &value, expire_at_ms);
    lock_release(lock);
}

static void come_and_go(void *argument)
{
    struct churn *churn = argument;
    char name[24];
    for (unsigned i = 0; !atomic_load(&churn->stops); i++) {
        snprintf(name, sizeof(name), "%u", i * 7919 % CHURN_KEYS);
        struct key key = fake_key(churn->fake, name);
        put_or_remove(churn->fake->keyspace, &key, i % 3 ? NEVER : 100000);
    }
}

static void counts_are_of_one_moment_while_keys_come_and_go(void **state)
{
    (void)state;
    struct churn churn = {.fake = fake_create()};
    thread_start(&churn.thread, "churn", come_and_go, &churn);
    for (int i = 0; i < SAVES; i++) {
        struct buffer saved = {0};
        keyspace_save_state(churn.fake->keyspace, note_counts, &churn, &saved);
        struct fake_backing *restored = restore(&saved);
        assert_int_equal(keyspace_counts(restored->keyspace, 0).keys, churn.at_moment.keys);
        assert_int_equal(keyspace_counts(restored->keyspace, 0).expires, churn.at_moment.expires);
        fake_destroy(&restored);
    }
    atomic_store(&churn.stops, true);
    thread_stop(&churn.thread);
    fake_destroy(&churn.fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_changes_a_count_has_it_copied_before),
        cmocka_unit_test(databases_are_as_before_they_were_emptied_and_exchanged),
        cmocka_unit_test(counts_are_of_one_moment_while_keys_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
