/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"

static void a_seed_gives_the_same_numbers_every_time(void **state)
{
    (void)state;
    struct random a, b, other;
    random_init(&a, 42);
    random_init(&b, 42);
    random_init(&other, 43);
    unsigned same = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t value = random_next(&a);
        assert_true(value == random_next(&b));
        same += value == random_next(&other);
    }
    assert_int_equal(same, 0);
}

static void numbers_below_a_bound_are_spread_evenly(void **state)
{
    (void)state;
    struct random random;
    unsigned seen[10] = {0};
    random_init(&random, 0);
    for (int i = 0; i < 100000; i++)
        seen[random_below(&random, 10)]++;
    for (int i = 0; i < 10; i++)
        assert_in_range(seen[i], 9500, 10500);
    assert_int_equal(random_below(&random, 1), 0);
    for (int i = 0; i < 100; i++)
        assert_true(random_below(&random, UINT64_MAX) < UINT64_MAX);
}

static void identifiers_are_hex_and_differ(void **state)
{
    (void)state;
    char a[41], b[41];
    random_hex(a, 40);
    random_hex(b, 40);
    assert_int_equal(strlen(a), 40);
    assert_int_equal(strspn(a, "0123456789abcdef"), 40);
    assert_string_not_equal(a, b);
}

/* Rows on disk are ordered by this hash: the values may never change. */
static void hashes_are_those_of_earlier_versions(void **state)
{
    (void)state;
    assert_true(hash_bytes("", 0, 0) == UINT64_C(0x2d06800538d394c2));
    assert_true(hash_bytes("key", 3, 1) == hash_bytes("key", 3, 1));
    assert_true(hash_bytes("key", 3, 1) != hash_bytes("key", 3, 2));
    assert_true(hash_checksum("", 0) == 0x38d394c2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_gives_the_same_numbers_every_time),
        cmocka_unit_test(numbers_below_a_bound_are_spread_evenly),
        cmocka_unit_test(identifiers_are_hex_and_differ),
        cmocka_unit_test(hashes_are_those_of_earlier_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
