/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "object/member_table.h"
#include "object/object.h"
#include "object/score_tree.h"

/* Sorted sets: members with scores, which are never NaN, in order of score and then of bytes. Small ones are a listpack of
 * pairs, large ones a body. Editors follow the rules of object_edit_begin. */

/* The longest text of a score. */
#define ZSET_SCORE_TEXT_MAX 32
/* The score as text that reads back as the same number; no NUL. */
struct bytes zset_score_text(double score, char text[ZSET_SCORE_TEXT_MAX]);

/* False if there is no such member. */
bool zset_score(const struct object *zset, struct bytes member, double *score);

enum zset_condition {
    ZSET_IF_ABSENT = 1,
    ZSET_IF_PRESENT = 2,
    ZSET_IF_GREATER = 4, /* of a present member; an absent one is added */
    ZSET_IF_LESS = 8,
    ZSET_INCREMENT = 16, /* the score is added to the present one, or to 0 */
};
enum zset_outcome { ZSET_REFUSED, ZSET_SAME, ZSET_CHANGED, ZSET_ADDED, ZSET_NOT_A_NUMBER };

/* Gives the member its score if the conditions hold, and tells through 'score' what it has then. */
enum zset_outcome zset_update(struct object *zset, struct buffer *room, struct bytes member, unsigned conditions,
                              double *score);
/* False if there is no such member. */
bool zset_remove(struct object *zset, struct buffer *room, struct bytes member);
void zset_remove_ranks(struct object *zset, struct buffer *room, size_t first, size_t count);

/* For decoding, of a large set: adds a member, false if it is there; and once all are there puts them in order, which takes
 * a fraction of finding each its place. Nothing else is done in between. */
bool zset_add_unordered(struct object *zset, struct bytes member, double score);
void zset_put_in_order(struct object *zset);

/* How many members stand before the cut, where the first 'from' are known to. */
size_t zset_cut_rank(const struct object *zset, const struct score_cut *cut, size_t from);

/* Of members that are kept in pieces. */
#define ZSET_MEMBER_ROOM 64

/* A way through the members by rank. The set is left alone meanwhile. */
struct zset_cursor {
    struct bytes member; /* of the present one, good until the next step */
    double score;
    bool is_at_end; /* there is no present one */
    /* private */
    struct bytes listpack;
    const uint8_t *position;
    struct score_place place;
    size_t in_room;
    char room[ZSET_MEMBER_ROOM];
};
void zset_seek(const struct object *zset, size_t rank, struct zset_cursor *cursor);
void zset_step(struct zset_cursor *cursor, bool backward);

/* The members of a large set; NULL of a small one. */
const struct member_table *zset_object_table(const struct object *zset);
