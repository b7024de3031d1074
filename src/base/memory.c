/* SPDX-License-Identifier: BSD-3-Clause */
/* Allocation, and how much of it there is.
 *
 * jemalloc keeps two counters for each thread, of all bytes it ever allocated and ever freed. Threads of ours
 * put the addresses of theirs into a slot; the sum of the slots, of what ended threads left and of a correction
 * is what the process holds. The correction is what the allocator's own statistics show beside that sum: the
 * doing of threads we do not know, RocksDB's above all.
 *
 * M1 a slot's counters live in the thread that owns it: they are read, and the slot is given back, only under
 *    'summing'. Whoever only wants to read and finds it taken uses the sum that its holder found last, so that
 *    nobody waits for a number.
 *
 * Sanitizers bring their own allocator. Builds with them (FOREBAY_NO_JEMALLOC) count in one shared word. */
#include "base/memory.h"

#ifndef FOREBAY_NO_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif
#include <malloc.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/thread.h"

static _Atomic int64_t allocated_correction; /* without jemalloc: the count itself */
static _Atomic size_t resident, sparse_bytes;

_Noreturn static void out_of_memory(size_t size)
{
    char text[96];
    snprintf(text, sizeof(text), "memory for %zu bytes", size);
    check_failed(__FILE__, __LINE__, __func__, text);
}

#ifdef FOREBAY_NO_JEMALLOC

static void count(void *block, int sign)
{
    atomic_fetch_add_explicit(&allocated_correction, sign * (int64_t)malloc_usable_size((void *)block),
                              memory_order_relaxed);
}

void memory_thread_enter(void)
{
}

void memory_thread_leave(void)
{
}

size_t memory_allocated(void)
{
    return (size_t)atomic_load_explicit(&allocated_correction, memory_order_relaxed);
}

static void refresh_allocated(void)
{
}

/* The sanitizers' allocators call exactly what was asked for usable. */
size_t memory_size_class(size_t size)
{
    return size ? size : 1;
}

void memory_purge(void)
{
}

void *memory_move_if_sparse(void *block, size_t size)
{
    (void)block, (void)size;
    return NULL;
}

#else

static inline void count(const void *block, int sign)
{
    (void)block;
    (void)sign;
}

struct memory_slot {
    const uint64_t *allocated, *freed; /* the thread's counters; NULL: the slot is free */
};

static atomic_flag summing = ATOMIC_FLAG_INIT;
static struct memory_slot slots[THREADS_MAX]; /* under summing */
static unsigned slots_used;                   /* under summing; all slots in use are below it */
static int64_t left_by_ended_threads;         /* under summing */
static _Atomic int64_t last_sum;
static _Thread_local struct memory_slot *slot_here;

static void summing_acquire(void)
{
    while (atomic_flag_test_and_set_explicit(&summing, memory_order_acquire))
        sched_yield();
}

static void summing_release(void)
{
    atomic_flag_clear_explicit(&summing, memory_order_release);
}

/* Another thread's counter: a plain aligned word that only it writes. */
static inline int64_t slot_sum(const struct memory_slot *slot)
{
    return (int64_t)(__atomic_load_n(slot->allocated, __ATOMIC_RELAXED) -
                     __atomic_load_n(slot->freed, __ATOMIC_RELAXED));
}

static int64_t sum_locked(void)
{
    int64_t sum = left_by_ended_threads;
    for (unsigned i = 0; i < slots_used; i++)
        if (slots[i].allocated)
            sum += slot_sum(&slots[i]);
    atomic_store_explicit(&last_sum, sum, memory_order_relaxed);
    return sum;
}

void memory_thread_enter(void)
{
    uint64_t *allocated, *freed;
    size_t size = sizeof(allocated);
    if (slot_here || mallctl("thread.allocatedp", &allocated, &size, NULL, 0) != 0 ||
        mallctl("thread.deallocatedp", &freed, &size, NULL, 0) != 0)
        return;
    summing_acquire();
    unsigned i = 0;
    while (i < THREADS_MAX && slots[i].allocated)
        i++;
    check(i < THREADS_MAX);
    slots[i] = (struct memory_slot){allocated, freed};
    slot_here = &slots[i];
    if (i >= slots_used)
        slots_used = i + 1;
    /* What the thread did before now stands in the correction already. */
    left_by_ended_threads -= slot_sum(slot_here);
    summing_release();
}

void memory_thread_leave(void)
{
    if (!slot_here)
        return;
    summing_acquire();
    left_by_ended_threads += slot_sum(slot_here);
    *slot_here = (struct memory_slot){NULL, NULL};
    slot_here = NULL;
    summing_release();
}

size_t memory_allocated(void)
{
    int64_t sum = atomic_load_explicit(&last_sum, memory_order_relaxed);
    if (!atomic_flag_test_and_set_explicit(&summing, memory_order_acquire)) {
        sum = sum_locked();
        summing_release();
    }
    sum += atomic_load_explicit(&allocated_correction, memory_order_relaxed);
    return sum > 0 ? (size_t)sum : 0;
}

