/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit/net/net_world.h"

#include "base/clock.h"

static struct world world;

static int world_setup(void **state)
{
    (void)state;
    world_begin(&world);
    return 0;
}

static int world_teardown(void **state)
{
    (void)state;
    world_end(&world);
    return 0;
}

static sem_t rung;
static struct loop_timer timer;
static unsigned fired;
static int64_t started_us, fired_us;

static void timer_ring(struct loop_timer *at)
{
    fired++;
    fired_us = loop_now_us(at->loop);
    check(at == &timer && at->loop == world.loop);
    sem_post(&rung);
}

static void timer_ring_thrice(struct loop_timer *at)
{
    if (++fired == 3) {
        loop_timer_stop(at);
        sem_post(&rung);
    }
}

static void start_once(struct world *at)
{
    started_us = clock_monotonic_us();
    loop_timer_start(at->loop, &timer, 1e9, 0, timer_ring);
    loop_timer_start(at->loop, &timer, 2, 0, timer_ring);
}

static void start_repeated(struct world *at)
{
    loop_timer_start(at->loop, &timer, 0, 1, timer_ring_thrice);
}

static void start_and_stop(struct world *at)
{
    loop_timer_start(at->loop, &timer, 0, 0, timer_ring);
    loop_timer_stop(&timer);
    loop_timer_stop(&timer);
}

static void timer_begin(void)
{
    fired = 0;
    timer = (struct loop_timer){0};
    sem_init(&rung, 0, 0);
}

static void a_timer_fires_once_and_sees_the_present(void **state)
{
    (void)state;
    timer_begin();
    world_run(&world, start_once);
    sem_wait(&rung);
    world_settle(&world);
    assert_int_equal(fired, 1);
    assert_false(timer.active);
    assert_true(fired_us - started_us >= 1000);
}

static void a_repeated_timer_fires_until_stopped(void **state)
{
    (void)state;
    timer_begin();
    world_run(&world, start_repeated);
    sem_wait(&rung);
    assert_int_equal(fired, 3);
}

static void a_stopped_timer_does_not_fire(void **state)
{
    (void)state;
    timer_begin();
    world_run(&world, start_and_stop);
    world_settle(&world);
    assert_int_equal(fired, 0);
    assert_false(timer.active);
}

static unsigned turns_wanted;
static void count_down_in_turn(void *context, struct connection **ready, size_t count)
{
    struct world *at = context;
    (void)ready, (void)count;
    at->turns++;
    if (at->turns < turns_wanted)
        loop_turn_again(at->loop);
    else
        loop_stop(at->loop);
}

static void turns_come_at_once_when_asked_for(void **state)
{
    (void)state;
    struct world at = {0};
    struct loop_handlers handlers = {
        .context = &at, .opened = world_opened, .turn = count_down_in_turn, .closed = world_closed};
    at.loop = loop_create(&handlers);
    turns_wanted = 5;
    loop_timer_start(at.loop, &timer, 0, 0, timer_ring_thrice);
    loop_run(at.loop);
    assert_int_equal(at.turns, 5);
    loop_destroy(&at.loop);
    assert_null(at.loop);
}

static void a_loop_stopped_before_it_runs_does_not_run(void **state)
{
    (void)state;
    struct world at = {0};
    struct loop_handlers handlers = {
        .context = &at, .opened = world_opened, .turn = world_turn, .closed = world_closed};
    at.loop = loop_create(&handlers);
    loop_stop(at.loop);
    loop_run(at.loop);
    assert_int_equal(at.turns, 0);
    loop_destroy(&at.loop);
}

static void a_connection_never_taken_is_closed_with_the_loop(void **state)
{
    (void)state;
    struct world at = {0};
    struct loop_handlers handlers = {
        .context = &at, .opened = world_opened, .turn = world_turn, .closed = world_closed};
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    client_setup(pair[0]);
    at.loop = loop_create(&handlers);
    connection_join(at.loop, &(struct loose_connection){.fd = pair[1], .local = true, .unix_socket = true}, NULL);
    assert_int_equal(loop_connection_count(at.loop), 1);
    loop_destroy(&at.loop);
    assert_int_equal(at.opened, 1);
    assert_int_equal(at.closed, 1);
    client_is_hung_up(pair[0]);
    close(pair[0]);
}

static unsigned visited;
static void visit_and_close(void *context, struct connection *connection)
{
    assert_ptr_equal(context, &visited);
    visited++;
    connection_close(connection);
}

static void visit_all(struct world *at)
{
    loop_each_connection(at->loop, visit_and_close, &visited);
    loop_each_connection(at->loop, visit_and_close, &visited);
}

static void every_open_connection_is_visited_and_may_be_closed(void **state)
{
    (void)state;
    int clients[10];
    for (int i = 0; i < 10; i++)
        clients[i] = world_client(&world);
    visited = 0;
    world_run(&world, visit_all);
    world_settle(&world);
    assert_int_equal(visited, 10);
    assert_int_equal(world.seen.closed, 10);
    for (int i = 0; i < 10; i++)
        close(clients[i]);
}

/* Letters post letters, and close what other letters were about. */
struct chain {
    struct mail mail;
    unsigned *left;
};

static void chain_deliver(struct mail *mail)
{
    struct chain *chain = (struct chain *)mail;
    if (--*chain->left > 0)
        mailbox_post(loop_mailbox(world.loop), mail);
    else
        sem_post(&rung);
}

static void letters_posted_by_letters_are_delivered(void **state)
{
    (void)state;
    unsigned left = 100;
    struct chain chain = {.mail.deliver = chain_deliver, .left = &left};
    sem_init(&rung, 0, 0);
    mailbox_post(loop_mailbox(world.loop), &chain.mail);
    sem_wait(&rung);
    assert_int_equal(left, 0);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_timer_fires_once_and_sees_the_present),
        STORY(a_repeated_timer_fires_until_stopped),
        STORY(a_stopped_timer_does_not_fire),
        cmocka_unit_test(turns_come_at_once_when_asked_for),
        cmocka_unit_test(a_loop_stopped_before_it_runs_does_not_run),
        cmocka_unit_test(a_connection_never_taken_is_closed_with_the_loop),
        STORY(every_open_connection_is_visited_and_may_be_closed),
        STORY(letters_posted_by_letters_are_delivered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
