/* SPDX-License-Identifier: BSD-3-Clause */
/* The whole data set for replicas, as an RDB file of Redis that is made while it is sent: a walk over all keys in their order,
 * a range at a time, each at an offset of its own (keyspace_copy_range). It runs on a thread of its own, which has the sockets
 * while it lasts and waits for them, so that what is held in memory is one range and what the sockets have not taken.
 *
 * Replicas that ask at about the same time share one walk and one encoding (copy_send.c): those that come before it has begun
 * (repl-diskless-sync-delay), and those that come while what was sent is still held ('head') and the walk goes on.
 *
 * A replica that does not know how to find the end of what it gets (capa eof) is told its length first (copy_file.c), and has
 * a copy of its own. */
#include "replication/copy_out.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"
#include "base/random.h"
#include "command/function_durable.h"
#include "object/codec.h"
#include "replication/replication_private.h"

#define WRITE_BYTES ((size_t)256 << 10)
/* Of the head; a part of memory, or so many bytes. */
#define HEAD_BYTES_MAX ((size_t)16 << 20)
#define HEAD_MEMORY_SHARE 32
/* Each of those who come when it is under way has a head of his own. */
#define LATE_MAX 4
#define DELAY_STEP_US 10000
#define SETTLE_STEP_US 1000
#define KEEPALIVE_MS 1000
/* Nobody joins a walk that has stood still for so long. */
#define STALLED_MS 1000
/* The last type of value that Redis 7.0 reads. */
#define TYPE_MAX_REDIS 19

static bool fail(struct copy_out *copy, const char *reason)
{
    if (!copy->failure)
        copy->failure = reason;
    return false;
}

/* ---- who gets it ---- */

static void greet_all(struct copy_out *copy)
{
    for (struct list *node = copy->receivers.all.next; node != &copy->receivers.all; node = node->next)
        copy_receiver_greet(list_entry(node, struct copy_receiver, node), copy->mark, buffer_bytes(&copy->head));
}

static struct copy_receiver *next_joining(struct copy_out *copy)
{
    struct copy_receiver *receiver = NULL;
    lock_acquire(&copy->lock);
    if (!list_is_empty(&copy->joining)) {
        receiver = list_entry(copy->joining.next, struct copy_receiver, node);
        list_remove(&receiver->node);
        atomic_fetch_sub(&copy->receivers.waiting, 1);
    }
    lock_release(&copy->lock);
    return receiver;
}

static void take_joining(struct copy_out *copy)
{
    struct copy_receiver *receiver;
    while ((receiver = next_joining(copy))) {
        copy_receivers_add(&copy->receivers, receiver);
        if (atomic_load(&copy->is_walking) && copy->knows_eof)
            copy_receiver_greet(receiver, copy->mark, buffer_bytes(&copy->head));
    }
}

static void close_door(struct copy_out *copy)
{
    lock_acquire(&copy->lock);
    copy->is_open = false;
    lock_release(&copy->lock);
    take_joining(copy);
    buffer_deinit(&copy->head);
}

static size_t head_bytes_max(const struct copy_out *copy)
{
    int64_t maxmemory = __atomic_load_n(&copy->engine->maxmemory, __ATOMIC_RELAXED);
    size_t share = (size_t)maxmemory / HEAD_MEMORY_SHARE;
    return maxmemory > 0 && share < HEAD_BYTES_MAX ? share : HEAD_BYTES_MAX;
}

static void go_on(struct copy_out *copy)
{
    atomic_store_explicit(&copy->moved_ms, clock_now_ms(), memory_order_relaxed);
}

/* To all, and if nobody of them is left, to those who wait: they find it in the head. False: there is nobody at all. */
static bool send_on(struct copy_out *copy, struct bytes bytes)
{
    bool any = copy_receivers_send(&copy->receivers, bytes);
    go_on(copy);
    if (any || !copy->is_open) /* this thread alone closes it */
        return any;
    take_joining(copy);
    return copy->receivers.count > 0;
}

static int64_t delay_ms(const struct copy_out *copy)
{
    return copy->knows_eof ? __atomic_load_n(&replication_settings.copy_delay_seconds, __ATOMIC_RELAXED) * 1000 : 0;
}

