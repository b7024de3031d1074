/* SPDX-License-Identifier: BSD-3-Clause */
#include "replication/in_sync.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define LAG_MS 1000

struct world {
    struct in_sync_set set;
    struct in_sync_replica a, b;
};

static void decide(struct world *world, int64_t now_ms)
{
    in_sync_decide(&world->set, now_ms, LAG_MS);
}

static struct world *two_replicas(void **state, uint64_t threshold)
{
    static struct world world;
    (void)state;
    world = (struct world){0};
    in_sync_set_init(&world.set, threshold);
    in_sync_join(&world.set, &world.a, 0, threshold, 0);
    in_sync_join(&world.set, &world.b, 0, threshold, 0);
    return &world;
}

static void who_lacks_what_was_acknowledged_is_not_in_sync(void **state)
{
    struct world *world = two_replicas(state, 100);
    in_sync_heard(&world->a, 100, 200, 1);
    in_sync_heard(&world->b, 99, 200, 1);
    decide(world, 1);
    assert_true(atomic_load(&world->a.is_in));
    assert_false(atomic_load(&world->b.is_in));
    assert_int_equal(world->set.count, 2);
    assert_int_equal(world->set.lowest, 100);
    in_sync_heard(&world->b, 150, 200, 2);
    decide(world, 2);
    assert_int_equal(world->set.count, 3);
    assert_int_equal(world->set.lowest, 100);
}

static void a_copy_counts_from_where_it_is_whole(void **state)
{
    struct world *world = two_replicas(state, 100);
    in_sync_leave(&world->b);
    in_sync_join(&world->set, &world->b, 300, 200, 0);
    in_sync_heard(&world->b, 250, 250, 1);
    decide(world, 1);
    assert_false(atomic_load(&world->b.is_in));
    in_sync_heard(&world->b, 300, 300, 2);
    decide(world, 2);
    assert_true(atomic_load(&world->b.is_in));
}

static void who_is_silent_leaves_after_the_lag(void **state)
{
    struct world *world = two_replicas(state, 100);
    in_sync_heard(&world->a, 100, 100, 0);
    in_sync_heard(&world->b, 100, 100, 0);
    in_sync_heard(&world->a, 100, 100, LAG_MS);
    decide(world, LAG_MS);
    assert_int_equal(world->set.count, 3);
    decide(world, LAG_MS + 1);
    assert_int_equal(world->set.count, 2);
    assert_false(atomic_load(&world->b.is_in));
    in_sync_heard(&world->b, 100, 100, LAG_MS + 2);
    decide(world, LAG_MS + 2);
    assert_int_equal(world->set.count, 3);
}

/* It answers all the time, and falls behind all the time. */
static void who_answers_and_falls_behind_leaves_as_well(void **state)
{
    struct world *world = two_replicas(state, 0);
    uint64_t end = 1000, has = 900;
    int64_t now_ms = 0;
    for (; now_ms < 10 * LAG_MS; now_ms += 100, end += 1000, has += 100) {
        in_sync_heard(&world->a, has, end, now_ms);
        in_sync_heard(&world->b, end - 500, end, now_ms);
        decide(world, now_ms);
    }
    assert_false(atomic_load(&world->a.is_in));
    assert_true(atomic_load(&world->b.is_in)); /* it is never quite there, and not far from it */
}

static void a_quorum_is_a_majority_of_members_and_none_without_a_number(void **state)
{
    struct world *world = two_replicas(state, 0);
    in_sync_heard(&world->a, 10, 10, 0);
    in_sync_leave(&world->b);
    decide(world, 0);
    assert_int_equal(world->set.count, 2);
    assert_true(in_sync_is_quorum(&world->set, 3) && in_sync_is_quorum(&world->set, 2));
    assert_false(in_sync_is_quorum(&world->set, 4) || in_sync_is_quorum(&world->set, 0));
    assert_true(in_sync_is_all(&world->set, 2));
    assert_false(in_sync_is_all(&world->set, 3) || in_sync_is_all(&world->set, 0));
}

static void who_leaves_twice_or_never_joined_does_no_harm(void **state)
{
    struct world *world = two_replicas(state, 0);
    struct in_sync_replica stranger = {0};
    in_sync_leave(&stranger);
    in_sync_leave(&world->a);
    in_sync_leave(&world->a);
    in_sync_leave(&world->b);
    decide(world, 0);
    assert_int_equal(world->set.count, 1);
    assert_true(world->set.lowest == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_lacks_what_was_acknowledged_is_not_in_sync),
        cmocka_unit_test(a_copy_counts_from_where_it_is_whole),
        cmocka_unit_test(who_is_silent_leaves_after_the_lag),
        cmocka_unit_test(who_answers_and_falls_behind_leaves_as_well),
        cmocka_unit_test(a_quorum_is_a_majority_of_members_and_none_without_a_number),
        cmocka_unit_test(who_leaves_twice_or_never_joined_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
