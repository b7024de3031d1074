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
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "command/pause.h"
#include "replication/copy_out.h"
#include "replication/replication_private.h"

/* What may wait in a replica's output before more is read for it. */
#define OUTPUT_BYTES ((size_t)256 << 10)
#define FEED_ROUNDS 16

enum replica_state { REPLICA_COPYING, REPLICA_WAITING, REPLICA_ONLINE, REPLICA_FILE_SENT };
static const char *const state_names[] = {"send_bulk", "online", "online", "rdb_transmitted"};

struct replica {
    struct link link;
    struct list node; /* in leader.replicas; changed under the lock */
    struct introduction about;
    struct copy_out *copy;
    bool has_thread; /* the copy's is not waited for yet */
    bool is_failed;  /* it is about to go */
    bool is_local, is_unix;
    struct copy_filter filter;
    struct buffer raw; /* read for the filter */
    struct stream_reader *reader;
    struct resp_parser parser;
    int64_t beyond_since_ms; /* of the soft output limit; 0: it is not */

    /* read by others under the lock */
    _Atomic int state;
    _Atomic uint64_t acked, synced;
    _Atomic int64_t heard_at_ms;
};

static struct {
    struct engine *engine;
    struct loop *loop;
    struct resp_args args;
    struct stream_notice notice;
    bool is_noticing;
    int64_t pinged_at_ms, now_ms;
    _Atomic bool stopping;
    _Atomic unsigned count, good_count;

    struct lock lock; /* a leaf: of the list, for those who look at it from other threads */
    struct list replicas;

    struct mail acks_wanted;
    _Atomic bool acks_are_wanted;
    _Atomic bool acks_are_awaited; /* somebody waits for one to arrive */
} leader;

static struct replica *replica_of(struct list *node)
{
    return list_entry(node, struct replica, node);
}

static enum replica_state state_of(const struct replica *replica)
{
    return (enum replica_state)atomic_load(&replica->state);
}

/* ---- what others ask ---- */

static bool is_good(const struct replica *replica, int64_t now_ms)
{
    return state_of(replica) == REPLICA_ONLINE &&
           now_ms - atomic_load(&replica->heard_at_ms) <=
               __atomic_load_n(&replication_settings.min_replicas_max_lag, __ATOMIC_RELAXED) * 1000;
}

static void count_good(int64_t now_ms)
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
                                    .state = state_names[state],
                                    .is_online = state == REPLICA_ONLINE,
                                    .acked = atomic_load(&replica->acked) + (uint64_t)info.bias,
                                    .lag_seconds = state == REPLICA_ONLINE && silent_ms > 0 ? silent_ms / 1000 : 0};
        memcpy(view.address, replica->about.address, sizeof(view.address));
        visit(context, &view);
    }
    lock_release(&leader.lock);
}

/* ---- the set of replicas ---- */

static void replica_add(struct replica *replica)
{
    lock_acquire(&leader.lock);
    list_append(&leader.replicas, &replica->node);
    lock_release(&leader.lock);
    atomic_fetch_add(&leader.count, 1);
}

static void replica_destroy(struct replica *replica)
{
    lock_acquire(&leader.lock);
    list_remove(&replica->node);
    lock_release(&leader.lock);
    atomic_fetch_sub(&leader.count, 1);
    stream_reader_destroy(&replica->reader);
    copy_out_destroy(&replica->copy);
    buffer_deinit(&replica->filter.waiting);
    buffer_deinit(&replica->raw);
    resp_parser_reset(&replica->parser);
    memory_free(replica);
    count_good(leader.now_ms);
}

/* The first byte that the replica may still need. */
static uint64_t needed_from(const struct replica *replica)
{
    return replica->reader ? stream_reader_offset(replica->reader) : replica->copy ? replica->copy->from : UINT64_MAX;
}

static void hold_needed(void)
{
    uint64_t lowest = UINT64_MAX;
    for (struct list *node = leader.replicas.next; node != &leader.replicas; node = node->next) {
        uint64_t needed = needed_from(replica_of(node));
        lowest = needed < lowest ? needed : lowest;
    }
    stream_hold(leader.engine->stream, lowest);
}

static void replica_fail(struct replica *replica, const char *reason)
{
    if (replica->is_failed)
        return;
    replica->is_failed = true;
    log_warning("replica closed", "replica=%s:%u state=%s reason=\"%s\"", replica->about.address, replica->about.port,
                state_names[state_of(replica)], reason);
    if (replica->link.connection)
        connection_close(replica->link.connection);
    else if (replica->has_thread)
        copy_out_stop(replica->copy, reason);
}

