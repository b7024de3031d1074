/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stddef.h>

#include "base/bytes.h"

/* What the allocator itself can tell, beyond base/memory.h. Without jemalloc (sanitizers) it tells little. */
struct allocator_state {
    size_t allocated, active, resident;
};

/* The first call is made at start. */
const char *allocator_name(void);
/* As of the last memory_refresh. */
struct allocator_state allocator_read(void);
/* Its own report, long. */
void allocator_report(struct buffer *out);
