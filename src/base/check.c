/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of a program that has found itself wrong. Nothing here allocates or takes a lock, since the heap or
 * the caller's locks may be what is broken. */
#include "base/check.h"

#include <execinfo.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

static void (*_Atomic crash_hook)(void);

void check_set_crash_hook(void (*hook)(void))
{
    atomic_store(&crash_hook, hook);
}

void check_failed(const char *file, int line, const char *function, const char *condition)
{
    char text[512];
    void *frames[64];
    int length = snprintf(text, sizeof(text), "check failed: %s, in %s at %s:%d\n", condition, function, file, line);
    if (length > 0 && write(STDERR_FILENO, text, length < (int)sizeof(text) ? (size_t)length : sizeof(text) - 1) < 0)
        abort();
    backtrace_symbols_fd(frames, backtrace(frames, 64), STDERR_FILENO);
    log_warning("check failed", "condition=\"%s\" function=%s file=%s line=%d", condition, function, file, line);
    /* Taken away before the call: a hook that fails a check must not be called again by it. */
    void (*hook)(void) = atomic_exchange(&crash_hook, NULL);
    if (hook)
        hook();
    abort();
}
