/* SPDX-License-Identifier: BSD-3-Clause */
/* The whole data set for one replica, as an RDB file of Redis that is made while it is sent: a walk over all keys in their
 * order, a range at a time, each at an offset of its own (keyspace_copy_range). It runs on a thread of its own, which has the
 * socket while it lasts and waits for it, so that what is held in memory is one range and what the socket has not taken.
 *
 * A replica that does not know how to find the end of what it gets (capa eof) is told its length first: the file is then
 * made in the data directory, without a name, and sent when it is complete. */
#define _GNU_SOURCE
#include "replication/copy_out.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"
#include "base/random.h"
#include "command/function_durable.h"
#include "command/settings.h"
#include "object/codec.h"
#include "net/tls.h"
#include "replication/rdb_file.h"
#include "replication/replication_private.h"

#define WRITE_BYTES ((size_t)256 << 10)
#define WAIT_MS 100
#define FILE_PIECE_BYTES ((size_t)1 << 20)
#define KEEPALIVE_MS 1000
/* With repl-copy-rate. */
#define PIECES_A_SECOND 10
#define PIECE_BYTES_MIN 1024
/* The last type of value that Redis 7.0 reads. */
#define TYPE_MAX_REDIS 19

/* ---- the socket ---- */

static bool fail(struct copy_out *copy, const char *reason)
{
    const char *none = NULL;
    atomic_compare_exchange_strong(&copy->failure, &none, reason);
    return false;
}

/* Until it takes bytes. */
static bool wait_writable(struct copy_out *copy, int64_t since_ms)
{
    struct pollfd wanted = {.fd = copy->fd, .events = POLLOUT};
    if (atomic_load(&copy->failure))
        return false;
    if (clock_now_ms() - since_ms > replication_settings.timeout_seconds * 1000)
        return fail(copy, "it takes no bytes");
    return poll(&wanted, 1, WAIT_MS) >= 0 || errno == EINTR || fail(copy, "the socket failed");
}

/* Of what this thread alone changes. */
static void add_to(_Atomic uint64_t *number, uint64_t amount)
{
    atomic_store_explicit(number, atomic_load_explicit(number, memory_order_relaxed) + amount, memory_order_relaxed);
}

static int64_t rate_now(void)
{
    return __atomic_load_n(&replication_settings.copy_rate, __ATOMIC_RELAXED);
}

/* How much of so many bytes may go at once. */
static size_t piece_of(size_t length)
{
    int64_t rate = rate_now(), piece = rate / PIECES_A_SECOND;
    if (rate <= 0)
        return length;
    if (piece < PIECE_BYTES_MIN)
        piece = PIECE_BYTES_MIN;
    return length < (size_t)piece ? length : (size_t)piece;
}

/* After so many bytes: waits until the rate has made up for them. */
static bool keep_rate(struct copy_out *copy, size_t sent)
{
    int64_t rate, ahead = (int64_t)sent, before_us = clock_monotonic_us();
    while ((rate = rate_now()) > 0 && ahead > 0 && !atomic_load(&copy->failure)) {
        int64_t wait_us = 1 + (int64_t)((double)ahead / (double)rate * 1e6);
        usleep((useconds_t)(wait_us < WAIT_MS * 1000 ? wait_us : WAIT_MS * 1000));
        int64_t now_us = clock_monotonic_us();
        ahead -= (int64_t)((double)rate * (double)(now_us - before_us) / 1e6);
        before_us = now_us;
    }
    return !atomic_load(&copy->failure);
}

static void count_sent(struct copy_out *copy, size_t bytes)
{
    add_to(&copy->bytes, bytes);
    metric_add(METRIC_total_net_output_bytes, bytes);
    metric_add(METRIC_total_net_repl_output_bytes, bytes);
}

static bool send_bytes(struct copy_out *copy, struct bytes bytes)
{
    int64_t since_ms = clock_now_ms();
    size_t piece = piece_of(bytes.length); /* the same until some is taken: TLS wants that */
    while (bytes.length > 0) {
        ssize_t sent = wire_send(copy->fd, copy->tls, bytes.data, piece);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return fail(copy, "it closed the connection");
        if (sent > 0) {
            bytes = bytes_of(bytes.data + sent, bytes.length - (size_t)sent);
            since_ms = clock_now_ms();
            count_sent(copy, (size_t)sent);
            keep_rate(copy, (size_t)sent);
            piece = piece_of(bytes.length);
        } else if (!wait_writable(copy, since_ms))
            return false;
    }
    return !atomic_load(&copy->failure);
}

/* ---- the file ---- */

static bool file_open(struct copy_out *copy)
{
    const struct option *option = settings_find(BYTES("dir"));
    const char *directory = option ? *(char **)option->value : ".";
    copy->file = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return copy->file >= 0 || fail(copy, "no file can be made in the data directory");
}

static bool file_write(struct copy_out *copy, struct bytes bytes)
{
    while (bytes.length > 0) {
        ssize_t written = write(copy->file, bytes.data, bytes.length);
        if (written < 0 && errno != EINTR)
            return fail(copy, "the file in the data directory cannot be written");
        if (written > 0)
            bytes = bytes_of(bytes.data + written, bytes.length - (size_t)written);
    }
    int64_t now_ms = clock_now_ms();
    if (now_ms - copy->kept_alive_ms < KEEPALIVE_MS)
        return !atomic_load(&copy->failure);
    copy->kept_alive_ms = now_ms;
    return send_bytes(copy, BYTES("\n"));
}

