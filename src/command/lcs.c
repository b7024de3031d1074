/* SPDX-License-Identifier: BSD-3-Clause */
/* The longest common subsequence by the textbook table of prefixes: length[i][j] is that of the first i and the first j
 * bytes. The table is walked back from its end, which yields the subsequence and its ranges last first, as Redis replies
 * them. Memory is (n + 1) * (m + 1) * 4 bytes, asked for with checked arithmetic. */
#include "command/lcs.h"

#include "base/memory.h"
#include "command/args.h"
#include "command/claims.h"
#include "command/effects.h"
#include "object/string_object.h"

/* As much as one string may be: beyond it the command is refused rather than the node pushed out of memory. */
#define LCS_TABLE_BYTES_MAX (512 * 1024 * 1024)
/* Cells of the table that are as much work as an element of a collection. */
#define CELLS_AN_ELEMENT 64

struct lcs {
    struct bytes a, b;
    uint32_t *lengths;
    bool wants_length, wants_ranges, with_match_length;
    int64_t match_length_min;
};

static bool lcs_options(struct execution *x, struct lcs *lcs)
{
    for (size_t i = 3; i < x->argc; i++) {
        if (arg_is(x->argv[i], "LEN"))
            lcs->wants_length = true;
        else if (arg_is(x->argv[i], "IDX"))
            lcs->wants_ranges = true;
        else if (arg_is(x->argv[i], "WITHMATCHLEN"))
            lcs->with_match_length = true;
        else if (arg_is(x->argv[i], "MINMATCHLEN") && i + 1 < x->argc) {
            if (!arg_int64(x, x->argv[++i], &lcs->match_length_min))
                return false;
        } else {
            reply_syntax_error(x);
            return false;
        }
    }
    if (lcs->match_length_min < 0)
        lcs->match_length_min = 0;
    if (lcs->wants_length && lcs->wants_ranges) {
        reply_error(x->reply, "ERR If you want both the length and indexes, please just use IDX.");
        return false;
    }
    return true;
}

static uint32_t *lcs_cell(const struct lcs *lcs, size_t i, size_t j)
{
    return &lcs->lengths[i * (lcs->b.length + 1) + j];
}

static void lcs_fill(struct lcs *lcs)
{
    for (size_t i = 0; i <= lcs->a.length; i++)
        for (size_t j = 0; j <= lcs->b.length; j++) {
            uint32_t *cell = lcs_cell(lcs, i, j);
            if (i == 0 || j == 0)
                *cell = 0;
            else if (lcs->a.data[i - 1] == lcs->b.data[j - 1])
                *cell = *lcs_cell(lcs, i - 1, j - 1) + 1;
            else {
                uint32_t up = *lcs_cell(lcs, i - 1, j), left = *lcs_cell(lcs, i, j - 1);
                *cell = up > left ? up : left;
            }
        }
}

struct lcs_range {
    size_t a_first, a_last, b_first, b_last;
    bool open;
};

static void reply_range(struct execution *x, const struct lcs *lcs, const struct lcs_range *range, size_t *count)
{
    size_t length = range->a_last - range->a_first + 1;
    if (lcs->match_length_min > 0 && length < (size_t)lcs->match_length_min)
        return;
    reply_array(x->reply, lcs->with_match_length ? 3 : 2);
    reply_array(x->reply, 2);
    reply_integer(x->reply, (int64_t)range->a_first);
    reply_integer(x->reply, (int64_t)range->a_last);
    reply_array(x->reply, 2);
    reply_integer(x->reply, (int64_t)range->b_first);
    reply_integer(x->reply, (int64_t)range->b_last);
    if (lcs->with_match_length)
        reply_integer(x->reply, (int64_t)length);
    (*count)++;
}

/* Walks back from the end: 'result' (may be NULL) receives the subsequence, ranges are replied when wanted. */
static void lcs_walk_back(struct execution *x, const struct lcs *lcs, char *result, size_t *range_count)
{
    size_t i = lcs->a.length, j = lcs->b.length, left = *lcs_cell(lcs, i, j);
    struct lcs_range range = {0};
    while (i > 0 && j > 0 && left > 0) {
        if (lcs->a.data[i - 1] == lcs->b.data[j - 1]) {
            if (result)
                result[left - 1] = lcs->a.data[i - 1];
            if (range.open && (range.a_first != i || range.b_first != j)) {
                if (lcs->wants_ranges)
                    reply_range(x, lcs, &range, range_count);
                range.open = false;
            }
            if (!range.open)
                range = (struct lcs_range){.a_last = i - 1, .b_last = j - 1, .open = true};
            range.a_first = i - 1;
            range.b_first = j - 1;
            left--;
            i--;
            j--;
        } else if (*lcs_cell(lcs, i - 1, j) > *lcs_cell(lcs, i, j - 1))
            i--;
        else
            j--;
    }
    if (range.open && lcs->wants_ranges)
        reply_range(x, lcs, &range, range_count);
}

static void lcs_reply(struct execution *x, struct lcs *lcs)
{
    uint32_t length = *lcs_cell(lcs, lcs->a.length, lcs->b.length);
    if (lcs->wants_length) {
        reply_integer(x->reply, length);
        return;
    }
    size_t count = 0;
    if (lcs->wants_ranges) {
        reply_map(x->reply, 2);
        reply_bulk_text(x->reply, "matches");
        size_t handle = reply_deferred_begin(x->reply);
        lcs_walk_back(x, lcs, NULL, &count);
        reply_deferred_array(x->reply, handle, count);
        reply_bulk_text(x->reply, "len");
        reply_integer(x->reply, length);
        return;
    }
    char *result = memory_allocate(length ? length : 1);
    lcs_walk_back(x, lcs, result, &count);
    reply_bulk(x->reply, bytes_of(result, length));
    memory_free(result);
}

void lcs_command(struct execution *x)
{
    struct lcs lcs = {0};
    struct entry *first = lookup_read(x, &x->keys[0]), *second = lookup_read(x, &x->keys[1]);
    if ((first && entry_type(first) != OBJECT_STRING) || (second && entry_type(second) != OBJECT_STRING)) {
        reply_error(x->reply, "ERR The specified keys must contain string values");
        return;
    }
    if (!lcs_options(x, &lcs))
        return;
    char digits[2][BYTES_INTEGER_MAX];
    struct object object;
    if (first) {
        object = entry_object(first);
        lcs.a = string_object_bytes(&object, digits[0]);
    }
    if (second) {
        object = entry_object(second);
        lcs.b = string_object_bytes(&object, digits[1]);
    }
    size_t cells, size;
    if (lcs.a.length >= UINT32_MAX - 1 || lcs.b.length >= UINT32_MAX - 1 ||
        __builtin_mul_overflow(lcs.a.length + 1, lcs.b.length + 1, &cells) ||
        __builtin_mul_overflow(cells, sizeof(uint32_t), &size) || size > LCS_TABLE_BYTES_MAX ||
        !(lcs.lengths = memory_try_allocate(size))) {
        reply_error(x->reply, "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
        return;
    }
    execution_let_go(x, cells / CELLS_AN_ELEMENT);
    lcs_fill(&lcs);
    lcs_reply(x, &lcs);
    memory_free(lcs.lengths);
}
