/* SPDX-License-Identifier: BSD-3-Clause */
/* The replicas of this node. All runs on the replication thread, but for what is marked otherwise; a full sync has a thread
 * of its own (copy_out.c), which has the replica's socket meanwhile.
 *
 *   arrives --id and offset are known--> ONLINE                   the stream from its offset on
 *   arrives --else--> COPYING --file sent--> WAITING --its first ACK--> ONLINE     the stream from the copy's begin on,
 *                                                                  filtered up to the copy's end (copy_map.c)
 *
 * A replica that finds the end of the file by a mark would take bytes behind the mark for the file's: so nothing is sent to
 * it until it has said that it has all.
 *
 * What a replica lacks stays in the log (or, without one, in memory) as far as the output limit of replicas allows; then its
 * link is closed, and it has to begin again. */
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "replication/leader_private.h"

const char *const replica_state_names[REPLICA_STATES] = {"send_bulk", "online", "online", "rdb_transmitted"};

struct leader leader;

/* ---- the set of replicas ---- */

void replica_add(struct replica *replica)
{
    lock_acquire(&leader.lock);
    list_append(&leader.replicas, &replica->node);
    lock_release(&leader.lock);
    atomic_fetch_add(&leader.count, 1);
}

/* See leader.unsure_below. */
static void remember_unsure(const struct replica *replica)
{
    bool is_whole = replica->about.knows_all_types || atomic_load(&replica->acked) >= replica->whole_from;
    if (!is_whole && leader.unsure_below < replica->whole_from)
        leader.unsure_below = replica->whole_from;
}

void replica_destroy(struct replica *replica)
{
    remember_unsure(replica);
    lock_acquire(&leader.lock);
    list_remove(&replica->node);
    lock_release(&leader.lock);
    atomic_fetch_sub(&leader.count, 1);
    quorum_leave(&replica->in_sync);
    stream_reader_destroy(&replica->reader);
    replica_leave_copy(replica);
    buffer_deinit(&replica->filter.waiting);
    buffer_deinit(&replica->raw);
    resp_parser_reset(&replica->parser);
    memory_free(replica);
    leader_count_in_time(leader.now_ms);
}

void replica_leave_copy(struct replica *replica)
{
    lock_acquire(&leader.lock);
    struct copy_out *copy = replica->copy;
    replica->copy = NULL;
    lock_release(&leader.lock);
    if (!copy || --copy->users > 0)
        return;
    if (leader.copy == copy)
        leader.copy = NULL;
    copy_out_destroy(&copy);
}

uint64_t replica_needed_from(const struct replica *replica)
{
    return replica->reader ? stream_reader_offset(replica->reader) : replica->copy ? replica->copy->from : UINT64_MAX;
}

void leader_hold_needed(void)
{
    uint64_t lowest = UINT64_MAX;
    for (struct list *node = leader.replicas.next; node != &leader.replicas; node = node->next) {
        uint64_t needed = replica_needed_from(replica_of(node));
        lowest = needed < lowest ? needed : lowest;
    }
    stream_hold(leader.engine->stream, lowest);
}

void replica_fail(struct replica *replica, const char *reason)
{
    if (replica->is_failed)
        return;
    replica->is_failed = true;
    replica->failure = reason;
    log_warning("replica closed", "replica=%s:%u state=%s reason=\"%s\"", replica->about.address, replica->about.port,
                replica_state_names[state_of(replica)], reason);
    if (replica->link.connection)
        connection_close(replica->link.connection);
    else if (replica->is_receiving)
        copy_receiver_stop(&replica->receiver, reason);
}

/* ---- what comes with time ---- */

/* Beyond the output limit of replicas what one lacks is not kept any longer. */
static bool lacks_too_much(struct replica *replica, int64_t now_ms)
{
    const struct output_limit *limit = &connection_limits.output[CONNECTION_REPLICA];
    uint64_t from = replica_needed_from(replica), end = stream_end(leader.engine->stream);
    int64_t lacks = from < end ? (int64_t)(end - from) : 0;
    int64_t hard = __atomic_load_n(&limit->hard_bytes, __ATOMIC_RELAXED);
    int64_t soft = __atomic_load_n(&limit->soft_bytes, __ATOMIC_RELAXED);
    int64_t seconds = __atomic_load_n(&limit->soft_seconds, __ATOMIC_RELAXED);
    bool is_beyond = soft > 0 && lacks > soft && state_of(replica) == REPLICA_ONLINE;
    if (!is_beyond)
        replica->beyond_since_ms = 0;
    else if (replica->beyond_since_ms == 0)
        replica->beyond_since_ms = now_ms;
    return (hard > 0 && lacks > hard) || (is_beyond && now_ms - replica->beyond_since_ms >= seconds * 1000);
}

static void replica_tick(struct replica *replica, int64_t now_ms)
{
    int64_t timeout_ms = __atomic_load_n(&replication_settings.timeout_seconds, __ATOMIC_RELAXED) * 1000;
    bool is_silent = replica->link.connection && now_ms - atomic_load(&replica->heard_at_ms) > timeout_ms;
    if (is_silent)
        replica_fail(replica, "it was silent for longer than repl-timeout");
    else if (lacks_too_much(replica, now_ms))
        replica_fail(replica, "it lacks more than client-output-buffer-limit allows");
}

void leader_drop_all(const char *reason)
{
    leader.copy = NULL;
    for (struct list *next, *node = leader.replicas.next; node && node != &leader.replicas; node = next) {
        next = node->next;
        replica_fail(replica_of(node), reason);
    }
}

void leader_tick(int64_t now_ms)
{
    leader.now_ms = now_ms;
    for (struct list *next, *node = leader.replicas.next; node != &leader.replicas; node = next) {
        next = node->next;
        replica_tick(replica_of(node), now_ms);
    }
    leader_count_in_time(now_ms);
    quorum_tick(now_ms);
    failover_step();
    int64_t period_ms = __atomic_load_n(&replication_settings.ping_period_seconds, __ATOMIC_RELAXED) * 1000;
    if (list_is_empty(&leader.replicas) || !replication_is_leading() || failover_is_on() ||
        now_ms - leader.pinged_at_ms < period_ms)
        return;
    leader.pinged_at_ms = now_ms;
    leader_append_aside("*1\r\n$4\r\nPING\r\n");
}

/* ---- life ---- */

void leader_setup(struct engine *engine, struct loop *loop)
{
    leader.engine = engine;
    leader.loop = loop;
    lock_init(&leader.lock, LOCK_LEAF, 0);
    list_init(&leader.replicas);
    leader.unsure_below = stream_end(engine->stream);
    leader_acks_setup();
    leader_feed_setup();
}

void leader_stop(void)
{
    atomic_store(&leader.stopping, true);
}

static bool has_copies(void)
{
    bool any = false;
    for (struct list *node = leader.replicas.next; node != &leader.replicas; node = node->next) {
        struct replica *replica = replica_of(node);
        any |= replica->is_receiving;
        if (replica->is_receiving)
            copy_receiver_stop(&replica->receiver, "the server stops");
    }
    return any;
}

void leader_end(void)
{
    loop_timer_stop(&leader.gather);
    if (leader.is_noticing && stream_notice_stop(leader.engine->stream))
        leader.is_noticing = false;
    while (has_copies() || leader.is_noticing)
        if (mailbox_drain(loop_mailbox(leader.loop)) == 0)
            usleep(1000);
    stream_hold(leader.engine->stream, UINT64_MAX);
    resp_args_deinit(&leader.args);
}
