/* SPDX-License-Identifier: BSD-3-Clause */
/* The only file that knows libev. ev_run is called for one iteration at a time, and its callbacks only take notes:
 * who is readable, who is writable; so that a turn has a clear begin and end, which libev's callbacks alone have not.
 *
 *     ev_run  ->  notes in arrivals and touched; timers fire
 *     mail    ->  may resume, close, hand over
 *     per 128 of the arrivals, or as many as the arena holds:
 *         receive  ->  ready        turn(ready)        flush everyone touched
 *     bury    ->  closed(), free
 *
 * Received bytes lie one after the other in one arena: a hundred small requests touch a few KiB of it, where a buffer
 * for each would touch a page for each, and an idle connection has nothing to give back.
 *
 * L1  A connection is freed in bury only. Before that it has left every vector; from the moment it is doomed it
 *     enters none.
 * L2  arrivals made during a turn wait for the next one, so a turn ends.
 * L3  The watcher is changed only when what we wait for changes: never in the life of a connection whose peer reads
 *     its replies. A suspended connection costs nothing until it receives more than a small buffer holds. */
#include "net/loop.h"
#include "net/net_private.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"

#include <ev.h>

/* Of timers that fire while a turn is under way. */
#define PUT_OFF_SECONDS 0.005

struct loop_events {
    struct ev_loop *ev;
    ev_async wake;
    ev_check begin;
};

_Static_assert(sizeof(ev_io) <= sizeof(((struct connection_private *)0)->watcher), "an ev_io fits");
_Static_assert(sizeof(ev_timer) <= sizeof(((struct loop_timer *)0)->watcher), "an ev_timer fits");
_Static_assert(sizeof(struct connection_private) <= 224, "an allocator's size class");

void connection_vector_push(struct connection_vector *vector, struct connection *connection)
{
    if (vector->count == vector->capacity) {
        vector->capacity = vector->capacity > 0 ? 2 * vector->capacity : 64;
        vector->items = memory_resize(vector->items, vector->capacity * sizeof(*vector->items));
    }
    vector->items[vector->count++] = connection;
}

void loop_list(struct connection_vector *vector, struct connection *connection, enum connection_flag flag)
{
    if (connection->flags & (flag | CONNECTION_DOOMED))
        return;
    connection->flags |= flag;
    connection_vector_push(vector, connection);
}

static void vector_drop_doomed(struct connection_vector *vector)
{
    size_t kept = 0;
    for (size_t i = 0; i < vector->count; i++)
        if (!(vector->items[i]->flags & CONNECTION_DOOMED))
            vector->items[kept++] = vector->items[i];
    vector->count = kept;
}

/* Watchers. */

static ev_io *watcher_of(struct connection *connection)
{
    return (ev_io *)connection_private(connection)->watcher;
}

static void on_socket(struct ev_loop *ev, ev_io *watcher, int events)
{
    (void)ev;
    struct connection *connection = watcher->data;
    struct loop *loop = connection->loop;
    if (events & EV_WRITE) {
        connection->flags &= (uint16_t)~CONNECTION_STUFFED;
        loop_list(&loop->touched, connection, CONNECTION_TOUCHED);
        if (connection->flags & CONNECTION_TLS)
            events |= EV_READ; /* a handshake may have waited to send something */
    }
    if (events & EV_READ) {
        connection->flags |= CONNECTION_READABLE;
        loop_list(&loop->arrivals, connection, CONNECTION_LISTED);
    }
}

void loop_watch_init(struct connection *connection)
{
    ev_io *watcher = watcher_of(connection);
    ev_io_init(watcher, on_socket, connection->fd, EV_READ);
    watcher->data = connection;
    ev_io_start(connection->loop->events->ev, watcher);
}

void loop_watch(struct connection *connection)
{
    ev_io *watcher = watcher_of(connection);
    struct ev_loop *ev = connection->loop->events->ev;
    int wanted = connection->flags & CONNECTION_STUFFED ? EV_WRITE : 0;
    if (!connection->closing && !(connection->flags & (CONNECTION_UNREAD | CONNECTION_ENDED)))
        wanted |= EV_READ;
    if (wanted == (ev_is_active(watcher) ? watcher->events & (EV_READ | EV_WRITE) : 0))
        return;
    ev_io_stop(ev, watcher);
    if (wanted == 0)
        return;
    ev_io_set(watcher, connection->fd, wanted);
    ev_io_start(ev, watcher);
}

void loop_watch_stop(struct connection *connection)
{
    ev_io_stop(connection->loop->events->ev, watcher_of(connection));
}

