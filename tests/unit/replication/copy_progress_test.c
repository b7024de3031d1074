/* SPDX-License-Identifier: BSD-3-Clause */
#include "replication/copy_progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void bytes_decide_where_the_length_is_known(void **unused)
{
    (void)unused;
    struct copy_progress progress = {.bytes = 250, .bytes_total = 1000, .keys = 9, .keys_total = 10};
    assert_float_equal(copy_progress_percent(&progress), 25, 0.001);
    assert_int_equal(copy_progress_bytes_total(&progress), 1000);
}

static void keys_decide_where_it_is_not(void **unused)
{
    (void)unused;
    struct copy_progress progress = {.bytes = 300, .keys = 3, .keys_total = 10};
    assert_float_equal(copy_progress_percent(&progress), 30, 0.001);
    assert_int_equal(copy_progress_bytes_total(&progress), 1000);
}

static void more_keys_than_were_told_are_all_of_them(void **unused)
{
    (void)unused;
    struct copy_progress progress = {.bytes = 300, .keys = 12, .keys_total = 10};
    assert_float_equal(copy_progress_percent(&progress), 100, 0.001);
    assert_int_equal(copy_progress_bytes_total(&progress), 300);
}

static void nothing_is_said_of_what_nobody_knows(void **unused)
{
    (void)unused;
    struct copy_progress progress = {.bytes = 300, .keys = 3};
    assert_float_equal(copy_progress_percent(&progress), 0, 0.001);
    assert_int_equal(copy_progress_bytes_total(&progress), 0);
    progress = (struct copy_progress){.bytes = 300, .keys_total = 3};
    assert_int_equal(copy_progress_bytes_total(&progress), 0);
}

static void a_quick_sync_is_not_told_step_by_step(void **unused)
{
    (void)unused;
    struct copy_telling telling = {0};
    for (uint64_t keys = 1; keys <= 100; keys++) {
        struct copy_progress progress = {.keys = keys, .keys_total = 100};
        assert_false(copy_telling_is_due(&telling, &progress, 1000, 1000 + (int64_t)keys));
    }
}

static void a_slow_one_is_told_by_its_steps_and_by_time(void **unused)
{
    (void)unused;
    struct copy_telling telling = {0};
    struct copy_progress progress = {.keys = 5, .keys_total = 100};
    assert_false(copy_telling_is_due(&telling, &progress, 1000, 5999));
    assert_true(copy_telling_is_due(&telling, &progress, 1000, 6000));
    assert_false(copy_telling_is_due(&telling, &progress, 1000, 7500));
    progress.keys = 10;
    assert_true(copy_telling_is_due(&telling, &progress, 1000, 7500));
    progress.keys = 20;
    assert_false(copy_telling_is_due(&telling, &progress, 1000, 8000));
    assert_true(copy_telling_is_due(&telling, &progress, 1000, 8500));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_decide_where_the_length_is_known),
        cmocka_unit_test(keys_decide_where_it_is_not),
        cmocka_unit_test(more_keys_than_were_told_are_all_of_them),
        cmocka_unit_test(nothing_is_said_of_what_nobody_knows),
        cmocka_unit_test(a_quick_sync_is_not_told_step_by_step),
        cmocka_unit_test(a_slow_one_is_told_by_its_steps_and_by_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