static size_t allocator_statistic(const char *name)
{
    size_t value = 0, size = sizeof(value);
    return mallctl(name, &value, &size, NULL, 0) == 0 ? value : 0;
}

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define ALL_ARENAS TEXT(MALLCTL_ARENAS_ALL)

static void refresh_allocated(void)
{
    uint64_t epoch = 1;
    mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
    /* Blocks that wait in threads' caches count as allocated there, but nobody holds them. */
    size_t allocated = allocator_statistic("stats.allocated");
    size_t cached = allocator_statistic("stats.arenas." ALL_ARENAS ".tcache_bytes");
    summing_acquire();
    int64_t sum = sum_locked();
    summing_release();
    atomic_store_explicit(&allocated_correction, (int64_t)(allocated - cached) - sum, memory_order_relaxed);
    atomic_store_explicit(&sparse_bytes, allocator_statistic("stats.active") - allocated, memory_order_relaxed);
}

size_t memory_size_class(size_t size)
{
    return nallocx(size ? size : 1, 0);
}

void memory_purge(void)
{
    mallctl("arena." ALL_ARENAS ".purge", NULL, NULL, NULL, 0);
}

/* Moving blocks out of sparse pages: when blocks are freed here and there, as eviction does, slabs stay resident for the
 * few that are left in them. A new block goes to the slab in use, and then to the oldest one with room; so if blocks of
 * the sparsest slabs are allocated again, the others fill up and these become free. The thread's cache is passed by: it
 * would return the very block that was given up before. */

/* A class with less than this part of its blocks free is dense enough. */
#define FREE_PART_DENSE 16
#define NUMBERS_MAX 4

struct slab {
    void *current; /* the slab that new blocks come from */
    size_t free, blocks, bytes;
    size_t class_free, class_blocks;
};

/* A name of mallctl's, as numbers. */
struct question {
    size_t numbers[NUMBERS_MAX], count;
};

static struct question question_of(const char *name)
{
    struct question question = {.count = NUMBERS_MAX};
    if (mallctlnametomib(name, question.numbers, &question.count) != 0)
        question.count = 0;
    return question;
}

static bool question_ask(const struct question *question, const void *block, void *answer, size_t answer_size)
{
    size_t size = answer_size;
    return question->count > 0 &&
           mallctlbymib(question->numbers, question->count, answer, &size, (void *)&block, sizeof(block)) == 0;
}

static bool slab_is_sparse(const struct slab *slab, const char *block)
{
    if (slab->free == 0 || slab->class_free * FREE_PART_DENSE < slab->class_blocks)
        return false;
    const char *current = slab->current;
    bool is_current = current && block >= current && block < current + slab->bytes;
    return !is_current && slab->free * slab->class_blocks >= slab->class_free * slab->blocks;
}

void *memory_move_if_sparse(void *block, size_t size)
{
    static _Thread_local struct question about_slab, about_arena;
    struct slab slab;
    unsigned arena;
    if (about_slab.count == 0) {
        about_slab = question_of("experimental.utilization.query");
        about_arena = question_of("arenas.lookup");
    }
    if (!question_ask(&about_slab, block, &slab, sizeof(slab)) || !slab_is_sparse(&slab, block) ||
        !question_ask(&about_arena, block, &arena, sizeof(arena)))
        return NULL;
    void *moved = mallocx(size, MALLOCX_ARENA(arena) | MALLOCX_TCACHE_NONE);
    if (moved) {
        memcpy(moved, block, size);
        dallocx(block, MALLOCX_TCACHE_NONE);
    }
    return moved;
}

#endif

void *memory_allocate(size_t size)
{
    void *block = memory_try_allocate(size);
    if (!block)
        out_of_memory(size);
    return block;
}

void *memory_allocate_zeroed(size_t size)
{
    void *block = calloc(1, size ? size : 1);
    if (!block)
        out_of_memory(size);
    count(block, 1);
    return block;
}

void *memory_resize(void *block, size_t size)
{
    if (block)
        count(block, -1);
    block = realloc(block, size ? size : 1);
    if (!block)
        out_of_memory(size);
    count(block, 1);
    return block;
}

void *memory_try_allocate(size_t size)
{
    void *block = malloc(size ? size : 1);
    if (block)
        count(block, 1);
    return block;
}

void memory_free(void *block)
{
    if (block)
        count(block, -1);
    free(block);
}

size_t memory_usable_size(const void *block)
{
    return malloc_usable_size((void *)block);
}

static size_t read_resident(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file) {
        if (fscanf(file, "%*u %llu", &pages) != 1)
            pages = 0;
        fclose(file);
    }
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

void memory_refresh(void)
{
    refresh_allocated();
    atomic_store_explicit(&resident, read_resident(), memory_order_relaxed);
}

size_t memory_resident(void)
{
    size_t bytes = atomic_load_explicit(&resident, memory_order_relaxed);
    return bytes ? bytes : read_resident();
}

size_t memory_sparse_bytes(void)
{
    return atomic_load_explicit(&sparse_bytes, memory_order_relaxed);
}
