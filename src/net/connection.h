/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/bytes.h"
#include "base/option.h"
#include "base/output.h"
#include "net/loop.h"

/* Limits that the owner may change while running; shared by all connections, read by all loops. */
struct tls;

enum connection_class { CONNECTION_NORMAL, CONNECTION_REPLICA, CONNECTION_SUBSCRIBER, CONNECTION_CLASS_COUNT };
struct output_limit {
    int64_t hard_bytes; /* 0: none; the connection is closed beyond it */
    int64_t soft_bytes; /* 0: none; closed when beyond it for soft_seconds */
    int64_t soft_seconds;
};
struct connection_limits {
    int64_t query_bytes_max;                            /* client-query-buffer-limit */
    struct output_limit output[CONNECTION_CLASS_COUNT]; /* client-output-buffer-limit */
    int64_t unauthenticated_bytes_max;                  /* of query and of output while 'trusted' is false */
};
extern struct connection_limits connection_limits;
extern const struct option connection_options[];

/* One client's socket. Loop thread only. A connection with nothing pending owns no buffers. The fields below may be
 * read by the owner; those that it sets say so. */
struct connection {
    struct buffer input;  /* received and not consumed; may lie elsewhere in the next turn */
    struct output output; /* append replies here; a mark of it holds for the present turn */
    struct loop *loop;
    void *owner; /* set by the owner */
    int fd;
    uint8_t class; /* set by the owner: enum connection_class, whose output limits hold */
    bool trusted;  /* set by the owner once authenticated: the larger limits hold */
    bool blocked;  /* set by the owner when it suspends without a bound in time (BLPOP), cleared by resume: a peer that
                   * hangs up meanwhile is closed at once, and not only after what it asked is answered */
    bool local;    /* unix socket or loopback peer */
    bool unix_socket;
    bool suspended, held;
    bool closing;         /* by either close: nothing more is read or given to turn */
    uint16_t flags;       /* net's own */
    uint16_t error;       /* errno of what ended it; 0: the peer did, or the owner */
    int64_t active_at_ms; /* last bytes received */
    uint64_t bytes_in, bytes_out;
};

/* A connection outside of any loop: what is accepted or dialled, what connection_leave gives, and connection_join takes. */
struct loose_connection {
    int fd;
    struct tls *tls; /* NULL: none */
    bool local, unix_socket, trusted;
    struct buffer input;  /* received and not consumed */
    struct buffer output; /* not sent yet; connection_leave gives it, connection_join sends it first */
};
/* Any thread. Gives a connected, non-blocking socket to a loop, which owns it and its buffers from now on and counts it at
 * once; 'opened' follows on the loop's thread, 'owner' is the connection's then. 'input' comes to the first turn. */
void connection_join(struct loop *loop, struct loose_connection *loose, void *owner);
/* At the end of this turn the connection leaves its loop, open: 'closed' is called as for any, then 'take' with what it was,
 * on the loop's thread, which owns it from then on. */
void connection_leave(struct connection *connection, void (*take)(void *taker, struct loose_connection *loose),
                      void *taker);

/* The first 'length' bytes of input are done with. They stay where they are until this turn's send pass. */
void connection_consume(struct connection *connection, size_t length);

/* In the middle of a turn, or behind it: what the connection has in its output is sent, and what input it has left comes
 * to the next turn, or turn within, without new bytes. */
void connection_hand_back(struct connection *connection);

/* The request that begins at input's first byte has at least 'length' bytes. A hint that keeps a large buffer from
 * growing past what is needed; allocates nothing. */
void connection_expect(struct connection *connection, size_t length);

/* Not given to turn until connection_resume; then in the next turn even without new bytes. It is read no further
 * than one small buffer, so that a peer that hangs up is noticed. */
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

/* Closes if its output is beyond the limits. Net looks whenever it sends. */
void connection_check_limits(struct connection *connection);
/* Does so for those of the loop that were beyond their soft limit, and to whom nothing may be sent any more; the owner
 * calls it once a second. Cheap while there are none. */
void loop_check_limits(struct loop *loop);

/* "ip:port" or "/path:0" of either side, into 'text'. */
void connection_peer(const struct connection *connection, char *text, size_t size);
void connection_local(const struct connection *connection, char *text, size_t size);
