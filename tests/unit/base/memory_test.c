/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/memory.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/thread.h"

#define BLOCKS 1000
#define BLOCK_SIZE 10000

/* What the test's own harness may allocate meanwhile. */
#define SLACK 200000

static void assert_near(size_t actual, size_t expected)
{
    size_t distance = actual > expected ? actual - expected : expected - actual;
    if (distance > SLACK)
        fail_msg("%zu bytes are not near %zu", actual, expected);
}

static void the_count_follows_allocations(void **state)
{
    (void)state;
    void *blocks[BLOCKS];
    memory_refresh();
    size_t before = memory_allocated(), usable = 0;
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = memory_allocate(BLOCK_SIZE);
        usable += memory_usable_size(blocks[i]);
    }
    assert_near(memory_allocated(), before + usable);
    memory_refresh();
    assert_near(memory_allocated(), before + usable);
    for (int i = 0; i < BLOCKS; i++)
        memory_free(blocks[i]);
    assert_near(memory_allocated(), before);
}

static void *left_behind[BLOCKS];

static void allocate_and_end(void *argument)
{
    (void)argument;
    for (int i = 0; i < BLOCKS; i++)
        left_behind[i] = memory_allocate(BLOCK_SIZE);
}

static void what_an_ended_thread_allocated_still_counts(void **state)
{
    (void)state;
    size_t before = memory_allocated();
    struct thread thread;
    thread_start(&thread, "allocator", allocate_and_end, NULL);
    thread_stop(&thread);
    size_t held = BLOCKS * memory_usable_size(left_behind[0]);
    assert_near(memory_allocated(), before + held);
    for (int i = 0; i < BLOCKS; i++)
        memory_free(left_behind[i]);
    assert_near(memory_allocated(), before);
}

static void *allocate_as_a_stranger(void *argument)
{
    allocate_and_end(argument);
    return NULL;
}

static void a_strangers_allocations_count_after_a_refresh(void **state)
{
    (void)state;
    memory_refresh();
    size_t before = memory_allocated();
    pthread_t stranger;
    assert_int_equal(pthread_create(&stranger, NULL, allocate_as_a_stranger, NULL), 0);
    pthread_join(stranger, NULL);
    memory_refresh();
    assert_near(memory_allocated(), before + BLOCKS * memory_usable_size(left_behind[0]));
    for (int i = 0; i < BLOCKS; i++)
        memory_free(left_behind[i]);
}

static void a_size_class_is_what_an_allocation_gets(void **state)
{
    (void)state;
    for (size_t size = 0; size < 70000; size += size < 300 ? 1 : 997) {
        void *block = memory_allocate(size);
        assert_int_equal(memory_size_class(size), memory_usable_size(block));
        memory_free(block);
    }
}

static void resizing_keeps_the_bytes(void **state)
{
    (void)state;
    char *block = memory_resize(NULL, 10);
    memcpy(block, "0123456789", 10);
    block = memory_resize(block, 100000);
    assert_memory_equal(block, "0123456789", 10);
    block = memory_resize(block, 5);
    assert_memory_equal(block, "01234", 5);
    memory_free(block);
    char *zeroed = memory_allocate_zeroed(1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(zeroed[i], 0);
    memory_free(zeroed);
    memory_free(NULL);
}

static void a_clients_impossible_request_fails_softly(void **state)
{
    (void)state;
#ifndef FOREBAY_NO_JEMALLOC /* sanitizers end the program instead */
    assert_null(memory_try_allocate(SIZE_MAX / 2));
#endif
    void *block = memory_try_allocate(100);
    assert_non_null(block);
    memory_free(block);
}

static void the_kernels_figures_are_plausible(void **state)
{
    (void)state;
    memory_refresh();
    assert_true(memory_resident() > 500000);
    assert_true(memory_of_machine() > 16 << 20);
    assert_true(memory_of_machine() < UINT64_C(1) << 48);
    memory_purge();
}

static _Atomic int destroyed;
static pthread_t destroyer;

static void destroy_and_note(void *block)
{
    destroyer = pthread_self();
    memory_free(block);
    atomic_fetch_add(&destroyed, 1);
}

static void a_late_free_happens_on_the_reaper(void **state)
{
    (void)state;
    atomic_store(&destroyed, 0);
    memory_reaper_start();
    for (int i = 0; i < 1000; i++)
        memory_free_later(memory_allocate(1000), destroy_and_note);
    memory_reaper_stop();
    assert_int_equal(atomic_load(&destroyed), 1000);
    memory_reaper_stop();
}

static void without_a_reaper_a_late_free_happens_at_once(void **state)
{
    (void)state;
    atomic_store(&destroyed, 0);
    memory_free_later(memory_allocate(1000), destroy_and_note);
    assert_int_equal(atomic_load(&destroyed), 1);
    assert_true(pthread_equal(destroyer, pthread_self()));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_count_follows_allocations),
        cmocka_unit_test(what_an_ended_thread_allocated_still_counts),
        cmocka_unit_test(a_strangers_allocations_count_after_a_refresh),
        cmocka_unit_test(a_size_class_is_what_an_allocation_gets),
        cmocka_unit_test(resizing_keeps_the_bytes),
        cmocka_unit_test(a_clients_impossible_request_fails_softly),
        cmocka_unit_test(the_kernels_figures_are_plausible),
        cmocka_unit_test(a_late_free_happens_on_the_reaper),
        cmocka_unit_test(without_a_reaper_a_late_free_happens_at_once),
    };
    memory_thread_enter();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    memory_thread_leave();
    return failed;
}
