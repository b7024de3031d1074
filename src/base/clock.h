/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdint.h>

/* Wall time in milliseconds and microseconds since 1970. Read once per turn and passed on; logic takes
 * its time as an argument. */
int64_t clock_now_ms(void);
int64_t clock_now_us(void);
/* Monotonic microseconds and nanoseconds, for durations. */
int64_t clock_monotonic_us(void);
int64_t clock_monotonic_ns(void);