/* Those who wait are told now and then that there is still somebody. */
static bool wait_for_others(struct copy_out *copy)
{
    int64_t told_ms = copy->started_ms, now_ms;
    bool any = copy->receivers.count > 0;
    while (any && (now_ms = clock_now_ms()) - copy->started_ms < delay_ms(copy)) {
        usleep(DELAY_STEP_US);
        take_joining(copy);
        bool is_due = now_ms - told_ms >= KEEPALIVE_MS;
        any = send_on(copy, is_due ? BYTES("\n") : (struct bytes){NULL, 0});
        told_ms = is_due ? now_ms : told_ms;
    }
    return any;
}

/* ---- what is written ---- */

static bool send_file_bytes(struct copy_out *copy, struct bytes bytes)
{
    if (!copy->knows_eof)
        return copy_file_write(&copy->file, &copy->receivers, bytes);
    if (copy->is_open) {
        take_joining(copy);
        if (copy->head.length + bytes.length > head_bytes_max(copy) || copy_rate_piece(SIZE_MAX) < SIZE_MAX)
            close_door(copy);
        else
            buffer_append_bytes(&copy->head, bytes);
    }
    return send_on(copy, bytes);
}

static bool flush(struct copy_out *copy, size_t unless_below)
{
    struct rdb_file_writer *writer = &copy->writer;
    if (writer->out.length < unless_below)
        return true;
    bool written = send_file_bytes(copy, buffer_bytes(&writer->out));
    copy->sent_ms = clock_now_ms();
    rdb_file_taken(writer, writer->out.length);
    return written;
}

static void add_to(_Atomic uint64_t *number, uint64_t amount)
{
    atomic_store_explicit(number, atomic_load_explicit(number, memory_order_relaxed) + amount, memory_order_relaxed);
}

static void write_about(struct copy_out *copy)
{
    char number[BYTES_INTEGER_MAX];
    struct rdb_file_writer *writer = &copy->writer;
    struct stream_info info;
    stream_read_info(copy->engine->stream, &info);
    rdb_file_about(writer, BYTES("redis-ver"), BYTES("7.0.0"));
    rdb_file_about(writer, BYTES("redis-bits"), BYTES("64"));
    rdb_file_about(writer, BYTES("forebay-version"), BYTES("1")); /* of the stream that follows */
    rdb_file_about(writer, BYTES("ctime"), bytes_of(number, bytes_from_int64(number, clock_now_ms() / 1000)));
    rdb_file_about(writer, BYTES("repl-id"), bytes_of_text(info.replication_id));
    rdb_file_about(writer, BYTES("repl-offset"),
                   bytes_of(number, bytes_from_uint64(number, copy->from + (uint64_t)info.bias)));
    rdb_file_about(writer, BYTES("forebay-copy-keys"), bytes_of(number, bytes_from_uint64(number, copy->keys_total)));
    if (copy->db >= 0)
        rdb_file_about(writer, BYTES("repl-stream-db"), bytes_of(number, bytes_from_int64(number, copy->db)));
}

static bool visit_offset(void *context, uint64_t *offset)
{
    struct copy_out *copy = context;
    *offset = keyspace_offset_of(copy->engine->keyspace, copy->place.slot % PARTITION_COUNT,
                                 stream_end(copy->engine->stream));
    return true;
}

static void visit_key(void *context, const struct copied_key *key)
{
    struct copy_out *copy = context;
    if (!copy->knows_all_types && (uint8_t)key->payload.data[0] > TYPE_MAX_REDIS) {
        copy->left_out++;
        return;
    }
    struct rdb_key written = {.db = copy->place.db,
                              .name = key->name,
                              .payload = key->payload,
                              .expire_at_ms = key->expire_at_ms == ENTRY_NO_EXPIRE ? RDB_NO_EXPIRE : key->expire_at_ms,
                              .idle_seconds = -1,
                              .frequency = -1};
    rdb_file_key(&copy->writer, &written);
    add_to(&copy->keys, 1);
}

