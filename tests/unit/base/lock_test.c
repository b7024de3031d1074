/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/lock.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/thread.h"

#define ROUNDS 50000

static struct lock shared;
static uint64_t guarded; /* under shared */

static void count_with_acquire(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        lock_acquire(&shared);
        guarded++;
        lock_release(&shared);
    }
}

static void count_with_try(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS;) {
        if (!lock_try(&shared))
            continue;
        guarded++;
        lock_release(&shared);
        i++;
    }
}

static void contention_loses_no_update_and_no_sleeper(void **state)
{
    (void)state;
    struct thread threads[4];
    lock_init(&shared, LOCK_LEAF, 0);
    guarded = 0;
    for (int i = 0; i < 4; i++)
        thread_start(&threads[i], "counter", i == 0 ? count_with_try : count_with_acquire, NULL);
    for (int i = 0; i < 4; i++)
        thread_stop(&threads[i]);
    assert_int_equal(guarded, 4 * ROUNDS);
    assert_int_equal(atomic_load(&shared.state), 0);
}

static void try_and_remember(void *argument)
{
    bool *taken = argument;
    *taken = lock_try(&shared);
    if (*taken)
        lock_release(&shared);
}

static bool another_thread_can_take_it(void)
{
    struct thread thread;
    bool taken = false;
    thread_start(&thread, "other", try_and_remember, &taken);
    thread_stop(&thread);
    return taken;
}

static void a_held_lock_is_not_taken_and_a_released_one_is(void **state)
{
    (void)state;
    lock_init(&shared, LOCK_STREAM, 0);
    assert_true(lock_try(&shared));
    lock_assert_held(&shared);
    assert_false(another_thread_can_take_it());
    lock_release(&shared);
    assert_true(another_thread_can_take_it());
}

/* Keeps the lock busy as two workers can: it is hardly ever free when somebody looks. */
static _Atomic bool busy_stop;

static void keep_it_busy(void *argument)
{
    (void)argument;
    while (!atomic_load(&busy_stop)) {
        if (!lock_try(&shared))
            continue;
        for (int i = 0; i < 200; i++)
            guarded++;
        lock_release(&shared);
    }
}

static void tries_of_others_do_not_starve_a_sleeper(void **state)
{
    (void)state;
    struct thread threads[2];
    lock_init(&shared, LOCK_LEAF, 0);
    atomic_store(&busy_stop, false);
    for (int i = 0; i < 2; i++)
        thread_start(&threads[i], "busy", keep_it_busy, NULL);
    for (int i = 0; i < 200; i++) {
        lock_acquire(&shared);
        lock_release(&shared);
    }
    atomic_store(&busy_stop, true);
    for (int i = 0; i < 2; i++)
        thread_stop(&threads[i]);
    assert_int_equal(atomic_load(&shared.starved), 0);
}

struct visitor {
    struct parked parked;
    unsigned mailed;
};

static void visitor_deliver(struct mail *mail)
{
    ((struct visitor *)((char *)mail - offsetof(struct visitor, parked.mail)))->mailed++;
}

static void wake_nobody(void *context)
{
    (void)context;
}

static void visitor_park(struct visitor *visitor, struct mailbox *home)
{
    *visitor = (struct visitor){.parked = {.home = home, .mail.deliver = visitor_deliver}};
    lock_park(&shared, &visitor->parked);
}

