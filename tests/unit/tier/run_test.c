/* SPDX-License-Identifier: BSD-3-Clause */
#include "tier/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "object/string_object.h"

#define ROWS 3000

static void what_has_room_is_not_moved_while_it_is_added_to(void **state)
{
    (void)state;
    struct run run = {0};
    struct object value;
    char name[24];
    assert_true(string_object_from_bytes(BYTES("value"), &value));
    for (unsigned round = 0; round < 5; round++) {
        run_make_room(&run, ROWS, ROWS * 64);
        const void *rows = run.rows, *bytes = run.bytes.data;
        for (unsigned i = 0; i < ROWS; i++) {
            snprintf(name, sizeof(name), "k%u", i);
            struct row_key key = {.slot = 7, .hash = i, .name = bytes_of_text(name)};
            run_add(&run, &key, &value, -1, 1);
        }
        assert_ptr_equal(run.rows, rows);
        assert_ptr_equal(run.bytes.data, bytes);
    }
    assert_int_equal(run.count, 5 * ROWS);
    run_deinit(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_has_room_is_not_moved_while_it_is_added_to)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
