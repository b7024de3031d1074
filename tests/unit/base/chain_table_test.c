/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/chain_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NODES 1000

static struct chain_node nodes[NODES];

static void fill(struct chain_table *table, uint64_t spread)
{
    for (uint64_t i = 0; i < NODES; i++)
        chain_table_add(table, &nodes[i], i * spread);
}

static void an_empty_table_finds_and_walks_nothing(void **state)
{
    (void)state;
    struct chain_table table = {0};
    assert_null(chain_table_find(&table, 0));
    assert_null(chain_table_walk(&table, NULL));
    assert_null(chain_table_any(&table, 7));
    chain_table_deinit(&table);
}

static void what_was_added_is_found_until_it_is_removed(void **state)
{
    (void)state;
    struct chain_table table = {0};
    fill(&table, UINT64_C(0x9E3779B97F4A7C15));
    for (uint64_t i = 0; i < NODES; i++) {
        struct chain_node *found = chain_table_find(&table, i * UINT64_C(0x9E3779B97F4A7C15));
        assert_ptr_equal(found, &nodes[i]);
        assert_null(chain_table_find_next(found));
        chain_table_remove(&table, found);
        assert_null(chain_table_find(&table, i * UINT64_C(0x9E3779B97F4A7C15)));
    }
    assert_int_equal(table.count, 0);
    assert_null(table.buckets);
}

static void nodes_of_one_hash_are_all_found(void **state)
{
    (void)state;
    struct chain_table table = {0};
    fill(&table, 0);
    size_t found = 0;
    for (struct chain_node *node = chain_table_find(&table, 0); node; node = chain_table_find_next(node))
        found++;
    assert_int_equal(found, NODES);
    chain_table_deinit(&table);
}

static void a_walk_meets_every_node_once(void **state)
{
    (void)state;
    struct chain_table table = {0};
    static unsigned met[NODES];
    fill(&table, 3);
    for (struct chain_node *node = chain_table_walk(&table, NULL); node; node = chain_table_walk(&table, node))
        met[node - nodes]++;
    for (size_t i = 0; i < NODES; i++)
        assert_int_equal(met[i], 1);
    chain_table_deinit(&table);
}

static void an_emptied_table_gives_its_memory_back(void **state)
{
    (void)state;
    struct chain_table table = {0};
    fill(&table, 1);
    size_t full = table.bucket_count;
    for (size_t i = 0; i < NODES - 1; i++)
        chain_table_remove(&table, &nodes[i]);
    assert_true(table.bucket_count < full / 8);
    for (uint64_t random = 0; random < 20; random++)
        assert_ptr_equal(chain_table_any(&table, random), &nodes[NODES - 1]);
    assert_ptr_equal(chain_table_find(&table, NODES - 1), &nodes[NODES - 1]);
    chain_table_deinit(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_finds_and_walks_nothing),
        cmocka_unit_test(what_was_added_is_found_until_it_is_removed),
        cmocka_unit_test(nodes_of_one_hash_are_all_found),
        cmocka_unit_test(a_walk_meets_every_node_once),
        cmocka_unit_test(an_emptied_table_gives_its_memory_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
