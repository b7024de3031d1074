/* SPDX-License-Identifier: BSD-3-Clause */
/* WAIT and WAITAOF. Who waits for replicas pauses, and is woken when one of them tells how far it is: they are asked to when
 * the wait begins. */
#include "command/args.h"
#include "command/pause.h"
#include "command/reply_wait.h"
#include "replication/replication_private.h"
#include "resp/error_text.h"

static bool arg_timeout_ms(struct execution *x, struct bytes word, int64_t *timeout_ms)
{
    const char *error = NULL;
    if (!bytes_to_int64(word, timeout_ms))
        error = ERROR_TIMEOUT_NOT_INTEGER;
    else if (*timeout_ms < 0)
        error = ERROR_TIMEOUT_NEGATIVE;
    else if (*timeout_ms > INT64_MAX - x->now_ms)
        error = ERROR_TIMEOUT_RANGE;
    if (error)
        reply_error(x->reply, error);
    return !error;
}

/* The wait has ended. Whether CLIENT UNBLOCK ended it with an error, which has been replied. */
static bool is_refused_at_end(struct execution *x)
{
    bool is_refused = atomic_exchange(&x->session->copies_wait, COPIES_NOT) == COPIES_UNBLOCKED_ERROR;
    if (is_refused)
        reply_error(x->reply, ERROR_UNBLOCKED);
    return is_refused;
}

/* How often the log is looked at by who waits for its sync and for a time. */
#define LOOK_MS 1

/* Whether the client is to be told how things are, though it wanted more; false: it is suspended, and looks again every
 * 'look_ms' if that is not 0. A timeout of 0 is for ever. */
static bool wait_is_over(struct execution *x, int64_t timeout_ms, int64_t look_ms)
{
    struct session *session = x->session;
    int64_t until_ms = timeout_ms > 0 ? execution_paused_since_ms(x) + timeout_ms : PAUSE_FOR_EVER;
    if ((session->flags & SESSION_EXECUTING_MULTI) || x->now_ms >= until_ms)
        return true;
    uint8_t none = COPIES_NOT;
    atomic_compare_exchange_strong(&session->copies_wait, &none, COPIES_AWAITED);
    if (none >= COPIES_UNBLOCKED)
        return true;
    if (look_ms > 0 && x->now_ms + look_ms < until_ms)
        until_ms = x->now_ms + look_ms;
    execution_pause(x, until_ms);
    session->transport->block(session->connection);
    return false;
}

/* Also in what a primary sends: nothing in it waits for anybody. */
static bool leads_or_refuses(struct execution *x, const char *error)
{
    bool is_following = engine_is_following(x->engine);
    if (is_following && !is_refused_at_end(x))
        reply_error(x->reply, error);
    return !is_following;
}

void wait_command(struct execution *x)
{
    int64_t replicas, timeout_ms;
    if (!leads_or_refuses(x,
                          "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a "
                          "replica is configured to be writable (which is not the default) writes to replicas are just "
                          "local and are not propagated."))
        return;
    if (!arg_int64(x, x->argv[1], &replicas) || !arg_timeout_ms(x, x->argv[2], &timeout_ms))
        return;
    uint64_t written = x->session->wait_offset;
    if (leader_count_acked(written) < replicas) {
        bool is_first = x->session->suspension != SUSPENDED_PAUSE;
        leader_await_acks(); /* before the look that decides */
        if (leader_count_acked(written) < replicas && !wait_is_over(x, timeout_ms, 0)) {
            if (is_first)
                leader_want_acks();
            return;
        }
    }
    if (!is_refused_at_end(x))
        reply_integer(x->reply, leader_count_acked(written));
}

static void reply_copies(struct reply *reply, bool is_local, int64_t replicas)
{
    reply_array(reply, 2);
    reply_integer(reply, is_local);
    reply_integer(reply, replicas);
}

static bool waitaof_parse(struct execution *x, int64_t *local, int64_t *replicas, int64_t *timeout_ms)
{
    if (!arg_int64(x, x->argv[1], local))
        return false;
    if (*local < 0 || *local > 1) {
        reply_error(x->reply, "ERR value is out of range, value must between 0 and 1");
        return false;
    }
    if (!arg_int64(x, x->argv[2], replicas))
        return false;
    if (*replicas < 0) {
        reply_error(x->reply, ERROR_NOT_POSITIVE);
        return false;
    }
    return arg_timeout_ms(x, x->argv[3], timeout_ms);
}

/* WAITAOF numlocal numreplicas timeout. Every write of the session has been noted with the offset at which it ends. */
void waitaof_command(struct execution *x)
{
    int64_t local, replicas, timeout_ms;
    if (!waitaof_parse(x, &local, &replicas, &timeout_ms) ||
        !leads_or_refuses(
            x, "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are "
               "just local and are not propagated."))
        return;
    bool has_log = x->engine->durability != DURABILITY_NONE;
    if (local > 0 && !has_log) {
        reply_error(x->reply, "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
        return;
    }
    uint64_t written = x->session->wait_offset;
    bool synced = has_log && stream_reached(x->engine->stream, STREAM_SYNCED) >= written;
    bool for_ever = timeout_ms == 0 && !(x->session->flags & SESSION_EXECUTING_MULTI);
    if (!synced && local > 0 && replicas == 0 && for_ever) {
        reply_wait_note(x->session, written, NEEDS_SYNCED);
        synced = true;
    }
    leader_await_acks(); /* before the look that decides */
    unsigned copies = leader_count_synced(written);
    if (copies < replicas && x->session->suspension == SUSPENDED_NOT)
        leader_want_acks();
    if (!synced && local > 0 && x->session->suspension == SUSPENDED_NOT)
        stream_request_sync(x->engine->stream);
    if (((synced || local == 0) && copies >= replicas) ||
        wait_is_over(x, timeout_ms, local > 0 && !synced ? LOOK_MS : 0)) {
        if (!is_refused_at_end(x))
            reply_copies(x->reply, synced, copies);
    }
}
