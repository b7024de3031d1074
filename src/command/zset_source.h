/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/zset_commands.h"

/* What unions, intersections and differences are made of: sorted sets, and sets, whose members have
 * the score 1. Scores are weighted. A missing key is an empty one. */
struct zset_source {
    const struct key *key;
    struct object value;
    size_t count;
    double weight;
};

/* Looks the key up; replies WRONGTYPE and returns false if it holds something else. */
bool zset_source_open(struct execution *x, const struct key *key, struct zset_source *source);
/* The weighted score of a member, NaN if it is zero times infinity; false if it is not there. */
bool zset_source_score(const struct zset_source *source, struct bytes member, double *score);
/* Calls visit with each member and its weighted score, 0 instead of NaN, until it returns false. */
void zset_source_each(const struct zset_source *source, bool (*visit)(void *context, struct bytes member, double score),
                      void *context);
