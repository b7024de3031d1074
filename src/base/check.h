/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* check() states what only a bug can break. It is on in production: it prints where and what, calls the
 * registered crash hook (a last dump), and aborts. debug_check() is for what is too dear for that. */
#define check(condition)                                                                                               \
    (__builtin_expect(!!(condition), 1) ? (void)0 : check_failed(__FILE__, __LINE__, __func__, #condition))

#ifdef FOREBAY_DEBUG
#define debug_check(condition) check(condition)
#else
#define debug_check(condition) ((void)sizeof(!!(condition)))
#endif

/* What a failed check() calls; for failures that have a text instead of a condition, too. */
_Noreturn void check_failed(const char *file, int line, const char *function, const char *condition);
/* Called once, on the thread that failed, before the process aborts. */
void check_set_crash_hook(void (*hook)(void));
