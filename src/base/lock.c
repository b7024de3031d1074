/* SPDX-License-Identifier: BSD-3-Clause */
/* The slow halves of the lock, and in debug builds the proof of its order.
 *
 * State 2 means that somebody may sleep or be parked. Who has slept takes the lock in state 2, since others may sleep
 * still; the price is at times a wake-up for nobody. A release therefore wakes one sleeper and all who are parked, and
 * only from state 2.
 *
 * A sleeper that was woken competes with everybody else, which is cheapest while nobody is unlucky. One that was woken
 * in vain several times counts itself as starved until it has the lock.
 *
 * Who parks puts itself into the parking first and then makes a held lock's state 2, so the release that follows finds
 * it. A free lock that somebody starves for, or that is reserved, will be taken in state 2, or the parked are woken when that
 * ends.
 *
 * L1 (debug) a thread's held locks stand in its stack in ascending (rank, index): every acquisition is checked
 *    against the top alone, and a removal from the middle keeps the order. */
#include "base/lock.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/check.h"
#include "base/futex.h"
#include "base/thread.h"

#define SPINS 100
/* Wake-ups in vain before a sleeper keeps the tries out. */
#define PATIENCE 3

static inline void spin_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void lock_init(struct lock *lock, enum lock_rank rank, uint16_t index)
{
    check(rank > LOCK_NONE && rank < LOCK_RANK_COUNT);
    atomic_init(&lock->state, 0);
    lock->rank = (uint16_t)rank;
    lock->index = index;
    lock->holder = 0;
    atomic_init(&lock->starved, 0);
    parking_init(&lock->parking);
}

bool lock_try_slow(struct lock *lock)
{
    for (int i = 0; i < SPINS; i++) {
        uint32_t state = atomic_load_explicit(&lock->state, memory_order_relaxed);
        if (state == 0 &&
            atomic_compare_exchange_weak_explicit(&lock->state, &state, 1, memory_order_acquire, memory_order_relaxed))
            return true;
        spin_pause();
    }
    return false;
}

void lock_acquire_slow(struct lock *lock)
{
    if (lock_try_slow(lock))
        return;
    unsigned sleeps = 0;
    while (atomic_exchange(&lock->state, 2) != 0) {
        if (sleeps++ == PATIENCE)
            atomic_fetch_add(&lock->starved, 1);
        futex_wait(&lock->state, 2, NULL);
    }
    if (sleeps > PATIENCE)
        atomic_fetch_sub(&lock->starved, 1);
}

void lock_reserve(struct lock *lock)
{
    atomic_fetch_add(&lock->starved, 1);
}

/* Who has parked at a free lock, for which somebody starved, would wait for a release that may not come. */
void lock_unreserve(struct lock *lock)
{
    atomic_fetch_sub(&lock->starved, 1);
    parking_wake(&lock->parking);
}

bool lock_try_reserved(struct lock *lock)
{
    uint32_t free_state = 0;
    if (atomic_load_explicit(&lock->starved, memory_order_relaxed) == 0)
        return lock_try(lock);
    lock_check_order(lock);
    if (!atomic_compare_exchange_strong_explicit(&lock->state, &free_state, 2, memory_order_acquire,
                                                 memory_order_relaxed))
        return false;
    lock_note_acquired(lock);
    return true;
}

void lock_release_slow(struct lock *lock)
{
    futex_wake(&lock->state);
    parking_wake(&lock->parking);
}

/* False if nobody holds it. */
static bool ask_for_wake(struct lock *lock)
{
    uint32_t state = 1;
    while (!atomic_compare_exchange_strong(&lock->state, &state, 2))
        if (state == 0)
            return false;
    return true;
}

void lock_park(struct lock *lock, struct parked *parked)
{
    parking_add(&lock->parking, parked);
    if (!ask_for_wake(lock) && atomic_load(&lock->starved) == 0)
        parking_wake(&lock->parking);
}

void lock_park_reserved(struct lock *lock, struct parked *parked)
{
    parking_add(&lock->parking, parked);
    if (!ask_for_wake(lock))
        parking_wake(&lock->parking);
}

#ifdef FOREBAY_DEBUG

/* Every partition, and one lock of each other rank. */
#define HELD_MAX (4096 + LOCK_RANK_COUNT)

static _Thread_local const struct lock *held[HELD_MAX];
static _Thread_local unsigned held_count;

static const char *rank_name(unsigned rank)
{
    static const char *const names[LOCK_RANK_COUNT] = {
        [LOCK_NONE] = "none",     [LOCK_GATE] = "gate", [LOCK_PARTITION] = "partition",
        [LOCK_STREAM] = "stream", [LOCK_LEAF] = "leaf", [LOCK_MAILBOX] = "mailbox",
    };
    return rank < LOCK_RANK_COUNT ? names[rank] : "unknown";
}

