/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests that wait for a time: CLIENT PAUSE, WAIT, DEBUG SLEEP. They stand in a list of their worker's, in no order,
 * since they are few; its loop has one timer, for the earliest of them. */
#include "command/pause.h"

#include "base/memory.h"

int64_t execution_paused_since_ms(const struct execution *x)
{
    return x->session->suspension == SUSPENDED_PAUSE ? x->session->suspended_at_ms : x->now_ms;
}

/* A longer pause is one for ever. */
#define PAUSE_MS_MAX UINT32_MAX

static int64_t resume_at_ms(const struct session *session)
{
    return session->pause_ms == PAUSE_MS_MAX ? PAUSE_FOR_EVER : session->suspended_at_ms + session->pause_ms;
}

void execution_pause(struct execution *x, int64_t until_ms)
{
    struct session *session = x->session;
    execution_suspend(x, SUSPENDED_PAUSE);
    if (session->wait_listed) {
        session_list_for_retry(session);
        return;
    }
    int64_t pause_ms = until_ms - session->suspended_at_ms;
    session->pause_ms = pause_ms < 0 ? 0 : pause_ms < PAUSE_MS_MAX ? (uint32_t)pause_ms : PAUSE_MS_MAX;
    list_append(&x->worker->paused, &session->worker_node);
    if (until_ms != PAUSE_FOR_EVER)
        x->worker->wake_at(x->worker->loop, until_ms);
}

void pause_wake(struct worker *worker, int64_t now_ms)
{
    int64_t earliest_ms = PAUSE_FOR_EVER;
    for (struct list *next, *node = worker->paused.next; node != &worker->paused; node = next) {
        struct session *session = list_entry(node, struct session, worker_node);
        next = node->next;
        if (resume_at_ms(session) <= now_ms) {
            list_remove(node);
            session_resume(session);
        } else if (resume_at_ms(session) < earliest_ms) {
            earliest_ms = resume_at_ms(session);
        }
    }
    if (earliest_ms != PAUSE_FOR_EVER)
        worker->wake_at(worker->loop, earliest_ms);
}

struct pause_order {
    struct mail mail;
    struct worker *worker;
};

static void pause_order_delivered(struct mail *mail)
{
    struct pause_order *order = list_entry(mail, struct pause_order, mail);
    struct worker *worker = order->worker;
    memory_free(order);
    pause_wake(worker, PAUSE_FOR_EVER);
}

void pause_wake_everybody(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->worker_count; i++) {
        struct pause_order *order = memory_allocate(sizeof(*order));
        *order = (struct pause_order){.mail.deliver = pause_order_delivered, .worker = engine->workers[i]};
        mailbox_post(engine->workers[i]->mailbox, &order->mail);
    }
}

struct wait_end {
    uint64_t session_id;
    uint8_t how;
    bool is_found;
};

static void end_wait_visit(void *context, struct session *session)
{
    struct wait_end *end = context;
    uint8_t awaited = COPIES_AWAITED;
    if (session->id == end->session_id)
        end->is_found = atomic_compare_exchange_strong(&session->copies_wait, &awaited, end->how);
}

bool pause_end_wait(struct engine *engine, uint64_t session_id, bool with_error)
{
    struct wait_end end = {session_id, with_error ? COPIES_UNBLOCKED_ERROR : COPIES_UNBLOCKED, false};
    session_each(end_wait_visit, &end);
    if (end.is_found)
        pause_wake_everybody(engine);
    return end.is_found;
}
