/* SPDX-License-Identifier: BSD-3-Clause */
/* A replica arrives: it gets what it lacks of the stream, or a full sync first, on a thread of its own. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"
#include "net/tls.h"
#include "replication/follower.h"
#include "replication/leader_private.h"

struct arrival {
    struct mail mail;
    struct loose_connection loose;
    struct introduction *about;
};

/* Whether the replica's history is ours up to its offset, and all after it is there. */
static bool can_continue(const struct introduction *about, uint64_t *from)
{
    struct stream_info info;
    if (!about->has_asked || about->offset < 1)
        return false;
    stream_read_info(leader.engine->stream, &info);
    *from = (uint64_t)(about->offset - 1 - info.bias);
    bool is_ours = strcasecmp(about->id, info.replication_id) == 0;
    struct stream_former former;
    bool was_ours = stream_find_former(leader.engine->stream, about->id, &former) && *from <= former.end;
    uint64_t first = info.history_first;
    if (!about->knows_all_types && first < leader.unsure_below)
        first = leader.unsure_below;
    return (is_ours || was_ours) && *from >= first && *from <= info.end;
}

/* The stream is kept for replicas from now on. One that is another node's gets no SELECT from us: *db says what is selected;
 * else it is -1. */
static uint64_t feed_from_here(int32_t *db)
{
    int32_t selected = -1;
    bool is_ours = replication_is_leading();
    uint64_t from = stream_feed(leader.engine->stream, replication_ring_bytes_max(), is_ours ? NULL : &selected);
    if (db)
        *db = selected;
    return from;
}

static void begin_partial(struct replica *replica, struct arrival *arrival)
{
    struct stream_info info;
    stream_read_info(leader.engine->stream, &info);
    feed_from_here(NULL);
    if (replica->about.knows_psync2)
        buffer_append_format(&arrival->loose.output, "+CONTINUE %s\r\n", info.replication_id);
    else
        buffer_append_text(&arrival->loose.output, "+CONTINUE\r\n");
    atomic_store(&replica->acked, stream_reader_offset(replica->reader));
    metric_add(METRIC_sync_partial_ok, 1);
    log_notice("partial resync", "replica=%s:%u offset=%llu bytes=%llu", replica->about.address, replica->about.port,
               (unsigned long long)stream_reader_offset(replica->reader),
               (unsigned long long)(info.end - stream_reader_offset(replica->reader)));
    connection_join(leader.loop, &arrival->loose, &replica->link);
}

static void copy_done(struct mail *mail);

/* What it needs of a copy is what the one under way has. */
static bool can_share(const struct copy_out *copy, const struct introduction *about)
{
    return copy && copy->knows_eof && about->knows_eof && about->has_asked &&
           copy->knows_all_types == about->knows_all_types && !copy->functions_only && !about->wants_functions_only;
}

static struct copy_out *copy_create(const struct introduction *about)
{
    struct copy_out *copy = memory_allocate_zeroed(sizeof(*copy));
    copy->engine = leader.engine;
    copy->knows_eof = about->knows_eof;
    copy->knows_all_types = about->knows_all_types;
    copy->functions_only = about->wants_functions_only;
    copy->from = feed_from_here(&copy->db);
    return copy;
}

static bool wants_frames(const struct arrival *arrival)
{
    return arrival->about->knows_frames && __atomic_load_n(&replication_settings.compresses_links, __ATOMIC_RELAXED);
}

static void receiver_init(struct replica *replica, struct arrival *arrival)
{
    replica->receiver = (struct copy_receiver){.fd = arrival->loose.fd,
                                               .tls = arrival->loose.tls,
                                               .first = arrival->loose.output,
                                               .wants_frames = wants_frames(arrival),
                                               .home = loop_mailbox(leader.loop),
                                               .done.deliver = copy_done,
                                               .owner = replica};
    buffer_deinit(&arrival->loose.input);
}

static void say_full(struct replica *replica, uint64_t from)
{
    struct stream_info info;
    stream_read_info(leader.engine->stream, &info);
    if (replica->about.has_asked)
        buffer_append_format(&replica->receiver.first, "+FULLRESYNC %s %" PRIu64 "\r\n", info.replication_id,
                             from + (uint64_t)info.bias);
}

/* NULL: there is none, or it comes too late for it. */
static struct copy_out *join_copy(struct replica *replica)
{
    struct copy_out *copy = leader.copy;
    if (!can_share(copy, &replica->about))
        return NULL;
    size_t length = replica->receiver.first.length;
    say_full(replica, copy->from);
    if (copy_out_join(copy, &replica->receiver))
        return copy;
    replica->receiver.first.length = length;
    return NULL;
}

static struct copy_out *start_copy(struct replica *replica)
{
    struct copy_out *copy = copy_create(&replica->about);
    say_full(replica, copy->from);
    copy_out_start(copy, &replica->receiver);
    leader.copy = copy;
    return copy;
}