/* ---- feeding ---- */

/* Reads the next bytes into the output; false if the link was closed for want of them. */
static bool replica_read(struct replica *replica)
{
    struct buffer *out = &replica->link.connection->output.bytes;
    if (!replica->copy) {
        if (stream_reader_read(replica->reader, out, OUTPUT_BYTES))
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
        copy_out_destroy(&replica->copy);
        buffer_deinit(&replica->raw);
    }
    return true;
}

static bool is_behind(const struct replica *replica)
{
    return stream_reader_offset(replica->reader) < stream_reached(leader.engine->stream, STREAM_WRITTEN);
}

/* Sends what there is, as far as the socket takes it. True if there is more that it would take. */
static bool replica_feed(struct replica *replica)
{
    struct connection *connection = replica->link.connection;
    for (int i = 0; i < FEED_ROUNDS; i++) {
        if (connection->closing)
            return false;
        if (output_length(&connection->output) > 0)
            connection_hand_back(connection);
        if (output_length(&connection->output) > 0 || connection->closing || !is_behind(replica))
            return false;
        if (!replica_read(replica))
            return false;
        connection_wants_send(connection);
    }
    return true;
}

static void notice_delivered(struct mail *mail)
{
    (void)mail;
    leader.is_noticing = false;
}

/* At each turn's end: everybody gets what there is, and then more is waited for. */
static void feed_all(void)
{
    if (list_is_empty(&leader.replicas))
        return;
    bool more = false;
    uint64_t until = stream_reached(leader.engine->stream, STREAM_WRITTEN);
    for (struct list *next, *node = leader.replicas.next; node != &leader.replicas; node = next) {
        struct replica *replica = replica_of(node);
        next = node->next;
        if (state_of(replica) == REPLICA_ONLINE && replica->link.connection)
            more |= replica_feed(replica);
    }
    hold_needed();
    if (more)
        loop_turn_again(leader.loop);
    if (leader.is_noticing)
        return;
    leader.is_noticing = true;
    leader.notice.beyond = until;
    stream_notice_start(leader.engine->stream, &leader.notice);
}

/* ---- a replica's connection ---- */

static void replica_online(struct replica *replica)
{
    atomic_store(&replica->state, REPLICA_ONLINE);
    log_notice("replica online", "replica=%s:%u offset=%llu", replica->about.address, replica->about.port,
               (unsigned long long)stream_reader_offset(replica->reader));
    count_good(leader.now_ms);
}

static void replica_opened(struct link *link)
{
    struct replica *replica = (struct replica *)link;
    link->connection->class = CONNECTION_REPLICA;
    atomic_store(&replica->heard_at_ms, loop_now_ms(leader.loop));
    if (replica->is_failed) {
        connection_close(link->connection);
        return;
    }
    if (replica->about.wants_rdb_only) {
        atomic_store(&replica->state, REPLICA_FILE_SENT);
        return;
    }
    if (replica->copy && replica->copy->knows_eof)
        atomic_store(&replica->state, REPLICA_WAITING);
    else
        replica_online(replica);
}

static void acknowledge(struct replica *replica, const struct resp_args *args)
{
    uint64_t offset;
    if (args->count < 3 || !bytes_equal_text(args->values[0], "replconf") ||
        !bytes_equal_text(args->values[1], "ack") || !bytes_to_uint64(args->values[2], &offset))
        return;
    bool is_first = state_of(replica) == REPLICA_WAITING;
    struct stream_info info;
    stream_read_info(leader.engine->stream, &info);
    offset -= (uint64_t)info.bias;
    if (offset > atomic_load(&replica->acked))
        atomic_store(&replica->acked, offset);
    if (args->count >= 5 && bytes_equal_text(args->values[3], "fack") && bytes_to_uint64(args->values[4], &offset))
        atomic_store(&replica->synced, offset - (uint64_t)info.bias);
    if (is_first)
        replica_online(replica);
    if (atomic_load(&leader.acks_are_awaited) && atomic_exchange(&leader.acks_are_awaited, false))
        pause_wake_everybody(leader.engine);
}

