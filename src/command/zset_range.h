/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/zset_commands.h"

/* Ranges of a sorted set, by rank, score or name, which all come down to ranks. */
enum zset_range_kind { RANGE_UNKNOWN, RANGE_RANK, RANGE_SCORE, RANGE_NAME };

struct zset_range {
    enum zset_range_kind kind;
    bool reverse; /* ranks count from the end, and so do offsets */
    int64_t start, end;
    struct score_cut low, high;
    int64_t offset, limit; /* a negative limit is none, a negative offset leaves nothing */
};

/* Reads the bounds, which stand in ascending order but for ranks; replies and returns false on nonsense. */
bool zset_range_parse(struct execution *x, struct zset_range *range, struct bytes minimum, struct bytes maximum);
/* The ranks, in ascending order, that the range means in this set. */
void zset_range_find(const struct zset_range *range, const struct object *zset, size_t *first, size_t *count);
