/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "keyspace/backing.h"

/* The bytes of a row; row.c tells their layout. */

#define ROW_DATABASES 16
#define ROW_SLOTS 16384

/* Bytes of a row key before the name. */
#define ROW_KEY_PREFIX 11
/* The most that row_header_write writes. */
#define ROW_HEADER_MAX 29

static inline size_t row_key_length(const struct row_key *key)
{
    return ROW_KEY_PREFIX + key->name.length;
}

/* Writes row_key_length bytes. Their order as bytes is the order (db, slot, hash, name). */
void row_key_write(const struct row_key *key, char *to);
/* Writes the ROW_KEY_PREFIX bytes with which all names of a place begin. */
void row_prefix_write(uint8_t db, uint16_t slot, uint64_t hash, char *to);
/* Turns a prefix into the smallest one after it; false if there is none. */
bool row_prefix_next(char *prefix);
/* The name is borrowed from 'bytes'. STATUS_CORRUPT if it cannot be a row key. */
enum status row_key_read(struct bytes bytes, struct row_key *key) MUST_USE;

/* Writes what stands before the payload in a row's value, at most ROW_HEADER_MAX bytes; returns how many. */
size_t row_header_write(int64_t expire_at_ms, uint64_t offset, uint64_t epoch, char *to);
/* Reads all of a row but its key; the payload is borrowed. 'epoch' may be NULL. STATUS_CORRUPT if it is none. */
enum status row_value_read(struct bytes bytes, struct row *row, uint64_t *epoch) MUST_USE;
