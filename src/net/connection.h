/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/bytes.h"
#include "base/output.h"
#include "net/loop.h"

/* Limits that the owner may change while running; shared by all connections, read by all loops. */
struct connection_limits {
    int64_t query_bytes_max;          /* client-query-buffer-limit */
    int64_t output_bytes_hard;        /* 0: none; the connection is closed beyond it */
    int64_t output_bytes_soft;        /* 0: none; closed when beyond it for soft_seconds */
    int64_t output_soft_seconds;
    int64_t unauthenticated_bytes_max; /* of query and of output while 'trusted' is false */
};
extern struct connection_limits connection_limits;

/* One client's socket. Loop thread only. A connection with nothing pending owns no buffers: they are borrowed
 * from its loop's pool during a turn and returned when empty. The fields below may be read by the owner. */
struct connection {
    struct buffer input;   /* received and not consumed */
    struct output output;  /* append replies here */
    struct loop *loop;
    void *owner;           /* the handler's */
    int fd;
    bool trusted;          /* set by the owner once authenticated: the larger limits hold */
    bool local;            /* unix socket or loopback peer */
    bool unix_socket;
    bool suspended, held, closing;
    uint8_t flags;         /* net's own */
    int64_t active_at_ms;  /* last bytes received */
    uint64_t bytes_in, bytes_out;
    struct connection_private *private; /* net's own: watcher, list links, soft limit's clock */
};

/* The first 'length' bytes of input are done with. */
void connection_consume(struct connection *connection, size_t length);

/* Not read, not given to turn, until connection_resume; then in the next turn even without new bytes. */
void connection_suspend(struct connection *connection);
void connection_resume(struct connection *connection);

/* Output stays here until connection_release, however many turns pass. */
void connection_hold(struct connection *connection);
void connection_release(struct connection *connection);

/* Output was appended outside of turn (a push, a timer): have it sent in the send pass of this turn or the next. */
void connection_wants_send(struct connection *connection);

/* Closes after the output is sent, reading no more (QUIT, protocol errors). */
void connection_close_after_send(struct connection *connection);
/* Closes at the end of this turn; output is dropped. Safe to call any number of times. */
void connection_close(struct connection *connection);

/* "ip:port" or "/path:0" of either side, into 'text'. */
void connection_peer(const struct connection *connection, char *text, size_t size);
void connection_local(const struct connection *connection, char *text, size_t size);
