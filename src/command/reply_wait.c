/* SPDX-License-Identifier: BSD-3-Clause */
/* A session that wrote (or read a key of a class that waits) is noted in its worker's list. After the batch the worker
 * writes the log once for all of them; a session whose level is reached by then goes on, the others are held: their
 * output stays, and nothing more of them is parsed until the stream mails. Several noted offsets collapse into the
 * largest, several levels into the strictest. */
#include "command/reply_wait.h"

#include "base/memory.h"
#include "command/dispatch.h"

struct session_wait {
    struct stream_wait wait;
    struct session *session; /* NULL once it is gone */
    bool in_stream;
};

void reply_wait_note(struct session *session, uint64_t offset, enum stream_level level)
{
    if (offset > session->wait_offset)
        session->wait_offset = offset;
    if (level > session->wait_level)
        session->wait_level = (uint8_t)level;
    if (!session->wait_listed) {
        session->wait_listed = true;
        list_append(&session->worker->waiting, &session->worker_node);
    }
}

/* Leaves the waiting state; a session that meanwhile wants a retry goes to that list. */
static void reply_wait_finish(struct session *session)
{
    session->wait_level = STREAM_APPENDED;
    session->wait_listed = false;
    if (session->retry_wanted) {
        session->retry_wanted = false;
        list_append(&session->worker->retry, &session->worker_node);
        session->worker->retry_later(session->worker->loop);
    }
    if (!(session->flags & SESSION_HELD))
        return;
    memory_free(session->stream_wait);
    session->stream_wait = NULL;
    session->flags &= ~(uint32_t)SESSION_HELD;
    session->transport->release(session->connection);
    if (!(session->flags & SESSION_SUSPENDED))
        session->transport->resume(session->connection);
}

static bool reply_wait_reached(const struct session *session)
{
    return stream_reached(session->worker->engine->stream, session->wait_level) >= session->wait_offset;
}

static void reply_wait_delivered(struct mail *mail);

static struct session_wait *reply_wait_hold(struct session *session)
{
    if (!session->stream_wait) {
        struct session_wait *wait = memory_allocate_zeroed(sizeof(*wait));
        wait->session = session;
        session->stream_wait = &wait->wait;
        session->transport->hold(session->connection);
        if (!(session->flags & SESSION_SUSPENDED))
            session->transport->suspend(session->connection);
        session->flags |= SESSION_HELD;
        resp_parser_reset(&session->parser);
    }
    return list_entry(session->stream_wait, struct session_wait, wait);
}

static void reply_wait_start(struct session *session)
{
    struct session_wait *wait = reply_wait_hold(session);
    wait->wait = (struct stream_wait){.offset = session->wait_offset,
                                      .level = session->wait_level,
                                      .home = session->worker->mailbox,
                                      .mail.deliver = reply_wait_delivered};
    wait->in_stream = true;
    if (!stream_wait_start(session->worker->engine->stream, &wait->wait)) {
        wait->in_stream = false;
        reply_wait_finish(session);
    }
}

static void reply_wait_delivered(struct mail *mail)
{
    struct session_wait *wait = list_entry(mail, struct session_wait, wait.mail);
    struct session *session = wait->session;
    wait->in_stream = false;
    if (!session)
        memory_free(wait);
    else if (reply_wait_reached(session))
        reply_wait_finish(session);
    else {
        list_append(&session->worker->stalled, &session->worker_node);
        session->worker->retry_later(session->worker->loop);
    }
}

void reply_wait_pass(struct worker *worker)
{
    if (list_is_empty(&worker->waiting))
        return;
    stream_write(worker->engine->stream);
    while (!list_is_empty(&worker->waiting)) {
        struct session *session = list_entry(worker->waiting.next, struct session, worker_node);
        list_remove(&session->worker_node);
        if (reply_wait_reached(session))
            reply_wait_finish(session);
        else
            reply_wait_start(session);
    }
}

void reply_wait_retry(struct worker *worker)
{
    struct list stalled;
    list_init(&stalled);
    while (!list_is_empty(&worker->stalled)) {
        struct list *node = worker->stalled.next;
        list_remove(node);
        list_append(&stalled, node);
    }
    while (!list_is_empty(&stalled)) {
        struct session *session = list_entry(stalled.next, struct session, worker_node);
        list_remove(&session->worker_node);
        reply_wait_start(session);
    }
}

void reply_wait_abandon(struct session *session)
{
    if (!session->stream_wait)
        return;
    struct session_wait *wait = list_entry(session->stream_wait, struct session_wait, wait);
    session->stream_wait = NULL;
    wait->session = NULL;
    if (!wait->in_stream)
        memory_free(wait);
}
