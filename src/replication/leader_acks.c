/* SPDX-License-Identifier: BSD-3-Clause */
/* What others ask about the replicas of this node, and what replicas say of their progress. */
#include <string.h>

#include "base/clock.h"
#include "command/pause.h"
#include "replication/leader_private.h"

static bool is_good(const struct replica *replica, int64_t now_ms)
{
    return state_of(replica) == REPLICA_ONLINE &&
           now_ms - atomic_load(&replica->heard_at_ms) <=
               __atomic_load_n(&replication_settings.min_replicas_max_lag, __ATOMIC_RELAXED) * 1000;
}

void leader_count_in_time(int64_t now_ms)
{
    unsigned good = 0;
    for (struct list *node = leader.replicas.next; node != &leader.replicas; node = node->next)
        good += is_good(replica_of(node), now_ms);
    atomic_store(&leader.good_count, good);
}

unsigned leader_count_acked(uint64_t offset)
{
    unsigned count = 0;
    lock_acquire(&leader.lock);
    for (struct list *node = leader.replicas.next; node != &leader.replicas; node = node->next) {
        struct replica *replica = replica_of(node);
        count += state_of(replica) == REPLICA_ONLINE && atomic_load(&replica->acked) >= offset;
    }
    lock_release(&leader.lock);
    return count;
}

unsigned leader_count_synced(uint64_t offset)
{
    unsigned count = 0;
    lock_acquire(&leader.lock);
    for (struct list *node = leader.replicas.next; node != &leader.replicas; node = node->next)
        count += atomic_load(&replica_of(node)->synced) >= offset && state_of(replica_of(node)) == REPLICA_ONLINE;
    lock_release(&leader.lock);
    return count;
}

unsigned leader_count_good(void)
{
    return atomic_load_explicit(&leader.good_count, memory_order_relaxed);
}

unsigned leader_count(void)
{
    return atomic_load_explicit(&leader.count, memory_order_relaxed);
}

void leader_each(void (*visit)(void *context, const struct replica_view *view), void *context)
{
    int64_t now_ms = clock_now_ms();
    struct stream_info info;
    stream_read_info(leader.engine->stream, &info);
    lock_acquire(&leader.lock);
    for (struct list *node = leader.replicas.next; node != &leader.replicas; node = node->next) {
        struct replica *replica = replica_of(node);
        enum replica_state state = state_of(replica);
        int64_t silent_ms = now_ms - atomic_load(&replica->heard_at_ms);
        struct replica_view view = {.port = replica->about.port,
                                    .state = replica_state_names[state],
                                    .is_online = state == REPLICA_ONLINE,
                                    .is_in_sync = atomic_load(&replica->in_sync.is_in),
                                    .acked = atomic_load(&replica->acked) + (uint64_t)info.bias,
                                    .lag_seconds = state == REPLICA_ONLINE && silent_ms > 0 ? silent_ms / 1000 : 0};
        view.is_copying = state == REPLICA_COPYING && replica->copy;
        if (view.is_copying)
            view.copy = copy_out_progress(replica->copy, &replica->receiver);
        if (view.is_copying && !atomic_load(&replica->copy->is_walking))
            view.state = "wait_bgsave";
        memcpy(view.address, replica->about.address, sizeof(view.address));
        visit(context, &view);
    }
    lock_release(&leader.lock);
}

/* ---- acknowledgements ---- */

/* What the replica says, as this node counts. Nobody has more than he was sent, whatever he says. */
static uint64_t own_offset(const struct replica *replica, uint64_t said)
{
    struct stream_info info;
    stream_read_info(leader.engine->stream, &info);
    uint64_t sent = replica->reader ? stream_reader_offset(replica->reader) : 0;
    uint64_t offset = info.bias > 0 && said < (uint64_t)info.bias ? 0 : said - (uint64_t)info.bias;
    return offset < sent ? offset : sent;
}

static void acknowledged(struct replica *replica, const struct resp_args *args)
{
    uint64_t offset;
    if (!bytes_to_uint64(args->values[2], &offset))
        return;
    bool is_first = state_of(replica) == REPLICA_WAITING;
    offset = own_offset(replica, offset);
    if (offset > atomic_load(&replica->acked))
        atomic_store(&replica->acked, offset);
    if (args->count >= 5 && bytes_equal_text(args->values[3], "fack") && bytes_to_uint64(args->values[4], &offset))
        atomic_store(&replica->synced, own_offset(replica, offset));
    if (is_first)
        replica_online(replica);
    quorum_heard(&replica->in_sync, atomic_load(&replica->acked), atomic_load(&replica->synced));
    failover_step();
    if (atomic_load(&leader.acks_are_awaited) && atomic_exchange(&leader.acks_are_awaited, false))
        pause_wake_everybody(leader.engine);
}

void replica_said(struct replica *replica, const struct resp_args *args)
{
    if (args->count < 3 || !bytes_equal_text(args->values[0], "replconf"))
        return;
    if (bytes_equal_text(args->values[1], "ack"))
        acknowledged(replica, args);
    else if (bytes_equal_text(args->values[1], "scrub"))
        replica_scrubbed(replica, args);
}
void leader_append_aside(const char *command)
{
    stream_append_aside(leader.engine->stream, bytes_of_text(command));
    stream_write(leader.engine->stream);
}

static void acks_wanted_delivered(struct mail *mail)
{
    (void)mail;
    atomic_store(&leader.acks_are_wanted, false);
    if (!list_is_empty(&leader.replicas) && replication_is_leading() && !failover_is_on())
        leader_append_aside("*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n");
}

void leader_await_acks(void)
{
    atomic_store(&leader.acks_are_awaited, true);
}

void leader_want_acks(void)
{
    if (leader_count() > 0 && !atomic_exchange(&leader.acks_are_wanted, true))
        mailbox_post(loop_mailbox(leader.loop), &leader.acks_wanted);
}

void leader_acks_setup(void)
{
    leader.acks_wanted.deliver = acks_wanted_delivered;
}
