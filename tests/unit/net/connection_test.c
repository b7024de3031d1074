/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit/net/net_world.h"

#include "base/metric.h"

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
    connection_limits = (struct connection_limits){.query_bytes_max = 1 << 30, .unauthenticated_bytes_max = 1 << 20};
    return 0;
}

static void limit_set(int64_t *limit, int64_t value)
{
    __atomic_store_n(limit, value, __ATOMIC_RELAXED);
}

static void suspend_last(struct world *at)
{
    connection_suspend(at->last);
}

static void suspend_last_blocked(struct world *at)
{
    connection_suspend(at->last);
    at->last->blocked = true;
}

static void resume_last(struct world *at)
{
    connection_resume(at->last);
}

static void hold_last(struct world *at)
{
    connection_hold(at->last);
}

static void release_last(struct world *at)
{
    connection_release(at->last);
}

static void close_last(struct world *at)
{
    connection_close(at->last);
}

static void distrust_last(struct world *at)
{
    at->last->trusted = false;
}

/* Says hello outside of any turn's ready connections. */
static void push_last(struct world *at)
{
    buffer_append_text(&at->last->output.bytes, "push\n");
    connection_wants_send(at->last);
}

static char *text_make(size_t length)
{
    char *text = malloc(length);
    for (size_t i = 0; i < length; i++)
        text[i] = (char)('a' + i % 23);
    text[length - 1] = '\n';
    return text;
}

static void what_is_sent_is_answered_in_order(void **state)
{
    (void)state;
    int client = world_client(&world);
    client_say(client, "one\ntwo\n");
    client_hears(client, "one\ntwo\n");
    client_say(client, "three\n");
    client_hears(client, "three\n");
    close(client);
}

static void an_idle_connection_owns_no_buffers(void **state)
{
    (void)state;
    int client = world_client(&world);
    client_say(client, "hello\n");
    client_hears(client, "hello\n");
    world_settle(&world);
    assert_null(world.seen.last.input.data);
    assert_null(world.seen.last.output.bytes.data);
    assert_null(world.seen.last.output.references);
    assert_int_equal(world.seen.last.bytes_in, 6);
    assert_int_equal(world.seen.last.bytes_out, 6);
    close(client);
}

static void a_cut_request_keeps_just_its_bytes(void **state)
{
    (void)state;
    int client = world_client(&world);
    client_say(client, "done\nhel");
    client_hears(client, "done\n");
    world_settle(&world);
    assert_int_equal(world.seen.last.input.length, 3);
    assert_int_equal(world.seen.last.input.capacity, 3);
    assert_null(world.seen.last.output.bytes.data);
    client_say(client, "lo\n");
    client_hears(client, "hello\n");
    world_settle(&world);
    assert_null(world.seen.last.input.data);
    close(client);
}

static void a_large_request_and_its_answer_pass_through_small_sockets(void **state)
{
    (void)state;
    const size_t length = 5000000;
    int client = world_client(&world);
    char *text = text_make(length);
    for (int round = 0; round < 2; round++) {
        client_send(client, text, length);
        client_expect(client, text, length);
    }
    client_say(client, "after\n");
    client_hears(client, "after\n");
    world_settle(&world);
    assert_null(world.seen.last.input.data);
    assert_null(world.seen.last.output.bytes.data);
    free(text);
    close(client);
}

static void expect_line(struct world *at, struct connection *connection)
{
    connection_expect(connection, 5000000);
    world_echo(at, connection);
}

static void an_expected_length_bounds_the_growth(void **state)
{
    (void)state;
    const size_t length = 5000000;
    world.on_ready = expect_line;
    int client = world_client(&world);
    char *text = text_make(length);
    client_send(client, text, length - 1);
    while (world.seen.last.bytes_in < length - 1)
        world_settle(&world);
    assert_int_equal(world.seen.last.input.capacity, length);
    client_say(client, "\n");
    client_expect(client, text, length);
    free(text);
    close(client);
}

static unsigned released;
static void release_count(void *owner)
{
    check(owner == &released);
    released++;
}

/* A thousand referenced pieces with bytes before, between and behind them. */
static const char PIECE[5000] = "piece";
static void answer_by_reference(struct world *at, struct connection *connection)
{
    (void)at;
    connection_consume(connection, connection->input.length);
    for (int i = 0; i < 1000; i++) {
        if (i % 3 != 2)
            buffer_append_text(&connection->output.bytes, "between");
        output_append_reference(&connection->output, bytes_of(PIECE, i % 7 ? sizeof(PIECE) : 0), release_count,
                                &released);
    }
    buffer_append_text(&connection->output.bytes, "end");
}

