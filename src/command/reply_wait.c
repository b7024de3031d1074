/* SPDX-License-Identifier: BSD-3-Clause */
/* A session that wrote (or read a key of a class that waits) is noted in its worker's list. After the batch the worker
 * writes the log once for all of them; a session whose levels are reached by then goes on, the others are held: their
 * output stays, and nothing more of them is parsed until the stream mails. Several noted offsets collapse into the
 * largest, the levels add up and are waited for one after the other.
 *
 * Copies may become impossible while a reply waits for them. For that each reply that needs some is known by its place in
 * the output, which does not move while the session is held: those that lack copies are replaced by an error, the others
 * leave as they are, and the connection goes on. */
#include "command/reply_wait.h"

#include "base/memory.h"
#include "base/metric.h"
#include "command/dispatch.h"
#include "resp/error_text.h"

/* One that needs copies: where it lies, and of what. */
struct held_reply {
    struct output_mark from, to;
    uint64_t offset;
    uint8_t needs;
};

struct session_wait {
    struct stream_wait wait;
    struct session *session; /* NULL once it is gone */
    bool in_stream;
    uint64_t copies_offset; /* the largest, and the last, of those that need copies */
    uint64_t noted_offset;
    struct held_reply *replies; /* in their order */
    size_t count, capacity;
};

static struct session_wait *wait_of(struct session *session)
{
    if (!session->stream_wait) {
        struct session_wait *made = memory_allocate_zeroed(sizeof(*made));
        made->session = session;
        session->stream_wait = &made->wait;
    }
    return list_entry(session->stream_wait, struct session_wait, wait);
}

static void wait_free(struct session_wait *wait)
{
    memory_free(wait->replies);
    memory_free(wait);
}

void reply_wait_note(struct session *session, uint64_t offset, uint8_t needs)
{
    if (offset > session->wait_offset)
        session->wait_offset = offset;
    session->needs |= needs;
    if (__builtin_expect(needs & NEEDS_COPIES, 0)) {
        struct session_wait *wait = wait_of(session);
        wait->noted_offset = offset;
        if (offset > wait->copies_offset)
            wait->copies_offset = offset;
    }
    if (!session->wait_listed) {
        session->wait_listed = true;
        list_append(&session->worker->waiting, &session->worker_node);
    }
}

void reply_wait_note_reply(struct session *session, struct output_mark mark, uint8_t needs)
{
    struct output_mark end = output_mark(session->reply.output);
    if (!(needs & NEEDS_COPIES) || !session->wait_listed || end.length == mark.length)
        return;
    struct session_wait *wait = wait_of(session);
    if (wait->count == wait->capacity) {
        wait->capacity = wait->capacity ? wait->capacity * 2 : 1;
        wait->replies = memory_resize(wait->replies, wait->capacity * sizeof(*wait->replies));
    }
    wait->replies[wait->count++] =
        (struct held_reply){.from = mark, .to = end, .offset = wait->noted_offset, .needs = needs};
}

/* ---- levels ---- */

/* The first level of 'needs' that has not come to the offset; STREAM_APPENDED if all have. */
static enum stream_level level_missing(const struct session *session, uint64_t offset, uint8_t needs)
{
    for (enum stream_level level = STREAM_WRITTEN; level < STREAM_LEVELS; level++)
        if (needs & 1u << (level - STREAM_WRITTEN) && stream_reached(session->worker->engine->stream, level) < offset)
            return level;
    return STREAM_APPENDED;
}

static uint64_t offset_at(const struct session *session, enum stream_level level)
{
    return level < STREAM_QUORUM ? session->wait_offset
                                 : list_entry(session->stream_wait, struct session_wait, wait)->copies_offset;
}