static void visit_again(void *context)
{
    struct copy_out *copy = context;
    copy->writer.out.length = copy->range_begin;
    copy->writer.db = copy->range_db;
    atomic_store_explicit(&copy->keys, copy->range_keys, memory_order_relaxed);
    copy->left_out = copy->range_left_out;
}

static void tell_progress(struct copy_out *copy)
{
    int64_t now_ms = clock_now_ms();
    struct copy_progress progress = copy_out_progress(copy, NULL);
    if (copy_telling_is_due(&copy->telling, &progress, copy->started_ms, now_ms))
        log_notice("full resync under way", "offset=%llu db=%d slot=%u percent=%.0f keys=%llu replicas=%u ms=%lld",
                   (unsigned long long)copy->from, copy->place.db, copy->place.slot, copy_progress_percent(&progress),
                   (unsigned long long)progress.keys, copy->receivers.count, (long long)(now_ms - copy->started_ms));
}

/* How often whole databases were emptied or exchanged: a copy that has ranges of before and of after is worth nothing
 * (copy_map.c), and the sooner it is given up the better. */
static uint64_t count_changes(const struct copy_out *copy)
{
    const struct keyspace *keyspace = copy->engine->keyspace;
    return keyspace_flush_count(keyspace) + keyspace_swap_count(keyspace);
}

static bool write_range(struct copy_out *copy)
{
    struct copy_visitor visitor = {copy, visit_offset, visit_key, visit_again};
    struct copied_range range;
    uint16_t slot = copy->place.slot;
    copy->range_begin = copy->writer.out.length;
    copy->range_db = copy->writer.db;
    copy->range_keys = atomic_load_explicit(&copy->keys, memory_order_relaxed);
    copy->range_left_out = copy->left_out;
    if (keyspace_copy_range(copy->engine->keyspace, &copy->place, &visitor, &range) != STATUS_OK)
        return fail(copy, "a row cannot be read");
    copy_map_add(&copy->map, copy_position(copy->place.db, slot, range.last_hash), range.offset);
    go_on(copy);
    thread_give_way();
    tell_progress(copy);
    if (count_changes(copy) != copy->changes)
        return fail(copy, "whole databases were changed during its full sync");
    /* However little there is: so nobody waits long for a word, and who has gone is noticed. */
    bool is_due = clock_now_ms() - copy->sent_ms >= KEEPALIVE_MS;
    return flush(copy, is_due ? 1 : WRITE_BYTES);
}

/* A db that nothing was put into before the offset has nothing of before it. */
static bool write_db(struct copy_out *copy, int db)
{
    uint64_t offset = keyspace_settled(copy->engine->keyspace, stream_end(copy->engine->stream));
    copy->place = (struct copy_place){.db = db};
    if (keyspace_copy_skips(copy->engine->keyspace, db)) {
        copy_map_add(&copy->map, copy_position(db, SLOT_COUNT - 1, UINT64_MAX), offset);
        return true;
    }
    struct keyspace_counts counts = keyspace_counts(copy->engine->keyspace, db);
    if (counts.keys > 0)
        rdb_file_sizes(&copy->writer, db, counts.keys, counts.expires);
    while (copy->place.slot < SLOT_COUNT)
        if (!write_range(copy))
            return false;
    return true;
}

/* The ranges have effects of up to here. Until the stream has come so far, who has the copy is nobody's equal. */
static void write_end(struct copy_out *copy)
{
    char number[BYTES_INTEGER_MAX];
    rdb_file_about(&copy->writer, BYTES("forebay-copy-bytes"),
                   bytes_of(number, bytes_from_uint64(number, copy->end - copy->from)));
    rdb_file_end(&copy->writer);
}

/* No range may be of before what the replica gets of the stream. */
static void wait_for_begin(const struct copy_out *copy)
{
    while (keyspace_settled(copy->engine->keyspace, copy->from) < copy->from)
        usleep(SETTLE_STEP_US);
}

