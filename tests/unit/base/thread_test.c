/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/metric.h"

#define THREADS 16

static pthread_barrier_t all_alive;

static void note_number(void *argument)
{
    *(uint32_t *)argument = thread_number();
    pthread_barrier_wait(&all_alive);
    metric_add(METRIC_expired_keys, 2);
    assert_int_equal(thread_number(), *(uint32_t *)argument);
}

static void run_threads(uint32_t numbers[THREADS])
{
    struct thread threads[THREADS];
    pthread_barrier_init(&all_alive, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        thread_start(&threads[i], "a name that is longer than allowed", note_number, &numbers[i]);
    for (int i = 0; i < THREADS; i++)
        thread_stop(&threads[i]);
    pthread_barrier_destroy(&all_alive);
}

static void live_threads_have_numbers_of_their_own(void **state)
{
    (void)state;
    uint32_t numbers[THREADS], own = thread_number();
    run_threads(numbers);
    for (int i = 0; i < THREADS; i++) {
        assert_in_range(numbers[i], 1, THREADS_MAX - 1);
        assert_int_not_equal(numbers[i], own);
        for (int j = 0; j < i; j++)
            assert_int_not_equal(numbers[i], numbers[j]);
    }
}

static void numbers_of_ended_threads_are_used_again(void **state)
{
    (void)state;
    uint32_t numbers[THREADS];
    for (int i = 0; i < 3 * THREADS_MAX / THREADS; i++)
        run_threads(numbers);
    for (int i = 0; i < THREADS; i++)
        assert_in_range(numbers[i], 1, THREADS_MAX - 1);
}

static void counts_of_ended_threads_are_kept_until_a_reset(void **state)
{
    (void)state;
    uint32_t numbers[THREADS];
    metric_reset();
    assert_int_equal(metric_read(METRIC_expired_keys), 0);
    run_threads(numbers);
    run_threads(numbers);
    metric_add(METRIC_expired_keys, 1);
    assert_int_equal(metric_read(METRIC_expired_keys), 2 * 2 * THREADS + 1);
    assert_int_equal(metric_read(METRIC_evicted_keys), 0);
    metric_reset();
    assert_int_equal(metric_read(METRIC_expired_keys), 0);
    assert_string_equal(metric_rows[METRIC_expired_keys].name, "expired_keys");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_threads_have_numbers_of_their_own),
        cmocka_unit_test(numbers_of_ended_threads_are_used_again),
        cmocka_unit_test(counts_of_ended_threads_are_kept_until_a_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
