/* SPDX-License-Identifier: BSD-3-Clause */
/* Feeding: what replicas get of the stream, as far as their sockets take it. Who appends wakes this thread, which costs more
 * than the append itself: so after each piece sent the thread looks again by itself for what came meanwhile, and asks to be
 * woken only when there was nothing, or while somebody waits for replicas. */
#include "replication/leader_private.h"

/* What may wait in a replica's output before more is read for it. */
#define OUTPUT_BYTES ((size_t)256 << 10)
#define FEED_ROUNDS 16
/* How long what is appended may wait for more. */
#define GATHER_MS 1

/* Reads the next bytes into the output; false if the link was closed for want of them. */
static bool replica_read(struct replica *replica)
{
    struct output *output = &replica->link.connection->output;
    struct buffer *out = &output->bytes;
    if (!replica->copy) {
        if (stream_reader_refer(replica->reader, output, OUTPUT_BYTES))
            return true;
        replica_fail(replica, "what it lacks is neither in memory nor in the log");
        return false;
    }
    replica->raw.length = 0;
    if (!stream_reader_read(replica->reader, &replica->raw, OUTPUT_BYTES)) {
        replica_fail(replica, "what it lacks is neither in memory nor in the log");
        return false;
    }
    if (!copy_filter_pass(&replica->filter, buffer_bytes(&replica->raw), out)) {
        replica_fail(replica, "whole databases were changed during its full sync");
        return false;
    }
    if (replica->filter.offset >= replica->copy->end) {
        copy_filter_end(&replica->filter, out);
        replica_leave_copy(replica);
        buffer_deinit(&replica->raw);
    }
    return true;
}

/* Sends what there was when the turn fed first, as far as the socket takes it: what came since is little, and gathers. True if
 * there is more that it would take; *sent: there was some. */
static bool replica_feed(struct replica *replica, uint64_t until, bool *sent)
{
    struct connection *connection = replica->link.connection;
    for (int i = 0; i < FEED_ROUNDS; i++) {
        if (connection->closing)
            return false;
        if (output_length(&connection->output) > 0)
            connection_hand_back(connection);
        if (output_length(&connection->output) > 0 || connection->closing ||
            stream_reader_offset(replica->reader) >= until)
            return false;
        if (!replica_read(replica))
            return false;
        connection_wants_send(connection);
        *sent = true;
    }
    return true;
}

static void notice_delivered(struct mail *mail)
{
    (void)mail;
    leader.is_noticing = false;
}

/* The turn that follows feeds. */
static void gathered(struct loop_timer *timer)
{
    (void)timer;
}

static void wait_for_more(uint64_t beyond, bool gather)
{
    if (gather) {
        if (!leader.gather.active)
            loop_timer_start(leader.loop, &leader.gather, GATHER_MS, 0, gathered);
        return;
    }
    leader.is_noticing = true;
    leader.notice.beyond = beyond;
    stream_notice_start(leader.engine->stream, &leader.notice);
}

/* At each turn's end: everybody gets what there is, and then more is waited for. */
static void feed_all(void)
{
    if (list_is_empty(&leader.replicas))
        return;
    bool more = false, sent = false;
    uint64_t until = stream_reached(leader.engine->stream, STREAM_WRITTEN);
    for (struct list *next, *node = leader.replicas.next; node != &leader.replicas; node = next) {
        struct replica *replica = replica_of(node);
        next = node->next;
        if (state_of(replica) == REPLICA_ONLINE && replica->link.connection)
            more |= replica_feed(replica, until, &sent);
    }
    leader_hold_needed();
    if (more)
        loop_turn_again(leader.loop);
    if (!leader.is_noticing)
        wait_for_more(until, sent && !atomic_load(&leader.acks_are_awaited));
}

void leader_feed_setup(void)
{
    leader.notice.home = loop_mailbox(leader.loop);
    leader.notice.mail.deliver = notice_delivered;
    replication_at_turn(feed_all);
}
