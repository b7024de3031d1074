/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The set of keys that have a row, told apart by their 64-bit hashes, in about 2.2 bytes a key. It may say "maybe" of a
 * key that was never added (about one in 1,300 with 100,000 keys, in proportion to the keys), never "no" of one that
 * was. Has no lock: the partition's guards it. A hash may be added more than once, and then stays until it was removed
 * as often. */
struct cold_filter;

/* Empty, and smaller than 100 bytes. */
struct cold_filter *cold_filter_create(void);
void cold_filter_destroy(struct cold_filter **filter);

/* Never fails. Now and then the filter grows by a part, which takes some hundred microseconds at the most. */
void cold_filter_add(struct cold_filter *filter, uint64_t hash);
/* Only for a hash that was added: removing any other may make the filter forget a third. */
void cold_filter_remove(struct cold_filter *filter, uint64_t hash);
bool cold_filter_maybe(const struct cold_filter *filter, uint64_t hash);

/* Bytes that the allocator set aside. */
size_t cold_filter_bytes(const struct cold_filter *filter);
/* The same of all filters of the process; any thread. */
size_t cold_filter_bytes_of_all(void);
/* Hashes added and not removed. */
size_t cold_filter_count(const struct cold_filter *filter);
