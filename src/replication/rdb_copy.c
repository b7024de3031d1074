/* SPDX-License-Identifier: BSD-3-Clause */
/* A walk over all keys in their order, cold ones included, a range at a time, with no more in memory than a range and the piece
 * that is being taken.
 *
 * S1 all keys are as they were at one moment, the begin: what a key was before it changes is put aside by whoever changes it
 *    (keyspace/moment.h), and writes wait while much of that is not taken yet.
 * S2 databases that are emptied or exchanged meanwhile make what was taken worth nothing: the file is begun anew. If that
 *    happens again and again, the last attempts take keys as they find them. */
#include "replication/rdb_copy.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/thread.h"
#include "command/function_durable.h"
#include "keyspace/moment.h"

#define WRITE_BYTES ((size_t)256 << 10)
#define ATTEMPTS_MAX 8
#define ATTEMPTS_OF_ONE_MOMENT 4
/* A worker's number that no worker has, for all locks. */
#define COPY_WORKER (THREADS_MAX - 3)
/* For remembering which keys have changed: a part of maxmemory. */
#define CHANGED_BYTES_MIN ((size_t)4 << 20)
#define CHANGED_BYTES_SHARE 32
/* The last type of value that Redis 7.0 reads. */
#define TYPE_MAX_REDIS 19

/* A key that was shown, until the range is passed. */
struct shown_key {
    uint64_t hash;
    size_t end; /* in the writer */
    bool is_recent;
};

static bool fail(struct rdb_copy *copy, enum status status, const char *failure)
{
    copy->status = status;
    copy->failure = failure;
    return false;
}

static bool flush(struct rdb_copy *copy, size_t unless_below)
{
    struct rdb_file_writer *writer = &copy->writer;
    if (writer->out.length < unless_below)
        return copy->take(copy->context, (struct bytes){NULL, 0});
    bool is_taken = copy->take(copy->context, buffer_bytes(&writer->out));
    rdb_file_taken(writer, writer->out.length);
    return is_taken;
}

/* ---- keys ---- */

