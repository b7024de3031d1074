/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* A member of a large set, hash or sorted set: a name, and where it was made with them a value and eight bytes more (a
 * score, or a time). One allocation that never moves; what it was made with stays, but for the eight bytes. */
struct member;

/* Both optional parts may be NULL. */
struct member *member_create(struct bytes name, const struct bytes *value, const int64_t *extra);
void member_destroy(struct member *member);
/* What the allocator set aside for it. */
size_t member_bytes(const struct member *member);
/* A second one with the same contents. */
struct member *member_copy(const struct member *member);

/* Another value of the same length. */
void member_overwrite_value(struct member *member, struct bytes value);

/* ---- how it is laid out: for the functions below and member.c only ----
 *
 *   head | length of the name, 1 or 4 bytes | of the value, 0, 1 or 4 | extra, 0 or 8 | name | value */
enum { MEMBER_EXTRA = 1, MEMBER_VALUE = 2, MEMBER_NAME_LONG = 4, MEMBER_VALUE_LONG = 8 };

struct member {
    uint8_t head;
    char rest[];
};

static inline size_t member_name_width(const struct member *member)
{
    return member->head & MEMBER_NAME_LONG ? 4 : 1;
}

static inline size_t member_value_width(const struct member *member)
{
    return !(member->head & MEMBER_VALUE) ? 0 : member->head & MEMBER_VALUE_LONG ? 4 : 1;
}

static inline size_t member_length_at(const char *place, bool is_long)
{
    uint32_t length;
    if (!is_long)
        return *(const uint8_t *)place;
    memcpy(&length, place, sizeof(length));
    return length;
}

static inline char *member_extra_place(const struct member *member)
{
    return (char *)member->rest + member_name_width(member) + member_value_width(member);
}

/* ---- readers ---- */

static inline struct bytes member_name(const struct member *member)
{
    const char *name = member_extra_place(member) + (member->head & MEMBER_EXTRA ? 8 : 0);
    return bytes_of(name, member_length_at(member->rest, member->head & MEMBER_NAME_LONG));
}

/* Empty without a value. */
static inline struct bytes member_value(const struct member *member)
{
    struct bytes name = member_name(member);
    if (!(member->head & MEMBER_VALUE))
        return bytes_of("", 0);
    const char *width = member->rest + member_name_width(member);
    return bytes_of(name.data + name.length, member_length_at(width, member->head & MEMBER_VALUE_LONG));
}

static inline bool member_has_extra(const struct member *member)
{
    return member->head & MEMBER_EXTRA;
}

/* The eight bytes, as an integer or as a double: as they were written. Only if it has them. */
static inline int64_t member_extra(const struct member *member)
{
    int64_t extra;
    memcpy(&extra, member_extra_place(member), sizeof(extra));
    return extra;
}

static inline void member_set_extra(struct member *member, int64_t extra)
{
    memcpy(member_extra_place(member), &extra, sizeof(extra));
}

static inline double member_score(const struct member *member)
{
    double score;
    memcpy(&score, member_extra_place(member), sizeof(score));
    return score;
}

static inline void member_set_score(struct member *member, double score)
{
    memcpy(member_extra_place(member), &score, sizeof(score));
}