static enum stream_level level_to_wait_for(const struct session *session)
{
    enum stream_level level = level_missing(session, session->wait_offset, session->needs & ~NEEDS_COPIES);
    if (__builtin_expect(session->needs & NEEDS_COPIES, 0) && level == STREAM_APPENDED)
        level = level_missing(session, offset_at(session, STREAM_QUORUM), session->needs & NEEDS_COPIES);
    return level;
}

/* ---- the end of a wait ---- */

/* Leaves the waiting state; a session that meanwhile wants a retry goes to that list. */
static void reply_wait_finish(struct session *session)
{
    session->needs = 0;
    session->wait_listed = false;
    if (session->retry_wanted) {
        session->retry_wanted = false;
        list_append(&session->worker->retry, &session->worker_node);
        session->worker->retry_later(session->worker->loop);
    }
    if (__builtin_expect(session->stream_wait != NULL, 0)) {
        wait_free(wait_of(session));
        session->stream_wait = NULL;
    }
    if (!(session->flags & SESSION_HELD))
        return;
    session->flags &= ~(uint32_t)SESSION_HELD;
    session->transport->release(session->connection);
    if (!(session->flags & SESSION_SUSPENDED))
        session->transport->resume(session->connection);
}

/* Those that lack copies become errors, the last one first, since this moves what lies behind. */
static void reply_wait_break(struct session *session)
{
    static const char error[] = "-" ERROR_UNCERTAIN "\r\n";
    struct session_wait *wait = wait_of(session);
    for (size_t i = wait->count; i > 0; i--) {
        const struct held_reply *reply = &wait->replies[i - 1];
        if (level_missing(session, reply->offset, reply->needs & NEEDS_COPIES) == STREAM_APPENDED)
            continue;
        output_replace(session->reply.output, reply->from, reply->to, bytes_of(error, sizeof(error) - 1));
        metric_add(METRIC_uncertain_replies, 1);
        metric_add(METRIC_total_error_replies, 1);
    }
    reply_wait_finish(session);
}

/* ---- waiting ---- */

static void reply_wait_delivered(struct mail *mail);

static struct session_wait *reply_wait_hold(struct session *session)
{
    struct session_wait *wait = wait_of(session);
    if (!(session->flags & SESSION_HELD)) {
        session->transport->hold(session->connection);
        if (!(session->flags & SESSION_SUSPENDED))
            session->transport->suspend(session->connection);
        session->flags |= SESSION_HELD;
        resp_parser_reset(&session->parser);
    }
    return wait;
}

static bool is_broken(const struct session *session, enum stream_level level)
{
    return level >= STREAM_QUORUM && !stream_copies_are_possible(session->worker->engine->stream, level);
}

static void reply_wait_start(struct session *session)
{
    struct session_wait *wait = reply_wait_hold(session);
    enum stream_level level;
    while ((level = level_to_wait_for(session)) != STREAM_APPENDED) {
        wait->wait = (struct stream_wait){.offset = offset_at(session, level),
                                          .level = level,
                                          .home = session->worker->mailbox,
                                          .mail.deliver = reply_wait_delivered};
        wait->in_stream = true;
        if (stream_wait_start(session->worker->engine->stream, &wait->wait))
            return;
        wait->in_stream = false;
    }
    reply_wait_finish(session);
}

static void reply_wait_delivered(struct mail *mail)
{
    struct session_wait *wait = list_entry(mail, struct session_wait, wait.mail);
    struct session *session = wait->session;
    wait->in_stream = false;
    if (!session) {
        wait_free(wait);
        return;
    }
    enum stream_level level = level_to_wait_for(session);
    if (level == STREAM_APPENDED) {
        reply_wait_finish(session);
    } else if (is_broken(session, level)) {
        reply_wait_break(session);
    } else if (level != wait->wait.level) {
        reply_wait_start(session);
    } else {
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
        if (level_to_wait_for(session) == STREAM_APPENDED)
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
    struct session_wait *wait = wait_of(session);
    session->stream_wait = NULL;
    wait->session = NULL;
    if (!wait->in_stream)
        wait_free(wait);
}
