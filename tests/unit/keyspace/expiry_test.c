/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys that come due by themselves: all of them, none too early, and nobody is sent to look for nothing. */
#include "unit/keyspace/fake_backing.h"

#include "base/random.h"
#include "object/hash_object.h"
#include "object/object_limits.h"

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

static void note_field(void *context, struct bytes field)
{
    struct told *told = context;
    assert_true(field.length > 0);
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

static unsigned sweep_fields(void *context, const struct key *key, struct object *value, struct buffer *room,
                             int64_t now_ms, unsigned max)
{
    struct told *told = context;
    assert_non_null(keyspace_find(told->fake->keyspace, key));
    unsigned swept = (unsigned)hash_object_sweep(value, room, now_ms, max, note_field, context);
    assert_true(swept > 0);
    return swept;
}

static void put_hash(struct fake_backing *fake, const char *name, unsigned fields)
{
    struct object hash = object_empty(OBJECT_HASH);
    struct buffer room = {0};
    struct key key = fake_key(fake, name);
    char field[BYTES_INTEGER_MAX];
    for (unsigned i = 0; i < fields; i++) {
        struct bytes bytes = bytes_of(field, bytes_from_int64(field, i));
        hash_object_set(&hash, &room, bytes, BYTES("v"), false, 0);
        if (i > 0)
            hash_object_set_expiry(&hash, &room, bytes, 1000 + i);
    }
    assert_true(keyspace_try_one(fake->keyspace, key_partition(&key)));
    keyspace_put(fake->keyspace, &key, &hash, ENTRY_NO_EXPIRE);
    keyspace_release_one(fake->keyspace, key_partition(&key));
    buffer_deinit(&room);
}

static void fields_expire_in_steps_of_some(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct told told = {.fake = fake, .now_ms = 1000};
    struct sink sink = {.context = &told, .parts_expired = sweep_fields};
    struct key large = fake_key(fake, "large");
    keyspace_set_sink(fake->keyspace, &sink);
    put_hash(fake, "small", 10);
    put_hash(fake, "large", 2000);
    assert_int_equal(keyspace_next_expiry_ms(fake->keyspace, key_partition(&large)), 1001);
    expire_all(&told, 7);
    assert_int_equal(told.count, 0);
    for (unsigned expected = 9 + 9; told.now_ms < 3000; expected = 100) {
        told.now_ms += told.now_ms == 1000 ? 9 : 100;
        told.count = 0;
        expire_all(&told, 7);
        assert_int_equal(told.count, told.now_ms < 3000 ? expected : 90);
    }
    assert_int_equal(keyspace_next_expiry_ms(fake->keyspace, key_partition(&large)), INT64_MAX);
    assert_int_equal(keyspace_counts(fake->keyspace, 0).keys, 2);
    fake_destroy(&fake);
}

static void a_hash_goes_with_its_last_field(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct told told = {.fake = fake, .now_ms = 5000};
    struct sink sink = {.context = &told, .parts_expired = sweep_fields};
    struct object hash = object_empty(OBJECT_HASH);
    struct buffer room = {0};
    struct key key = fake_key(fake, "k");
    keyspace_set_sink(fake->keyspace, &sink);
    hash_object_set(&hash, &room, BYTES("f"), BYTES("v"), false, 0);
    hash_object_set_expiry(&hash, &room, BYTES("f"), 4000);
    assert_true(keyspace_try_one(fake->keyspace, key_partition(&key)));
    keyspace_put(fake->keyspace, &key, &hash, ENTRY_NO_EXPIRE);
    keyspace_release_one(fake->keyspace, key_partition(&key));
    expire_all(&told, 7);
    assert_int_equal(told.count, 1);
    assert_int_equal(keyspace_counts(fake->keyspace, 0).keys, 0);
    buffer_deinit(&room);
    fake_destroy(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_expires_in_its_time),
        cmocka_unit_test(a_bound_follows_a_key_whose_expiry_moves),
        cmocka_unit_test(fields_expire_in_steps_of_some),
        cmocka_unit_test(a_hash_goes_with_its_last_field),
        cmocka_unit_test(a_held_partition_is_left_for_later),
    };
    object_limits.hash_max_listpack_entries = 128;
    object_limits.hash_max_listpack_value = 64;
    return cmocka_run_group_tests_name("expiry", tests, NULL, NULL);
}
