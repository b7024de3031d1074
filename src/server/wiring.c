/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections meet sessions here: net calls the handlers below, sessions call back through a transport. Neither side
 * knows the other. */
#include "server/wiring.h"

#include <stdio.h>

#include "base/memory.h"
#include "base/thread.h"
#include "command/blocked.h"
#include "command/dispatch.h"
#include "net/connection.h"
#include "replication/replication.h"
#include "server/config.h"

#define IDLE_CHECK_MS 1000
#define RETRY_MS 1

struct lane {
    struct loop *loop;
    struct worker *worker;
    struct thread thread;
    struct turn_item *items;
    size_t item_capacity, count;
    struct connection **ready;
    struct connection *busy; /* the one that a turn which was cut short goes on with */
    struct loop_timer retry_timer, wake_timer, idle_timer;
    bool retry_armed;
    int64_t wake_at_ms; /* when wake_timer fires; 0: never */
};

/* ---- what a session asks of its connection ---- */

static void transport_suspend(void *connection)
{
    connection_suspend(connection);
}

static void transport_resume(void *connection)
{
    connection_resume(connection);
}

static void transport_block(void *taken)
{
    struct connection *connection = taken;
    connection->blocked = true;
}

static void transport_hold(void *connection)
{
    connection_hold(connection);
}

static void transport_release(void *connection)
{
    connection_release(connection);
}

static void transport_wants_send(void *connection)
{
    connection_wants_send(connection);
}

static void transport_close_after_send(void *connection)
{
    connection_close_after_send(connection);
}

static void transport_close(void *connection)
{
    connection_close(connection);
}

static void transport_give_to_replication(void *connection, void *introduction)
{
    connection_leave(connection, leader_take, introduction);
}

static void transport_set_trusted(void *connection, bool trusted)
{
    ((struct connection *)connection)->trusted = trusted;
}

static void transport_set_subscriber(void *connection, bool subscriber)
{
    ((struct connection *)connection)->class = subscriber ? CONNECTION_SUBSCRIBER : CONNECTION_NORMAL;
}

static void transport_describe(void *connection, char *peer, char *local, size_t size)
{
    connection_peer(connection, peer, size);
    connection_local(connection, local, size);
}

static void transport_measure(void *taken, struct session_measures *measures)
{
    const struct connection *connection = taken;
    *measures = (struct session_measures){.fd = connection->fd,
                                          .query_bytes = connection->input.length,
                                          .query_capacity = connection->input.capacity,
                                          .output_bytes = output_length(&connection->output),
                                          .output_capacity = connection->output.bytes.capacity,
                                          .bytes_in = connection->bytes_in,
                                          .bytes_out = connection->bytes_out,
                                          .active_at_ms = connection->active_at_ms,
                                          .unix_socket = connection->unix_socket,
                                          .local = connection->local};
}

static const struct transport transport = {
    .suspend = transport_suspend,
    .resume = transport_resume,
    .block = transport_block,
    .hold = transport_hold,
    .release = transport_release,
    .wants_send = transport_wants_send,
    .close_after_send = transport_close_after_send,
    .close = transport_close,
    .give_to_replication = transport_give_to_replication,
    .set_trusted = transport_set_trusted,
    .set_subscriber = transport_set_subscriber,
    .describe = transport_describe,
    .measure = transport_measure,
};

/* ---- what net tells ---- */

static void lane_opened(void *context, struct connection *connection)
{
    struct lane *lane = context;
    lane->worker->now_ms = loop_now_ms(lane->loop);
    connection->owner = session_create(lane->worker, connection, &transport, &connection->output);
}

static void lane_closed(void *context, struct connection *connection)
{
    (void)context;
    struct session *session = connection->owner;
    connection->owner = NULL;
    if (session)
        session_destroy(&session);
}

static struct turn_item item_of(struct connection *connection)
{
    struct turn_item item = {.session = connection->owner, .input = buffer_bytes(&connection->input)};
    if (connection->closing)
        item.input.length = 0;
    return item;
}

static void lane_turn(void *context, struct connection **ready, size_t count)
{
    struct lane *lane = context;
    if (count > lane->item_capacity) {
        lane->item_capacity = count * 2;
        lane->items = memory_resize(lane->items, lane->item_capacity * sizeof(struct turn_item));
    }
    for (size_t i = 0; i < count; i++)
        lane->items[i] = item_of(ready[i]);
    lane->ready = ready;
    lane->count = count;
    worker_turn(lane->worker, lane->items, count, loop_now_ms(lane->loop));
    for (size_t i = 0; i < count; i++)
        connection_consume(ready[i], lane->items[i].consumed);
    if (__builtin_expect(lane->busy != NULL, 0)) {
        connection_hand_back(lane->busy);
        lane->busy = NULL;
    }
}

static void lane_turn_within(void *context, struct connection **ready, size_t count)
{
    struct lane *lane = context;
    struct turn_item *items = memory_allocate(count * sizeof(*items));
    for (size_t i = 0; i < count; i++)
        items[i] = item_of(ready[i]);
    worker_turn_within(lane->worker, items, count, loop_now_ms(lane->loop));
    for (size_t i = 0; i < count; i++)
        connection_consume(ready[i], items[i].consumed);
    memory_free(items);
}

