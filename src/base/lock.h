/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/parking.h"

/* The order in which locks are taken; a thread that holds one takes only later ones, and of one rank only
 * LOCK_PARTITION may be held more than once, in ascending index. Debug builds check it at every acquisition. */
enum lock_rank {
    LOCK_NONE,
    LOCK_GATE,
    LOCK_PARTITION,
    LOCK_STREAM,
    LOCK_LEAF, /* registries: channels, users, clients, one of them at a time */
    LOCK_MAILBOX,
    LOCK_RANK_COUNT,
};

/* A small lock that spins shortly and then sleeps on a futex. Workers take partitions with lock_try only, so that a
 * loop never sleeps, and park where that fails; background threads may use lock_acquire. Who sleeps in it and finds the
 * lock taken again and again keeps the workers' tries out, so that they cannot starve it. */
struct lock {
    _Atomic uint32_t state; /* 0 free, 1 held, 2 held and waited for */
    uint16_t rank;
    uint16_t index;
    uint32_t holder;          /* thread number in debug builds, else unused */
    _Atomic uint32_t starved; /* sleepers whose turn it is, and reservations: lock_try fails */
    struct parking parking;
#ifdef FOREBAY_HOLDS
    int64_t since_ns, since_clock_ns;
    uint64_t since_steps;
#endif
};

/* Free. The index counts among the locks of a rank. */
void lock_init(struct lock *lock, enum lock_rank rank, uint16_t index);

/* Of the longest hold of a partition since the last call: the thread's time of the processor, so that what other
 * processes took does not count, or what passed on the clock if that is less: a virtual machine tells late of time that
 * it was not given, and the thread's may jump by some milliseconds. And who it was. Builds with HOLDS=1 measure it; -1 in
 * others. A machine that takes time away does not change how many basic blocks were executed. */
struct lock_hold {
    int64_t ns;
    uint64_t steps;      /* basic blocks that it executed, of our code alone */
    uint64_t steps_most; /* of any hold since the last call */
    char thread[16];
};
struct lock_hold lock_longest_hold(void);

/* What the inline functions below do when the lock is not free, or is waited for; and what they check in debug builds. */
void lock_acquire_slow(struct lock *lock);
void lock_release_slow(struct lock *lock);
bool lock_try_slow(struct lock *lock);
#ifdef FOREBAY_DEBUG
void lock_check_order(const struct lock *lock);
#else
static inline void lock_check_order(const struct lock *lock)
{
    (void)lock;
}
#endif
#if defined(FOREBAY_DEBUG) || defined(FOREBAY_HOLDS)
void lock_note_acquired(struct lock *lock);
void lock_note_released(struct lock *lock);
#else
static inline void lock_note_acquired(struct lock *lock)
{
    (void)lock;
}
static inline void lock_note_released(struct lock *lock)
{
    (void)lock;
}
#endif

/* Takes the lock; spins, then sleeps. Not for partition locks on a worker. */
static inline void lock_acquire(struct lock *lock)
{
    uint32_t free_state = 0;
    lock_check_order(lock);
    if (!atomic_compare_exchange_strong_explicit(&lock->state, &free_state, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        lock_acquire_slow(lock);
    lock_note_acquired(lock);
}

/* The same out of order, for a rank of which at most one thread waits while it holds another. */
static inline void lock_acquire_unordered(struct lock *lock)
{
    uint32_t free_state = 0;
    if (!atomic_compare_exchange_strong_explicit(&lock->state, &free_state, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        lock_acquire_slow(lock);
    lock_note_acquired(lock);
}

/* Takes the lock or gives up: after a short spin (a microsecond or two), or at once if somebody starves. */
static inline bool lock_try(struct lock *lock)
{
    uint32_t free_state = 0;
    lock_check_order(lock);
    if (__builtin_expect(atomic_load_explicit(&lock->starved, memory_order_relaxed) != 0, 0))
        return false;
    if (!atomic_compare_exchange_strong_explicit(&lock->state, &free_state, 1, memory_order_acquire,
                                                 memory_order_relaxed) &&
        !lock_try_slow(lock))
        return false;
    lock_note_acquired(lock);
    return true;
}

/* Keeps the tries of others out, but for lock_try_reserved, until it is taken back, once for each time; those who sleep in it may
 * get it. Any thread, whoever holds the lock. */
void lock_reserve(struct lock *lock);
void lock_unreserve(struct lock *lock);
/* As lock_try, past reservations and those who starve. */
bool lock_try_reserved(struct lock *lock);

static inline void lock_release(struct lock *lock)
{
    lock_note_released(lock);
    if (atomic_exchange_explicit(&lock->state, 0, memory_order_acq_rel) == 2)
        lock_release_slow(lock);
}

/* Whether somebody held it a moment ago. */
static inline bool lock_is_held(const struct lock *lock)
{
    return atomic_load_explicit(&lock->state, memory_order_relaxed) != 0;
}

/* For its holder: whether somebody waits for it, as far as is known. */
static inline bool lock_is_wanted(const struct lock *lock)
{
    return atomic_load_explicit(&lock->state, memory_order_relaxed) == 2 ||
           atomic_load_explicit(&lock->starved, memory_order_relaxed) != 0;
}

/* After a failed lock_try: has the mail posted when the lock was released, at once if it is free by now. Whoever gets
 * it has to try again. */
void lock_park(struct lock *lock, struct parked *parked);
/* The same for who has reserved it, after a failed lock_try_reserved. */
void lock_park_reserved(struct lock *lock, struct parked *parked);

/* Aborts in debug builds unless this thread holds the lock. */
#ifdef FOREBAY_DEBUG
void lock_assert_held(const struct lock *lock);
#else
static inline void lock_assert_held(const struct lock *lock)
{
    (void)lock;
}
#endif
