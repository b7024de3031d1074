/* SPDX-License-Identifier: BSD-3-Clause */
#include "object/block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct block *block_of(const char *text)
{
    struct block *block = block_create(strlen(text), 0);
    assert_non_null(block);
    memcpy(block->data, text, block->length);
    return block;
}

static void block_is_private_while_one_holds_it(void **state)
{
    (void)state;
    struct block *block = block_of("alone");
    assert_ptr_equal(block_make_private(block, 0), block);
    assert_ptr_equal(block_make_private(block, block->capacity), block);
    block_release(block);
}

static void block_is_copied_while_others_hold_it(void **state)
{
    (void)state;
    struct block *block = block_of("shared");
    block_acquire(block);
    struct block *copy = block_make_private(block, 0);
    assert_ptr_not_equal(copy, block);
    copy->data[0] = 'S';
    assert_memory_equal(block->data, "shared", 6);
    assert_memory_equal(copy->data, "Shared", 6);
    assert_int_equal(block->references, 1);
    block_release(copy);
    block_release(block);
}

static void block_grows_with_its_contents(void **state)
{
    (void)state;
    struct block *block = block_make_private(block_of("grow"), 3 << 20);
    assert_int_equal(block->length, 4);
    assert_true(block->capacity >= 3 << 20);
    assert_memory_equal(block->data, "grow", 4);
    block->data[block->capacity - 1] = 'x';
    block_release(block);
}

static void block_too_large_to_exist_is_refused_and_the_reference_kept(void **state)
{
    (void)state;
    struct block *block = block_of("kept");
    assert_null(block_create(0, SIZE_MAX));
    assert_null(block_make_private(block, SIZE_MAX));
    assert_int_equal(block->references, 1);
    block_release(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_is_private_while_one_holds_it),
        cmocka_unit_test(block_is_copied_while_others_hold_it),
        cmocka_unit_test(block_grows_with_its_contents),
        cmocka_unit_test(block_too_large_to_exist_is_refused_and_the_reference_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
