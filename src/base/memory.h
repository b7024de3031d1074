/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* All memory of the process comes from jemalloc. What is allocated is known at any time without a
 * counter on the hot path: jemalloc keeps two counters per thread, we sum them, and a slow correction
 * (memory_refresh) adds what threads of libraries hold. */

/* Small requests: aborts the process with a message when memory is out. Never returns NULL. */
void *memory_allocate(size_t size);
void *memory_allocate_zeroed(size_t size);
void *memory_resize(void *block, size_t size);

/* Requests whose size a client chose: returns NULL when memory is out. */
void *memory_try_allocate(size_t size);

void memory_free(void *block);

/* Bytes the allocator really set aside for the block. */
size_t memory_usable_size(const void *block);
/* What memory_usable_size would be after memory_allocate(size). */
size_t memory_size_class(size_t size);

/* Every thread of ours calls enter first and leave last, so that its counters are summed. */
void memory_thread_enter(void);
void memory_thread_leave(void);

/* Bytes allocated by the process now; cheap, exact to the last memory_refresh for foreign threads. */
size_t memory_allocated(void);
/* Reads the allocator's own statistics; some microseconds; call it a few times a second, from one thread. */
void memory_refresh(void);
/* Resident bytes of the process as the kernel counts them at the last memory_refresh. */
size_t memory_resident(void);
/* Gives free pages back to the system. */
void memory_purge(void);
/* Bytes of the pages in use that no block fills, at the last memory_refresh. */
size_t memory_sparse_bytes(void);
/* If the pages around the block hold fewer blocks than others of its class, moves its 'size' bytes elsewhere, frees it,
 * and returns where they are now; else NULL, and it stays. Some hundred nanoseconds. */
void *memory_move_if_sparse(void *block, size_t size);
/* Memory of the machine, or of its cgroup where that is less. */
uint64_t memory_of_machine(void);

/* Frees 'block' with 'destroy' on a background thread: for frees whose time grows with a value's size.
 * Before memory_reaper_start and after _stop the free happens at once. */
void memory_free_later(void *block, void (*destroy)(void *block));
void memory_reaper_start(void);
void memory_reaper_stop(void);