/* What sendfile does, through TLS. */
static ssize_t file_send_piece(struct copy_out *copy, off_t *position)
{
    if (!copy->tls)
        return sendfile(copy->fd, copy->file, position, piece_of(FILE_PIECE_BYTES));
    char piece[16 * 1024];
    ssize_t length = pread(copy->file, piece, sizeof(piece), *position);
    ssize_t sent = length > 0 ? wire_send(copy->fd, copy->tls, piece, (size_t)length) : length;
    if (sent > 0)
        *position += sent;
    return sent;
}

static bool file_send(struct copy_out *copy)
{
    off_t position = 0, length = lseek(copy->file, 0, SEEK_END);
    struct buffer head = {0};
    buffer_append_format(&head, "$%lld\r\n", (long long)length);
    bool sent = send_bytes(copy, buffer_bytes(&head));
    buffer_deinit(&head);
    int64_t since_ms = clock_now_ms();
    while (sent && position < length) {
        off_t before = position;
        ssize_t count = file_send_piece(copy, &position);
        if (count < 0 && errno != EAGAIN && errno != EINTR)
            return fail(copy, "it closed the connection");
        if (position > before) {
            count_sent(copy, (size_t)(position - before));
            sent = keep_rate(copy, (size_t)(position - before));
            since_ms = clock_now_ms();
        } else
            sent = wait_writable(copy, since_ms);
    }
    return sent;
}

/* ---- what is written ---- */

static bool flush(struct copy_out *copy, size_t unless_below)
{
    struct rdb_file_writer *writer = &copy->writer;
    if (writer->out.length < unless_below)
        return true;
    bool written =
        copy->file >= 0 ? file_write(copy, buffer_bytes(&writer->out)) : send_bytes(copy, buffer_bytes(&writer->out));
    rdb_file_taken(writer, writer->out.length);
    return written;
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

static uint64_t visit_offset(void *context)
{
    return stream_end(((struct copy_out *)context)->engine->stream);
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
    copy->writer.out.length = copy->mark;
    copy->writer.db = copy->mark_db;
    atomic_store_explicit(&copy->keys, copy->mark_keys, memory_order_relaxed);
    copy->left_out = copy->mark_left_out;
}

static void tell_progress(struct copy_out *copy)
{
    int64_t now_ms = clock_now_ms();
    struct copy_progress progress = copy_out_progress(copy);
    if (copy_telling_is_due(&copy->telling, &progress, copy->started_ms, now_ms))
        log_notice("full resync under way", "offset=%llu db=%d slot=%u percent=%.0f keys=%llu bytes=%llu ms=%lld",
                   (unsigned long long)copy->from, copy->place.db, copy->place.slot, copy_progress_percent(&progress),
                   (unsigned long long)progress.keys, (unsigned long long)progress.bytes,
                   (long long)(now_ms - copy->started_ms));
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
    copy->mark = copy->writer.out.length;
    copy->mark_db = copy->writer.db;
    copy->mark_keys = atomic_load_explicit(&copy->keys, memory_order_relaxed);
    copy->mark_left_out = copy->left_out;
    if (keyspace_copy_range(copy->engine->keyspace, &copy->place, &visitor, &range) != STATUS_OK)
        return fail(copy, "a row cannot be read");
    copy_map_add(&copy->map, copy_position(copy->place.db, slot, range.last_hash), range.offset);
    tell_progress(copy);
    if (count_changes(copy) != copy->changes)
        return fail(copy, "whole databases were changed during its full sync");
    return flush(copy, WRITE_BYTES);
}

/* A db that nothing was put into before the offset has nothing of before it. */
static bool write_db(struct copy_out *copy, int db)
{
    uint64_t offset = stream_end(copy->engine->stream);
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

static bool write_all(struct copy_out *copy)
{
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
    char head[64], mark[41];
    random_hex(mark, 40);
    int length = snprintf(head, sizeof(head), "$EOF:%s\r\n", mark);
    return send_bytes(copy, bytes_of(head, (size_t)length)) && write_all(copy) && send_bytes(copy, bytes_of(mark, 40));
}

static bool send_counted(struct copy_out *copy)
{
    return file_open(copy) && write_all(copy) && file_send(copy);
}

static void run(void *argument)
{
    struct copy_out *copy = argument;
    bool sent = copy->reply.length == 0 || send_bytes(copy, buffer_bytes(&copy->reply));
    copy->is_complete = sent && (copy->knows_eof ? send_delimited(copy) : send_counted(copy));
    if (copy->file >= 0)
        close(copy->file);
    rdb_file_writer_deinit(&copy->writer);
    mailbox_post(copy->home, &copy->done);
}

static uint64_t count_keys(const struct keyspace *keyspace)
{
    uint64_t keys = 0;
    for (int db = 0; db < DATABASE_COUNT; db++)
        keys += keyspace_counts(keyspace, db).keys;
    return keys;
}

void copy_out_start(struct copy_out *copy)
{
    copy->keys_total = copy->functions_only ? 0 : count_keys(copy->engine->keyspace);
    copy->file = -1;
    copy->started_ms = clock_now_ms();
    thread_start(&copy->thread, "copy", run, copy);
}

struct copy_progress copy_out_progress(const struct copy_out *copy)
{
    return (struct copy_progress){.bytes = atomic_load_explicit(&copy->bytes, memory_order_relaxed),
                                  .keys = atomic_load_explicit(&copy->keys, memory_order_relaxed),
                                  .keys_total = copy->keys_total};
}

void copy_out_stop(struct copy_out *copy, const char *reason)
{
    fail(copy, reason);
}

void copy_out_destroy(struct copy_out **taken)
{
    struct copy_out *copy = *taken;
    *taken = NULL;
    if (!copy)
        return;
    copy_map_deinit(&copy->map);
    buffer_deinit(&copy->reply);
    memory_free(copy);
}
