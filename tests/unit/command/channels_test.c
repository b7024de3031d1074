/* SPDX-License-Identifier: BSD-3-Clause */
/* Random subscriptions of sessions on several workers beside a table of who has which. */
#include "command/channels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/random.h"
#include "command/dispatch.h"

#define WORKERS 3
#define SESSIONS 12
#define NAMES 8

static const char *const channels[NAMES] = {"a", "b", "news.art", "news.war", "news.", "n", "", "[x]"};
static const char *const patterns[NAMES] = {"*", "a", "news.*", "n*", "?", "[ab]", "news.[aw]*", "\\[x\\]"};

static void set_subscriber(void *connection, bool subscriber)
{
    *(bool *)connection = subscriber;
}

static const struct transport transport = {.set_subscriber = set_subscriber};

struct world {
    struct worker workers[WORKERS];
    struct session sessions[SESSIONS];
    bool is_subscriber[SESSIONS]; /* as the transport was told */
    bool has[CHANNEL_KIND_COUNT][SESSIONS][NAMES];
};

static struct bytes name_of(enum channel_kind kind, size_t index)
{
    return bytes_of_text((kind == CHANNEL_PATTERN ? patterns : channels)[index]);
}

static void world_init(struct world *world)
{
    *world = (struct world){.workers[0].number = 1};
    for (uint32_t i = 0; i < WORKERS; i++)
        world->workers[i].number = i + 1;
    for (size_t i = 0; i < SESSIONS; i++)
        world->sessions[i] = (struct session){.id = i + 1,
                                              .worker = &world->workers[i % WORKERS],
                                              .transport = &transport,
                                              .connection = &world->is_subscriber[i]};
}

static void leave(struct world *world, size_t index)
{
    channels_leave(&world->sessions[index]);
    for (int kind = 0; kind < CHANNEL_KIND_COUNT; kind++)
        memset(world->has[kind][index], 0, sizeof(world->has[kind][index]));
}

static void world_deinit(struct world *world)
{
    for (size_t i = 0; i < SESSIONS; i++)
        leave(world, i);
    for (int kind = 0; kind < CHANNEL_KIND_COUNT; kind++)
        assert_int_equal(channels_names(kind), 0);
    for (uint32_t i = 0; i < WORKERS; i++)
        channel_tables_destroy(&world->workers[i].channels);
}

static void step(struct world *world, struct random *random)
{
    size_t index = random_below(random, SESSIONS), name = random_below(random, NAMES);
    enum channel_kind kind = random_below(random, CHANNEL_KIND_COUNT);
    bool *has = &world->has[kind][index][name];
    switch (random_below(random, 8)) {
    case 0:
        if (random_below(random, 4) == 0)
            leave(world, index);
        break;
    case 1:
    case 2:
    case 3:
        assert_int_equal(channels_unsubscribe(&world->sessions[index], kind, name_of(kind, name)), *has);
        *has = false;
        break;
    default:
        assert_int_equal(channels_subscribe(&world->sessions[index], kind, name_of(kind, name)), !*has);
        *has = true;
    }
}

static uint64_t subscribers_of(const struct world *world, enum channel_kind kind, size_t name)
{
    uint64_t count = 0;
    for (size_t i = 0; i < SESSIONS; i++)
        count += world->has[kind][i][name];
    return count;
}

static void assert_audience(const struct world *world, enum channel_kind kind, size_t name)
{
    struct audience audience = {0};
    uint64_t receivers = 0, workers = 0;
    for (size_t i = 0; i < SESSIONS; i++) {
        unsigned met = world->has[kind][i][name];
        for (size_t j = 0; kind == CHANNEL_PLAIN && j < NAMES; j++)
            met += world->has[CHANNEL_PATTERN][i][j] &&
                   bytes_match(bytes_of_text(patterns[j]), bytes_of_text(channels[name]), false);
        receivers += met;
        workers |= met ? UINT64_C(1) << i % WORKERS : 0;
    }
    channels_audience(kind, name_of(kind, name), &audience);
    assert_int_equal(audience.receivers, receivers);
    assert_int_equal(audience.workers[0], workers);
    assert_int_equal(audience.workers[1], 0);
}

