/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/option.h"

/* What the rest of the commands need to know of scripts: whose turn it is, and whether one runs for too long. */

/* One execution at a time uses the interpreter, on the whole node. The turn is tried, never slept on: a worker's number,
 * or 0 when nobody has it. */
extern _Atomic uint32_t scripting_owner;

static inline bool scripting_try(uint32_t worker)
{
    uint32_t nobody = 0;
    return atomic_compare_exchange_strong_explicit(&scripting_owner, &nobody, worker, memory_order_acquire,
                                                   memory_order_relaxed);
}

static inline void scripting_leave(void)
{
    atomic_store_explicit(&scripting_owner, 0, memory_order_release);
}

/* For who has the turn, with no partition held any more: collects what scripts have left if that is much. */
void scripting_collect(void);

/* Registers the gate that answers -BUSY while a script runs for longer than busy-reply-threshold. Before the first
 * command. */
void scripting_setup(void);
/* The process stops: a script that runs ends now, and the process with it if the script has written and goes on. */
void scripting_stop(void);
/* Frees the interpreter; no script runs. */
void scripting_teardown(void);

/* Bytes of the interpreter; scripts of EVAL that were forgotten for newer ones. Any thread. */
size_t scripting_bytes(void);
uint64_t scripting_evicted(void);

extern const struct option scripting_options[];
