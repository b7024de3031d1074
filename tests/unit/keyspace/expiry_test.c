/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys that come due by themselves: all of them, none too early, and nobody is sent to look for nothing. */
#include "unit/keyspace/fake_backing.h"

#include "base/random.h"

struct told {
    struct fake_backing *fake;
    int64_t now_ms;
    unsigned count;
};

static void note_expired(void *context, const struct key *key)
{
    struct told *told = context;
    struct entry *entry = keyspace_find(told->fake->keyspace, key);
    assert_non_null(entry);
    assert_true(entry_is_expired(entry, told->now_ms));
    told->count++;
}

static void expire_all(struct told *told, unsigned max)
{
    for (uint32_t partition = 0; partition < PARTITION_COUNT; partition++) {
        bool more = true;
        while (more) {
            unsigned before = told->count;
            unsigned removed = keyspace_expire_step(told->fake->keyspace, partition, told->now_ms, max, &more);
            assert_int_equal(removed, told->count - before);
            assert_true(removed <= max);
        }
        assert_true(keyspace_next_expiry_ms(told->fake->keyspace, partition) > told->now_ms);
    }
}

static void run_model(const char *prefix, unsigned count)
{
    struct fake_backing *fake = fake_create();
    struct told told = {.fake = fake};
    struct sink sink = {.context = &told, .expired = note_expired};
    int64_t *expiries = calloc(count, sizeof(*expiries));
    struct random random;
    unsigned live = count;
    char name[64];
    random_init(&random, count);
    keyspace_set_sink(fake->keyspace, &sink);
    for (unsigned i = 0; i < count; i++) {
        expiries[i] = i % 4 ? (int64_t)random_below(&random, 100000) : ENTRY_NO_EXPIRE;
        snprintf(name, sizeof(name), "%s%u", prefix, i);
        fake_put(fake, name, "v", expiries[i]);
    }
    for (told.now_ms = 0; told.now_ms < 110000; told.now_ms += 1 + (int64_t)random_below(&random, 9000)) {
        unsigned expected = 0;
        for (unsigned i = 0; i < count; i++) {
            if (expiries[i] == ENTRY_NO_EXPIRE || expiries[i] > told.now_ms)
                continue;
            expected++;
            expiries[i] = ENTRY_NO_EXPIRE;
        }
        told.count = 0;
        expire_all(&told, 7);
        assert_int_equal(told.count, expected);
        live -= expected;
        assert_int_equal(keyspace_counts(fake->keyspace, 0).keys, live);
    }
    assert_int_equal(keyspace_counts(fake->keyspace, 0).expires, 0);
    for (uint32_t partition = 0; partition < PARTITION_COUNT; partition++)
        assert_int_equal(keyspace_next_expiry_ms(fake->keyspace, partition), INT64_MAX);
    free(expiries);
    fake_destroy(&fake);
}

static void every_key_expires_in_its_time(void **state)
{
    (void)state;
    run_model("k", 1000);
    run_model("{one slot}", 20000);
}

static void a_bound_follows_a_key_whose_expiry_moves(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct key key = fake_key(fake, "k");
    uint32_t partition = key_partition(&key);
    bool more;
    fake_put(fake, "k", "v", 5000);
    assert_int_equal(keyspace_next_expiry_ms(fake->keyspace, partition), 5000);
    assert_true(keyspace_try_one(fake->keyspace, partition));
    struct entry *entry = keyspace_set_expire(fake->keyspace, &key, keyspace_find(fake->keyspace, &key), 3000);
    assert_int_equal(keyspace_next_expiry_ms(fake->keyspace, partition), 3000);
    keyspace_set_expire(fake->keyspace, &key, entry, 9001);
    keyspace_release_one(fake->keyspace, partition);
    assert_int_equal(keyspace_expire_step(fake->keyspace, partition, 8000, 10, &more), 0);
    assert_false(more);
    assert_int_equal(keyspace_next_expiry_ms(fake->keyspace, partition), 9001);
    assert_int_equal(keyspace_expire_step(fake->keyspace, partition, 9000, 10, &more), 0);
    assert_int_equal(keyspace_expire_step(fake->keyspace, partition, 9001, 10, &more), 1);
    fake_destroy(&fake);
}

static void a_held_partition_is_left_for_later(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct key key = fake_key(fake, "k");
    bool more = false;
    fake_put(fake, "k", "v", 5000);
    struct lock *lock = keyspace_partition_lock(fake->keyspace, key_partition(&key));
    atomic_store(&lock->state, 1); /* somebody else's */
    assert_int_equal(keyspace_expire_step(fake->keyspace, key_partition(&key), 6000, 10, &more), 0);
    assert_true(more);
    atomic_store(&lock->state, 0);
    assert_int_equal(keyspace_expire_step(fake->keyspace, key_partition(&key), 6000, 10, &more), 1);
    assert_false(more);
    fake_destroy(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_expires_in_its_time),
        cmocka_unit_test(a_bound_follows_a_key_whose_expiry_moves),
        cmocka_unit_test(a_held_partition_is_left_for_later),
    };
    return cmocka_run_group_tests_name("expiry", tests, NULL, NULL);
}