static void references_are_sent_in_place_and_released_once(void **state)
{
    (void)state;
    released = 0;
    world.on_ready = answer_by_reference;
    int client = world_client(&world);
    struct buffer expected = {0};
    for (int i = 0; i < 1000; i++) {
        if (i % 3 != 2)
            buffer_append_text(&expected, "between");
        buffer_append(&expected, PIECE, i % 7 ? sizeof(PIECE) : 0);
    }
    buffer_append_text(&expected, "end");
    client_say(client, "go\n");
    client_expect(client, expected.data, expected.length);
    world_settle(&world);
    assert_int_equal(released, 1000);
    assert_null(world.seen.last.output.references);
    buffer_deinit(&expected);
    close(client);
}

static void references_are_released_when_the_peer_is_gone(void **state)
{
    (void)state;
    released = 0;
    world.on_ready = answer_by_reference;
    int client = world_client(&world);
    client_say(client, "go\n");
    client_hears(client, "between");
    close(client);
    while (world.seen.closed == 0)
        world_settle(&world);
    assert_int_equal(released, 1000);
}

static void a_suspended_connection_waits_for_resume(void **state)
{
    (void)state;
    int client = world_client(&world);
    world_run(&world, suspend_last);
    client_say(client, "hello\n");
    world_settle(&world);
    client_hears_nothing(client);
    assert_int_equal(world.seen.ready, 0);
    world_run(&world, resume_last);
    client_hears(client, "hello\n");
    close(client);
}

static void a_suspended_connection_is_read_no_further_than_a_small_buffer(void **state)
{
    (void)state;
    const size_t length = 150000;
    char *text = text_make(length);
    int client = world_client(&world);
    world_run(&world, suspend_last);
    client_send(client, text, length);
    world_settle(&world);
    assert_in_range(world.seen.last.bytes_in, 1, 40000);
    world_run(&world, resume_last);
    client_expect(client, text, length);
    free(text);
    close(client);
}

static void suspend_again(struct world *at, struct connection *connection)
{
    (void)at;
    connection_suspend(connection);
}

static void echo_and_resume_last(struct world *at)
{
    at->on_ready = world_echo;
    connection_resume(at->last);
}

static void who_is_suspended_again_and_again_is_read_no_further(void **state)
{
    (void)state;
    const size_t length = 150000;
    char *text = text_make(length);
    world.on_ready = suspend_again;
    int client = world_client(&world);
    client_send(client, text, length);
    for (int i = 0; i < 20; i++) {
        world_settle(&world);
        world_run(&world, resume_last);
    }
    world_settle(&world);
    assert_in_range(world.seen.ready, 20, 30);
    assert_in_range(world.seen.last.bytes_in, 1, 40000);
    world_run(&world, echo_and_resume_last);
    client_expect(client, text, length);
    free(text);
    close(client);
}

static void suspend_after_a_line(struct world *at, struct connection *connection)
{
    (void)at;
    char *end = memchr(connection->input.data, '\n', connection->input.length);
    if (!end)
        return;
    size_t length = (size_t)(end - connection->input.data) + 1;
    buffer_append(&connection->output.bytes, connection->input.data, length);
    connection_consume(connection, length);
    connection_suspend(connection);
    if (connection->input.length > 0)
        connection_resume(connection);
}

static void a_resumed_connection_is_ready_again_without_new_bytes(void **state)
{
    (void)state;
    world.on_ready = suspend_after_a_line;
    int client = world_client(&world);
    client_say(client, "1\n2\n3\n4\n");
    client_hears(client, "1\n2\n3\n4\n");
    world_settle(&world);
    assert_int_equal(world.seen.ready, 4);
    close(client);
}

static void held_output_leaves_when_released(void **state)
{
    (void)state;
    int client = world_client(&world);
    world_run(&world, hold_last);
    client_say(client, "one\n");
    world_settle(&world);
    client_say(client, "two\n");
    world_settle(&world);
    client_hears_nothing(client);
    world_run(&world, release_last);
    client_hears(client, "one\ntwo\n");
    close(client);
}

static void output_may_be_held_after_a_part_of_it_is_sent(void **state)
{
    (void)state;
    const size_t length = 3000000;
    char *text = text_make(length);
    int client = world_client(&world);
    client_send(client, text, length);
    client_expect(client, text, 1);
    world_run(&world, hold_last);
    world_settle(&world);
    assert_true(world.seen.last.bytes_out < length);
    world_run(&world, release_last);
    client_expect(client, text + 1, length - 1);
    free(text);
    close(client);
}

static void output_from_outside_a_turn_is_sent(void **state)
{
    (void)state;
    int client = world_client(&world);
    world_run(&world, push_last);
    client_hears(client, "push\n");
    world_settle(&world);
    assert_null(world.seen.last.output.bytes.data);
    close(client);
}