/* What a request that is half done waited for (a place at the gate, a row, an element that was popped for it) is used or given
 * up with locks at hand: it goes on in a turn of its own, not within this one. */
static void hand_back(struct connection *connection, const struct session *session)
{
    bool is_half_done = !connection->suspended && session->suspension != SUSPENDED_NOT;
    connection_hand_back(connection);
    if (is_half_done) {
        connection_suspend(connection);
        connection_resume(connection);
    }
}

/* The rest of the turn is for one connection; what the others have asked comes to later turns. */
static void lane_cut_turn(struct lane *lane, struct connection *busy)
{
    lane->busy = busy;
    for (size_t i = 0; i < lane->count; i++) {
        if (lane->ready[i] == busy)
            continue;
        connection_consume(lane->ready[i], lane->items[i].consumed);
        lane->items[i].consumed = 0;
        hand_back(lane->ready[i], lane->items[i].session);
    }
}

static void lane_answer_others(void *context, void *busy)
{
    struct lane *lane = context;
    if (!lane->busy)
        lane_cut_turn(lane, busy);
    loop_turn_within(lane->loop, busy);
}

/* ---- timers ---- */

static void lane_retry_fired(struct loop_timer *timer)
{
    struct lane *lane = (struct lane *)((char *)timer - offsetof(struct lane, retry_timer));
    lane->retry_armed = false;
    worker_retry(lane->worker);
}

static void lane_retry_later(void *context)
{
    struct lane *lane = context;
    if (lane->retry_armed)
        return;
    lane->retry_armed = true;
    loop_timer_start(lane->loop, &lane->retry_timer, RETRY_MS, 0, lane_retry_fired);
}

static void lane_wake(struct loop_timer *timer)
{
    struct lane *lane = (struct lane *)((char *)timer - offsetof(struct lane, wake_timer));
    lane->wake_at_ms = 0;
    worker_wake(lane->worker, loop_now_ms(lane->loop));
}

static void lane_wake_at(void *context, int64_t at_ms)
{
    struct lane *lane = context;
    if (lane->wake_at_ms != 0 && lane->wake_at_ms <= at_ms)
        return;
    int64_t delay_ms = at_ms - loop_now_ms(lane->loop);
    lane->wake_at_ms = at_ms;
    loop_timer_start(lane->loop, &lane->wake_timer, delay_ms > 0 ? (double)delay_ms : RETRY_MS, 0, lane_wake);
}

static void close_if_idle(void *context, struct connection *connection)
{
    int64_t idle_since_ms = *(int64_t *)context;
    struct session *session = connection->owner;
    bool waits =
        session && (session->flags & (SESSION_SUSPENDED | SESSION_HELD | SESSION_MONITOR | SESSION_SUBSCRIBER));
    if (!waits && connection->active_at_ms < idle_since_ms)
        connection_close(connection);
}

static void lane_check_idle(struct loop_timer *timer)
{
    loop_check_limits(timer->loop);
    int64_t timeout_seconds = __atomic_load_n(&config.idle_timeout_seconds, __ATOMIC_RELAXED);
    int64_t idle_since_ms = loop_now_ms(timer->loop) - timeout_seconds * 1000;
    if (timeout_seconds > 0)
        loop_each_connection(timer->loop, close_if_idle, &idle_since_ms);
}

/* ---- life ---- */

struct lane *lane_create(struct engine *engine, uint32_t number)
{
    struct lane *lane = memory_allocate_zeroed(sizeof(*lane));
    struct loop_handlers handlers = {.context = lane,
                                     .opened = lane_opened,
                                     .turn = lane_turn,
                                     .turn_within = lane_turn_within,
                                     .closed = lane_closed};
    lane->loop = loop_create(&handlers);
    lane->worker = worker_create(engine, number, loop_mailbox(lane->loop));
    lane->worker->loop = lane;
    lane->worker->retry_later = lane_retry_later;
    lane->worker->wake_at = lane_wake_at;
    lane->worker->answer_others = lane_answer_others;
    return lane;
}

static void drop_session(void *context, struct connection *connection)
{
    lane_closed(context, connection);
}

void lane_drop_sessions(struct lane *lane)
{
    loop_each_connection(lane->loop, drop_session, lane);
}

void lane_destroy(struct lane **taken)
{
    struct lane *lane = *taken;
    *taken = NULL;
    loop_destroy(&lane->loop);
    worker_destroy(&lane->worker);
    memory_free(lane->items);
    memory_free(lane);
}

struct loop *lane_loop(struct lane *lane)
{
    return lane->loop;
}

struct worker *lane_worker(struct lane *lane)
{
    return lane->worker;
}

static void lane_run(void *argument)
{
    struct lane *lane = argument;
    loop_timer_start(lane->loop, &lane->idle_timer, IDLE_CHECK_MS, IDLE_CHECK_MS, lane_check_idle);
    loop_run(lane->loop);
    loop_timer_stop(&lane->idle_timer);
    loop_timer_stop(&lane->retry_timer);
    loop_timer_stop(&lane->wake_timer);
}

void lane_start(struct lane *lane)
{
    char name[16];
    snprintf(name, sizeof(name), "worker-%u", lane->worker->number);
    thread_start(&lane->thread, name, lane_run, lane);
}

void lane_stop(struct lane *lane)
{
    loop_stop(lane->loop);
    thread_stop(&lane->thread);
}
