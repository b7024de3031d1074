/* SPDX-License-Identifier: BSD-3-Clause */
/* Members by name beside a plain array of flags, through growing, shrinking and walks that are resumed. */
#include "object/member_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"

#define NAMES 20000

static struct bytes name_of(size_t index, char text[32])
{
    return bytes_of(text, (size_t)snprintf(text, 32, "member:%zu", index));
}

static void add(struct member_table *table, size_t index)
{
    char text[32];
    struct bytes name = name_of(index, text);
    int64_t extra = (int64_t)index;
    member_table_insert(table, member_hash(name), member_create(name, NULL, &extra));
}

static bool drop(struct member_table *table, size_t index)
{
    char text[32];
    struct bytes name = name_of(index, text);
    return member_table_remove(table, member_hash(name), name);
}

static struct member *find(const struct member_table *table, size_t index)
{
    char text[32];
    struct bytes name = name_of(index, text);
    return member_table_find(table, member_hash(name), name);
}

static void assert_same(const struct member_table *table, const bool *there)
{
    size_t count = 0;
    for (size_t i = 0; i < NAMES; i++) {
        struct member *member = find(table, i);
        assert_int_equal(member != NULL, there[i]);
        if (member)
            assert_int_equal(member_extra(member), i);
        count += there[i];
    }
    assert_int_equal(table->count, count);
}

static void assert_walk_meets_all(const struct member_table *table)
{
    struct member_walk walk = member_walk_from(table, 0);
    struct member *member;
    size_t rank = 0;
    while ((member = member_walk_next(&walk)) != NULL) {
        if (rank % 97 == 0)
            assert_ptr_equal(member_table_at(table, rank), member);
        rank++;
    }
    assert_int_equal(rank, table->count);
}

static void a_member_holds_what_it_was_made_with(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 255, 256, 70000};
    char *text = memory_allocate_zeroed(70000);
    for (size_t i = 0; i < 5 * 5 * 4; i++) {
        struct bytes name = bytes_of(text, lengths[i % 5]), value = bytes_of(text, lengths[i / 5 % 5]);
        int64_t extra = -7;
        struct member *member = member_create(name, i / 25 % 2 ? &value : NULL, i / 50 ? &extra : NULL);
        struct member *copy = member_copy(member);
        assert_true(bytes_equal(member_name(member), name));
        assert_int_equal(member_value(copy).length, i / 25 % 2 ? value.length : 0);
        assert_int_equal(member_has_extra(copy), i / 50);
        if (i / 50) {
            assert_int_equal(member_extra(copy), -7);
            member_set_score(copy, 0.5);
            assert_true(member_score(copy) == 0.5);
            assert_true(bytes_equal(member_name(copy), name));
        }
        assert_true(member_bytes(member) >= name.length);
        member_destroy(member);
        member_destroy(copy);
    }
    memory_free(text);
}

static void random_edits_agree_with_a_model(void **state)
{
    (void)state;
    struct random random;
    struct member_table table = {0};
    bool *there = memory_allocate_zeroed(NAMES);
    random_init(&random, 11);
    for (int phase = 0; phase < 8; phase++) {
        /* Growing and shrinking phases, to nearly nothing and back. */
        for (size_t i = 0; i < NAMES * 2; i++) {
            size_t index = random_below(&random, NAMES);
            bool wanted = random_below(&random, 20) != 0 ? phase % 2 == 0 : phase % 2 != 0;
            if (wanted && !there[index])
                add(&table, index);
            else if (!wanted)
                assert_int_equal(drop(&table, index), there[index]);
            there[index] = wanted || (there[index] && wanted);
        }
        assert_same(&table, there);
        assert_walk_meets_all(&table);
    }
    for (size_t i = 0; i < NAMES; i++)
        assert_int_equal(drop(&table, i), there[i]);
    assert_int_equal(table.count, 0);
    assert_int_equal(table.bytes, 0);
    assert_int_equal(table.root, 0);
    memory_free(there);
}

static void a_replaced_member_has_its_new_value(void **state)
{
    (void)state;
    struct member_table table = {0};
    for (size_t i = 0; i < 500; i++)
        add(&table, i);
    for (size_t i = 0; i < 500; i += 3) {
        char text[32];
        struct bytes name = name_of(i, text), value = BYTES("another value");
        uint64_t hash = member_hash(name);
        member_table_replace(&table, hash, member_table_find(&table, hash, name), member_create(name, &value, NULL));
    }
    assert_int_equal(table.count, 500);
    for (size_t i = 0; i < 500; i++)
        assert_int_equal(member_value(find(&table, i)).length, i % 3 ? 0 : 13);
    member_table_clear(&table);
    assert_int_equal(table.bytes, 0);
}

static void mark(void *context, struct member *member)
{
    ((uint8_t *)context)[member_extra(member)]++;
}

static void scans_miss_nobody_while_the_table_changes(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 12);
    for (int round = 0; round < 4; round++) {
        struct member_table table = {0};
        uint8_t *seen = memory_allocate_zeroed(NAMES * 2);
        uint64_t cursor = 0, steps = 0;
        for (size_t i = 0; i < NAMES; i++)
            if (i % 10 == 0 || round % 2)
                add(&table, i);
        do {
            cursor = member_table_scan(&table, cursor, 10, mark, seen);
            assert_true(cursor < UINT64_C(1) << 53);
            /* Those that are divisible by ten stay from beginning to end. */
            for (int i = 0; i < 60; i++) {
                size_t index = random_below(&random, NAMES);
                if (index % 10 == 0)
                    continue;
                if (round % 2)
                    drop(&table, index);
                else if (!find(&table, index))
                    add(&table, index);
            }
            steps++;
        } while (cursor != 0);
        for (size_t i = 0; i < NAMES; i += 10)
            assert_true(seen[i] >= 1);
        assert_true(steps > 10);
        member_table_clear(&table);
        memory_free(seen);
    }
}

static void random_ranks_are_fair(void **state)
{
    (void)state;
    struct random random;
    struct member_table table = {0};
    uint32_t met[1000] = {0};
    random_init(&random, 13);
    for (size_t i = 0; i < 1000; i++)
        add(&table, i);
    for (size_t i = 0; i < 200 * 1000; i++)
        met[member_extra(member_table_at(&table, random_below(&random, table.count)))]++;
    for (size_t i = 0; i < 1000; i++)
        assert_true(met[i] > 100 && met[i] < 300);
    member_table_clear(&table);
}

static void a_member_of_a_large_table_costs_little(void **state)
{
    (void)state;
    struct member_table table = {0};
    for (size_t i = 0; i < 300 * 1000; i++) {
        char text[32];
        struct bytes name = bytes_of(text, (size_t)snprintf(text, sizeof(text), "element:%08zu", i));
        member_table_insert(&table, member_hash(name), member_create(name, NULL, NULL));
        if (i % 20000 == 19999)
            assert_true(table.bytes < i * 45);
    }
    member_table_clear(&table);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_holds_what_it_was_made_with),
        cmocka_unit_test(random_edits_agree_with_a_model),
        cmocka_unit_test(a_replaced_member_has_its_new_value),
        cmocka_unit_test(scans_miss_nobody_while_the_table_changes),
        cmocka_unit_test(random_ranks_are_fair),
        cmocka_unit_test(a_member_of_a_large_table_costs_little),
    };
    member_table_set_seed(0x5eed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
