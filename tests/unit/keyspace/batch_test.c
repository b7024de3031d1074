/* SPDX-License-Identifier: BSD-3-Clause */
/* What a partition's state has of the stream while a batch is executed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "keyspace/backing.h"
#include "keyspace/keyspace.h"

#define FEED 7
#define OTHER 3

static uint64_t offset_of(struct keyspace *keyspace, uint32_t partition, uint64_t end)
{
    assert_true(keyspace_try_one(keyspace, partition));
    uint64_t offset = keyspace_offset_of(keyspace, partition, end);
    assert_int_equal(capture_offset(keyspace, (uint16_t)(partition + PARTITION_COUNT), end), offset);
    keyspace_release_one(keyspace, partition);
    return offset;
}

static void apply(struct keyspace *keyspace, uint32_t partition, uint64_t offset)
{
    assert_true(keyspace_try_one(keyspace, partition));
    keyspace_batch_applied(keyspace, partition, offset);
    keyspace_release_one(keyspace, partition);
}

static void without_a_batch_a_state_has_all_of_the_stream(void **state)
{
    (void)state;
    struct keyspace *keyspace = keyspace_create(1);
    assert_int_equal(offset_of(keyspace, 5, 100), 100);
    assert_int_equal(keyspace_settled(keyspace, 100), 100);
    keyspace_destroy(&keyspace);
}

static void in_a_batch_each_partition_has_what_was_executed_of_it(void **state)
{
    (void)state;
    struct keyspace *keyspace = keyspace_create(1);
    assert_true(keyspace_batch_begin(keyspace, FEED, 100));
    assert_int_equal(offset_of(keyspace, 5, 100), 100); /* nothing is appended yet */
    assert_int_equal(offset_of(keyspace, 5, 200), 100);
    apply(keyspace, 5, 130);
    assert_int_equal(offset_of(keyspace, 5, 200), 130);
    assert_int_equal(offset_of(keyspace, 6, 200), 100);
    assert_int_equal(keyspace_settled(keyspace, 200), 100);
    apply(keyspace, 5, 180);
    apply(keyspace, 6, 200);
    assert_int_equal(offset_of(keyspace, 5, 200), 180);
    keyspace_batch_end(keyspace, FEED);
    assert_int_equal(offset_of(keyspace, 5, 200), 200);
    assert_int_equal(keyspace_settled(keyspace, 200), 200);
    keyspace_destroy(&keyspace);
}

static void an_end_read_before_the_next_batch_is_not_passed(void **state)
{
    (void)state;
    struct keyspace *keyspace = keyspace_create(1);
    assert_true(keyspace_batch_begin(keyspace, FEED, 100));
    apply(keyspace, 5, 130);
    keyspace_batch_end(keyspace, FEED);
    assert_true(keyspace_batch_begin(keyspace, FEED, 200));
    assert_int_equal(offset_of(keyspace, 5, 190), 190);
    assert_int_equal(offset_of(keyspace, 5, 300), 200); /* what was applied in the last one is long passed */
    keyspace_batch_end(keyspace, FEED);
    keyspace_destroy(&keyspace);
}

static void nobody_gets_all_partitions_while_there_is_a_batch(void **state)
{
    (void)state;
    struct keyspace *keyspace = keyspace_create(1);
    assert_true(keyspace_batch_begin(keyspace, FEED, 100));
    assert_false(keyspace_try_all(keyspace, OTHER));
    keyspace_batch_end(keyspace, FEED);
    assert_false(keyspace_batch_begin(keyspace, FEED, 200)); /* who waits has his turn first */
    assert_int_equal(keyspace_settled(keyspace, 300), 300);
    assert_true(keyspace_try_all(keyspace, OTHER));
    keyspace_release_all(keyspace, OTHER);
    assert_true(keyspace_batch_begin(keyspace, FEED, 200));
    keyspace_batch_end(keyspace, FEED);
    keyspace_destroy(&keyspace);
}

static void claimed_names_keep_a_batch_out(void **state)
{
    (void)state;
    struct keyspace *keyspace = keyspace_create(1);
    struct name_claim claim = {.begin = bytes_of_text("weight:")};
    assert_true(keyspace_try_all(keyspace, OTHER));
    keyspace_claim_names(keyspace, &claim);
    keyspace_release_all(keyspace, OTHER);
    assert_false(keyspace_batch_begin(keyspace, FEED, 100));
    assert_true(keyspace_try_all(keyspace, OTHER)); /* it has left the gate */
    keyspace_unclaim_names(keyspace, &claim);
    keyspace_release_all(keyspace, OTHER);
    assert_true(keyspace_batch_begin(keyspace, FEED, 100));
    keyspace_batch_end(keyspace, FEED);
    keyspace_destroy(&keyspace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_batch_a_state_has_all_of_the_stream),
        cmocka_unit_test(in_a_batch_each_partition_has_what_was_executed_of_it),
        cmocka_unit_test(an_end_read_before_the_next_batch_is_not_passed),
        cmocka_unit_test(nobody_gets_all_partitions_while_there_is_a_batch),
        cmocka_unit_test(claimed_names_keep_a_batch_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
