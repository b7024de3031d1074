/* SPDX-License-Identifier: BSD-3-Clause */
/* The gates that every node has; other modules register their own. */
#include "command/gates.h"

#include "command/dispatch.h"
#include "command/pause.h"
#include "command/transaction.h"
#include "keyspace/moment.h"

/* What the request would do, EXEC that of all it runs. */
static uint32_t flags_of(const struct execution *x)
{
    return x->command->flags | transaction_flags(x);
}

enum gate_answer gate_refuse(struct execution *x, const char *error)
{
    if (transaction_is_executed(x))
        reply_error_format(x->reply, "EXECABORT Transaction discarded because of: %s", error);
    else
        reply_error(x->reply, error);
    return GATE_REFUSE;
}

static enum gate_answer check_authentication(struct execution *x)
{
    if ((x->session->flags & SESSION_AUTHENTICATED) || (x->command->flags & COMMAND_NO_AUTH))
        return GATE_PASS;
    if (engine_password(x->engine)[0] == '\0') {
        x->session->flags |= SESSION_AUTHENTICATED;
        return GATE_PASS;
    }
    reply_error(x->reply, "NOAUTH Authentication required.");
    return GATE_REFUSE;
}

static enum gate_answer check_pause(struct execution *x)
{
    int64_t until_ms = atomic_load_explicit(&x->engine->pause_until_ms, memory_order_relaxed);
    bool writes_only = atomic_load_explicit(&x->engine->pause_writes_only, memory_order_relaxed);
    if (until_ms <= x->now_ms && atomic_load_explicit(&x->engine->writes_stopped, memory_order_relaxed)) {
        until_ms = PAUSE_FOR_EVER;
        writes_only = true;
    }
    if (until_ms <= x->now_ms || (x->command->flags & COMMAND_ADMIN) ||
        bytes_equal_text(bytes_of_text(x->command->full_name), "client|unpause"))
        return GATE_PASS;
    bool writes = flags_of(x) & (COMMAND_WRITE | COMMAND_MAY_REPLICATE);
    if (writes_only && !writes && x->command->flags != COMMAND_IMMEDIATE)
        return GATE_PASS;
    execution_pause(x, until_ms);
    return GATE_SUSPEND;
}

/* What a script will do is not known before: it waits as a write does, and then finds out what is refused. */
static bool may_write(const struct execution *x)
{
    return (flags_of(x) & (COMMAND_SCRIPT | COMMAND_READONLY)) == COMMAND_SCRIPT;
}

/* A write that finds no room waits for eviction to make some; where nothing can be evicted, or after memory_wait_ms, it is
 * refused. */
static enum gate_answer check_memory(struct execution *x)
{
    struct session *session = x->session;
    bool denied = flags_of(x) & COMMAND_DENYOOM;
    if (!x->worker->memory_short || (!denied && !may_write(x)))
        return GATE_PASS;
    bool waited =
        session->suspension == SUSPENDED_MEMORY && x->now_ms - session->suspended_at_ms >= x->engine->memory_wait_ms;
    bool hopeless = !x->engine->spill && (x->engine->eviction == EVICT_NOEVICTION || x->engine->eviction == EVICT_TIER);
    if (hopeless || waited)
        return denied ? gate_refuse(x, "OOM command not allowed when used memory > 'maxmemory'.") : GATE_PASS;
    execution_suspend(x, SUSPENDED_MEMORY);
    return GATE_SUSPEND;
}

/* With the log failing, writes are refused before they change anything. One that is full makes them wait for the
 * checkpoint, or refuses them while that cannot move. So does a save that has much to write of what they changed. */
static enum gate_answer check_stream(struct execution *x)
{
    bool writes = flags_of(x) & COMMAND_WRITE;
    if ((!writes && !may_write(x)) || (!stream_must_wait(x->engine->stream) && !moment_must_wait()))
        return GATE_PASS;
    const char *failure = moment_must_wait() ? NULL : engine_write_failure(x->engine);
    if (failure)
        return writes ? gate_refuse(x, failure) : GATE_PASS;
    execution_suspend(x, SUSPENDED_MEMORY);
    return GATE_SUSPEND;
}

/* RESP2 has no pushes: a subscriber's connection carries messages, and no replies that could be taken for some. */
static enum gate_answer check_subscriber(struct execution *x)
{
    static const char *const allowed[] = {"ping",       "quit",         "reset",      "subscribe",   "unsubscribe",
                                          "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe"};
    const char *name = x->command->full_name;
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        if (x->reply->protocol > 2 || strcmp(name, allowed[i]) == 0)
            return GATE_PASS;
    reply_error_format(x->reply,
                       "%s Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
                       "allowed in this context",
                       strcmp(name, "exec") == 0 ? "EXECABORT Transaction discarded because of:" : "ERR", name);
    return GATE_REFUSE;
}

void gates_register_own(void)
{
    static const struct gate authentication = {"authentication", 0, check_authentication};
    static const struct gate pause = {"pause", 0, check_pause};
    static const struct gate memory = {"memory", 0, check_memory};
    static const struct gate stream = {"stream", 0, check_stream};
    static const struct gate subscriber = {"subscriber", SESSION_SUBSCRIBER, check_subscriber};
    gate_register(&authentication);
    gate_register(&pause);
    gate_register(&memory);
    gate_register(&stream);
    gate_register(&subscriber);
}
