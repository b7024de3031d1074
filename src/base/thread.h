/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <pthread.h>
#include <stdint.h>

#define THREADS_MAX 256

struct thread {
    pthread_t id;
    void (*run)(void *argument);
    void *argument;
    char name[16];
};

/* Starts a named thread (15 characters at most) that is registered with base/memory.h; aborts if it cannot. */
void thread_start(struct thread *thread, const char *name, void (*run)(void *argument), void *argument);
/* Waits for its end. */
void thread_stop(struct thread *thread);
/* Lowers the calling thread's priority, for background work. */
void thread_set_background(void);
/* For long work without a lock: lets those run who wait for this processor, if nobody was let for 100 us. The scheduler
 * would let them wait for a slice of some milliseconds. */
void thread_give_way(void);
/* A small number of the calling thread, unique among the live ones, 1 .. THREADS_MAX - 1. */
uint32_t thread_number(void);
/* How many processors were online when it was first asked; the system is asked by reading a file. */
uint32_t thread_processors(void);
