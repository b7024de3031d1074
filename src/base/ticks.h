/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdint.h>

/* A clock that is read several times a request: the processor's time-stamp counter where there is one (constant
 * rate on every x86-64 of the last decade), else the monotonic clock in nanoseconds. */
#if defined(__x86_64__)
static inline uint64_t ticks_now(void)
{
    return __builtin_ia32_rdtsc();
}
#else
#include "base/clock.h"
static inline uint64_t ticks_now(void)
{
    return (uint64_t)clock_monotonic_ns();
}
#endif

/* Measures the rate; once at start, takes about 10 ms. */
void ticks_setup(void);
/* Ticks of a microsecond; valid after setup. */
extern double ticks_per_us;

static inline double ticks_to_us(uint64_t ticks)
{
    return (double)ticks / ticks_per_us;
}
