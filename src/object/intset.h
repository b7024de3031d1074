/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

/* A sorted set of integers, byte for byte what Redis 7 keeps and dumps: all take as many bytes as the widest that was
 * ever in it needs, 2, 4 or 8. Readers take a view of a whole intset and trust it; what came from outside passes
 * intset_is_valid first. Editors take a buffer that holds exactly one intset. Sole owner or lock: the caller's. */

#define INTSET_HEADER_BYTES 8
/* No intset holds more. */
#define INTSET_COUNT_MAX ((size_t)1 << 27)

size_t intset_count(struct bytes intset);

/* The integer with this index, which is below the count; the smallest has 0. */
int64_t intset_get(struct bytes intset, size_t index);

/* Whether the integer is in the set; its index, or that of the first larger one, goes to 'index' (may be NULL). */
bool intset_find(struct bytes intset, int64_t integer, size_t *index);

/* Appends an empty intset to an empty buffer. */
void intset_init(struct buffer *buffer);

/* False if the integer was there. The set must hold less than INTSET_COUNT_MAX. */
bool intset_add(struct buffer *buffer, int64_t integer);

/* False if the integer was not there. Neither the width nor the buffer's capacity shrinks. */
bool intset_remove(struct buffer *buffer, int64_t integer);

/* Looks at every byte, believing none before: width, exact length, and that integers ascend. An empty intset is
 * valid. */
bool intset_is_valid(struct bytes intset) MUST_USE;
