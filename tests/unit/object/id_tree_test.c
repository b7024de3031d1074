/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"
#include "object/id_tree.h"

#define IDS 3000

struct model {
    bool present[IDS];
    size_t count;
};

/* Neighbours differ in either part. */
static struct stream_id id_of(size_t number)
{
    return (struct stream_id){number / 3, number % 3};
}

static size_t number_of(struct stream_id id)
{
    return (size_t)(id.ms * 3 + id.seq);
}

static void check_places(const struct id_tree *tree, const struct model *model)
{
    struct id_place forward = id_tree_first(tree), backward = id_tree_last(tree);
    for (size_t i = 0; i < IDS; i++) {
        if (!model->present[i])
            continue;
        assert_non_null(forward.leaf);
        assert_int_equal(number_of(id_place_id(forward)), i);
        assert_ptr_equal(id_place_value(forward), &model->present[i]);
        forward = id_place_next(forward);
    }
    assert_null(forward.leaf);
    for (size_t i = IDS; i-- > 0;) {
        if (!model->present[i])
            continue;
        assert_int_equal(number_of(id_place_id(backward)), i);
        backward = id_place_previous(backward);
    }
    assert_null(backward.leaf);
}

static void check_neighbours(const struct id_tree *tree, const struct model *model, size_t number)
{
    size_t above = number, below = number + 1;
    while (above < IDS && !model->present[above])
        above++;
    while (below > 0 && !model->present[below - 1])
        below--;
    struct id_place ceiling = id_tree_ceiling(tree, id_of(number)), floor = id_tree_floor(tree, id_of(number));
    assert_int_equal(ceiling.leaf != NULL, above < IDS);
    assert_int_equal(floor.leaf != NULL, below > 0);
    if (ceiling.leaf)
        assert_int_equal(number_of(id_place_id(ceiling)), above);
    if (floor.leaf)
        assert_int_equal(number_of(id_place_id(floor)), below - 1);
    assert_int_equal(id_tree_find(tree, id_of(number)) != NULL, model->present[number]);
}

static void insert(struct id_tree *tree, struct model *model, size_t number)
{
    assert_int_equal(id_tree_insert(tree, id_of(number), &model->present[number]), !model->present[number]);
    model->count += !model->present[number];
    model->present[number] = true;
}

static void remove_number(struct id_tree *tree, struct model *model, size_t number)
{
    void *expected = model->present[number] ? &model->present[number] : NULL;
    assert_ptr_equal(id_tree_remove(tree, id_of(number)), expected);
    model->count -= model->present[number];
    model->present[number] = false;
}

static void random_edits_keep_order(void **state)
{
    struct random random;
    struct model model = {0};
    size_t account = 0;
    struct id_tree tree = {.account = &account};
    (void)state;
    random_init(&random, 7);
    for (size_t step = 0; step < 60000; step++) {
        size_t number = (size_t)random_below(&random, IDS);
        if (random_below(&random, 10) < (step / 15000 % 2 ? 8 : 3))
            remove_number(&tree, &model, number);
        else
            insert(&tree, &model, number);
        assert_int_equal(tree.count, model.count);
        check_neighbours(&tree, &model, (size_t)random_below(&random, IDS));
        if (step % 3000 == 0)
            check_places(&tree, &model);
    }
    id_tree_clear(&tree, NULL);
    assert_int_equal(account, 0);
    assert_int_equal(tree.count, 0);
}

static void a_window_that_moves_up_leaves_nothing_behind(void **state)
{
    struct model model = {0};
    size_t account = 0, peak = 0;
    struct id_tree tree = {.account = &account};
    (void)state;
    for (size_t i = 0; i < IDS; i++) {
        insert(&tree, &model, i);
        if (i >= 100)
            remove_number(&tree, &model, i - 100);
        peak = account > peak ? account : peak;
        check_neighbours(&tree, &model, i / 2);
    }
    check_places(&tree, &model);
    assert_in_range(peak, 100 * 24, 100 * 24 * 3);
    for (size_t i = 0; i < IDS; i++)
        remove_number(&tree, &model, i);
    assert_int_equal(account, 0);
    assert_null(id_tree_first(&tree).leaf);
    assert_null(id_tree_last(&tree).leaf);
}

static void rising_ids_fill_the_leaves(void **state)
{
    size_t account = 0;
    struct id_tree tree = {.account = &account};
    (void)state;
    for (uint64_t i = 0; i < 100000; i++)
        assert_true(id_tree_insert(&tree, (struct stream_id){i, 0}, &tree));
    assert_in_range(account, 100000 * 24, 100000 * 27);
    id_tree_clear(&tree, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_edits_keep_order),
        cmocka_unit_test(a_window_that_moves_up_leaves_nothing_behind),
        cmocka_unit_test(rising_ids_fill_the_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
