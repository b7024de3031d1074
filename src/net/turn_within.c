/* SPDX-License-Identifier: BSD-3-Clause */
/* A turn inside of a turn: its connections, their bytes and what is to be sent stand in vectors and an arena of their
 * own, which take the place of the outer turn's for as long as it lasts.
 *
 * Not taken are the busy connection, whose bytes somebody is reading, and connections that were resumed, whose requests
 * are half done. All others of the outer turn have been handed back. Nothing is freed: who is doomed here is buried at the end
 * of the outer turn. */
#include "net/net_private.h"

#include "base/memory.h"

static bool may_take(const struct loop *loop, struct connection *connection)
{
    return !(connection->flags & (CONNECTION_BUSY | CONNECTION_RESUMED | CONNECTION_DOOMED)) &&
           loop->ready.count < NET_TURN_MAX && loop_has_room(loop, connection);
}

/* Takes who may be taken of the vector from 'first' on; the others stay in it. */
static void take_from(struct loop *loop, struct connection_vector *vector, size_t first)
{
    size_t kept = first;
    for (size_t i = first; i < vector->count; i++)
        if (may_take(loop, vector->items[i]))
            loop_take(loop, vector->items[i]);
        else
            vector->items[kept++] = vector->items[i];
    vector->count = kept;
}

static void receive_and_answer(struct loop *loop)
{
    loop_poll(loop);
    mailbox_pick(&loop->mailbox, connection_comes_with);
    take_from(loop, &loop->batch, loop->batch_next);
    take_from(loop, &loop->arrivals, 0);
    if (loop->ready.count > 0)
        loop->handlers.turn_within(loop->handlers.context, loop->ready.items, loop->ready.count);
    for (size_t i = 0; i < loop->ready.count; i++)
        connection_flush(loop->ready.items[i]);
    loop_flush(loop);
}

void loop_turn_within(struct loop *loop, struct connection *busy)
{
    struct connection_vector ready = loop->ready, touched = loop->touched;
    char *arena = loop->arena;
    size_t arena_used = loop->arena_used;
    if (!loop->arena_within)
        loop->arena_within = memory_allocate(NET_ARENA_SIZE);
    busy->flags |= CONNECTION_BUSY;
    loop->is_within = true;
    loop->arena = loop->arena_within;
    loop->arena_used = 0;
    loop->ready = loop->touched = (struct connection_vector){0};
    receive_and_answer(loop);
    memory_free(loop->ready.items);
    memory_free(loop->touched.items);
    loop->ready = ready;
    loop->touched = touched;
    loop->arena = arena;
    loop->arena_used = arena_used;
    loop->is_within = false;
    busy->flags &= (uint16_t)~CONNECTION_BUSY;
    loop->again = true;
}
