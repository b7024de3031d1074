/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"
#include "object/member_table.h"

/* What SSCAN, HSCAN and ZSCAN have in common. A compact collection is answered whole, with cursor 0. */
struct member_scan {
    uint64_t cursor;
    int64_t count;
    struct bytes pattern; /* data NULL: any */
    bool no_values;
};

/* The cursor as SCAN reads it too: whatever strtoull reads, without leading blanks. */
bool scan_parse_cursor(struct bytes word, uint64_t *cursor);
/* KEY cursor. False: an error is replied. */
bool member_scan_parse_cursor(struct execution *x, struct member_scan *scan);
/* [MATCH pattern] [COUNT count], and [NOVALUES] where it is known: after the look-up, since a missing key is not told
 * of errors. False: an error is replied. */
bool member_scan_parse_options(struct execution *x, bool knows_no_values, struct member_scan *scan);

static inline bool member_scan_matches(const struct member_scan *scan, struct bytes name)
{
    return !scan->pattern.data || bytes_match(scan->pattern, name, false);
}

/* The reply's beginning: the cursor to go on from; an array of elements follows. */
void member_scan_reply_cursor(struct execution *x, uint64_t cursor);
/* A missing key. */
void member_scan_reply_empty(struct execution *x);

/* The members of a table that a step of the scan meets and that match; the cursor to go on from is returned. The list is
 * freed by the caller. */
struct member_list {
    const struct member_scan *scan;
    struct member **members;
    size_t count, capacity;
};
uint64_t member_scan_table(const struct member_scan *scan, const struct member_table *table, struct member_list *list);