void lock_check_order(const struct lock *lock)
{
    if (lock->rank == LOCK_NONE)
        check_failed(__FILE__, __LINE__, __func__, "lock has a rank (lock_init was not called)");
    if (held_count == 0)
        return;
    const struct lock *top = held[held_count - 1];
    if (top->rank < lock->rank)
        return;
    if (top->rank == lock->rank && lock->rank == LOCK_PARTITION && top->index < lock->index)
        return;
    char text[160];
    snprintf(text, sizeof(text), "lock order: taking %s %u while holding %s %u", rank_name(lock->rank), lock->index,
             rank_name(top->rank), top->index);
    check_failed(__FILE__, __LINE__, __func__, text);
}

void lock_note_acquired(struct lock *lock)
{
    check(held_count < HELD_MAX);
    held[held_count++] = lock;
    lock->holder = thread_number();
}

void lock_note_released(struct lock *lock)
{
    lock_assert_held(lock);
    unsigned at = held_count;
    while (at > 0 && held[at - 1] != lock)
        at--;
    check(at > 0);
    for (; at < held_count; at++)
        held[at - 1] = held[at];
    held_count--;
    lock->holder = 0;
}

void lock_assert_held(const struct lock *lock)
{
    if (atomic_load_explicit(&lock->state, memory_order_relaxed) == 0)
        check_failed(__FILE__, __LINE__, __func__, "lock is held (it is free)");
    if (__atomic_load_n(&lock->holder, __ATOMIC_RELAXED) != thread_number())
        check_failed(__FILE__, __LINE__, __func__, "lock is held by this thread (it is held by another)");
}

#endif

#ifdef FOREBAY_HOLDS

#define COST_ROUNDS 1000

static pthread_mutex_t longest_lock = PTHREAD_MUTEX_INITIALIZER;
static struct lock_hold longest;
static _Atomic int64_t longest_ns;
static _Atomic uint64_t steps_most;
static _Thread_local uint64_t steps;

/* The compiler puts a call of it into each basic block of a build with HOLDS=1 (-fsanitize-coverage=trace-pc). */
void __sanitizer_cov_trace_pc(void);
__attribute__((no_sanitize_coverage)) void __sanitizer_cov_trace_pc(void)
{
    steps++;
}

/* Without what asking for it has taken: who holds all asks 512 times. */
static int64_t thread_ns(void)
{
    static _Thread_local int64_t asked, cost_ns;
    struct timespec now, then;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    for (int i = 0; cost_ns == 0 && i < COST_ROUNDS; i++)
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &then);
    if (cost_ns == 0) {
        cost_ns = ((int64_t)(then.tv_sec - now.tv_sec) * 1000000000 + then.tv_nsec - now.tv_nsec) / COST_ROUNDS;
        asked = COST_ROUNDS;
        now = then;
    }
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - asked++ * cost_ns;
}

static int64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void lock_note_acquired(struct lock *lock)
{
    if (lock->rank != LOCK_PARTITION)
        return;
    lock->since_ns = thread_ns();
    lock->since_clock_ns = clock_ns();
    lock->since_steps = steps;
}

static void note_longest(int64_t ns, uint64_t steps_taken)
{
    pthread_mutex_lock(&longest_lock);
    if (steps_taken > atomic_load(&steps_most))
        atomic_store(&steps_most, steps_taken);
    if (ns > atomic_load(&longest_ns)) {
        atomic_store(&longest_ns, ns);
        longest.ns = ns;
        longest.steps = steps_taken;
        prctl(PR_GET_NAME, longest.thread);
    }
    pthread_mutex_unlock(&longest_lock);
}

void lock_note_released(struct lock *lock)
{
    if (lock->rank != LOCK_PARTITION)
        return;
    int64_t on_clock_ns = clock_ns() - lock->since_clock_ns;
    int64_t ns = thread_ns() - lock->since_ns;
    if (ns > on_clock_ns)
        ns = on_clock_ns;
    uint64_t taken = steps - lock->since_steps;
    if (ns > atomic_load_explicit(&longest_ns, memory_order_relaxed) ||
        taken > atomic_load_explicit(&steps_most, memory_order_relaxed))
        note_longest(ns, taken);
}

struct lock_hold lock_longest_hold(void)
{
    pthread_mutex_lock(&longest_lock);
    struct lock_hold hold = longest;
    hold.steps_most = atomic_exchange(&steps_most, 0);
    longest = (struct lock_hold){0};
    atomic_store(&longest_ns, 0);
    pthread_mutex_unlock(&longest_lock);
    return hold;
}

#else

struct lock_hold lock_longest_hold(void)
{
    return (struct lock_hold){.ns = -1};
}

#endif
