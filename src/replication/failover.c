/* SPDX-License-Identifier: BSD-3-Clause */
/*   NONE --FAILOVER--> WAITING --the target has all--> IN_PROGRESS --it answers--> NONE, and the node follows it
 *                         |  ABORT, timeout                 |  ABORT, it refuses
 *                         +--> NONE, and writes go on       +--> NONE, the node leads again, and writes go on
 *
 *   H1  From WAITING on until NONE no request that may write passes the gates, nothing expires and nothing is evicted. A letter
 *       to each worker and back tells that what had passed them before has come to its end: only then the stream's end is the
 *       last one.
 *   H2  Replicas are asked behind that end how far they are. The question itself they need not have told of: some answer before
 *       they count it.
 *   H3  The target counts as asked once it may have got the request: it may lead already then, so a broken link is no reason to
 *       lead again by ourselves. */
#include "replication/failover.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "command/args.h"
#include "command/pause.h"
#include "net/loop.h"
#include "replication/follower_private.h"
#include "replication/leader_private.h"

enum failover_state { FAILOVER_NONE, FAILOVER_WAITING, FAILOVER_IN_PROGRESS };

/* What FAILOVER asks for. */
struct wish {
    char host[46]; /* empty: any replica */
    int port;
    bool is_forced, aborts;
    int64_t timeout_ms; /* 0: none */
};

static struct {
    struct engine *engine;
    struct loop *loop;
    _Atomic int state; /* becomes WAITING by the command, all else is done by replication's thread */

    /* the command's before the state is WAITING, then replication's thread's */
    pthread_mutex_t lock; /* of commands among themselves */
    struct wish wish;
    int64_t until_ms; /* 0: for ever */

    /* replication's thread only */
    bool is_written; /* H1: the end is the last one */
    uint64_t last_end, asked_until;
    int64_t began_ms;
} failover = {.lock = PTHREAD_MUTEX_INITIALIZER};

static enum failover_state state(void)
{
    return (enum failover_state)atomic_load(&failover.state);
}

bool failover_is_on(void)
{
    return state() != FAILOVER_NONE;
}

const char *failover_state_word(void)
{
    static const char *const words[] = {"no-failover", "waiting-for-sync", "failover-in-progress"};
    return words[state()];
}

/* ---- its end ---- */

static void end(void)
{
    log_notice("failover ends", "ms=%lld", (long long)(loop_now_ms(failover.loop) - failover.began_ms));
    failover.is_written = false;
    failover.until_ms = 0;
    follower.asks_to_take_over = false;
    atomic_store(&failover.engine->writes_stopped, false);
    atomic_store(&failover.state, FAILOVER_NONE);
    pause_wake_everybody(failover.engine);
}

static void give_up(const char *why)
{
    log_warning("failover given up", "reason=\"%s\"", why);
    if (state() == FAILOVER_IN_PROGRESS)
        follower_lead();
    end();
}

void failover_accepted(void)
{
    if (state() == FAILOVER_IN_PROGRESS)
        end();
}

void failover_refused(const char *why)
{
    if (state() == FAILOVER_IN_PROGRESS)
        give_up(why);
}

/* ---- its way ---- */

/* A letter that goes to a worker and comes back; the last one home says that all have been there. */
struct round_trip {
    struct mail mail;
    _Atomic unsigned *left;
    struct mail *home;
};

static struct {
    struct mail mail;
    _Atomic unsigned left;
} trips;

static void been_there(struct mail *mail)
{
    struct round_trip *trip = list_entry(mail, struct round_trip, mail);
    if (atomic_fetch_sub(trip->left, 1) == 1)
        mailbox_post(loop_mailbox(failover.loop), trip->home);
    memory_free(trip);
}

static void all_been_there(struct mail *mail)
{
    (void)mail;
    if (state() != FAILOVER_WAITING)
        return;
    failover.is_written = true;
    failover.last_end = stream_end(failover.engine->stream);
    failover_step();
}