static void begin_full(struct replica *replica, struct arrival *arrival)
{
    receiver_init(replica, arrival);
    struct copy_out *copy = join_copy(replica);
    bool is_shared = copy != NULL;
    if (!copy)
        copy = start_copy(replica);
    copy->users++;
    copy->receiving++;
    replica->is_receiving = true;
    lock_acquire(&leader.lock);
    replica->copy = copy;
    lock_release(&leader.lock);
    metric_add(METRIC_sync_full, 1);
    metric_add(METRIC_sync_partial_err, replica->about.has_asked && replica->about.id[0] != '?');
    log_notice("full resync", "replica=%s:%u offset=%llu asked=%s:%lld shared=%d", replica->about.address,
               replica->about.port, (unsigned long long)copy->from, replica->about.id, (long long)replica->about.offset,
               is_shared);
}

static struct replica *replica_create(const struct arrival *arrival)
{
    struct replica *replica = memory_allocate_zeroed(sizeof(*replica));
    replica->link = replica_link();
    replica->about = *arrival->about;
    replica->is_local = arrival->loose.local;
    replica->is_unix = arrival->loose.unix_socket;
    atomic_store(&replica->state, REPLICA_COPYING);
    atomic_store(&replica->heard_at_ms, loop_now_ms(leader.loop));
    return replica;
}

/* Since it was let in, the node may have lost its primary, or begun to copy that one's data. */
static bool has_history(void)
{
    struct follower_view follower;
    follower_read(&follower);
    return !follower.host[0] || follower.is_up;
}

static void turn_away(struct arrival *arrival)
{
    wire_close(arrival->loose.fd, &arrival->loose.tls);
    buffer_deinit(&arrival->loose.input);
    buffer_deinit(&arrival->loose.output);
    memory_free(arrival->about);
    memory_free(arrival);
}

static void arrival_delivered(struct mail *mail)
{
    struct arrival *arrival = list_entry(mail, struct arrival, mail);
    if (!has_history()) {
        turn_away(arrival);
        return;
    }
    struct replica *replica = replica_create(arrival);
    uint64_t from;
    leader.now_ms = loop_now_ms(leader.loop);
    replica_add(replica);
    if (can_continue(arrival->about, &from)) {
        replica->reader = stream_reader_create(leader.engine->stream, from);
        leader_hold_needed();
        if (!stream_has_from(leader.engine->stream, from))
            stream_reader_destroy(&replica->reader);
    }
    if (replica->reader)
        begin_partial(replica, arrival);
    else
        begin_full(replica, arrival);
    leader_hold_needed();
    memory_free(arrival->about);
    memory_free(arrival);
}

void leader_take(void *introduction, struct loose_connection *loose)
{
    if (atomic_load(&leader.stopping) || !replication_loop()) {
        wire_close(loose->fd, &loose->tls);
        buffer_deinit(&loose->input);
        buffer_deinit(&loose->output);
        memory_free(introduction);
        return;
    }
    struct arrival *arrival = memory_allocate(sizeof(*arrival));
    *arrival = (struct arrival){.mail.deliver = arrival_delivered, .loose = *loose, .about = introduction};
    mailbox_post(loop_mailbox(leader.loop), &arrival->mail);
}

/* ---- the end of a copy ---- */

static void tell_copy(const struct replica *replica)
{
    const struct copy_out *copy = replica->copy;
    const struct copy_receiver *receiver = &replica->receiver;
    unsigned long long keys = atomic_load(&copy->keys), bytes = atomic_load(&receiver->bytes);
    long long ms = clock_now_ms() - copy->started_ms;
    if (receiver->is_complete)
        log_notice("full resync sent", "replica=%s:%u keys=%llu bytes=%llu ms=%lld ranges=%zu", replica->about.address,
                   replica->about.port, keys, bytes, ms, copy->map.count);
    else
        log_warning("full resync failed", "replica=%s:%u keys=%llu ms=%lld reason=\"%s\"", replica->about.address,
                    replica->about.port, keys, ms, atomic_load(&receiver->failure));
    if (receiver->is_complete && copy->left_out > 0)
        log_warning("keys left out", "replica=%s:%u keys=%llu reason=\"their types are not known to Redis 7.0\"",
                    replica->about.address, replica->about.port, (unsigned long long)copy->left_out);
}

static void end_receiving(struct replica *replica)
{
    struct copy_out *copy = replica->copy;
    replica->is_receiving = false;
    if (--copy->receiving > 0)
        return;
    copy_out_finish(copy);
    if (leader.copy == copy)
        leader.copy = NULL;
}

static void copy_done(struct mail *mail)
{
    struct copy_receiver *receiver = list_entry(mail, struct copy_receiver, done);
    struct replica *replica = receiver->owner;
    const struct copy_out *copy = replica->copy;
    end_receiving(replica);
    tell_copy(replica);
    if (!receiver->is_complete || atomic_load(&leader.stopping)) {
        wire_close(receiver->fd, &receiver->tls);
        replica_destroy(replica);
        leader_hold_needed();
        return;
    }
    replica->reader = stream_reader_create(leader.engine->stream, copy->from);
    replica->whole_from = copy->end;
    replica->filter = (struct copy_filter){.map = &copy->map,
                                           .keyspace = leader.engine->keyspace,
                                           .functions_offset = copy->functions_offset,
                                           .offset = copy->from,
                                           .db = copy->db};
    struct loose_connection loose = {
        .fd = receiver->fd, .tls = receiver->tls, .local = replica->is_local, .unix_socket = replica->is_unix};
    connection_join(leader.loop, &loose, &replica->link);
}