static void the_parked_are_mailed_by_the_release(void **state)
{
    (void)state;
    struct mailbox home;
    struct visitor visitors[3], late;
    mailbox_init(&home, wake_nobody, NULL);
    lock_init(&shared, LOCK_LEAF, 0);
    assert_true(lock_try(&shared));
    for (int i = 0; i < 3; i++)
        visitor_park(&visitors[i], &home);
    assert_int_equal(mailbox_drain(&home), 0);
    lock_release(&shared);
    assert_int_equal(mailbox_drain(&home), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(visitors[i].mailed, 1);
    /* It is free: there is no release to wait for. */
    visitor_park(&late, &home);
    assert_int_equal(mailbox_drain(&home), 1);
    assert_true(lock_try(&shared));
    lock_release(&shared);
    assert_int_equal(mailbox_drain(&home), 0);
}

static void a_reserved_lock_waits_for_who_has_reserved_it(void **state)
{
    (void)state;
    struct mailbox home;
    struct visitor other, reserver;
    lock_init(&shared, LOCK_PARTITION, 0);
    mailbox_init(&home, wake_nobody, NULL);
    lock_reserve(&shared);
    assert_false(lock_try(&shared));
    visitor_park(&other, &home);
    reserver = (struct visitor){.parked = {.home = &home, .mail.deliver = visitor_deliver}};
    assert_int_equal(mailbox_drain(&home), 0);
    lock_park_reserved(&shared, &reserver.parked); /* it is free: those before it are woken as well */
    assert_int_equal(mailbox_drain(&home), 2);
    visitor_park(&other, &home);
    atomic_store(&shared.state, 2); /* somebody else's */
    assert_false(lock_try_reserved(&shared));
    atomic_store(&shared.state, 0);
    assert_true(lock_try_reserved(&shared));
    lock_release(&shared);
    assert_int_equal(mailbox_drain(&home), 1);
    visitor_park(&other, &home);
    lock_unreserve(&shared);
    assert_int_equal(mailbox_drain(&home), 1);
    assert_true(lock_try(&shared));
    lock_release(&shared);
}

/* Threads that park when a try fails, and do nothing until mailed: a lost letter would be the end of it. */
static void count_with_park(void *argument)
{
    (void)argument;
    struct mailbox home;
    mailbox_init(&home, wake_nobody, NULL);
    for (int i = 0; i < ROUNDS;) {
        struct visitor visitor;
        if (lock_try(&shared)) {
            guarded++;
            lock_release(&shared);
            i++;
            continue;
        }
        visitor_park(&visitor, &home);
        while (mailbox_drain(&home) == 0)
            sched_yield();
    }
}

static void no_parked_thread_is_forgotten_among_sleepers(void **state)
{
    (void)state;
    struct thread threads[4];
    lock_init(&shared, LOCK_LEAF, 0);
    guarded = 0;
    for (int i = 0; i < 4; i++)
        thread_start(&threads[i], "counter", i % 2 == 0 ? count_with_park : count_with_acquire, NULL);
    for (int i = 0; i < 4; i++)
        thread_stop(&threads[i]);
    assert_int_equal(guarded, 4 * ROUNDS);
}

static void allowed_order(void)
{
    struct lock gate, low, high, stream, leaf, mailbox;
    lock_init(&gate, LOCK_GATE, 0);
    lock_init(&low, LOCK_PARTITION, 3);
    lock_init(&high, LOCK_PARTITION, 7);
    lock_init(&stream, LOCK_STREAM, 0);
    lock_init(&leaf, LOCK_LEAF, 0);
    lock_init(&mailbox, LOCK_MAILBOX, 0);
    lock_acquire(&gate);
    lock_acquire(&low);
    check(lock_try(&high));
    lock_acquire(&stream);
    lock_acquire(&leaf);
    lock_acquire(&mailbox);
    /* Releases come in any order. */
    lock_release(&low);
    lock_release(&mailbox);
    lock_release(&gate);
    lock_release(&leaf);
    lock_release(&stream);
    lock_acquire(&stream);
    lock_release(&stream);
    lock_release(&high);
}

#ifdef FOREBAY_DEBUG

static struct lock first, second;

static void take_first_then_second(void)
{
    lock_acquire(&first);
    lock_acquire(&second);
}

static void try_first_then_second(void)
{
    lock_acquire(&first);
    (void)lock_try(&second);
}

static void release_what_is_not_held(void)
{
    lock_release(&first);
}

static void assert_held_without_holding(void)
{
    lock_assert_held(&first);
}

/* Leaves with a status of its own instead of a core file. */
static void leave_with_seven(void)
{
    _exit(7);
}

static bool ends_by_a_check(void (*act)(void))
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        check_set_crash_hook(leave_with_seven);
        if (!freopen("/dev/null", "w", stderr) || !freopen("/dev/null", "w", stdout))
            _exit(1);
        act();
        _exit(0);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 7;
}

static void an_order_violation_aborts(void **state)
{
    (void)state;
    static const struct {
        enum lock_rank rank1, rank2;
        uint16_t index1, index2;
        bool allowed;
    } cases[] = {
        {LOCK_PARTITION, LOCK_GATE, 0, 0, false},      {LOCK_STREAM, LOCK_PARTITION, 0, 0, false},
        {LOCK_MAILBOX, LOCK_LEAF, 0, 0, false},        {LOCK_LEAF, LOCK_LEAF, 0, 1, false},
        {LOCK_PARTITION, LOCK_PARTITION, 5, 5, false}, {LOCK_PARTITION, LOCK_PARTITION, 5, 4, false},
        {LOCK_PARTITION, LOCK_PARTITION, 5, 6, true},  {LOCK_GATE, LOCK_STREAM, 0, 0, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        lock_init(&first, cases[i].rank1, cases[i].index1);
        lock_init(&second, cases[i].rank2, cases[i].index2);
        assert_int_equal(ends_by_a_check(take_first_then_second), !cases[i].allowed);
        assert_int_equal(ends_by_a_check(try_first_then_second), !cases[i].allowed);
    }
}

static void releasing_or_needing_what_is_not_held_aborts(void **state)
{
    (void)state;
    lock_init(&first, LOCK_LEAF, 0);
    assert_true(ends_by_a_check(release_what_is_not_held));
    assert_true(ends_by_a_check(assert_held_without_holding));
}

#endif

static void locks_taken_in_order_are_released_in_any(void **state)
{
    (void)state;
    allowed_order();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contention_loses_no_update_and_no_sleeper),
        cmocka_unit_test(a_held_lock_is_not_taken_and_a_released_one_is),
        cmocka_unit_test(tries_of_others_do_not_starve_a_sleeper),
        cmocka_unit_test(the_parked_are_mailed_by_the_release),
        cmocka_unit_test(a_reserved_lock_waits_for_who_has_reserved_it),
        cmocka_unit_test(no_parked_thread_is_forgotten_among_sleepers),
        cmocka_unit_test(locks_taken_in_order_are_released_in_any),
#ifdef FOREBAY_DEBUG
        cmocka_unit_test(an_order_violation_aborts),
        cmocka_unit_test(releasing_or_needing_what_is_not_held_aborts),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
