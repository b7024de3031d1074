/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

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

/* A small lock that spins shortly and then sleeps on a futex. Workers take partitions with lock_try only,
 * so that a loop never sleeps; background threads may use lock_acquire. */
struct lock {
    _Atomic uint32_t state; /* 0 free, 1 held, 2 held and slept on */
    uint16_t rank;
    uint16_t index;
    uint32_t holder; /* thread number in debug builds, else unused */
};

#if defined(__clang__)
#define LOCK_ATTRIBUTE(x) __attribute__((x))
#else
#define LOCK_ATTRIBUTE(x)
#endif
#define REQUIRES(...)

void lock_init(struct lock *lock, enum lock_rank rank, uint16_t index);

void lock_acquire_slow(struct lock *lock);
void lock_release_slow(struct lock *lock);
bool lock_try_slow(struct lock *lock);
#ifdef FOREBAY_DEBUG
void lock_note_acquired(struct lock *lock);
void lock_note_released(struct lock *lock);
void lock_check_order(const struct lock *lock);
#else
static inline void lock_note_acquired(struct lock *lock)
{
    (void)lock;
}
static inline void lock_note_released(struct lock *lock)
{
    (void)lock;
}
static inline void lock_check_order(const struct lock *lock)
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

/* Takes the lock or gives up after a short spin (a microsecond or two). */
static inline bool lock_try(struct lock *lock)
{
    uint32_t free_state = 0;
    lock_check_order(lock);
    if (!atomic_compare_exchange_strong_explicit(&lock->state, &free_state, 1, memory_order_acquire,
                                                 memory_order_relaxed) &&
        !lock_try_slow(lock))
        return false;
    lock_note_acquired(lock);
    return true;
}

static inline void lock_release(struct lock *lock)
{
    lock_note_released(lock);
    if (atomic_exchange_explicit(&lock->state, 0, memory_order_release) == 2)
        lock_release_slow(lock);
}

/* Aborts in debug builds unless this thread holds the lock. */
#ifdef FOREBAY_DEBUG
void lock_assert_held(const struct lock *lock);
#else
static inline void lock_assert_held(const struct lock *lock)
{
    (void)lock;
}
#endif