static void a_half_closed_peer_is_answered_before_it_is_closed(void **state)
{
    (void)state;
    int client = world_client(&world);
    world_run(&world, suspend_last);
    client_say(client, "question\n");
    shutdown(client, SHUT_WR);
    world_settle(&world);
    assert_int_equal(world.seen.closed, 0);
    world_run(&world, hold_last);
    world_run(&world, resume_last);
    world_settle(&world);
    assert_int_equal(world.seen.closed, 0);
    world_run(&world, release_last);
    client_hears(client, "question\n");
    client_is_hung_up(client);
    close(client);
}

static void a_half_closed_peer_that_yields_in_every_turn_is_answered_in_full(void **state)
{
    (void)state;
    world.on_ready = suspend_after_a_line;
    int client = world_client(&world);
    world_run(&world, suspend_last);
    client_say(client, "1\n2\n3\n");
    shutdown(client, SHUT_WR);
    world_settle(&world);
    world_run(&world, resume_last);
    client_hears(client, "1\n2\n3\n");
    close(client);
}

static void a_blocked_peer_that_hangs_up_is_closed_at_once(void **state)
{
    (void)state;
    int client = world_client(&world);
    world_run(&world, suspend_last_blocked);
    close(client);
    world_settle(&world);
    assert_int_equal(world.seen.closed, 1);
}

static void a_peer_that_hangs_up_is_closed(void **state)
{
    (void)state;
    int client = world_client(&world);
    client_say(client, "unfinished");
    close(client);
    world_settle(&world);
    assert_int_equal(world.seen.closed, 1);
    assert_int_equal(loop_connection_count(world.loop), 0);
}

static void everything_at_once(struct world *at)
{
    struct connection *connection = at->last;
    connection_suspend(connection);
    connection_hold(connection);
    buffer_append_text(&connection->output.bytes, "never sent");
    connection_resume(connection);
    connection_close(connection);
    connection_suspend(connection);
    connection_release(connection);
    connection_resume(connection);
    connection_wants_send(connection);
    connection_close_after_send(connection);
    connection_close(connection);
    connection_check_limits(connection);
}

static void after_close_all_calls_are_harmless_till_the_turns_end(void **state)
{
    (void)state;
    int client = world_client(&world);
    client_say(client, "hello\n");
    world_run(&world, everything_at_once); /* before or after the greeting is echoed */
    client_is_hung_up_at_last(client);
    world_settle(&world);
    assert_int_equal(world.seen.closed, 1);
    close(client);
}

static void a_suspended_connection_can_be_closed(void **state)
{
    (void)state;
    int client = world_client(&world);
    world_run(&world, suspend_last);
    client_say(client, "kept\n");
    world_settle(&world);
    world_run(&world, close_last);
    client_is_hung_up(client);
    close(client);
}

static void echo_and_quit(struct world *at, struct connection *connection)
{
    world_echo(at, connection);
    if (connection->output.bytes.length > 0)
        connection_close_after_send(connection);
}

static void quit_closes_after_the_whole_answer(void **state)
{
    (void)state;
    const size_t length = 3000000;
    char *text = text_make(length);
    world.on_ready = echo_and_quit;
    int client = world_client(&world);
    client_send(client, text, length);
    client_say(client, "ignored");
    client_expect(client, text, length);
    client_is_hung_up(client);
    free(text);
    close(client);
}

static void a_request_beyond_the_query_limit_closes(void **state)
{
    (void)state;
    uint64_t before = metric_read(METRIC_client_query_buffer_limit_disconnections);
    limit_set(&connection_limits.query_bytes_max, 100000);
    int client = world_client(&world);
    char *text = text_make(100000);
    text[99999] = 'x';
    client_send(client, text, 100000);
    world_settle(&world);
    assert_int_equal(world.seen.closed, 0);
    client_say(client, "y");
    client_is_hung_up(client);
    assert_int_equal(metric_read(METRIC_client_query_buffer_limit_disconnections), before + 1);
    free(text);
    close(client);
}

static void a_stranger_may_neither_ask_nor_be_told_much(void **state)
{
    (void)state;
    limit_set(&connection_limits.unauthenticated_bytes_max, 1000);
    int client = world_client(&world);
    char *text = text_make(2000);
    world_run(&world, distrust_last);
    client_send(client, text, 2000);
    client_is_hung_up(client);
    close(client);

    client = world_client(&world);
    world_run(&world, distrust_last);
    world_run(&world, hold_last);
    for (int i = 0; i < 30; i++) {
        send(client, text, 50, MSG_NOSIGNAL);
        send(client, "\n", 1, MSG_NOSIGNAL);
        world_settle(&world);
    }
    client_is_hung_up(client);
    free(text);
    close(client);
}