static void visit_workers(void)
{
    trips.mail.deliver = all_been_there;
    atomic_store(&trips.left, failover.engine->worker_count);
    for (uint32_t i = 0; i < failover.engine->worker_count; i++) {
        struct round_trip *trip = memory_allocate(sizeof(*trip));
        *trip = (struct round_trip){.mail.deliver = been_there, .left = &trips.left, .home = &trips.mail};
        mailbox_post(failover.engine->workers[i]->mailbox, &trip->mail);
    }
}

static void ask_replicas(void)
{
    static const char question[] = "*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";
    uint64_t now = stream_end(failover.engine->stream);
    if (now == failover.asked_until)
        return;
    failover.last_end = now;
    failover.asked_until = stream_append_aside(failover.engine->stream, bytes_of_text(question));
    stream_write(failover.engine->stream);
}

static bool is_target(const struct replica *replica)
{
    const struct wish *wish = &failover.wish;
    return !wish->host[0] || (replica->about.port == wish->port && strcmp(replica->about.address, wish->host) == 0);
}

static const struct replica *find_ready(void)
{
    for (struct list *node = leader.replicas.next; node != &leader.replicas; node = node->next) {
        const struct replica *replica = replica_of(node);
        if (is_target(replica) && state_of(replica) == REPLICA_ONLINE && !replica->is_failed &&
            atomic_load(&replica->acked) >= failover.last_end)
            return replica;
    }
    return NULL;
}

static void hand_over(const char *host, int port)
{
    log_notice("failover", "target=%s:%d ms=%lld", host, port,
               (long long)(loop_now_ms(failover.loop) - failover.began_ms));
    atomic_store(&failover.state, FAILOVER_IN_PROGRESS);
    follower.asks_to_take_over = true;
    follower.take_over_tries = 0;
    follower_announce(host, port);
    follower_announced();
    follower_follow(host, port);
}

void failover_step(void)
{
    if (state() != FAILOVER_WAITING)
        return;
    const struct wish *wish = &failover.wish;
    if (failover.until_ms > 0 && loop_now_ms(failover.loop) >= failover.until_ms) {
        if (wish->is_forced)
            hand_over(wish->host, wish->port);
        else
            give_up("Replica never caught up before timeout");
        return;
    }
    if (!failover.is_written)
        return;
    ask_replicas();
    const struct replica *replica = find_ready();
    if (replica)
        hand_over(replica->about.address, replica->about.port);
}

/* ---- the command ---- */

struct order {
    struct mail mail;
    uint64_t session_id;
};

static void order_done(struct session *session, int64_t argument)
{
    (void)argument;
    session_resume(session);
}

static void begin(struct mail *mail)
{
    memory_free(list_entry(mail, struct order, mail));
    if (state() != FAILOVER_WAITING)
        return; /* an abort was faster */
    failover.began_ms = loop_now_ms(failover.loop);
    failover.until_ms = failover.wish.timeout_ms > 0 ? failover.began_ms + failover.wish.timeout_ms : 0;
    log_notice("failover begins", "target=%s:%d timeout_ms=%lld", failover.wish.host, failover.wish.port,
               (long long)failover.wish.timeout_ms);
    visit_workers();
}

static void abort_now(struct mail *mail)
{
    struct order *order = list_entry(mail, struct order, mail);
    if (failover_is_on())
        give_up("it was aborted");
    session_act(order->session_id, order_done, 0);
    memory_free(order);
}

static void post_order(void (*deliver)(struct mail *mail), uint64_t session_id)
{
    struct order *order = memory_allocate(sizeof(*order));
    *order = (struct order){.mail.deliver = deliver, .session_id = session_id};
    mailbox_post(loop_mailbox(failover.loop), &order->mail);
}

