/* SPDX-License-Identifier: BSD-3-Clause */
/* Walking: in order, whole, and the same whatever tables and tiers do in between. */
#include "unit/keyspace/fake_backing.h"

#include "base/random.h"

#define NEVER ENTRY_NO_EXPIRE
#define KEYS_MAX 20000

struct seen {
    struct keyspace *keyspace;
    uint32_t times[KEYS_MAX]; /* by the number in the key's name */
    size_t count;
    uint16_t last_slot;
    uint64_t last_hash;
    uint64_t cursor; /* of the present step */
};

static unsigned number_of(struct bytes name)
{
    const char *end = name.data + name.length, *digit = end;
    unsigned number = 0, unit = 1;
    while (digit > name.data && digit[-1] >= '0' && digit[-1] <= '9') {
        number += (unsigned)(*--digit - '0') * unit;
        unit *= 10;
    }
    return number;
}

static void note_item(void *context, const struct walk_item *item)
{
    struct seen *seen = context;
    struct key key = keyspace_key(seen->keyspace, item->name, 0);
    assert_int_equal(item->hash, key.hash);
    assert_int_equal(item->type, OBJECT_STRING);
    uint64_t position = (uint64_t)key.slot << 39 | key.hash >> 25;
    assert_true(position >= seen->cursor);
    assert_true(key.slot > seen->last_slot || (key.slot == seen->last_slot && key.hash >= seen->last_hash));
    seen->last_slot = key.slot;
    seen->last_hash = key.hash;
    seen->times[number_of(item->name)]++;
    seen->count++;
}

static uint64_t step(struct seen *seen, uint64_t cursor, size_t count)
{
    int status;
    seen->cursor = cursor;
    cursor = keyspace_walk(seen->keyspace, 0, cursor, count, false, note_item, seen, &status);
    assert_int_equal(status, STATUS_OK);
    assert_true(cursor < UINT64_C(1) << 53);
    return cursor;
}

static struct seen *seen_create(struct fake_backing *fake)
{
    struct seen *seen = calloc(1, sizeof(*seen));
    seen->keyspace = fake->keyspace;
    return seen;
}

static void put_number(struct fake_backing *fake, const char *prefix, unsigned number)
{
    char name[32];
    snprintf(name, sizeof(name), "%s%u", prefix, number);
    fake_put(fake, name, "v", NEVER);
}

static void every_key_is_visited_once_and_in_order(void **state)
{
    (void)state;
    const char *prefixes[] = {"key:", "{one slot}"};
    for (int i = 0; i < 2; i++) {
        struct fake_backing *fake = fake_create();
        for (unsigned number = 0; number < 5000; number++)
            put_number(fake, prefixes[i], number);
        for (size_t count = 1; count < 10000; count = count * 7 + 2) {
            struct seen *seen = seen_create(fake);
            uint64_t cursor = 0;
            size_t before = 0;
            do {
                cursor = step(seen, cursor, count);
                if (cursor != 0)
                    assert_true(seen->count - before >= count && seen->count - before < count + 3);
                before = seen->count;
            } while (cursor != 0);
            assert_int_equal(seen->count, 5000);
            for (unsigned number = 0; number < 5000; number++)
                assert_int_equal(seen->times[number], 1);
            free(seen);
        }
        fake_destroy(&fake);
    }
}

static void an_empty_database_ends_at_once(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct seen *seen = seen_create(fake);
    assert_int_equal(step(seen, 0, 10), 0);
    assert_int_equal(step(seen, UINT64_C(1) << 52, 10), 0);
    assert_int_equal(step(seen, UINT64_MAX, 10), 0);
    assert_int_equal(seen->count, 0);
    assert_int_equal(keyspace_random_cursor(fake->keyspace, 0, 77), 0);
    free(seen);
    fake_destroy(&fake);
}

/* Keys below KEYS_STAY exist all the time, the others come and go. */
#define KEYS_STAY 2000

static void disturb(struct fake_backing *fake, struct random *random, const char *prefix, unsigned *growing)
{
    char name[32];
    switch (random_below(random, 8)) {
    case 0:
        fake_cycle(fake);
        break;
    case 1:
        fake_evict(fake);
        break;
    case 2:
        for (int i = 0; i < 300 && *growing < KEYS_MAX; i++)
            put_number(fake, prefix, (*growing)++);
        break;
    case 3:
        for (int i = 0; i < 100; i++) {
            snprintf(name, sizeof(name), "%s%u", prefix, KEYS_STAY + (unsigned)random_below(random, 1000));
            fake_get(fake, name);
            fake_remove(fake, name);
        }
        break;
    default:
        for (int i = 0; i < 50; i++) {
            snprintf(name, sizeof(name), "%s%u", prefix, (unsigned)random_below(random, KEYS_STAY));
            assert_string_equal(fake_get(fake, name), "v");
            if (i % 5 == 0)
                fake_put(fake, name, "v", NEVER);
        }
    }
}

