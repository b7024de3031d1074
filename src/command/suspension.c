/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions that cannot go on: suspended, and resumed when it is worth another try. */
#include "command/dispatch.h"

#include "base/metric.h"
#include "command/claim_wish.h"
#include "command/lock_wait.h"

/* Tries of a held partition that follow each other at once; later ones wait until it was released, or for time. */
#define LOCK_TRIES_AT_ONCE 3

void session_suspend(struct session *session, enum suspension why)
{
    if (!(session->flags & (SESSION_SUSPENDED | SESSION_HELD)))
        session->transport->suspend(session->connection);
    session->flags |= SESSION_SUSPENDED;
    if (session->suspension != why) {
        session->suspension = (uint8_t)why;
        session->suspended_at_ms = session->worker->now_ms;
    }
    resp_parser_reset(&session->parser);
}

void session_resume(struct session *session)
{
    if (!(session->flags & SESSION_SUSPENDED))
        return;
    session->flags &= ~(uint32_t)SESSION_SUSPENDED;
    if (!(session->flags & SESSION_HELD))
        session->transport->resume(session->connection);
}

void session_list_for_retry(struct session *session)
{
    if (session->wait_listed)
        session->retry_wanted = true;
    else
        list_append(&session->worker->retry, &session->worker_node);
}

static void retry_after_turn(struct session *session)
{
    session->retries++;
    session_list_for_retry(session);
    session->worker->retry_soon = true;
}

/* Most locks are free again by the end of the turn. What is not is waited for; where it is not known what to wait for,
 * or the session is about to be held, time has to do. */
static void suspend_for_lock(struct session *session)
{
    struct worker *worker = session->worker;
    metric_add(METRIC_suspended_lock, 1);
    /* Nobody is kept out by the wish of one who will not come soon. */
    if (session->wait_listed)
        keyspace_abandon_all(worker->engine->keyspace, worker->number);
    if (session->retries < LOCK_TRIES_AT_ONCE) {
        retry_after_turn(session);
    } else if (worker->held_up_by != HELD_UP_UNKNOWN && !session->wait_listed) {
        lock_wait_start(session);
    } else {
        session_list_for_retry(session);
        worker->retry_later(worker->loop);
    }
}

void execution_suspend(struct execution *x, enum suspension why)
{
    struct session *session = x->session;
    struct worker *worker = x->worker;
    bool wished = session->suspension == SUSPENDED_LOCK;
    session_suspend(session, why);
    x->suspended = true;
    if (why == SUSPENDED_LOCK) {
        suspend_for_lock(session);
    } else if (why == SUSPENDED_MEMORY) {
        session_list_for_retry(session);
        worker->retry_later(worker->loop);
        metric_add(METRIC_suspended_memory, 1);
    }
    if (why != SUSPENDED_LOCK)
        claim_wish_end(session);
    if (wished && (why == SUSPENDED_MEMORY || why == SUSPENDED_PAUSE))
        keyspace_abandon_all(worker->engine->keyspace, worker->number);
}

/* It holds what it wished for, and so there is no wish of its to be given up. */
void execution_start_over(struct execution *x)
{
    session_suspend(x->session, SUSPENDED_LOCK);
    x->suspended = true;
    x->session->retries = 0;
    retry_after_turn(x->session);
    metric_add(METRIC_suspended_lock, 1);
}
