/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "object/member_table.h"
#include "object/object.h"

/* Sets: an intset while all members are integers, a listpack while they are few and short, then a table of members.
 * Functions that change one take the room of object_edit_begin; a member given must not lie in it. */

bool set_object_contains(const struct object *set, struct bytes member);
/* False if it was there; nothing is edited then. */
bool set_object_add(struct object *set, struct buffer *room, struct bytes member);
/* False if it was not there; nothing is edited then. */
bool set_object_remove(struct object *set, struct buffer *room, struct bytes member);
/* The member of that rank, which is below the count; a table's is in no order that lasts. An integer's digits are written
 * to 'digits'. */
struct bytes set_object_at(const struct object *set, size_t rank, char digits[BYTES_INTEGER_MAX]);
/* The members of a set that is a table, else NULL. */
const struct member_table *set_object_table(const struct object *set);

/* All members, those of an intset in ascending order. The set is left alone during it; a member is good until the next. */
struct set_walk {
    const struct object *set;
    size_t index;
    const uint8_t *position;
    struct member_walk members;
    char digits[BYTES_INTEGER_MAX];
};
void set_walk_begin(struct set_walk *walk, const struct object *set);
bool set_walk_next(struct set_walk *walk, struct bytes *member);
