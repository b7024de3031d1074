/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames that are kept until they are synced. */
#include "stream/stream_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* So much fills a block of its own. */
#define LARGE ((size_t)256 << 10)

static void keep(struct kept *kept, size_t length, uint64_t end)
{
    struct buffer frame = {0};
    memset(buffer_reserve(&frame, length), 'x', length);
    frame.length = length;
    kept_add(kept, &frame, end);
    buffer_deinit(&frame);
}

static size_t count(const struct kept_block *blocks)
{
    size_t blocks_count = 0;
    for (; blocks; blocks = blocks->next)
        blocks_count++;
    return blocks_count;
}

static void small_frames_share_a_block(void **state)
{
    (void)state;
    struct kept kept = {0};
    for (uint64_t end = 1; end <= 10; end++)
        keep(&kept, 100, end);
    assert_int_equal(count(kept.head), 1);
    assert_int_equal(kept.head->end, 10);
    assert_int_equal(kept.bytes, 1000);
    kept_deinit(&kept);
}

static void only_blocks_that_are_synced_as_a_whole_are_given_up(void **state)
{
    (void)state;
    struct kept kept = {0};
    keep(&kept, LARGE, 10);
    keep(&kept, LARGE, 20);
    keep(&kept, 1, 30);
    kept_free(kept_remove_synced(&kept, 19));
    assert_int_equal(count(kept.head), 2);
    assert_int_equal(kept.bytes, LARGE + 1);
    kept_free(kept_remove_synced(&kept, 30));
    assert_null(kept.head);
    assert_null(kept.tail);
    assert_int_equal(kept.bytes, 0);
    kept_deinit(&kept);
}

static void the_block_that_is_used_again_stands_alone(void **state)
{
    (void)state;
    struct kept kept = {0};
    keep(&kept, LARGE, 10);
    keep(&kept, LARGE, 20);
    keep(&kept, LARGE, 30);
    struct kept_block *removed = kept_remove_synced(&kept, 30);
    assert_int_equal(count(removed), 2);
    assert_int_equal(count(kept.spare), 1);
    kept_free(removed);
    kept_deinit(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_frames_share_a_block),
        cmocka_unit_test(only_blocks_that_are_synced_as_a_whole_are_given_up),
        cmocka_unit_test(the_block_that_is_used_again_stands_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
