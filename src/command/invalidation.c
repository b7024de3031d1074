/* SPDX-License-Identifier: BSD-3-Clause */
/* An invalidation is made once, and counted by who still has it on his way. With each key stands the session that changed
 * it, since what is sent depends on the receiver: one with NOLOOP is not told of his own changes, and one may have all of
 * it sent to another session, which is one letter more. */
#include "command/invalidation.h"

#include "base/memory.h"
#include "command/message.h"
#include "command/tracking.h"

struct invalidation {
    _Atomic uint32_t references;
    bool all;           /* everything; no keys */
    struct buffer keys; /* each a struct invalid_key and its name */
};

struct invalid_key {
    uint64_t writer;
    size_t length;
};

struct invalidation *invalidation_create(void)
{
    struct invalidation *invalidation = memory_allocate_zeroed(sizeof(*invalidation));
    atomic_init(&invalidation->references, 1);
    return invalidation;
}

struct invalidation *invalidation_create_of_all(void)
{
    struct invalidation *invalidation = invalidation_create();
    invalidation->all = true;
    return invalidation;
}

void invalidation_add(struct invalidation *invalidation, struct bytes key, uint64_t writer)
{
    struct invalid_key header = {.writer = writer, .length = key.length};
    buffer_append(&invalidation->keys, &header, sizeof(header));
    buffer_append_bytes(&invalidation->keys, key);
}

void invalidation_release(struct invalidation *invalidation)
{
    if (atomic_fetch_sub_explicit(&invalidation->references, 1, memory_order_acq_rel) > 1)
        return;
    buffer_deinit(&invalidation->keys);
    memory_free(invalidation);
}

/* The array of keys without those that 'left_out' wrote (0: all of them); returns how many. */
static size_t keys_print(const struct invalidation *invalidation, uint64_t left_out, struct buffer *out)
{
    const struct buffer *keys = &invalidation->keys;
    struct buffer bulks = {0};
    size_t count = 0;
    struct invalid_key header;
    for (size_t at = 0; at < keys->length; at += sizeof(header) + header.length) {
        memcpy(&header, keys->data + at, sizeof(header));
        if (left_out != 0 && header.writer == left_out)
            continue;
        buffer_append_format(&bulks, "$%zu\r\n", header.length);
        buffer_append(&bulks, keys->data + at + sizeof(header), header.length);
        buffer_append_text(&bulks, "\r\n");
        count++;
    }
    buffer_append_format(out, "*%zu\r\n", count);
    buffer_append_bytes(out, buffer_bytes(&bulks));
    buffer_deinit(&bulks);
    return count;
}

/* RESP2 has no pushes, but a subscriber can take it for a message. */
static void push_invalidation(struct session *session, const struct invalidation *invalidation, uint64_t left_out,
                              bool redirected)
{
    bool resp3 = session->reply.protocol > 2;
    struct buffer keys = {0};
    if (!resp3 && !(redirected && (session->flags & SESSION_SUBSCRIBER)))
        return;
    if (invalidation->all)
        buffer_append_text(&keys, resp3 ? "_\r\n" : "$-1\r\n");
    if (invalidation->all || keys_print(invalidation, left_out, &keys) > 0)
        session_push(session,
                     resp3 ? BYTES(">2\r\n$10\r\ninvalidate\r\n")
                           : BYTES("*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n"),
                     buffer_bytes(&keys));
    buffer_deinit(&keys);
}

/* ---- on their way ---- */

/* With who has it redirected, in case the way leads nowhere, and whose own changes are left out. */
struct redirected {
    struct invalidation *invalidation;
    uint64_t from, left_out;
};

static void redirection_broken(struct session *session, int64_t unused)
{
    (void)unused;
    if (!session->tracking || session->tracking->redirect == 0)
        return;
    session->tracking->flags |= TRACKING_BROKEN;
    if (session->reply.protocol < 3)
        return;
    struct buffer id = {0};
    buffer_append_format(&id, ":%llu\r\n", (unsigned long long)session->tracking->redirect);
    session_push(session, BYTES(">2\r\n$21\r\ntracking-redir-broken\r\n"), buffer_bytes(&id));
    buffer_deinit(&id);
}

static void redirected_free(struct redirected *redirected)
{
    invalidation_release(redirected->invalidation);
    memory_free(redirected);
}

static void redirected_arrived(struct session *session, int64_t argument)
{
    struct redirected *redirected = (struct redirected *)(intptr_t)argument;
    push_invalidation(session, redirected->invalidation, redirected->left_out, true);
    redirected_free(redirected);
}

static void redirected_missed(int64_t argument)
{
    struct redirected *redirected = (struct redirected *)(intptr_t)argument;
    session_act(redirected->from, redirection_broken, 0);
    redirected_free(redirected);
}

static void redirect(struct session *session, struct invalidation *invalidation, uint64_t left_out)
{
    struct redirected *redirected = memory_allocate(sizeof(*redirected));
    *redirected = (struct redirected){.invalidation = invalidation, .from = session->id, .left_out = left_out};
    atomic_fetch_add_explicit(&invalidation->references, 1, memory_order_relaxed);
    if (session_reach(session->worker, session->tracking->redirect, redirected_arrived, redirected_missed,
                      (int64_t)(intptr_t)redirected))
        return;
    redirection_broken(session, 0);
    redirected_free(redirected);
}

static void invalidation_arrived(struct session *session, int64_t argument)
{
    struct invalidation *invalidation = (struct invalidation *)(intptr_t)argument;
    const struct tracking *tracking = session->tracking;
    uint64_t left_out = tracking && (tracking->flags & TRACKING_NOLOOP) ? session->id : 0;
    if (tracking && tracking->redirect != 0)
        redirect(session, invalidation, left_out);
    else if (tracking)
        push_invalidation(session, invalidation, left_out, false);
    invalidation_release(invalidation);
}

static void invalidation_missed(int64_t argument)
{
    invalidation_release((struct invalidation *)(intptr_t)argument);
}

void invalidation_send(struct worker *worker, struct invalidation *invalidation, const struct id_list *to)
{
    for (size_t i = 0; i < to->count; i++) {
        atomic_fetch_add_explicit(&invalidation->references, 1, memory_order_relaxed);
        if (!session_reach(worker, to->ids[i], invalidation_arrived, invalidation_missed,
                           (int64_t)(intptr_t)invalidation))
            invalidation_release(invalidation);
    }
}
