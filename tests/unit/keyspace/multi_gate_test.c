/* SPDX-License-Identifier: BSD-3-Clause */
/* Holding several partitions, and all of them, from many threads. */
#include "keyspace/multi_gate.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "keyspace/keyspace.h"

static void a_wish_keeps_new_ones_out_and_is_served_in_order(void **state)
{
    (void)state;
    static struct multi_gate gate;
    multi_gate_init(&gate);
    assert_true(multi_gate_try_shared(&gate, 0));
    assert_false(multi_gate_try_exclusive(&gate, 1));
    assert_false(multi_gate_try_exclusive(&gate, 2));
    assert_false(multi_gate_try_shared(&gate, 3));
    multi_gate_leave_shared(&gate, 0);
    assert_false(multi_gate_try_exclusive(&gate, 2));
    assert_false(multi_gate_try_shared(&gate, 3));
    assert_true(multi_gate_try_exclusive(&gate, 1));
    multi_gate_leave(&gate, 1);
    assert_false(multi_gate_try_exclusive(&gate, 1)); /* behind 2 now */
    multi_gate_leave(&gate, 2);                       /* gives up its wish */
    assert_true(multi_gate_try_exclusive(&gate, 1));
    multi_gate_leave(&gate, 1);
    multi_gate_leave(&gate, 1); /* harmless */
    assert_true(multi_gate_try_shared(&gate, 3));
    multi_gate_leave_shared(&gate, 3);
}

static void a_failed_try_holds_nothing(void **state)
{
    (void)state;
    struct keyspace *keyspace = keyspace_create(1);
    struct partition_set set = {0};
    partition_set_add(&set, 3);
    partition_set_add(&set, 200);
    struct lock *lock = keyspace_partition_lock(keyspace, 200);
    atomic_store(&lock->state, 1); /* somebody else's */
    assert_false(keyspace_try_several(keyspace, &set, 0));
    assert_true(keyspace_try_one(keyspace, 3));
    keyspace_release_one(keyspace, 3);
    assert_false(keyspace_try_all(keyspace, 0));
    atomic_store(&lock->state, 0);
    assert_false(keyspace_try_several(keyspace, &set, 1));
    keyspace_abandon_all(keyspace, 0);
    assert_true(keyspace_try_several(keyspace, &set, 1));
    keyspace_release_several(keyspace, &set, 1);
    keyspace_acquire_all(keyspace, 0);
    keyspace_release_all(keyspace, 0);
    keyspace_destroy(&keyspace);
}

static void set_state(struct keyspace *keyspace, uint32_t partition, uint32_t lock_state)
{
    atomic_store(&keyspace_partition_lock(keyspace, partition)->state, lock_state);
}

/* Two partitions that are held in turns: one of them always is. */
static void what_is_held_is_kept_for_who_wants_everything(void **state)
{
    (void)state;
    struct keyspace *keyspace = keyspace_create(1);
    set_state(keyspace, 3, 1); /* somebody else's */
    set_state(keyspace, 200, 1);
    assert_false(keyspace_try_all(keyspace, 0));
    set_state(keyspace, 3, 0);
    assert_false(keyspace_try_one(keyspace, 3));
    assert_true(keyspace_try_one(keyspace, 4));
    keyspace_release_one(keyspace, 4);
    assert_true(keyspace_take_back_one(keyspace, 3));
    keyspace_release_one(keyspace, 3);
    set_state(keyspace, 200, 0);
    assert_true(keyspace_try_all(keyspace, 0));
    keyspace_release_all(keyspace, 0);
    assert_true(keyspace_try_one(keyspace, 3));
    keyspace_release_one(keyspace, 3);
    set_state(keyspace, 3, 1);
    assert_false(keyspace_try_all(keyspace, 0));
    set_state(keyspace, 3, 0);
    keyspace_abandon_all(keyspace, 1); /* another's */
    assert_false(keyspace_try_one(keyspace, 3));
    keyspace_abandon_all(keyspace, 0);
    assert_true(keyspace_try_one(keyspace, 3));
    keyspace_release_one(keyspace, 3);
    keyspace_destroy(&keyspace);
}

#define WORKERS 3
#define ROUNDS 3000

struct shared_work {
    struct keyspace *keyspace;
    uint64_t counts[PARTITION_COUNT]; /* under the partitions' locks */
    uint64_t all;                     /* under all of them */
};

struct worker_work {
    struct thread thread;
    struct shared_work *shared;
    uint32_t number;
    struct mailbox home;
    struct parked parked;
};

static void parked_deliver(struct mail *mail)
{
    (void)mail;
}

static void wake_nobody(void *context)
{
    (void)context;
}

/* After a failed try: until mailed. A letter that never came would be the end of the test. */
static void wait_parked(struct worker_work *worker)
{
    struct keyspace *keyspace = worker->shared->keyspace;
    worker->parked = (struct parked){.home = &worker->home, .mail.deliver = parked_deliver};
    keyspace_park(keyspace, worker->number, keyspace_held_up_by(keyspace, worker->number), &worker->parked);
    while (mailbox_drain(&worker->home) == 0)
        sched_yield();
}

static void count_several(struct worker_work *worker, uint32_t round)
{
    struct shared_work *shared = worker->shared;
    uint32_t number = worker->number;
    struct partition_set set = {0};
    uint32_t first = round * 7 % PARTITION_COUNT, second = (round * 13 + number) % PARTITION_COUNT;
    partition_set_add(&set, first);
    partition_set_add(&set, second);
    while (!keyspace_try_several(shared->keyspace, &set, number))
        wait_parked(worker);
    shared->counts[first]++;
    shared->counts[second]++;
    keyspace_release_several(shared->keyspace, &set, number);
}

static void count_all(struct worker_work *worker)
{
    struct shared_work *shared = worker->shared;
    uint32_t number = worker->number;
    while (!keyspace_try_all(shared->keyspace, number))
        wait_parked(worker);
    shared->all++;
    for (uint32_t i = 0; i < PARTITION_COUNT; i++)
        shared->counts[i]++;
    keyspace_release_all(shared->keyspace, number);
}

static void work(void *argument)
{
    struct worker_work *worker = argument;
    mailbox_init(&worker->home, wake_nobody, NULL);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        if (round % 32 == worker->number)
            count_all(worker);
        else
            count_several(worker, round);
    }
}

static void threads_that_take_some_and_all_and_park_lose_nothing_and_end(void **state)
{
    (void)state;
    struct shared_work shared = {.keyspace = keyspace_create(1)};
    struct worker_work workers[WORKERS];
    for (uint32_t i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker_work){.shared = &shared, .number = i};
        thread_start(&workers[i].thread, "worker", work, &workers[i]);
    }
    for (uint32_t i = 0; i < WORKERS; i++)
        thread_stop(&workers[i].thread);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < PARTITION_COUNT; i++)
        sum += shared.counts[i];
    assert_int_equal(sum, shared.all * PARTITION_COUNT + 2 * (WORKERS * ROUNDS - shared.all));
    keyspace_destroy(&shared.keyspace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wish_keeps_new_ones_out_and_is_served_in_order),
        cmocka_unit_test(a_failed_try_holds_nothing),
        cmocka_unit_test(what_is_held_is_kept_for_who_wants_everything),
        cmocka_unit_test(threads_that_take_some_and_all_and_park_lose_nothing_and_end),
    };
    return cmocka_run_group_tests_name("multi_gate", tests, NULL, NULL);
}