/* Time, timers, mail. */

static void time_read(struct loop *loop)
{
    loop->now_ms = clock_now_ms();
    loop->now_us = clock_monotonic_us();
}

/* Runs before all other callbacks of an iteration, so that timers see the present. */
static void on_begin(struct ev_loop *ev, ev_check *watcher, int events)
{
    (void)ev, (void)events;
    time_read(watcher->data);
}

/* The letters are taken in the turn; it is enough to have woken. */
static void on_wake(struct ev_loop *ev, ev_async *watcher, int events)
{
    (void)ev, (void)watcher, (void)events;
}

static void loop_wake(void *context)
{
    struct loop *loop = context;
    ev_async_send(loop->events->ev, &loop->events->wake);
}

static void put_off(struct ev_loop *ev, ev_timer *watcher)
{
    double repeat = watcher->repeat;
    ev_timer_stop(ev, watcher);
    ev_timer_set(watcher, PUT_OFF_SECONDS, repeat);
    ev_timer_start(ev, watcher);
}

static void on_timer(struct ev_loop *ev, ev_timer *watcher, int events)
{
    (void)events;
    struct loop_timer *timer = watcher->data;
    if (timer->loop->is_within) {
        put_off(ev, watcher);
        return;
    }
    timer->active = ev_is_active(watcher);
    timer->fire(timer);
}

void loop_timer_start(struct loop *loop, struct loop_timer *timer, double delay_ms, double repeat_ms,
                      void (*fire)(struct loop_timer *timer))
{
    loop_timer_stop(timer);
    ev_timer *watcher = (ev_timer *)timer->watcher;
    ev_timer_init(watcher, on_timer, delay_ms / 1000, repeat_ms / 1000);
    watcher->data = timer;
    timer->fire = fire;
    timer->loop = loop;
    timer->active = true;
    ev_timer_start(loop->events->ev, watcher);
}

void loop_timer_stop(struct loop_timer *timer)
{
    if (timer->active)
        ev_timer_stop(timer->loop->events->ev, (ev_timer *)timer->watcher);
    timer->active = false;
}

/* The turn. */

/* Who was resumed may be suspended again for the same request, and again: it is read from when that is done. */
static bool connection_puts_off_reading(const struct connection *connection, uint16_t flags)
{
    return flags & CONNECTION_RESUMED && flags & CONNECTION_READABLE && connection->input.length >= NET_READ_MIN;
}

void loop_take(struct loop *loop, struct connection *connection)
{
    uint16_t flags = connection->flags;
    connection->flags &= (uint16_t) ~(CONNECTION_LISTED | CONNECTION_READABLE | CONNECTION_RESUMED | CONNECTION_AGAIN);
    loop_list(&loop->touched, connection, CONNECTION_TOUCHED);
    if (connection->closing)
        return;
    uint64_t before = connection->bytes_in;
    if (connection_puts_off_reading(connection, flags)) {
        connection->flags |= CONNECTION_READABLE;
        loop_list(&loop->arrivals, connection, CONNECTION_LISTED);
        flags &= (uint16_t)~CONNECTION_READABLE;
    }
    bool received = flags & CONNECTION_READABLE && connection_receive(connection);
    if (connection->suspended || connection->closing || !(received || flags & (CONNECTION_RESUMED | CONNECTION_AGAIN)))
        return;
    if (!connection->output.bytes.data)
        buffer_pool_lend(&loop->pool, &connection->output.bytes, connection->bytes_in - before);
    connection_vector_push(&loop->ready, connection);
}

bool loop_has_room(const struct loop *loop, struct connection *connection)
{
    size_t read_size = (size_t)NET_READ_MIN << connection_private(connection)->read_shift;
    return NET_ARENA_SIZE - loop->arena_used >= read_size + NET_READ_MIN;
}

static void batch_receive(struct loop *loop)
{
    const struct connection_vector *batch = &loop->batch;
    loop->ready.count = 0;
    loop->arena_used = 0;
    while (loop->batch_next < batch->count && loop->ready.count < NET_TURN_MAX &&
           loop_has_room(loop, batch->items[loop->batch_next]))
        loop_take(loop, batch->items[loop->batch_next++]);
}

void loop_flush(struct loop *loop)
{
    for (size_t i = 0; i < loop->touched.count; i++)
        connection_flush(loop->touched.items[i]);
    loop->touched.count = 0;
}

