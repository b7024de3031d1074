/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Estimates of how many different elements were added, kept in strings that are byte for byte those of Redis 7. Since any
 * string can be stored under a key, one must pass hyperloglog_has_header and hyperloglog_is_sound, in this order, before
 * anything else is done with it. */

#define HYPERLOGLOG_REGISTERS 16384
#define HYPERLOGLOG_HEADER_BYTES 16
#define HYPERLOGLOG_DENSE_BYTES (HYPERLOGLOG_HEADER_BYTES + HYPERLOGLOG_REGISTERS * 6 / 8)
/* Where the header keeps the last estimate. */
#define HYPERLOGLOG_CACHE_OFFSET 8
#define HYPERLOGLOG_CACHE_BYTES 8

/* Whether the string says that it is one, and has the length that a dense one must have. */
bool hyperloglog_has_header(struct bytes bytes);
/* Whether its registers are all there: looks at every byte of a sparse one. */
bool hyperloglog_is_sound(struct bytes bytes);
bool hyperloglog_is_sparse(struct bytes bytes);

/* The last estimate, if nothing was added since. */
bool hyperloglog_cached(struct bytes bytes, uint64_t *count);
/* The header's bytes that keep the estimate. */
void hyperloglog_cache_bytes(uint64_t count, char cache[HYPERLOGLOG_CACHE_BYTES]);
void hyperloglog_forget_count(struct buffer *buffer);

/* Appends an empty one (sparse) to an empty buffer. */
void hyperloglog_init(struct buffer *buffer);
/* Makes a sparse one dense. */
void hyperloglog_make_dense(struct buffer *buffer);

/* What an element does: it raises a register to a value, unless that is as high already. */
struct hyperloglog_hit {
    uint32_t index;
    uint8_t value;
};
struct hyperloglog_hit hyperloglog_hit_of(struct bytes element);
/* True if the register was raised. A sparse one that would have more than 'sparse_bytes_max' bytes becomes dense. */
bool hyperloglog_raise(struct buffer *buffer, struct hyperloglog_hit hit, size_t sparse_bytes_max);

/* The bytes of a dense one that change when the register is raised, one or two from *offset on, and how many; 0: none. */
size_t hyperloglog_dense_piece(struct bytes bytes, struct hyperloglog_hit hit, size_t *offset, uint8_t piece[2]);

/* Raises each of the registers to the one of the hyperloglog. */
void hyperloglog_merge(struct bytes bytes, uint8_t registers[HYPERLOGLOG_REGISTERS]);
/* Estimates from registers, none above 63. */
uint64_t hyperloglog_estimate(const uint8_t registers[HYPERLOGLOG_REGISTERS]);

/* Appends the runs of a sparse one as text, as PFDEBUG DECODE shows them. */
void hyperloglog_describe(struct bytes bytes, struct buffer *text);
