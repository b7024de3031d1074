/* SPDX-License-Identifier: BSD-3-Clause */
/* Q1  What is told to the stream only grows, but for one case: a node that is a shard by itself acknowledges all at once. When a
 *     replica comes, that ends first; what the stream had then is what the replica must have to be in sync.
 * Q2  While another node is followed nothing is acknowledged. Who leads again, or has just started, does not know what was: a
 *     replica must have all that there was then, and until enough have it nobody is told of it.
 * Q3  Replicas are asked by a command in the stream, behind what is waited for. */
#include "replication/quorum.h"

#include "base/log.h"
#include "command/class.h"
#include "net/loop.h"
#include "replication/failover.h"
#include "replication/replication_private.h"

/* Further than any offset, and not as far as what says that nobody waits. */
#define EVERYTHING (UINT64_MAX - 1)

static struct {
    struct engine *engine;
    struct loop *loop;
    struct in_sync_set set;
    struct mail asked;
    uint64_t asked_until;            /* the stream's end behind the last question */
    uint64_t reached[STREAM_LEVELS]; /* what was told, of STREAM_QUORUM and STREAM_ALL */
    bool is_leading, is_alone;
    _Atomic unsigned count;
} quorum;

static int64_t members(void)
{
    return __atomic_load_n(&replication_settings.members, __ATOMIC_RELAXED);
}

/* In whole seconds, as min-replicas-max-lag counts. */
static int64_t lag_ms_max(void)
{
    int64_t lag = __atomic_load_n(&replication_settings.min_replicas_max_lag, __ATOMIC_RELAXED);
    int64_t timeout = __atomic_load_n(&replication_settings.timeout_seconds, __ATOMIC_RELAXED);
    return (lag > 0 && lag < timeout ? lag : timeout) * 1000 + 999;
}

static uint64_t end(void)
{
    return stream_end(quorum.engine->stream);
}

/* Q1: from here on only what replicas have is acknowledged. */
static void end_being_alone(void)
{
    quorum.is_alone = false;
    for (enum stream_level level = STREAM_QUORUM; level <= STREAM_ALL; level++)
        stream_set_copies(quorum.engine->stream, level, stream_copies_are_possible(quorum.engine->stream, level), 0);
    quorum.set.threshold = quorum.reached[STREAM_QUORUM] = quorum.reached[STREAM_ALL] = end();
}

static void tell(enum stream_level level, bool is_possible)
{
    uint64_t reached = quorum.reached[level];
    if (is_possible && quorum.is_alone)
        reached = EVERYTHING;
    else if (is_possible && quorum.set.lowest > reached)
        reached = quorum.reached[level] = quorum.set.lowest;
    stream_set_copies(quorum.engine->stream, level, is_possible, reached);
}

static void tell_of_change(unsigned before, bool is_quorum)
{
    if (quorum.set.count != before && class_any_ack())
        log_notice("in-sync set", "members=%u of=%lld quorum=%s", quorum.set.count, (long long)members(),
                   is_quorum ? "yes" : "no");
}

static void update(int64_t now_ms)
{
    bool leads = !engine_is_following(quorum.engine);
    unsigned before = quorum.set.count;
    if (leads && !quorum.is_leading) /* Q2 */
        quorum.set.threshold = end();
    quorum.is_leading = leads;
    if (quorum.is_alone && !list_is_empty(&quorum.set.replicas))
        end_being_alone();
    in_sync_decide(&quorum.set, now_ms, lag_ms_max());
    bool is_quorum = leads && in_sync_is_quorum(&quorum.set, members());
    bool is_all = leads && in_sync_is_all(&quorum.set, members());
    quorum.is_alone = is_quorum && quorum.set.count == 1;
    if (is_quorum && !quorum.is_alone && quorum.set.lowest > quorum.set.threshold)
        quorum.set.threshold = quorum.set.lowest;
    atomic_store(&quorum.count, quorum.set.count); /* before anybody is told what follows from it */
    tell(STREAM_QUORUM, is_quorum);
    tell(STREAM_ALL, is_all);
    tell_of_change(before, is_quorum);
}

/* ---- replicas ---- */

void quorum_join(struct in_sync_replica *replica, uint64_t whole_from)
{
    in_sync_join(&quorum.set, replica, whole_from, end(), loop_now_ms(quorum.loop));
    update(loop_now_ms(quorum.loop));
}

void quorum_heard(struct in_sync_replica *replica, uint64_t received, uint64_t synced)
{
    bool means_synced = __atomic_load_n(&ack_meaning, __ATOMIC_RELAXED) == ACK_MEANS_SYNCED;
    int64_t now_ms = loop_now_ms(quorum.loop);
    if (!replica->node.next)
        return;
    in_sync_heard(replica, means_synced ? synced : received, end(), now_ms);
    update(now_ms);
}

void quorum_leave(struct in_sync_replica *replica)
{
    in_sync_leave(replica);
    update(loop_now_ms(quorum.loop));
}

void quorum_tick(int64_t now_ms)
{
    update(now_ms);
}

unsigned quorum_in_sync_count(void)
{
    return atomic_load(&quorum.count);
}

const char *quorum_question(void)
{
    return __atomic_load_n(&ack_meaning, __ATOMIC_RELAXED) == ACK_MEANS_SYNCED
               ? "*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$6\r\nsynced\r\n"
               : "*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";
}

/* Q3: who was asked behind all that there is need not be asked again. */
static void asked_delivered(struct mail *mail)
{
    (void)mail;
    struct stream *stream = quorum.engine->stream;
    stream_copies_ask_again(stream);
    if (engine_is_following(quorum.engine) || failover_is_on() || list_is_empty(&quorum.set.replicas) ||
        end() == quorum.asked_until)
        return;
    quorum.asked_until = stream_append_aside(stream, bytes_of_text(quorum_question()));
    stream_write(stream);
}

/* ---- life ---- */

void quorum_begin(void)
{
    for (int i = 0; i < CLASS_ENDS; i++)
        atomic_store(&quorum.engine->class_ends[i], end());
}

void quorum_setup(struct engine *engine, struct loop *loop)
{
    quorum.engine = engine;
    quorum.loop = loop;
    in_sync_set_init(&quorum.set, 0);
    quorum.asked.deliver = asked_delivered;
    stream_copies_setup(engine->stream, loop_mailbox(loop), &quorum.asked);
    quorum_begin();
    update(0);
    if (class_any_ack() && members() == 0)
        log_warning("classes wait for replicas, of which it is not known how many there are",
                    "action=\"their writes are refused\" directive=replication-members");
}
