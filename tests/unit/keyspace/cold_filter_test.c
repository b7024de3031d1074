/* SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/cold_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/random.h"

static uint64_t hash_of(uint64_t number)
{
    return hash_bytes(&number, sizeof(number), 1);
}

static struct cold_filter *filter_of(size_t count)
{
    struct cold_filter *filter = cold_filter_create();
    for (uint64_t i = 0; i < count; i++)
        cold_filter_add(filter, hash_of(i));
    return filter;
}

/* Wrong answers among a million hashes that were never added, in parts of a million. */
static size_t false_positives(const struct cold_filter *filter)
{
    size_t wrong = 0;
    for (uint64_t i = 0; i < 1000000; i++)
        wrong += cold_filter_maybe(filter, hash_of(i + (UINT64_C(1) << 40)));
    return wrong;
}

static void empty_filter_is_tiny_and_knows_nothing(void **state)
{
    (void)state;
    struct cold_filter *filter = cold_filter_create();
    assert_true(cold_filter_bytes(filter) < 100);
    assert_int_equal(cold_filter_count(filter), 0);
    assert_int_equal(false_positives(filter), 0);
    cold_filter_remove(filter, hash_of(1));
    assert_int_equal(cold_filter_count(filter), 0);
    cold_filter_destroy(&filter);
    assert_null(filter);
    cold_filter_destroy(&filter);
}

static void key_costs_little_at_every_size(void **state)
{
    (void)state;
    struct cold_filter *filter = cold_filter_create();
    const struct bound {
        size_t count;
        double bytes_per_key;
    } bounds[] = {{16, 12}, {1000, 5.2}, {10000, 2.5}, {40000, 2.25}, {200000, 2.2}, {1000000, 2.2}};
    uint64_t added = 0;
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        for (; added < bounds[i].count; added++) {
            cold_filter_add(filter, hash_of(added));
            if (added > 10000)
                assert_true((double)cold_filter_bytes(filter) <= 2.5 * (double)added);
        }
        assert_true((double)cold_filter_bytes(filter) <= bounds[i].bytes_per_key * (double)added);
    }
    assert_int_equal(cold_filter_count(filter), added);
    for (uint64_t i = 0; i < added; i++)
        assert_true(cold_filter_maybe(filter, hash_of(i)));
    cold_filter_destroy(&filter);
}

static void absent_key_is_seldom_taken_for_a_cold_one(void **state)
{
    (void)state;
    const size_t counts[] = {5000, 20000, 100000, 300000};
    const size_t wrong_max[] = {5, 250, 1100, 3300};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct cold_filter *filter = filter_of(counts[i]);
        assert_true(false_positives(filter) <= wrong_max[i]);
        cold_filter_destroy(&filter);
    }
}

static void removed_keys_give_their_bytes_back(void **state)
{
    (void)state;
    struct cold_filter *filter = filter_of(200000);
    for (uint64_t i = 0; i < 150000; i++)
        cold_filter_remove(filter, hash_of(i));
    assert_int_equal(cold_filter_count(filter), 50000);
    assert_true(cold_filter_bytes(filter) < 50000 * 4.5);
    assert_true(false_positives(filter) < 1000);
    for (uint64_t i = 150000; i < 200000; i++) {
        assert_true(cold_filter_maybe(filter, hash_of(i)));
        cold_filter_remove(filter, hash_of(i));
    }
    assert_int_equal(cold_filter_count(filter), 0);
    assert_true(cold_filter_bytes(filter) < 100);
    cold_filter_destroy(&filter);
}

static void few_keys_take_and_give_back_their_few_bytes(void **state)
{
    (void)state;
    struct cold_filter *filter = filter_of(5000);
    for (uint64_t i = 0; i < 4990; i++)
        cold_filter_remove(filter, hash_of(i));
    assert_true(cold_filter_bytes(filter) < 250);
    for (uint64_t i = 4990; i < 5000; i++)
        assert_true(cold_filter_maybe(filter, hash_of(i)));
    cold_filter_destroy(&filter);
}

static void hash_stays_until_it_was_removed_as_often_as_added(void **state)
{
    (void)state;
    struct cold_filter *filter = filter_of(20000);
    uint64_t hash = hash_of(UINT64_C(1) << 50);
    for (int i = 0; i < 300; i++)
        cold_filter_add(filter, hash);
    for (int i = 0; i < 300; i++) {
        assert_true(cold_filter_maybe(filter, hash));
        cold_filter_remove(filter, hash);
    }
    assert_false(cold_filter_maybe(filter, hash));
    assert_int_equal(cold_filter_count(filter), 20000);
    for (uint64_t i = 0; i < 20000; i++)
        assert_true(cold_filter_maybe(filter, hash_of(i)));
    cold_filter_destroy(&filter);
}

static void fingerprint_of_zero_is_kept_like_any_other(void **state)
{
    (void)state;
    struct cold_filter *filter = filter_of(100000);
    for (uint64_t low = 0; low < 3000; low++)
        cold_filter_add(filter, hash_of(low) >> 16);
    for (uint64_t low = 0; low < 3000; low++)
        assert_true(cold_filter_maybe(filter, hash_of(low) >> 16));
    for (uint64_t low = 0; low < 3000; low++)
        cold_filter_remove(filter, hash_of(low) >> 16);
    assert_int_equal(cold_filter_count(filter), 100000);
    for (uint64_t i = 0; i < 100000; i++)
        assert_true(cold_filter_maybe(filter, hash_of(i)));
    cold_filter_destroy(&filter);
}

/* Adds and removes at random, first more of the one, then of the other, again and again. */
static void no_key_is_ever_forgotten(void **state)
{
    (void)state;
    enum { KEYS = 60000, STEPS = 1500000, TIDE = 100000 };
    struct cold_filter *filter = cold_filter_create();
    uint8_t *times = calloc(KEYS, 1);
    size_t count = 0;
    struct random random;
    random_init(&random, 7);
    for (uint32_t step = 0; step < STEPS; step++) {
        uint64_t key = random_below(&random, KEYS);
        bool rises = step / TIDE % 2 == 0, adds = random_below(&random, 10) < (rises ? 7 : 2);
        if (adds && times[key] < 3) {
            cold_filter_add(filter, hash_of(key));
            times[key]++;
            count++;
        } else if (!adds && times[key] > 0) {
            cold_filter_remove(filter, hash_of(key));
            times[key]--;
            count--;
        }
        uint64_t other = random_below(&random, KEYS);
        assert_true(times[other] == 0 || cold_filter_maybe(filter, hash_of(other)));
        assert_int_equal(cold_filter_count(filter), count);
        if (step % TIDE == TIDE - 1) {
            for (uint64_t i = 0; i < KEYS; i++)
                assert_true(times[i] == 0 || cold_filter_maybe(filter, hash_of(i)));
        }
    }
    free(times);
    cold_filter_destroy(&filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_filter_is_tiny_and_knows_nothing),
        cmocka_unit_test(key_costs_little_at_every_size),
        cmocka_unit_test(absent_key_is_seldom_taken_for_a_cold_one),
        cmocka_unit_test(removed_keys_give_their_bytes_back),
        cmocka_unit_test(few_keys_take_and_give_back_their_few_bytes),
        cmocka_unit_test(hash_stays_until_it_was_removed_as_often_as_added),
        cmocka_unit_test(fingerprint_of_zero_is_kept_like_any_other),
        cmocka_unit_test(no_key_is_ever_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
