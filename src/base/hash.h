/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Seeded 64-bit hash of bytes (xxh3 with a 64-bit seed), stable over restarts: rows are ordered by it. */
uint64_t hash_bytes(const void *data, size_t length, uint64_t seed);
/* 32-bit checksum of log frames (xxh3's low half). */
uint32_t hash_checksum(const void *data, size_t length);