/* One word, or several; false: a syntax error. *at moves behind it. */
static bool take_option(struct execution *x, size_t *at, struct wish *wish, const char **error)
{
    size_t left = x->argc - *at - 1;
    int64_t port;
    if (arg_is(x->argv[*at], "TIMEOUT") && left >= 1 && wish->timeout_ms == 0) {
        if (!bytes_to_int64(x->argv[*at + 1], &wish->timeout_ms))
            *error = "ERR value is not an integer or out of range";
        else if (wish->timeout_ms <= 0)
            *error = "ERR FAILOVER timeout must be greater than 0";
        *at += 2;
        return true;
    }
    if (arg_is(x->argv[*at], "TO") && left >= 2 && wish->port == 0) {
        struct bytes host = x->argv[*at + 1];
        if (!bytes_to_int64(x->argv[*at + 2], &port))
            *error = "ERR value is not an integer or out of range";
        else if (host.length >= sizeof(wish->host) || port <= 0 || port > 65535)
            *error = "ERR FAILOVER target HOST and PORT is not a replica.";
        else {
            memcpy(wish->host, host.data, host.length);
            wish->port = (int)port;
        }
        *at += 3;
        return true;
    }
    if (arg_is(x->argv[*at], "FORCE") && !wish->is_forced) {
        wish->is_forced = true;
        *at += 1;
        return true;
    }
    return false;
}

/* NULL, or what is wrong with the words. */
static const char *parse(struct execution *x, struct wish *wish)
{
    const char *error = NULL;
    if (x->argc == 2 && arg_is(x->argv[1], "ABORT")) {
        wish->aborts = true;
        return NULL;
    }
    for (size_t at = 1; at < x->argc && !error;)
        if (!take_option(x, &at, wish, &error))
            return "ERR syntax error";
    return error;
}

struct sight {
    const struct wish *wish;
    bool is_there, is_online;
};

static void look_for_target(void *context, const struct replica_view *view)
{
    struct sight *sight = context;
    if (view->port != sight->wish->port || strcmp(view->address, sight->wish->host) != 0)
        return;
    sight->is_there = true;
    sight->is_online |= view->is_online;
}

static const char *refusal_of(const struct wish *wish)
{
    struct sight sight = {.wish = wish};
    if (failover_is_on())
        return "ERR FAILOVER already in progress.";
    if (engine_is_following(failover.engine))
        return "ERR FAILOVER is not valid when server is a replica.";
    if (leader_count() == 0)
        return "ERR FAILOVER requires connected replicas.";
    if (wish->is_forced && (wish->timeout_ms == 0 || !wish->host[0]))
        return "ERR FAILOVER with force option requires both a timeout and target HOST and IP.";
    if (!wish->host[0])
        return NULL;
    leader_each(look_for_target, &sight);
    if (!sight.is_there)
        return "ERR FAILOVER target HOST and PORT is not a replica.";
    return sight.is_online ? NULL : "ERR FAILOVER target replica is not online.";
}

/* The answer waits until writes go on. */
static void abort_command(struct execution *x)
{
    bool was_asked = x->session->suspension == SUSPENDED_JOB;
    if (!was_asked && !failover_is_on()) {
        reply_error(x->reply, "ERR No failover in progress.");
    } else if (!was_asked && !(x->session->flags & SESSION_EXECUTING_MULTI)) {
        post_order(abort_now, x->session->id);
        execution_suspend(x, SUSPENDED_JOB);
        return;
    } else if (!was_asked) {
        post_order(abort_now, x->session->id);
    }
    if (was_asked || failover_is_on())
        reply_status(x->reply, "OK");
}

static const char *start(const struct wish *wish)
{
    pthread_mutex_lock(&failover.lock);
    const char *error = refusal_of(wish);
    if (!error && atomic_load(&trips.left) > 0)
        error = "ERR FAILOVER already in progress."; /* one that was aborted, and has not come to its end */
    if (!error) {
        failover.wish = *wish;
        atomic_store(&failover.engine->writes_stopped, true);
        atomic_store(&failover.state, FAILOVER_WAITING);
    }
    pthread_mutex_unlock(&failover.lock);
    return error;
}

void failover_command(struct execution *x)
{
    struct wish wish = {0};
    const char *error = parse(x, &wish);
    if (!error && wish.aborts) {
        abort_command(x);
        return;
    }
    if (!error)
        error = start(&wish);
    if (error) {
        reply_error(x->reply, error);
        return;
    }
    post_order(begin, 0);
    reply_status(x->reply, "OK");
}

void failover_setup(struct engine *engine, struct loop *loop)
{
    failover.engine = engine;
    failover.loop = loop;
}
