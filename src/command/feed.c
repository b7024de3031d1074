/* SPDX-License-Identifier: BSD-3-Clause */
/* Two ways to keep what the primary sends:
 *
 * - From another server its commands are executed, and what they did is appended as effects of our own.
 * - From a Forebay the bytes themselves are appended, in place of the effects, so that both nodes have the same bytes at
 *   the same offsets. That is done where effects would be: before the locks of the keys are released, so that a row's
 *   offset covers exactly what its entry has (I1). A transaction's bytes wait for its EXEC, and go in one piece; what has no
 *   keys (SELECT, PING, newlines) goes by itself.
 *
 * The offset moves with whole brackets: whoever reconnects in the middle of one asks for it from its MULTI on. */
#include "command/feed.h"

#include "base/log.h"
#include "base/memory.h"
#include "command/feed_apply.h"
#include "command/feed_check.h"
#include "command/transaction.h"

/* Of a command that fails, how much of its name the log shows. */
#define NAME_SHOWN_MAX 32

static struct feed *feed_of(const struct session *session)
{
    return session->connection;
}

bool feed_is_in_batch(const struct session *session)
{
    return (session->flags & SESSION_FEED) && feed_of(session)->effect_end > 0;
}

void feed_open(struct feed *feed, struct worker *worker, const struct transport *transport, struct output *output,
               uint64_t offset, int32_t db)
{
    feed->session = session_create(worker, feed, transport, output);
    feed->session->flags |= SESSION_FEED | SESSION_AUTHENTICATED | SESSION_REPLY_OFF | SESSION_NO_TOUCH;
    feed->session->db = (int16_t)(db >= 0 ? db : 0);
    feed->db = db;
    atomic_store(&feed->offset, offset);
    feed->bracket_bytes = 0;
    feed->is_broken = false;
}

void feed_settle(struct feed *feed)
{
    if (feed->apply)
        feed_apply_wait(feed->apply);
}

void feed_close(struct feed *feed)
{
    feed_settle(feed);
    if (feed->session)
        session_destroy(&feed->session);
    buffer_deinit(&feed->bracket);
}

size_t feed_filler(const struct session *session, struct bytes rest)
{
    size_t count = 0;
    if (session->parser.position > 0 || session->parser.args_left > 0)
        return 0;
    while (count < rest.length && rest.data[count] == '\n')
        count++;
    return count;
}

/* The open bracket and the request that ends it, or the request alone. */
static void append_raw(struct feed *feed)
{
    struct stream *stream = feed->session->worker->engine->stream;
    struct bytes bytes = feed->raw;
    if (feed->bracket.length > 0) {
        buffer_append_bytes(&feed->bracket, feed->raw);
        bytes = buffer_bytes(&feed->bracket);
    }
    stream_append_verbatim(stream, bytes, feed->session->db);
    buffer_deinit(&feed->bracket);
    feed->is_appended = true;
}

/* Its bytes were appended with the batch that it is of. */
static void note_applied(struct execution *x, const struct feed *feed)
{
    if (!x->suspended && x->key_count > 0)
        keyspace_batch_applied(x->keyspace, key_partition(&x->keys[0]), feed->effect_end);
}

void feed_append(struct execution *x)
{
    struct feed *feed = feed_of(x->session);
    struct effect_batch *effects = &x->worker->effects;
    bool in_bracket = (x->session->flags & SESSION_MULTI) && !transaction_is_executed(x);
    if (feed->effect_end > 0)
        note_applied(x, feed);
    else if (!engine_follows_bytes(x->engine))
        stream_append(x->engine->stream, effects);
    else if (!x->suspended && !in_bracket && !feed->is_appended)
        append_raw(feed);
    effect_batch_clear(effects);
}

