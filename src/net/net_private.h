/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/list.h"
#include "net/connection.h"
#include "net/loop.h"
#include "net/tls.h"

#include <stdatomic.h>
#include <sys/types.h>

#define NET_READ_MIN (16 * 1024)    /* asked of a socket at first */
#define NET_READ_SHIFT_MAX 4        /* doubled so often while the socket fills it: 256 KiB */
#define NET_ARENA_SIZE (512 * 1024) /* a turn's received bytes */
#define NET_TURN_MAX 128            /* connections in one turn */
#define NET_POOL_SMALL 1024
#define NET_POOL_LARGE (16 * 1024)
#define NET_POOL_KEPT 128

/* connection->flags */
enum connection_flag {
    CONNECTION_LISTED = 1 << 0,   /* in arrivals */
    CONNECTION_READABLE = 1 << 1, /* the socket has bytes or an end */
    CONNECTION_RESUMED = 1 << 2,  /* goes to turn even without bytes */
    CONNECTION_TOUCHED = 1 << 3,  /* in touched */
    CONNECTION_STUFFED = 1 << 4,  /* the socket takes no more: wait until it is writable */
    CONNECTION_UNREAD = 1 << 5,   /* suspended with enough input: do not watch for more */
    CONNECTION_ENDED = 1 << 6,    /* the peer sends no more */
    CONNECTION_DOOMED = 1 << 7,   /* in doomed: freed at the turn's end */
    CONNECTION_IN_ARENA = 1 << 8, /* input lies in the loop's arena, till the send pass */
    CONNECTION_BUSY = 1 << 9,     /* during a turn within: the one that is being served */
    CONNECTION_AGAIN = 1 << 10,   /* goes to turn for input that was handed back */
    CONNECTION_LEAVING = 1 << 11, /* doomed, but its socket goes to somebody else */
    CONNECTION_TLS = 1 << 12,     /* is a struct tls_connection */
};

/* A connection and what only net knows of it: one allocation of 224 bytes, since there may be a million of them. */
struct connection_private {
    struct connection connection;
    _Alignas(8) char watcher[48]; /* loop.c's ev_io */
    struct list link;             /* in the loop's connections */
    char *input_base;             /* the block that input lies in, NULL for none or the arena */
    size_t expected;              /* bytes that the first request has at least */
    size_t output_sent;           /* the first bytes of output.bytes, already sent */
    uint32_t soft_since_ds;       /* beyond the soft limit since this tenth of a second; 0 when not */
    uint32_t read_shift;          /* next read asks for NET_READ_MIN << read_shift */
};

/* The other kind is larger, so that those without TLS need not be. */
struct tls_connection {
    struct connection_private inner;
    struct tls *tls;
};

static inline struct tls *connection_tls(const struct connection *connection)
{
    return connection->flags & CONNECTION_TLS ? ((const struct tls_connection *)connection)->tls : NULL;
}

/* Who gets a connection that leaves. There are few: they stand in a list of the loop's, not in each connection. */
struct leaver {
    struct leaver *next;
    struct connection *connection;
    void (*take)(void *taker, struct loose_connection *loose);
    void *taker;
};

static inline struct connection_private *connection_private(struct connection *connection)
{
    return (struct connection_private *)connection;
}

struct connection_vector {
    struct connection **items;
    size_t count, capacity;
};
void connection_vector_push(struct connection_vector *vector, struct connection *connection);

/* Blocks lent to outputs during a turn, in two sizes. */
struct buffer_pool {
    char *small[NET_POOL_KEPT], *large[NET_POOL_KEPT];
    uint32_t small_count, large_count;
};
/* Gives an empty buffer room; more of it to who sent more than a few requests. */
void buffer_pool_lend(struct buffer_pool *pool, struct buffer *buffer, size_t received);
/* Takes the buffer's block, or frees it if it is of neither size; the buffer is left without. */
void buffer_pool_return(struct buffer_pool *pool, struct buffer *buffer);
void buffer_pool_deinit(struct buffer_pool *pool);

struct loop {
    /* immutable after create */
    struct loop_handlers handlers;
    struct loop_events *events; /* loop.c's libev things */
    char *arena;
    char *arena_within; /* of turns within; NULL until there is one */

    /* any thread */
    struct mailbox mailbox;
    _Atomic uint32_t connection_count;
    _Atomic bool stopping;

    /* loop thread only */
    int64_t now_ms, now_us;
    size_t arena_used, batch_next;
    struct connection_vector arrivals; /* readable or resumed; the next turn's */
    struct connection_vector batch;    /* arrivals of the present turn */
    struct connection_vector ready;    /* given to turn */
    struct connection_vector touched;  /* to be looked at in the send pass */
    struct connection_vector doomed;   /* to be closed and freed at the turn's end */
    struct list connections;
    struct buffer_pool pool;
    struct leaver *leavers;
    int64_t soft_count; /* connections beyond their soft limit */
    bool again, is_within;
};

/* loop.c: takes notes of what came, without a wait. */
void loop_poll(struct loop *loop);
/* Whether a turn that took the arrival could still hold its bytes. */
bool loop_has_room(const struct loop *loop, struct connection *connection);
/* Receives from one arrival, and makes it ready if there is something for the owner to do. */
void loop_take(struct loop *loop, struct connection *connection);
void loop_flush(struct loop *loop);

/* loop.c: makes the watcher agree with the connection's state; a kernel crossing only if it did not. */
void loop_watch(struct connection *connection);
void loop_watch_stop(struct connection *connection);
void loop_watch_init(struct connection *connection);
/* Puts the connection into a vector unless 'flag' says that it is there already, or it is doomed. */
void loop_list(struct connection_vector *vector, struct connection *connection, enum connection_flag flag);

/* An option that its owner may change at any time. */
static inline int64_t limit_read(const int64_t *limit)
{
    return __atomic_load_n(limit, __ATOMIC_RELAXED);
}

/* connection.c */
void connection_destroy(struct connection *connection);
/* Whether a letter brings a new connection. */
bool connection_comes_with(const struct mail *mail);
/* Reads once. True when new bytes came. */
bool connection_receive(struct connection *connection);
/* As connection_close, for a reason that the owner is told: errno's. */
void connection_fail(struct connection *connection, int error);
/* After turn: keeps what input is left in a block of its own, just large enough, or frees it. */
void connection_settle(struct connection *connection);

/* connection_send.c: what of the output is not sent yet. */
static inline size_t connection_unsent(struct connection *connection)
{
    return output_length(&connection->output) - connection_private(connection)->output_sent;
}
/* Since when it is beyond the soft limit, 0: it is not; the loop counts those that are. */
void soft_since_set(struct connection *connection, uint32_t since_ds);
/* Appends what of the output is not sent yet. */
void connection_copy_unsent(struct connection *connection, struct buffer *to);
/* The send pass for one connection. */
void connection_flush(struct connection *connection);