static void replica_received(struct link *link)
{
    static const struct resp_limits limits = {.bulk_bytes_max = 65536, .args_max = 64, .inline_bytes_max = 65536};
    struct replica *replica = (struct replica *)link;
    struct connection *connection = link->connection;
    atomic_store(&replica->heard_at_ms, loop_now_ms(leader.loop));
    while (connection->input.length > 0 && !connection->closing) {
        size_t consumed;
        const char *error;
        enum resp_result result =
            resp_parse(&replica->parser, &limits, buffer_bytes(&connection->input), &leader.args, &consumed, &error);
        if (result == RESP_INCOMPLETE)
            return;
        if (result == RESP_ERROR) {
            replica_fail(replica, error);
            return;
        }
        acknowledge(replica, &leader.args);
        connection_consume(connection, consumed);
    }
}

static void replica_closed(struct link *link)
{
    struct replica *replica = (struct replica *)link;
    log_notice("replica gone", "replica=%s:%u acked=%llu", replica->about.address, replica->about.port,
               (unsigned long long)atomic_load(&replica->acked));
    replica_destroy(replica);
    hold_needed();
}

/* ---- arriving ---- */

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
    bool was_ours = strcasecmp(about->id, info.replication_id2) == 0 && *from <= info.id2_offset;
    return (is_ours || was_ours) && *from <= info.end;
}

/* The stream is kept for replicas from now on. One that is another node's gets no SELECT from us: *db says what is selected;
 * else it is -1. */
static uint64_t feed_from_here(int32_t *db)
{
    int32_t selected = -1;
    bool is_ours = replication_is_leading();
    uint64_t from = stream_feed(leader.engine->stream, &replication_settings.backlog_bytes, is_ours ? NULL : &selected);
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
    log_notice("partial resync", "replica=%s:%u offset=%llu bytes=%llu", replica->about.address, replica->about.port,
               (unsigned long long)stream_reader_offset(replica->reader),
               (unsigned long long)(info.end - stream_reader_offset(replica->reader)));
    connection_join(leader.loop, &arrival->loose, &replica->link);
}

static void copy_done(struct mail *mail);

static void begin_full(struct replica *replica, struct arrival *arrival)
{
    struct stream_info info;
    struct copy_out *copy = memory_allocate_zeroed(sizeof(*copy));
    copy->engine = leader.engine;
    copy->fd = arrival->loose.fd;
    copy->reply = arrival->loose.output;
    copy->knows_eof = replica->about.knows_eof;
    copy->knows_all_types = replica->about.knows_all_types;
    copy->functions_only = replica->about.wants_functions_only;
    copy->home = loop_mailbox(leader.loop);
    copy->done.deliver = copy_done;
    copy->owner = replica;
    copy->from = feed_from_here(&copy->db);
    stream_read_info(leader.engine->stream, &info);
    if (replica->about.has_asked)
        buffer_append_format(&copy->reply, "+FULLRESYNC %s %llu\r\n", info.replication_id,
                             (unsigned long long)(copy->from + (uint64_t)info.bias));
    buffer_deinit(&arrival->loose.input);
    log_notice("full resync", "replica=%s:%u offset=%llu", replica->about.address, replica->about.port,
               (unsigned long long)copy->from);
    replica->copy = copy;
    replica->has_thread = true;
    copy_out_start(copy);
}

static struct replica *replica_create(const struct arrival *arrival)
{
    struct replica *replica = memory_allocate_zeroed(sizeof(*replica));
    replica->link = (struct link){.opened = replica_opened, .received = replica_received, .closed = replica_closed};
    replica->about = *arrival->about;
    replica->is_local = arrival->loose.local;
    replica->is_unix = arrival->loose.unix_socket;
    atomic_store(&replica->state, REPLICA_COPYING);
    atomic_store(&replica->heard_at_ms, loop_now_ms(leader.loop));
    return replica;
}

static void arrival_delivered(struct mail *mail)
{
    struct arrival *arrival = list_entry(mail, struct arrival, mail);
    struct replica *replica = replica_create(arrival);
    uint64_t from;
    leader.now_ms = loop_now_ms(leader.loop);
    replica_add(replica);
    if (can_continue(arrival->about, &from)) {
        replica->reader = stream_reader_create(leader.engine->stream, from);
        hold_needed();
        if (!stream_has_from(leader.engine->stream, from))
            stream_reader_destroy(&replica->reader);
    }
    if (replica->reader)
        begin_partial(replica, arrival);
    else
        begin_full(replica, arrival);
    hold_needed();
    memory_free(arrival->about);
    memory_free(arrival);
}

