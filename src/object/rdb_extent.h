/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

/* Where a value of an RDB file ends. The file does not say how long a value is, and its decoder wants all of it: this walks
 * over lengths and strings without looking into them, and believes none before the input covers it. */

enum rdb_extent {
    RDB_EXTENT_WHOLE, /* all of it is there */
    RDB_EXTENT_MORE,  /* it goes on behind the input */
    RDB_EXTENT_BAD,   /* no value looks like this */
};

/* The value stands behind its type byte at the beginning of 'input'. *length: of type byte and value. Types that we cannot
 * decode have extents, too: those of modules. */
enum rdb_extent rdb_value_extent(struct bytes input, size_t *length) MUST_USE;

/* The same for what else stands in such a file. *length is moved on behind it. */
enum rdb_extent rdb_length_extent(struct bytes input, size_t *length, uint64_t *value) MUST_USE;
enum rdb_extent rdb_string_extent(struct bytes input, size_t *length) MUST_USE;
