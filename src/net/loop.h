/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/mailbox.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connection;
struct loop;

/* What a loop tells its owner. All calls come on the loop's thread. A turn of the loop is: deliver timers and mail;
 * receive from the readable connections, 128 at most; turn(ready), in which the owner parses, executes and logs;
 * send, one for each connection that has output and is not held. */
struct loop_handlers {
    void *context;
    /* A connection was handed to this loop. 'owner' of the connection is the handler's to set. */
    void (*opened)(void *context, struct connection *connection);
    /* Connections that received bytes, or were resumed, since the last turn; each once. Called in every turn, with
     * count 0 when only mail or timers came. One of them may be 'closing' by the time it is reached, if another's
     * command closed it. */
    void (*turn)(void *context, struct connection **ready, size_t count);
    /* The same in the middle of a turn, for loop_turn_within; NULL where that is never called. */
    void (*turn_within)(void *context, struct connection **ready, size_t count);
    /* The connection is about to be freed; nothing may refer to it afterwards. Never called inside turn for a
     * connection of the same turn: closing is deferred to the turn's end. */
    void (*closed)(void *context, struct connection *connection);
};

/* A loop without connections, for any thread to run; the handlers are copied. */
struct loop *loop_create(const struct loop_handlers *handlers);
/* Delivers what mail is left, closes what connections are left and frees; after loop_run has returned, and when
 * nobody posts any more. 'closed' is called on the caller's thread. */
void loop_destroy(struct loop **loop);
/* The first part of that: mail is delivered and connections are closed. The mailbox stays, for letters that others have still to
 * post, until loop_destroy. */
void loop_close_all(struct loop *loop);
/* Runs until loop_stop. Called on the thread that becomes the loop's. */
void loop_run(struct loop *loop);
/* Any thread. The loop ends after its present turn. */
void loop_stop(struct loop *loop);
/* Any thread may post to it; letters are delivered before the next turn. */
struct mailbox *loop_mailbox(struct loop *loop);
/* Wall time in milliseconds and monotonic microseconds read at the start of the present turn; loop thread. */
int64_t loop_now_ms(const struct loop *loop);
int64_t loop_now_us(const struct loop *loop);
/* Connections open, for balancing; any thread. */
uint32_t loop_connection_count(const struct loop *loop);
/* Calls 'visit' for every open connection; loop thread. */
void loop_each_connection(struct loop *loop, void (*visit)(void *context, struct connection *connection),
                          void *context);

/* A timer of the loop, embedded in what it is about; all zero before the first start. Loop thread only. */
struct loop_timer {
    _Alignas(8) char watcher[64];
    void (*fire)(struct loop_timer *timer);
    struct loop *loop;
    bool active;
};
/* Fires once after delay_ms (repeat_ms 0), or then every repeat_ms. Restarts a running timer. */
void loop_timer_start(struct loop *loop, struct loop_timer *timer, double delay_ms, double repeat_ms,
                      void (*fire)(struct loop_timer *timer));
/* Also of a timer that was never started, or has fired. */
void loop_timer_stop(struct loop_timer *timer);

/* From inside of turn, when it takes long for one connection and all others of it were handed back: accepts connections,
 * receives from all but that one and those that were resumed, calls turn_within for them and sends. Does not wait; other
 * mail and timers wait for the turn's end. */
void loop_turn_within(struct loop *loop, struct connection *busy);

/* Makes the next turn come at once even if no connection is ready (turn is then called with count 0). */
void loop_turn_again(struct loop *loop);
