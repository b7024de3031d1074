/* SPDX-License-Identifier: BSD-3-Clause */
#include "command/zset_range.h"

#include <math.h>
#include <stdlib.h>

#include "command/args.h"
#include "resp/error_text.h"

/* Longer texts are no scores. */
#define SCORE_BOUND_MAX 5120

/* Bounds are read by strtod, with all that it allows: nothing is zero, blanks may lead, too much is infinite. */
static bool read_score(struct bytes word, double *score)
{
    char text[SCORE_BOUND_MAX + 1], *end;
    if (bytes_to_double(word, score))
        return true;
    if (word.length > SCORE_BOUND_MAX)
        return false;
    memcpy(text, word.data, word.length);
    text[word.length] = '\0';
    *score = strtod(text, &end);
    return *end == '\0' && !isnan(*score);
}

static bool is_open(struct bytes word)
{
    return word.length > 0 && word.data[0] == '(';
}

static struct bytes behind_first(struct bytes word)
{
    return bytes_of(word.data + 1, word.length - 1);
}

static bool parse_score(struct bytes word, bool is_low, struct score_cut *cut)
{
    bool open = is_open(word);
    cut->kind = open == is_low ? CUT_AFTER_SCORE : CUT_BEFORE_SCORE;
    return read_score(open ? behind_first(word) : word, &cut->score);
}

static bool parse_name(struct bytes word, bool is_low, struct score_cut *cut)
{
    if (bytes_equal(word, BYTES("-")) || bytes_equal(word, BYTES("+"))) {
        cut->kind = word.data[0] == '-' ? CUT_START : CUT_END;
        return true;
    }
    if (word.length == 0 || (word.data[0] != '(' && word.data[0] != '['))
        return false;
    cut->kind = is_open(word) == is_low ? CUT_AFTER_NAME : CUT_BEFORE_NAME;
    cut->name = behind_first(word);
    return true;
}

bool zset_range_parse(struct execution *x, struct zset_range *range, struct bytes minimum, struct bytes maximum)
{
    if (range->kind == RANGE_RANK)
        return arg_int64(x, minimum, &range->start) && arg_int64(x, maximum, &range->end);
    bool by_score = range->kind == RANGE_SCORE;
    bool parsed = by_score ? parse_score(minimum, true, &range->low) && parse_score(maximum, false, &range->high)
                           : parse_name(minimum, true, &range->low) && parse_name(maximum, false, &range->high);
    if (!parsed)
        reply_error(x->reply, by_score ? ERROR_RANGE_NOT_FLOAT : ERROR_RANGE_NOT_STRING);
    return parsed;
}

static void find_ranks(const struct zset_range *range, int64_t total, size_t *first, size_t *count)
{
    int64_t start = range->start < 0 ? range->start + total : range->start;
    int64_t end = range->end < 0 ? range->end + total : range->end;
    start = start < 0 ? 0 : start;
    end = end >= total ? total - 1 : end;
    *count = start > end ? 0 : (size_t)(end - start + 1);
    *first = (size_t)(range->reverse ? total - 1 - end : start);
}

static void limit(const struct zset_range *range, size_t *first, size_t *count)
{
    size_t all = *count;
    if (range->offset < 0 || (uint64_t)range->offset >= all) {
        *count = 0;
        return;
    }
    *count -= (size_t)range->offset;
    if (range->limit >= 0 && (uint64_t)range->limit < *count)
        *count = (size_t)range->limit;
    *first += range->reverse ? all - (size_t)range->offset - *count : (size_t)range->offset;
}

void zset_range_find(const struct zset_range *range, const struct object *zset, size_t *first, size_t *count)
{
    if (range->kind == RANGE_RANK) {
        find_ranks(range, (int64_t)object_count(zset), first, count);
        return;
    }
    *first = zset_cut_rank(zset, &range->low, 0);
    *count = zset_cut_rank(zset, &range->high, *first) - *first;
    limit(range, first, count);
}
