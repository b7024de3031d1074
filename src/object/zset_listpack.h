/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "object/listpack.h"
#include "object/score_tree.h"
#include "object/zset_object.h"

/* A small sorted set as a listpack of pairs in order, one element each; the head of zset_listpack.c tells how they are
 * made. Positions and offsets are those of pairs. For this folder only. */

/* What a pair with this member takes at most. */
#define ZSET_PAIR_MAX(member_length) LISTPACK_ELEMENT_MAX((member_length) + 9)

size_t zset_listpack_count(struct bytes listpack);
/* The pair of this rank; NULL if there is none. */
const uint8_t *zset_listpack_seek(struct bytes listpack, size_t rank);
/* The pair before, or NULL. The one behind it is listpack_next. */
const uint8_t *zset_listpack_prev(struct bytes listpack, const uint8_t *pair);
/* The member's pair, or NULL. */
const uint8_t *zset_listpack_find(struct bytes listpack, struct bytes member);
/* Prepares a room for members that stand in pieces; returns what zset_listpack_read must be told. */
size_t zset_listpack_room(struct bytes listpack, char room[ZSET_MEMBER_ROOM]);
/* Member and score; the member is a view of the listpack or of the room. */
struct bytes zset_listpack_read(const uint8_t *pair, char room[ZSET_MEMBER_ROOM], size_t in_room, double *score);
double zset_listpack_score(const uint8_t *pair);
size_t zset_listpack_rank(struct bytes listpack, const struct score_cut *cut, size_t from);
/* Puts a member that is not there in its place; false if there is no room. */
bool zset_listpack_insert(struct buffer *buffer, struct bytes member, double score) MUST_USE;
/* Appends it as Redis's listpack of member, score, member, score ..., as a dump's string has it. */
void zset_listpack_dump(struct buffer *out, struct bytes listpack);