static bool write_all(struct copy_out *copy)
{
    wait_for_begin(copy);
    rdb_file_begin(&copy->writer);
    write_about(copy);
    copy->functions_offset = stream_end(copy->engine->stream);
    functions_copy(&copy->writer.out);
    copy->changes = count_changes(copy);
    for (int db = 0; db < DATABASE_COUNT && !copy->functions_only; db++)
        if (!write_db(copy, db))
            return false;
    copy->end = stream_end(copy->engine->stream);
    write_end(copy);
    return flush(copy, 0);
}

static bool send_delimited(struct copy_out *copy)
{
    random_hex(copy->mark, 40);
    greet_all(copy);
    if (!write_all(copy))
        return false;
    close_door(copy);
    return copy_receivers_send_mark(&copy->receivers, bytes_of(copy->mark, 40));
}

static bool send_counted(struct copy_out *copy)
{
    struct copy_receiver *receiver = list_entry(copy->receivers.all.next, struct copy_receiver, node);
    return copy_file_open(&copy->file, receiver) && write_all(copy) && copy_file_send(&copy->file, &copy->receivers);
}

static void run(void *argument)
{
    struct copy_out *copy = argument;
    take_joining(copy);
    bool sent = wait_for_others(copy);
    if (sent) {
        atomic_store(&copy->is_walking, true);
        metric_add(METRIC_sync_full_passes, 1);
        sent = copy->knows_eof ? send_delimited(copy) : send_counted(copy);
    }
    if (!sent) /* also to who has joined since the others went */
        fail(copy, "the copy was not sent");
    close_door(copy);
    copy_file_close(&copy->file);
    rdb_file_writer_deinit(&copy->writer);
    copy_receivers_end(&copy->receivers, copy->failure);
}

static uint64_t count_keys(const struct keyspace *keyspace)
{
    uint64_t keys = 0;
    for (int db = 0; db < DATABASE_COUNT; db++)
        keys += keyspace_counts(keyspace, db).keys;
    return keys;
}

/* ---- for its owner ---- */

void copy_out_start(struct copy_out *copy, struct copy_receiver *receiver)
{
    copy->keys_total = copy->functions_only ? 0 : count_keys(copy->engine->keyspace);
    copy->file.fd = -1;
    copy->started_ms = copy->sent_ms = clock_now_ms();
    go_on(copy);
    lock_init(&copy->lock, LOCK_LEAF, 0);
    list_init(&copy->joining);
    copy_receivers_init(&copy->receivers);
    copy->is_open = copy->knows_eof;
    list_append(&copy->joining, &receiver->node);
    atomic_store(&copy->receivers.waiting, 1);
    copy->joined = 1;
    thread_start(&copy->thread, "copy", run, copy);
}

static bool stands_still(const struct copy_out *copy)
{
    return clock_now_ms() - atomic_load_explicit(&copy->moved_ms, memory_order_relaxed) > STALLED_MS;
}

bool copy_out_join(struct copy_out *copy, struct copy_receiver *receiver)
{
    lock_acquire(&copy->lock);
    bool is_late = atomic_load(&copy->is_walking);
    bool is_taken = copy->is_open && copy->joined < COPY_RECEIVERS_MAX && (!is_late || copy->late < LATE_MAX) &&
                    !stands_still(copy);
    if (is_taken) {
        list_append(&copy->joining, &receiver->node);
        atomic_fetch_add(&copy->receivers.waiting, 1);
        copy->joined++;
        copy->late += is_late;
    }
    lock_release(&copy->lock);
    return is_taken;
}

struct copy_progress copy_out_progress(const struct copy_out *copy, const struct copy_receiver *receiver)
{
    return (struct copy_progress){.bytes = receiver ? atomic_load_explicit(&receiver->bytes, memory_order_relaxed) : 0,
                                  .keys = atomic_load_explicit(&copy->keys, memory_order_relaxed),
                                  .keys_total = copy->keys_total};
}

void copy_out_finish(struct copy_out *copy)
{
    thread_stop(&copy->thread);
}

void copy_out_destroy(struct copy_out **taken)
{
    struct copy_out *copy = *taken;
    *taken = NULL;
    if (!copy)
        return;
    copy_map_deinit(&copy->map);
    memory_free(copy);
}