static void loop_bury(struct loop *loop)
{
    while (loop->doomed.count > 0) {
        struct connection_vector dead = loop->doomed;
        loop->doomed = (struct connection_vector){0};
        vector_drop_doomed(&loop->arrivals);
        vector_drop_doomed(&loop->touched);
        for (size_t i = 0; i < dead.count; i++) {
            loop->handlers.closed(loop->handlers.context, dead.items[i]);
            connection_destroy(dead.items[i]);
        }
        memory_free(dead.items);
    }
}

static void loop_turn(struct loop *loop)
{
    loop->again = false;
    if (mailbox_has_mail(&loop->mailbox))
        mailbox_drain(&loop->mailbox);
    struct connection_vector empty = loop->batch;
    loop->batch = loop->arrivals;
    loop->arrivals = empty;
    loop->batch_next = 0;
    do {
        if (loop->batch_next > 0)
            time_read(loop);
        batch_receive(loop);
        loop->handlers.turn(loop->handlers.context, loop->ready.items, loop->ready.count);
        loop_flush(loop);
    } while (loop->batch_next < loop->batch.count);
    loop->batch.count = 0;
    loop_bury(loop);
}

void loop_poll(struct loop *loop)
{
    ev_run(loop->events->ev, EVRUN_NOWAIT);
}

static bool loop_has_work(const struct loop *loop)
{
    return loop->again || loop->arrivals.count + loop->touched.count + loop->doomed.count > 0;
}

void loop_run(struct loop *loop)
{
    time_read(loop);
    while (!atomic_load_explicit(&loop->stopping, memory_order_acquire)) {
        ev_run(loop->events->ev, loop_has_work(loop) ? EVRUN_NOWAIT : EVRUN_ONCE);
        loop_turn(loop);
    }
}

void loop_stop(struct loop *loop)
{
    atomic_store_explicit(&loop->stopping, true, memory_order_release);
    loop_wake(loop);
}

struct loop *loop_create(const struct loop_handlers *handlers)
{
    struct loop *loop = memory_allocate_zeroed(sizeof(*loop));
    struct loop_events *events = memory_allocate_zeroed(sizeof(*events));
    loop->handlers = *handlers;
    loop->events = events;
    loop->arena = memory_allocate(NET_ARENA_SIZE);
    list_init(&loop->connections);
    mailbox_init(&loop->mailbox, loop_wake, loop);
    events->ev = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);
    check(events->ev != NULL);
    ev_async_init(&events->wake, on_wake);
    ev_async_start(events->ev, &events->wake);
    ev_check_init(&events->begin, on_begin);
    ev_set_priority(&events->begin, EV_MAXPRI);
    events->begin.data = loop;
    ev_check_start(events->ev, &events->begin);
    time_read(loop);
    return loop;
}

void loop_close_all(struct loop *loop)
{
    while (mailbox_drain(&loop->mailbox) > 0 || !list_is_empty(&loop->connections)) {
        for (struct list *node = loop->connections.next; node != &loop->connections; node = node->next)
            connection_close(&list_entry(node, struct connection_private, link)->connection);
        loop_bury(loop);
    }
}

void loop_destroy(struct loop **owned)
{
    struct loop *loop = *owned;
    if (!loop)
        return;
    *owned = NULL;
    loop_close_all(loop);
    ev_loop_destroy(loop->events->ev);
    buffer_pool_deinit(&loop->pool);
    memory_free(loop->arrivals.items);
    memory_free(loop->batch.items);
    memory_free(loop->ready.items);
    memory_free(loop->touched.items);
    memory_free(loop->doomed.items);
    memory_free(loop->arena);
    memory_free(loop->arena_within);
    memory_free(loop->events);
    memory_free(loop);
}

struct mailbox *loop_mailbox(struct loop *loop)
{
    return &loop->mailbox;
}

int64_t loop_now_ms(const struct loop *loop)
{
    return loop->now_ms;
}

int64_t loop_now_us(const struct loop *loop)
{
    return loop->now_us;
}

uint32_t loop_connection_count(const struct loop *loop)
{
    return atomic_load_explicit(&loop->connection_count, memory_order_relaxed);
}

void loop_each_connection(struct loop *loop, void (*visit)(void *context, struct connection *connection), void *context)
{
    for (struct list *node = loop->connections.next; node != &loop->connections; node = node->next) {
        struct connection *connection = &list_entry(node, struct connection_private, link)->connection;
        if (!(connection->flags & CONNECTION_DOOMED))
            visit(context, connection);
    }
}

void loop_turn_again(struct loop *loop)
{
    loop->again = true;
}
