/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "object/listpack.h"
#include "object/score_tree.h"

/* A small sorted set as a listpack of member, score, member, score ... in order. Scores that are integers stand there as
 * such. For this folder only. */

/* The member, or NULL. */
const uint8_t *zset_listpack_find(struct bytes listpack, struct bytes member);
double zset_listpack_score(const uint8_t *score);
size_t zset_listpack_rank(struct bytes listpack, const struct score_cut *cut, size_t from);
/* Puts a member that is not there in its place; false if there is no room. */
bool zset_listpack_insert(struct buffer *buffer, struct bytes member, double score) MUST_USE;
/* Whether limits let it stay a listpack. */
bool zset_listpack_fits(struct bytes listpack);
/* Whether these are pairs with scores that are numbers, in order, and no member twice. */
bool zset_listpack_is_sound(struct bytes listpack);
