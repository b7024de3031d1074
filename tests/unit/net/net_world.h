/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* A loop on a thread of its own, and a test that plays the clients and looks into the loop by letters. The handler
 * answers each line that ends in a newline with itself, unless the story sets another. */
#include "base/check.h"
#include "base/thread.h"
#include "net/connection.h"
#include "net/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    struct loop *loop;
    struct thread thread;
    void (*on_ready)(struct world *world, struct connection *connection);
    struct connection *last; /* the last one opened, while it is */
    unsigned opened, closed, ready, turns, ready_max;
    /* what the loop's thread has last shown to the test's */
    struct {
        unsigned closed, ready, ready_max;
        struct connection last;
    } seen;
};

struct errand {
    struct mail mail;
    void (*run)(struct world *world);
    struct world *world;
    sem_t done;
};

static inline void world_show(struct world *world)
{
    world->seen.closed = world->closed;
    world->seen.ready = world->ready;
    world->seen.ready_max = world->ready_max;
    if (world->last)
        world->seen.last = *world->last;
}

static inline void errand_deliver(struct mail *mail)
{
    struct errand *errand = (struct errand *)mail;
    errand->run(errand->world);
    world_show(errand->world);
    sem_post(&errand->done);
}

/* Runs a function on the loop's thread and waits for it. */
static inline void world_run(struct world *world, void (*run)(struct world *world))
{
    struct errand errand = {.mail.deliver = errand_deliver, .run = run, .world = world};
    sem_init(&errand.done, 0, 0);
    mailbox_post(loop_mailbox(world->loop), &errand.mail);
    while (sem_wait(&errand.done) != 0)
        ;
    sem_destroy(&errand.done);
}

static inline void world_nothing(struct world *world)
{
    (void)world;
}

/* After this, what was sent before it has been received and answered, and 'seen' shows what came of it: one turn may
 * be under way, the next one finds all of it, the third has it behind. */
static inline void world_settle(struct world *world)
{
    for (int i = 0; i < 3; i++)
        world_run(world, world_nothing);
}

static inline void world_echo(struct world *world, struct connection *connection)
{
    (void)world;
    char *end;
    while (!connection->suspended && connection->input.length > 0 &&
           (end = memchr(connection->input.data, '\n', connection->input.length))) {
        size_t length = (size_t)(end - connection->input.data) + 1;
        buffer_append(&connection->output.bytes, connection->input.data, length);
        connection_consume(connection, length);
    }
}

static inline void world_opened(void *context, struct connection *connection)
{
    struct world *world = context;
    connection->owner = world;
    connection->trusted = true;
    world->opened++;
    world->last = connection;
}

static inline void world_turn(void *context, struct connection **ready, size_t count)
{
    struct world *world = context;
    world->turns++;
    world->ready += (unsigned)count;
    if (count > world->ready_max)
        world->ready_max = (unsigned)count;
    for (size_t i = 0; i < count; i++) {
        check(ready[i]->owner == world && !ready[i]->suspended && !ready[i]->closing);
        world->on_ready(world, ready[i]);
    }
}

static inline void world_closed(void *context, struct connection *connection)
{
    struct world *world = context;
    check(connection->owner == world);
    connection->owner = NULL;
    world->closed++;
    if (world->last == connection)
        world->last = NULL;
}

static inline void world_thread(void *argument)
{
    loop_run(((struct world *)argument)->loop);
}

static inline void world_begin(struct world *world)
{
    *world = (struct world){.on_ready = world_echo};
    struct loop_handlers handlers = {
        .context = world, .opened = world_opened, .turn = world_turn, .closed = world_closed};
    world->loop = loop_create(&handlers);
    thread_start(&world->thread, "loop", world_thread, world);
}

static inline void world_end(struct world *world)
{
    loop_stop(world->loop);
    thread_stop(&world->thread);
    loop_destroy(&world->loop);
    assert_int_equal(world->closed, world->opened);
}

static inline void client_setup(int fd)
{
    struct timeval patience = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

/* Connects a client; world->last is its connection afterwards. */
static inline int world_client(struct world *world)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
    client_setup(pair[0]);
    connection_join(world->loop, &(struct loose_connection){.fd = pair[1], .local = true, .unix_socket = true}, NULL);
    world_run(world, world_nothing);
    return pair[0];
}

static inline void client_send(int fd, const void *data, size_t length)
{
    for (size_t sent = 0; sent < length;) {
        ssize_t n = send(fd, (const char *)data + sent, length - sent, MSG_NOSIGNAL);
        assert_true(n > 0);
        sent += (size_t)n;
    }
}

static inline void client_say(int fd, const char *text)
{
    client_send(fd, text, strlen(text));
}

static inline void client_expect(int fd, const void *expected, size_t length)
{
    char *received = malloc(length + 1);
    for (size_t got = 0; got < length;) {
        ssize_t n = recv(fd, received + got, length - got, 0);
        assert_true(n > 0);
        got += (size_t)n;
    }
    assert_memory_equal(received, expected, length);
    free(received);
}

static inline void client_hears(int fd, const char *text)
{
    client_expect(fd, text, strlen(text));
}

static inline void client_hears_nothing(int fd)
{
    char byte;
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

/* Where an answer may or may not have left before. */
static inline void client_is_hung_up_at_last(int fd)
{
    char bytes[256];
    ssize_t n;
    do
        n = recv(fd, bytes, sizeof(bytes), 0);
    while (n > 0);
    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
}

static inline void client_is_hung_up(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, 0);
    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
}