static void count_key(struct rdb_copy *copy)
{
    atomic_store_explicit(&copy->keys, atomic_load_explicit(&copy->keys, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

static void write_key(struct rdb_copy *copy, int db, struct bytes name, struct bytes payload, int64_t expire_at_ms)
{
    struct rdb_key written = {.db = db,
                              .name = name,
                              .payload = payload,
                              .expire_at_ms = expire_at_ms == ENTRY_NO_EXPIRE ? RDB_NO_EXPIRE : expire_at_ms,
                              .idle_seconds = -1,
                              .frequency = -1};
    rdb_file_key(&copy->writer, &written);
}

static bool is_recent(struct bytes payload)
{
    return (uint8_t)payload.data[0] > TYPE_MAX_REDIS;
}

/* Rows of later than RAM's part of the range are no reason to copy it again: their keys have changed. */
static bool visit_offset(void *context, uint64_t *offset)
{
    (void)context;
    *offset = UINT64_MAX;
    return true;
}

static void visit_key(void *context, const struct copied_key *key)
{
    struct rdb_copy *copy = context;
    write_key(copy, copy->place.db, key->name, key->payload, key->expire_at_ms);
    struct shown_key shown = {.hash = keyspace_key(copy->engine->keyspace, key->name, copy->place.db).hash,
                              .end = copy->writer.out.length,
                              .is_recent = is_recent(key->payload)};
    buffer_append(&copy->shown, &shown, sizeof(shown));
}

static void visit_again(void *context)
{
    struct rdb_copy *copy = context;
    copy->writer.out.length = copy->range_begin;
    copy->shown.length = 0;
}

static void visit_kept(void *context, const struct kept_value *value)
{
    struct rdb_copy *copy = context;
    write_key(copy, value->db, value->name, value->payload, value->expire_at_ms);
    count_key(copy);
    copy->recent += is_recent(value->payload);
}

/* Takes what has changed since the moment out of the range that was written. */
static void drop_changed(struct rdb_copy *copy, const struct kept_keys *changed)
{
    struct buffer *out = &copy->writer.out;
    const struct shown_key *shown = (const void *)copy->shown.data;
    size_t count = copy->shown.length / sizeof(*shown), from = copy->range_begin, to = from;
    for (size_t i = 0; i < count; from = shown[i++].end) {
        if (kept_keys_has(changed, shown[i].hash))
            continue;
        memmove(out->data + to, out->data + from, shown[i].end - from);
        to += shown[i].end - from;
        count_key(copy);
        copy->recent += shown[i].is_recent;
    }
    out->length = to;
}

static bool write_range(struct rdb_copy *copy)
{
    struct keyspace *keyspace = copy->engine->keyspace;
    struct copy_visitor visitor = {copy, visit_offset, visit_key, visit_again};
    struct copied_range range;
    struct kept_keys changed = {0};
    uint16_t slot = copy->place.slot;
    rdb_file_db(&copy->writer, copy->place.db);
    copy->range_begin = copy->writer.out.length;
    copy->shown.length = 0;
    enum status status = keyspace_copy_range(keyspace, &copy->place, &visitor, &range);
    if (status != STATUS_OK)
        return fail(copy, status, "a row cannot be read");
    if (copy->moment)
        moment_pass(copy->moment, keyspace_physical_db(keyspace, copy->place.db), slot, range.last_hash, &changed);
    drop_changed(copy, &changed);
    memory_free(changed.hashes);
    if (copy->moment)
        moment_take(copy->moment, visit_kept, copy);
    return flush(copy, WRITE_BYTES);
}

static bool write_db(struct rdb_copy *copy, int db)
{
    copy->place = (struct copy_place){.db = db};
    if (keyspace_copy_skips(copy->engine->keyspace, db))
        return true;
    if (copy->counts[db].keys > 0)
        rdb_file_sizes(&copy->writer, db, copy->counts[db].keys, copy->counts[db].expires);
    while (copy->place.slot < SLOT_COUNT)
        if (!write_range(copy))
            return false;
    return true;
}

static void write_about(struct rdb_copy *copy)
{
    char number[BYTES_INTEGER_MAX];
    struct rdb_file_writer *writer = &copy->writer;
    rdb_file_about(writer, BYTES("redis-ver"), BYTES("7.0.0"));
    rdb_file_about(writer, BYTES("redis-bits"), BYTES("64"));
    rdb_file_about(writer, BYTES("ctime"), bytes_of(number, bytes_from_int64(number, clock_now_ms() / 1000)));
    rdb_file_about(writer, BYTES("aof-base"), BYTES("0"));
    buffer_append_bytes(&writer->out, buffer_bytes(&copy->functions));
}

/* Under all locks, for a moment. */
static void at_moment(void *context)
{
    struct rdb_copy *copy = context;
    copy->functions.length = 0;
    functions_copy(&copy->functions);
    for (int db = 0; db < DATABASE_COUNT; db++)
        copy->counts[db] = keyspace_counts(copy->engine->keyspace, db);
}

static void moment_begin(struct rdb_copy *copy)
{
    int64_t maxmemory = copy->engine->maxmemory;
    size_t bytes_max = (maxmemory > 0 ? (size_t)maxmemory : memory_of_machine()) / CHANGED_BYTES_SHARE;
    copy->moment =
        keyspace_moment_begin(copy->engine->keyspace, COPY_WORKER,
                              bytes_max > CHANGED_BYTES_MIN ? bytes_max : CHANGED_BYTES_MIN, at_moment, copy);
}

static bool moment_end(struct rdb_copy *copy)
{
    bool is_void = copy->moment && moment_is_void(copy->moment);
    copy->is_blurred = !copy->moment || moment_is_blurred(copy->moment);
    if (copy->moment)
        keyspace_moment_end(copy->engine->keyspace, COPY_WORKER, &copy->moment);
    return !is_void;
}

static bool begin_anew(struct rdb_copy *copy)
{
    rdb_file_writer_deinit(&copy->writer);
    atomic_store_explicit(&copy->keys, 0, memory_order_relaxed);
    copy->recent = 0;
    return copy->restart(copy->context);
}

static bool write_keys(struct rdb_copy *copy)
{
    rdb_file_begin(&copy->writer);
    write_about(copy);
    for (int db = 0; db < DATABASE_COUNT; db++) {
        if (!write_db(copy, db))
            return false;
        if (copy->moment && moment_is_void(copy->moment))
            return true;
    }
    rdb_file_end(&copy->writer);
    return flush(copy, 0);
}

/* *is_sound: the databases are the same as at the begin. */
static bool write_all(struct rdb_copy *copy, bool of_one_moment, bool *is_sound)
{
    uint64_t swaps = keyspace_swap_count(copy->engine->keyspace);
    if (of_one_moment)
        moment_begin(copy);
    else
        at_moment(copy);
    bool written = begin_anew(copy) && write_keys(copy);
    *is_sound = moment_end(copy) && swaps == keyspace_swap_count(copy->engine->keyspace);
    return written;
}

bool rdb_copy_run(struct rdb_copy *copy)
{
    bool is_sound = false;
    bool is_written = true;
    for (int attempt = 0; attempt < ATTEMPTS_MAX && is_written && !is_sound; attempt++)
        is_written = write_all(copy, attempt < ATTEMPTS_OF_ONE_MOMENT, &is_sound);
    rdb_file_writer_deinit(&copy->writer);
    buffer_deinit(&copy->functions);
    buffer_deinit(&copy->shown);
    return is_written && (is_sound || fail(copy, STATUS_BUSY, "databases were exchanged meanwhile, again and again"));
}
