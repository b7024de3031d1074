/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/ticks.h"

#include "base/clock.h"

double ticks_per_us = 1000.0;

void ticks_setup(void)
{
    const int64_t measured_ns = 10 * 1000 * 1000;
    int64_t start_ns = clock_monotonic_ns(), now_ns;
    uint64_t start = ticks_now();
    do {
        now_ns = clock_monotonic_ns();
    } while (now_ns - start_ns < measured_ns);
    ticks_per_us = (double)(ticks_now() - start) * 1000.0 / (double)(now_ns - start_ns);
}