void leader_take(void *introduction, struct loose_connection *loose)
{
    if (atomic_load(&leader.stopping) || !replication_loop()) {
        close(loose->fd);
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

static void tell_copy(const struct replica *replica, const struct copy_out *copy)
{
    int64_t ms = clock_now_ms() - copy->started_ms;
    if (copy->is_complete)
        log_notice("full resync sent", "replica=%s:%u keys=%llu bytes=%llu ms=%lld ranges=%zu", replica->about.address,
                   replica->about.port, (unsigned long long)copy->keys, (unsigned long long)copy->bytes, (long long)ms,
                   copy->map.count);
    else
        log_warning("full resync failed", "replica=%s:%u keys=%llu ms=%lld reason=\"%s\"", replica->about.address,
                    replica->about.port, (unsigned long long)copy->keys, (long long)ms, atomic_load(&copy->failure));
    if (copy->left_out > 0)
        log_warning("keys left out", "replica=%s:%u keys=%llu reason=\"their types are not known to Redis 7.0\"",
                    replica->about.address, replica->about.port, (unsigned long long)copy->left_out);
}

static void copy_done(struct mail *mail)
{
    struct copy_out *copy = list_entry(mail, struct copy_out, done);
    struct replica *replica = copy->owner;
    thread_stop(&copy->thread);
    replica->has_thread = false;
    tell_copy(replica, copy);
    if (!copy->is_complete || atomic_load(&leader.stopping)) {
        close(copy->fd);
        replica_destroy(replica);
        hold_needed();
        return;
    }
    replica->reader = stream_reader_create(leader.engine->stream, copy->from);
    replica->filter = (struct copy_filter){.map = &copy->map,
                                           .keyspace = leader.engine->keyspace,
                                           .functions_offset = copy->functions_offset,
                                           .offset = copy->from,
                                           .db = copy->db};
    struct loose_connection loose = {.fd = copy->fd, .local = replica->is_local, .unix_socket = replica->is_unix};
    connection_join(leader.loop, &loose, &replica->link);
}

/* ---- what comes with time ---- */

/* Beyond the output limit of replicas what one lacks is not kept any longer. */
static bool lacks_too_much(struct replica *replica, int64_t now_ms)
{
    const struct output_limit *limit = &connection_limits.output[CONNECTION_REPLICA];
    uint64_t from = needed_from(replica), end = stream_end(leader.engine->stream);
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
    for (struct list *next, *node = leader.replicas.next; node && node != &leader.replicas; node = next) {
        next = node->next;
        replica_fail(replica_of(node), reason);
    }
}

static void append_aside(const char *command)
{
    stream_append_aside(leader.engine->stream, bytes_of_text(command));
    stream_write(leader.engine->stream);
}

void leader_tick(int64_t now_ms)
{
    leader.now_ms = now_ms;
    for (struct list *next, *node = leader.replicas.next; node != &leader.replicas; node = next) {
        next = node->next;
        replica_tick(replica_of(node), now_ms);
    }
    count_good(now_ms);
    int64_t period_ms = __atomic_load_n(&replication_settings.ping_period_seconds, __ATOMIC_RELAXED) * 1000;
    if (list_is_empty(&leader.replicas) || !replication_is_leading() || now_ms - leader.pinged_at_ms < period_ms)
        return;
    leader.pinged_at_ms = now_ms;
    append_aside("*1\r\n$4\r\nPING\r\n");
}

static void acks_wanted_delivered(struct mail *mail)
{
    (void)mail;
    atomic_store(&leader.acks_are_wanted, false);
    if (!list_is_empty(&leader.replicas) && replication_is_leading())
        append_aside("*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n");
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

/* ---- life ---- */

void leader_setup(struct engine *engine, struct loop *loop)
{
    leader.engine = engine;
    leader.loop = loop;
    lock_init(&leader.lock, LOCK_LEAF, 0);
    list_init(&leader.replicas);
    leader.acks_wanted.deliver = acks_wanted_delivered;
    leader.notice.home = loop_mailbox(loop);
    leader.notice.mail.deliver = notice_delivered;
    replication_at_turn(feed_all);
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
        any |= replica->has_thread;
        if (replica->has_thread)
            copy_out_stop(replica->copy, "the server stops");
    }
    return any;
}

void leader_end(void)
{
    if (leader.is_noticing && stream_notice_stop(leader.engine->stream))
        leader.is_noticing = false;
    while (has_copies() || leader.is_noticing)
        if (mailbox_drain(loop_mailbox(leader.loop)) == 0)
            usleep(1000);
    stream_hold(leader.engine->stream, UINT64_MAX);
    resp_args_deinit(&leader.args);
}