static void no_key_is_missed_while_tables_grow_and_keys_change_tier(void **state)
{
    (void)state;
    const char *prefixes[] = {"key:", "{one slot}"};
    for (unsigned round = 0; round < 6; round++) {
        struct fake_backing *fake = fake_create();
        struct seen *seen = seen_create(fake);
        struct random random;
        unsigned growing = KEYS_STAY + 1000;
        random_init(&random, round);
        for (unsigned number = 0; number < KEYS_STAY + 1000; number++)
            put_number(fake, prefixes[round % 2], number);
        uint64_t cursor = 0;
        do {
            cursor = step(seen, cursor, 1 + random_below(&random, 120));
            disturb(fake, &random, prefixes[round % 2], &growing);
        } while (cursor != 0);
        for (unsigned number = 0; number < KEYS_STAY; number++)
            assert_int_equal(seen->times[number], 1);
        free(seen);
        fake_destroy(&fake);
    }
}

static void deleted_keys_with_rows_are_not_shown(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    char name[32];
    for (unsigned number = 0; number < 1000; number++)
        put_number(fake, "{t}", number);
    fake_cycle(fake);
    fake_evict(fake);
    assert_true(keyspace_walk_needs_reader(fake->keyspace));
    for (unsigned number = 0; number < 1000; number += 2) {
        snprintf(name, sizeof(name), "{t}%u", number);
        fake_get(fake, name);
        fake_remove(fake, name);
    }
    struct seen *seen = seen_create(fake);
    for (uint64_t cursor = step(seen, 0, 10); cursor != 0; cursor = step(seen, cursor, 10))
        continue;
    assert_int_equal(seen->count, 500);
    for (unsigned number = 0; number < 1000; number++)
        assert_int_equal(seen->times[number], number % 2);
    free(seen);
    fake_destroy(&fake);
}

static void a_failing_read_is_told(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct seen *seen = seen_create(fake);
    int status;
    put_number(fake, "k", 1);
    fake_cycle(fake);
    fake_evict(fake);
    fake->read_status = STATUS_IO;
    assert_int_equal(keyspace_walk(fake->keyspace, 0, 0, 10, false, note_item, seen, &status), 0);
    assert_int_equal(status, STATUS_IO);
    free(seen);
    fake_destroy(&fake);
}

static void a_walk_may_be_made_while_all_is_held(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct seen *seen = seen_create(fake);
    int status;
    for (unsigned number = 0; number < 100; number++)
        put_number(fake, "k", number);
    assert_true(keyspace_try_all(fake->keyspace, 3));
    assert_int_equal(keyspace_walk(fake->keyspace, 0, 0, 1000, true, note_item, seen, &status), 0);
    assert_int_equal(seen->count, 100);
    keyspace_release_all(fake->keyspace, 3);
    free(seen);
    fake_destroy(&fake);
}

static void random_cursors_reach_all_slots_by_their_weight(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct seen *seen = seen_create(fake);
    struct random random;
    unsigned heavy = 0;
    random_init(&random, 1);
    for (unsigned number = 0; number < 900; number++)
        put_number(fake, "{heavy}", number);
    for (unsigned number = 0; number < 100; number++)
        put_number(fake, "k", number);
    for (int i = 0; i < 1000; i++) {
        uint64_t cursor = keyspace_random_cursor(fake->keyspace, 0, random_next(&random));
        assert_true(cursor > 0 && cursor < UINT64_C(1) << 53);
        heavy += cursor >> 39 == keyspace_slot_of(BYTES("{heavy}"));
    }
    assert_true(heavy > 850 && heavy < 950);
    free(seen);
    fake_destroy(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_visited_once_and_in_order),
        cmocka_unit_test(an_empty_database_ends_at_once),
        cmocka_unit_test(no_key_is_missed_while_tables_grow_and_keys_change_tier),
        cmocka_unit_test(deleted_keys_with_rows_are_not_shown),
        cmocka_unit_test(a_failing_read_is_told),
        cmocka_unit_test(a_walk_may_be_made_while_all_is_held),
        cmocka_unit_test(random_cursors_reach_all_slots_by_their_weight),
    };
    return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