static void finish(struct session *session, struct feed *feed)
{
    bool takes_bytes = engine_follows_bytes(session->worker->engine);
    if (session->flags & SESSION_MULTI) {
        feed->bracket_bytes += feed->raw.length;
        if (takes_bytes)
            buffer_append_bytes(&feed->bracket, feed->raw);
        return;
    }
    if (takes_bytes && !feed->is_appended)
        append_raw(feed);
    feed->db = session->db;
    atomic_store(&feed->offset, atomic_load(&feed->offset) + feed->bracket_bytes + feed->raw.length);
    feed->bracket_bytes = 0;
}

void feed_complain(struct bytes name, const char *event)
{
    char shown[NAME_SHOWN_MAX + 1];
    size_t length = name.length < NAME_SHOWN_MAX ? name.length : NAME_SHOWN_MAX;
    for (size_t i = 0; i < length; i++)
        shown[i] = name.data[i] < ' ' || name.data[i] > '~' || name.data[i] == '"' ? '?' : name.data[i];
    shown[length] = '\0';
    log_warning(event, "command=\"%s\"", shown);
}

static void end_as_broken(struct session *session, const char *error)
{
    feed_of(session)->is_broken = true;
    log_warning("the primary's stream is broken", "error=\"%s\"", error);
    session->flags |= SESSION_CLOSING;
    session->transport->close(session->connection);
}

/* A transaction that has no end in sight: nobody could hold it. */
static bool bracket_is_too_large(const struct feed *feed)
{
    int64_t maxmemory = __atomic_load_n(&feed->session->worker->engine->maxmemory, __ATOMIC_RELAXED);
    return maxmemory > 0 && feed->bracket_bytes > (uint64_t)maxmemory;
}

/* REPLCONF GETACK *, or of another Forebay: GETACK synced. */
static void note_question(struct feed *feed, const struct resp_args *args)
{
    bool of_sync = args->count > 2 && bytes_equal_text(args->values[2], "synced");
    if (feed->question != FEED_ASKED_FOR_SYNC)
        feed->question = of_sync ? FEED_ASKED_FOR_SYNC : FEED_ASKED;
}

static bool says_something(const struct resp_args *args)
{
    return args->count == 2 && bytes_equal_text(args->values[0], "ping");
}

bool feed_execute(struct worker *worker, struct session *session, struct request *request,
                  dispatch_function *dispatch_request)
{
    struct feed *feed = feed_of(session);
    const struct resp_args *args = &request->args;
    uint32_t errors_before = session->reply.errors;
    feed->raw = bytes_of(request->item->input.data + request->item->consumed, request->length);
    bool is_filler = args->count == 0 && !request->protocol_error && feed->raw.data[0] == '\n';
    enum feed_verdict verdict = is_filler ? FEED_FITS
                                          : feed_check(feed->raw, request, engine_follows_bytes(worker->engine),
                                                       session->flags & SESSION_MULTI);
    if (verdict == FEED_BROKEN || bracket_is_too_large(feed)) {
        end_as_broken(session, request->protocol_error  ? request->protocol_error
                               : verdict == FEED_BROKEN ? "what came has not the form of effects"
                                                        : "a transaction is larger than maxmemory");
        return false;
    }
    feed->is_appended = false;
    bool is_done = true;
    if (args->count > 0 && bytes_equal_text(args->values[0], "replconf"))
        note_question(feed, args);
    else if (says_something(args))
        is_done = feed->hear(args->values[1]);
    else if (verdict == FEED_PASSED_OVER)
        feed_complain(args->values[0], "a command that no primary sends was passed over");
    else if (args->count > 0)
        is_done = dispatch_request(worker, session, args->values, args->count, request->command, &request->key);
    if (!is_done)
        return false;
    if (session->reply.errors != errors_before)
        feed_complain(args->values[0], "a command of the primary failed here");
    finish(session, feed);
    return true;
}

enum gate_answer feed_gate(struct execution *x)
{
    if (feed_of(x->session)->effect_end > 0 || !stream_must_wait(x->engine->stream))
        return GATE_PASS;
    execution_suspend(x, SUSPENDED_MEMORY);
    return GATE_SUSPEND;
}
