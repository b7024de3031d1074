/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"
#include "object/score_tree.h"

#define MEMBERS 3000

static struct member *make_member(unsigned number, double score)
{
    int64_t extra;
    memcpy(&extra, &score, sizeof(extra));
    return member_create(bytes_of(&number, sizeof(number)), NULL, &extra);
}

static bool precedes(const struct member *a, const struct member *b)
{
    if (member_score(a) != member_score(b))
        return member_score(a) < member_score(b);
    return bytes_compare(member_name(a), member_name(b)) < 0;
}

/* Both ways through, and the rank of each member. */
static size_t walk(const struct score_tree *tree)
{
    size_t seen = 0;
    struct member *last = NULL;
    for (struct score_place place = score_tree_at(tree, 0); place.leaf; place = score_place_next(place), seen++) {
        struct member *member = score_place_member(place);
        const struct score_cut cut = {CUT_BEFORE_MEMBER, member_score(member), member_name(member)};
        assert_true(!last || precedes(last, member));
        assert_int_equal(score_tree_rank(tree, &cut), seen);
        assert_ptr_equal(score_place_member(score_tree_at(tree, seen)), member);
        last = member;
    }
    size_t back = 0;
    if (tree->count > 0)
        for (struct score_place place = score_tree_at(tree, tree->count - 1); place.leaf;
             place = score_place_prev(place))
            back++;
    assert_int_equal(back, seen);
    return seen;
}

static void random_edits_keep_order_and_ranks(void **state)
{
    struct member *members[MEMBERS];
    bool present[MEMBERS] = {false};
    struct score_tree tree = {0};
    struct random random;
    size_t count = 0;
    (void)state;
    random_init(&random, 5);
    for (unsigned i = 0; i < MEMBERS; i++)
        members[i] = make_member(i, 0);
    for (unsigned step = 0; step < 60000; step++) {
        unsigned i = (unsigned)random_below(&random, MEMBERS);
        double score = (double)random_below(&random, step % 2 ? 10 : 100000);
        bool removes = random_below(&random, 10) < (step / 20000 == 1 ? 8 : 3);
        if (removes && present[i]) {
            score_tree_remove(&tree, members[i]);
        } else if (removes) {
            continue;
        } else if (present[i]) {
            score_tree_rescore(&tree, members[i], score);
        } else {
            member_set_score(members[i], score);
            score_tree_insert(&tree, members[i]);
        }
        count += !removes && !present[i];
        count -= removes;
        present[i] = !removes;
        assert_int_equal(tree.count, count);
        if (step % 5000 == 0)
            assert_int_equal(walk(&tree), count);
    }
    assert_int_equal(walk(&tree), count);
    for (unsigned i = 0; i < MEMBERS; i++) {
        if (present[i])
            score_tree_remove(&tree, members[i]);
        member_destroy(members[i]);
    }
    assert_int_equal(tree.count, 0);
    assert_int_equal(tree.bytes, 0);
    assert_null(tree.root);
}

static void ascending_scores_fill_the_nodes(void **state)
{
    struct member *members[MEMBERS];
    struct score_tree tree = {0};
    (void)state;
    for (unsigned i = 0; i < MEMBERS; i++) {
        members[i] = make_member(i, i);
        score_tree_insert(&tree, members[i]);
    }
    assert_int_equal(walk(&tree), MEMBERS);
    assert_true(tree.bytes < MEMBERS * 10);
    score_tree_clear(&tree);
    for (unsigned i = 0; i < MEMBERS; i++)
        member_destroy(members[i]);
}

static void cuts_by_score_count_what_stands_before(void **state)
{
    struct member *members[MEMBERS];
    struct score_tree tree = {0};
    (void)state;
    for (unsigned i = 0; i < MEMBERS; i++) {
        members[i] = make_member(i, i / 3);
        score_tree_insert(&tree, members[i]);
    }
    for (unsigned score = 0; score < MEMBERS / 3; score++) {
        struct score_cut cut = {CUT_BEFORE_SCORE, score, {0}};
        assert_int_equal(score_tree_rank(&tree, &cut), score * 3);
        cut.kind = CUT_AFTER_SCORE;
        assert_int_equal(score_tree_rank(&tree, &cut), score * 3 + 3);
    }
    score_tree_clear(&tree);
    for (unsigned i = 0; i < MEMBERS; i++)
        member_destroy(members[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_edits_keep_order_and_ranks),
        cmocka_unit_test(ascending_scores_fill_the_nodes),
        cmocka_unit_test(cuts_by_score_count_what_stands_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