static void output_beyond_the_hard_limit_closes(void **state)
{
    (void)state;
    uint64_t before = metric_read(METRIC_client_output_buffer_limit_disconnections);
    limit_set(&connection_limits.output[CONNECTION_NORMAL].hard_bytes, 12);
    int client = world_client(&world);
    world_run(&world, hold_last);
    world_run(&world, push_last);
    world_run(&world, push_last);
    world_settle(&world);
    assert_int_equal(world.seen.closed, 0);
    world_run(&world, push_last);
    client_is_hung_up(client);
    assert_int_equal(metric_read(METRIC_client_output_buffer_limit_disconnections), before + 1);
    close(client);
}

static void output_beyond_the_soft_limit_closes_after_its_time(void **state)
{
    (void)state;
    limit_set(&connection_limits.output[CONNECTION_NORMAL].soft_bytes, 4);
    limit_set(&connection_limits.output[CONNECTION_NORMAL].soft_seconds, 1000);
    int client = world_client(&world);
    world_run(&world, hold_last);
    world_run(&world, push_last);
    world_settle(&world);
    assert_int_equal(world.seen.closed, 0);
    limit_set(&connection_limits.output[CONNECTION_NORMAL].soft_seconds, 0);
    world_run(&world, push_last);
    client_is_hung_up(client);
    close(client);
}

static void more_connections_than_a_turn_takes_are_all_answered(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    int clients[COUNT];
    for (int i = 0; i < COUNT; i++)
        clients[i] = world_client(&world);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++)
            client_say(clients[i], i % 2 ? "some words\n" : "others\n");
        for (int i = 0; i < COUNT; i++)
            client_hears(clients[i], i % 2 ? "some words\n" : "others\n");
    }
    world_settle(&world);
    assert_in_range(world.seen.ready_max, 1, 128);
    assert_int_equal(loop_connection_count(world.loop), COUNT);
    for (int i = 0; i < COUNT; i += 2)
        close(clients[i]);
    world_settle(&world);
    assert_int_equal(world.seen.closed, COUNT / 2);
    client_say(clients[1], "still\n");
    client_hears(clients[1], "still\n");
    for (int i = 1; i < COUNT; i += 2)
        close(clients[i]);
}

/* More input than the arena holds in one turn. */
static void many_full_sockets_are_read_in_several_turns(void **state)
{
    (void)state;
    enum { COUNT = 60, LENGTH = 60000 };
    int clients[COUNT];
    char *text = text_make(LENGTH);
    for (int i = 0; i < COUNT; i++) {
        clients[i] = world_client(&world);
        client_send(clients[i], text, LENGTH);
    }
    for (int i = 0; i < COUNT; i++) {
        client_expect(clients[i], text, LENGTH);
        close(clients[i]);
    }
    free(text);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(what_is_sent_is_answered_in_order),
        STORY(an_idle_connection_owns_no_buffers),
        STORY(a_cut_request_keeps_just_its_bytes),
        STORY(a_large_request_and_its_answer_pass_through_small_sockets),
        STORY(an_expected_length_bounds_the_growth),
        STORY(references_are_sent_in_place_and_released_once),
        STORY(references_are_released_when_the_peer_is_gone),
        STORY(a_suspended_connection_waits_for_resume),
        STORY(a_suspended_connection_is_read_no_further_than_a_small_buffer),
        STORY(who_is_suspended_again_and_again_is_read_no_further),
        STORY(a_resumed_connection_is_ready_again_without_new_bytes),
        STORY(held_output_leaves_when_released),
        STORY(output_may_be_held_after_a_part_of_it_is_sent),
        STORY(output_from_outside_a_turn_is_sent),
        STORY(a_half_closed_peer_is_answered_before_it_is_closed),
        STORY(a_half_closed_peer_that_yields_in_every_turn_is_answered_in_full),
        STORY(a_blocked_peer_that_hangs_up_is_closed_at_once),
        STORY(a_peer_that_hangs_up_is_closed),
        STORY(after_close_all_calls_are_harmless_till_the_turns_end),
        STORY(a_suspended_connection_can_be_closed),
        STORY(quit_closes_after_the_whole_answer),
        STORY(a_request_beyond_the_query_limit_closes),
        STORY(a_stranger_may_neither_ask_nor_be_told_much),
        STORY(output_beyond_the_hard_limit_closes),
        STORY(output_beyond_the_soft_limit_closes_after_its_time),
        STORY(more_connections_than_a_turn_takes_are_all_answered),
        STORY(many_full_sockets_are_read_in_several_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
