/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads and their numbers. A number is taken at the first thread_number() and given back when the thread ends,
 * by a thread-specific key, so that threads of libraries that call into us are numbered as well. */
#define _GNU_SOURCE
#include "base/thread.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"

#define GIVE_WAY_US 100

static _Atomic uint64_t numbers_taken[THREADS_MAX / 64] = {1}; /* 0 is nobody's */
static _Thread_local uint32_t number_here;
static pthread_once_t number_key_once = PTHREAD_ONCE_INIT;
static pthread_key_t number_key;

static void number_return(void *value)
{
    uint32_t number = (uint32_t)(uintptr_t)value;
    number_here = 0;
    atomic_fetch_and_explicit(&numbers_taken[number / 64], ~(UINT64_C(1) << number % 64), memory_order_release);
}

static void number_key_create(void)
{
    check(pthread_key_create(&number_key, number_return) == 0);
}

static uint32_t number_take(void)
{
    for (uint32_t word = 0; word < THREADS_MAX / 64; word++) {
        uint64_t taken = atomic_load_explicit(&numbers_taken[word], memory_order_relaxed);
        while (~taken != 0) {
            uint32_t bit = (uint32_t)__builtin_ctzll(~taken);
            if (atomic_compare_exchange_weak_explicit(&numbers_taken[word], &taken, taken | UINT64_C(1) << bit,
                                                      memory_order_acquire, memory_order_relaxed))
                return word * 64 + bit;
        }
    }
    check_failed(__FILE__, __LINE__, __func__, "fewer threads than THREADS_MAX");
}

uint32_t thread_number(void)
{
    if (__builtin_expect(number_here == 0, 0)) {
        pthread_once(&number_key_once, number_key_create);
        number_here = number_take();
        pthread_setspecific(number_key, (void *)(uintptr_t)number_here);
    }
    return number_here;
}

static void *thread_main(void *argument)
{
    struct thread *thread = argument;
    pthread_setname_np(pthread_self(), thread->name);
    memory_thread_enter();
    thread->run(thread->argument);
    memory_thread_leave();
    return NULL;
}

void thread_start(struct thread *thread, const char *name, void (*run)(void *argument), void *argument)
{
    thread->run = run;
    thread->argument = argument;
    snprintf(thread->name, sizeof(thread->name), "%s", name);
    int error = pthread_create(&thread->id, NULL, thread_main, thread);
    if (error != 0) {
        char text[128];
        snprintf(text, sizeof(text), "thread %s starts (%s)", thread->name, strerror(error));
        check_failed(__FILE__, __LINE__, __func__, text);
    }
}

void thread_stop(struct thread *thread)
{
    check(pthread_join(thread->id, NULL) == 0);
}

void thread_set_background(void)
{
    /* Linux keeps nice values and I/O priorities per thread. A refusal leaves a normal thread, which is no harm. */
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10);
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 7));
}

void thread_give_way(void)
{
    static _Thread_local int64_t since_us;
    int64_t now_us = clock_monotonic_us();
    if (now_us - since_us < GIVE_WAY_US)
        return;
    sched_yield();
    since_us = clock_monotonic_us();
}

uint32_t thread_processors(void)
{
    static _Atomic uint32_t known;
    uint32_t processors = atomic_load_explicit(&known, memory_order_relaxed);
    if (processors == 0) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        processors = online > 0 ? (uint32_t)online : 1;
        atomic_store_explicit(&known, processors, memory_order_relaxed);
    }
    return processors;
}