static void assert_holds(const struct world *world)
{
    for (int kind = 0; kind < CHANNEL_KIND_COUNT; kind++) {
        int64_t names = 0;
        for (size_t name = 0; name < NAMES; name++) {
            uint64_t count = subscribers_of(world, kind, name);
            assert_int_equal(channels_subscribers(kind, name_of(kind, name)), count);
            names += count > 0;
            if (kind != CHANNEL_PATTERN)
                assert_audience(world, kind, name);
        }
        assert_int_equal(channels_names(kind), names);
    }
    for (size_t i = 0; i < SESSIONS; i++) {
        uint32_t all = 0;
        for (int kind = 0; kind < CHANNEL_KIND_COUNT; kind++) {
            uint32_t count = 0;
            for (size_t name = 0; name < NAMES; name++)
                count += world->has[kind][i][name];
            assert_int_equal(channels_count(&world->sessions[i], kind), count);
            all += count;
        }
        assert_int_equal(world->is_subscriber[i], all > 0);
        assert_int_equal(world->sessions[i].subscriptions != NULL, all > 0);
    }
}

static void subscriptions_are_what_a_table_would_tell(void **state)
{
    (void)state;
    struct world world;
    struct random random;
    random_init(&random, 12);
    world_init(&world);
    for (int i = 0; i < 5000; i++) {
        step(&world, &random);
        if (i % 10 == 0)
            assert_holds(&world);
    }
    world_deinit(&world);
}

static void meet(void *context, struct session *session)
{
    ((unsigned *)context)[session->id - 1]++;
}

static void meet_by_pattern(void *context, struct session *session, struct bytes pattern)
{
    assert_true(pattern.length > 0);
    meet(context, session);
}

static void a_worker_visits_its_own_subscribers_only(void **state)
{
    (void)state;
    struct world world;
    unsigned met[SESSIONS] = {0};
    world_init(&world);
    for (size_t i = 0; i < SESSIONS; i++)
        channels_subscribe(&world.sessions[i], i < 6 ? CHANNEL_PLAIN : CHANNEL_PATTERN, BYTES("news"));
    channels_subscribe(&world.sessions[9], CHANNEL_PATTERN, BYTES("n*"));
    channels_each_subscriber(&world.workers[0], CHANNEL_PLAIN, BYTES("news"), meet, met);
    channels_each_pattern(&world.workers[0], BYTES("news"), meet_by_pattern, met);
    for (size_t i = 0; i < SESSIONS; i++)
        assert_int_equal(met[i], i % WORKERS != 0 ? 0 : i == 9 ? 2 : 1);
    world_deinit(&world);
}

static void any_subscription_can_be_ended_until_none_is_left(void **state)
{
    (void)state;
    struct world world;
    struct buffer name = {0};
    world_init(&world);
    for (size_t i = 0; i < NAMES; i++)
        channels_subscribe(&world.sessions[0], CHANNEL_SHARD, name_of(CHANNEL_SHARD, i));
    for (size_t i = 0; i < NAMES; i++) {
        assert_true(channels_unsubscribe_any(&world.sessions[0], CHANNEL_SHARD, &name));
        assert_int_equal(channels_subscribers(CHANNEL_SHARD, buffer_bytes(&name)), 0);
    }
    assert_false(world.is_subscriber[0]);
    buffer_deinit(&name);
    world_deinit(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscriptions_are_what_a_table_would_tell),
        cmocka_unit_test(a_worker_visits_its_own_subscribers_only),
        cmocka_unit_test(any_subscription_can_be_ended_until_none_is_left),
    };
    channels_setup(WORKERS);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
