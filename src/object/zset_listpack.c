/* SPDX-License-Identifier: BSD-3-Clause */
#include "object/zset_listpack.h"

#include "base/check.h"
#include "object/object.h"
#include "object/object_limits.h"
#include "object/zset_object.h"

const uint8_t *zset_listpack_find(struct bytes listpack, struct bytes member)
{
    return listpack_find(listpack_first(listpack), member, 1);
}

double zset_listpack_score(const uint8_t *score)
{
    struct listpack_value value;
    double number = 0;
    listpack_get(score, &value);
    if (value.data == NULL)
        return (double)value.integer;
    check(bytes_to_double(bytes_of(value.data, value.length), &number));
    return number;
}

static bool pair_follows(const struct score_cut *cut, const uint8_t *member)
{
    char digits[BYTES_INTEGER_MAX];
    double score = zset_listpack_score(listpack_next(member));
    return score_cut_follows(cut, score, listpack_get_bytes(member, digits));
}

static const uint8_t *next_pair(const uint8_t *member)
{
    return listpack_next(listpack_next(member));
}

size_t zset_listpack_rank(struct bytes listpack, const struct score_cut *cut, size_t from)
{
    size_t rank = from;
    const uint8_t *at = listpack_seek(listpack, (int64_t)from * 2);
    for (; at != NULL && pair_follows(cut, at); at = next_pair(at))
        rank++;
    return rank;
}

/* A zero loses its sign, as in Redis. */
bool zset_listpack_insert(struct buffer *buffer, struct bytes member, double score)
{
    char text[ZSET_SCORE_TEXT_MAX];
    struct bytes listpack = buffer_bytes(buffer);
    const struct score_cut cut = {CUT_BEFORE_MEMBER, score, member};
    const uint8_t *at = listpack_first(listpack);
    while (at != NULL && pair_follows(&cut, at))
        at = next_pair(at);
    size_t offset = at != NULL ? listpack_offset(listpack, at) : listpack.length - 1;
    return listpack_insert(buffer, offset, zset_score_text(score == 0 ? 0 : score, text)) &&
           listpack_insert(buffer, offset, member);
}

bool zset_listpack_fits(struct bytes listpack)
{
    return listpack.length <= OBJECT_INLINE_MAX &&
           (int64_t)(listpack_count(listpack) / 2) <= object_limits.zset_max_listpack_entries;
}

/* Whether a score reads as a number. */
static bool score_is_sound(const uint8_t *position)
{
    struct listpack_value value;
    double number;
    listpack_get(position, &value);
    return value.data == NULL || bytes_to_double(bytes_of(value.data, value.length), &number);
}

static bool is_in_order(const uint8_t *member, const uint8_t *next)
{
    char digits[BYTES_INTEGER_MAX];
    const struct score_cut cut = {CUT_BEFORE_MEMBER, zset_listpack_score(listpack_next(next)),
                                  listpack_get_bytes(next, digits)};
    return pair_follows(&cut, member);
}

bool zset_listpack_is_sound(struct bytes listpack)
{
    char digits[BYTES_INTEGER_MAX];
    if (listpack_count(listpack) % 2 != 0)
        return false;
    for (const uint8_t *at = listpack_first(listpack); at != NULL; at = next_pair(at))
        if (!score_is_sound(listpack_next(at)))
            return false;
    for (const uint8_t *at = listpack_first(listpack), *next; at != NULL; at = next) {
        next = next_pair(at);
        if (next != NULL && (!is_in_order(at, next) || listpack_find(next, listpack_get_bytes(at, digits), 1)))
            return false;
    }
    return true;
}
