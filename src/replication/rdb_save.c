/* SPDX-License-Identifier: BSD-3-Clause */
/* SAVE and BGSAVE: a walk over all keys in their order, cold ones included, a range at a time, on a thread of its own, with no
 * more in memory than a range and the piece that is being written.
 *
 * S1 the file is made under another name, synced, then renamed, and the directory is synced: whoever opens dbfilename finds a
 *    whole file, the old one or the new one.
 * S2 all keys are in it as they were at one moment, the begin: what a key was before it changes is put aside for the file by
 *    whoever changes it (keyspace/moment.h), and writes wait while much of that is not written yet.
 * S3 databases that are emptied or exchanged meanwhile make what was written worth nothing: the file is begun anew. If that
 *    happens again and again, the last attempts take keys as they find them.
 * S4 the device is left the space that the tier wants free (tier-free-space-min): a copy must not stop the writes. */
#define _GNU_SOURCE
#include "replication/rdb_save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "command/engine.h"
#include "command/function_durable.h"
#include "command/settings.h"
#include "keyspace/moment.h"
#include "replication/rdb_file.h"

#define WRITE_BYTES ((size_t)256 << 10)
/* After so many bytes the ones before are on the device and out of the page cache: the end has little to sync, and the rows
 * that clients read stay cached. */
#define SYNC_BYTES ((off_t)8 << 20)
#define ATTEMPTS_MAX 8
#define ATTEMPTS_OF_ONE_MOMENT 4
/* A worker's number that no worker has, for all locks. */
#define SAVE_WORKER (THREADS_MAX - 3)
/* For remembering which keys have changed: a part of maxmemory. */
#define CHANGED_BYTES_MIN ((size_t)4 << 20)
#define CHANGED_BYTES_SHARE 32
/* The last type of value that Redis 7.0 reads. */
#define TYPE_MAX_REDIS 19
#define NAME_BYTES 256
#define PATH_BYTES 4352

static char file_name[NAME_BYTES];

struct rdb_save {
    struct engine *engine;
    struct mailbox *home;
    struct mail mail;
    void (*done)(void *owner, int status);
    void *owner;
    struct thread thread;
    bool is_joined;

    /* the thread's */
    enum status status;
    const char *failure; /* what could not be done */
    char path[PATH_BYTES], path_new[PATH_BYTES], directory[PATH_BYTES];
    int file;
    off_t written, synced;
    uint64_t free_bytes_min;
    struct rdb_file_writer writer;
    struct moment *moment; /* NULL: keys are taken as they are found */
    struct buffer functions;
    struct keyspace_counts counts[DATABASE_COUNT]; /* at the moment */
    struct copy_place place;
    size_t range_begin;    /* in the writer */
    struct buffer shown;   /* struct shown_key, of the present range */
    uint64_t keys, recent; /* recent: of types that Redis 7.0 does not read */
    bool is_blurred;
};

/* A key that was copied, until the range is passed. */
struct shown_key {
    uint64_t hash;
    size_t end; /* in the writer */
    bool is_recent;
};

static struct {
    _Atomic bool stopping;
    _Atomic(struct rdb_save *) present; /* from start until 'done' is delivered */
    _Atomic uint64_t written, total;
} saves;

/* ---- names ---- */

static const char *option_text(const char *name)
{
    const struct option *option = settings_find(bytes_of_text(name));
    return option ? *(char **)option->value : "";
}

static void find_paths(struct rdb_save *save)
{
    snprintf(save->directory, sizeof(save->directory), "%s", option_text("dir"));
    snprintf(save->path, sizeof(save->path), "%.4090s/%s", save->directory, file_name);
    snprintf(save->path_new, sizeof(save->path_new), "%.4090s/%s.new", save->directory, file_name);
}

bool rdb_save_has_name(void)
{
    return file_name[0] != 0;
}

void rdb_save_setup(void)
{
    struct rdb_save *save = memory_allocate_zeroed(sizeof(*save));
    find_paths(save);
    if (rdb_save_has_name())
        unlink(save->path_new);
    memory_free(save);
}

/* ---- the device ---- */

static bool fail(struct rdb_save *save, enum status status, const char *failure)
{
    if (save->status == STATUS_OK) {
        save->status = status;
        save->failure = failure;
    }
    return false;
}

static bool has_space(struct rdb_save *save)
{
    struct statvfs about;
    if (fstatvfs(save->file, &about) != 0)
        return fail(save, status_from_errno(errno), "the device cannot be asked for its free space");
    if ((uint64_t)about.f_bavail * about.f_frsize < save->free_bytes_min)
        return fail(save, STATUS_NO_SPACE, "it would leave less than tier-free-space-min");
    return true;
}

/* What is older than the last piece is waited for. */
static bool sync_pieces(struct rdb_save *save)
{
    while (save->written - save->synced >= 2 * SYNC_BYTES) {
        sync_file_range(save->file, save->synced + SYNC_BYTES, SYNC_BYTES, SYNC_FILE_RANGE_WRITE);
        if (sync_file_range(save->file, save->synced, SYNC_BYTES,
                            SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) != 0 &&
            errno != ENOSYS && errno != EINVAL)
            return fail(save, status_from_errno(errno), "the file cannot be synced");
        posix_fadvise(save->file, save->synced, SYNC_BYTES, POSIX_FADV_DONTNEED);
        save->synced += SYNC_BYTES;
        if (!has_space(save))
            return false;
    }
    return true;
}

static bool write_bytes(struct rdb_save *save, struct bytes bytes)
{
    while (bytes.length > 0) {
        ssize_t written = write(save->file, bytes.data, bytes.length);
        if (written < 0 && errno != EINTR)
            return fail(save, status_from_errno(errno), "the file cannot be written");
        if (written <= 0)
            continue;
        bytes = bytes_of(bytes.data + written, bytes.length - (size_t)written);
        save->written += written;
    }
    return sync_pieces(save);
}

static bool flush(struct rdb_save *save, size_t unless_below)
{
    struct rdb_file_writer *writer = &save->writer;
    if (atomic_load(&saves.stopping))
        return fail(save, STATUS_CLOSED, "the server stops");
    if (writer->out.length < unless_below)
        return true;
    bool written = write_bytes(save, buffer_bytes(&writer->out));
    rdb_file_taken(writer, writer->out.length);
    return written;
}

/* ---- the keys ---- */

static void write_key(struct rdb_save *save, int db, struct bytes name, struct bytes payload, int64_t expire_at_ms)
{
    struct rdb_key written = {.db = db,
                              .name = name,
                              .payload = payload,
                              .expire_at_ms = expire_at_ms == ENTRY_NO_EXPIRE ? RDB_NO_EXPIRE : expire_at_ms,
                              .idle_seconds = -1,
                              .frequency = -1};
    rdb_file_key(&save->writer, &written);
}

static bool is_recent(struct bytes payload)
{
    return (uint8_t)payload.data[0] > TYPE_MAX_REDIS;
}

/* Rows of later than RAM's part of the range are no reason to copy it again: their keys have changed. */
static uint64_t visit_offset(void *context)
{
    (void)context;
    return UINT64_MAX;
}

static void visit_key(void *context, const struct copied_key *key)
{
    struct rdb_save *save = context;
    write_key(save, save->place.db, key->name, key->payload, key->expire_at_ms);
    struct shown_key shown = {.hash = keyspace_key(save->engine->keyspace, key->name, save->place.db).hash,
                              .end = save->writer.out.length,
                              .is_recent = is_recent(key->payload)};
    buffer_append(&save->shown, &shown, sizeof(shown));
}

static void visit_again(void *context)
{
    struct rdb_save *save = context;
    save->writer.out.length = save->range_begin;
    save->shown.length = 0;
}

static void visit_kept(void *context, const struct kept_value *value)
{
    struct rdb_save *save = context;
    write_key(save, value->db, value->name, value->payload, value->expire_at_ms);
    save->keys++;
    save->recent += is_recent(value->payload);
}

/* Takes what has changed since the moment out of the range that was written. */
static void drop_changed(struct rdb_save *save, const struct kept_keys *changed)
{
    struct buffer *out = &save->writer.out;
    const struct shown_key *shown = (const void *)save->shown.data;
    size_t count = save->shown.length / sizeof(*shown), from = save->range_begin, to = save->range_begin;
    for (size_t i = 0; i < count; from = shown[i++].end) {
        if (kept_keys_has(changed, shown[i].hash))
            continue;
        memmove(out->data + to, out->data + from, shown[i].end - from);
        to += shown[i].end - from;
        save->keys++;
        save->recent += shown[i].is_recent;
    }
    out->length = to;
}

static bool write_range(struct rdb_save *save)
{
    struct keyspace *keyspace = save->engine->keyspace;
    struct copy_visitor visitor = {save, visit_offset, visit_key, visit_again};
    struct copied_range range;
    struct kept_keys changed = {0};
    uint16_t slot = save->place.slot;
    rdb_file_db(&save->writer, save->place.db);
    save->range_begin = save->writer.out.length;
    save->shown.length = 0;
    enum status status = keyspace_copy_range(keyspace, &save->place, &visitor, &range);
    if (status != STATUS_OK)
        return fail(save, status, "a row cannot be read");
    if (save->moment)
        moment_pass(save->moment, keyspace_physical_db(keyspace, save->place.db), slot, range.last_hash, &changed);
    drop_changed(save, &changed);
    memory_free(changed.hashes);
    if (save->moment)
        moment_take(save->moment, visit_kept, save);
    atomic_store_explicit(&saves.written, save->keys, memory_order_relaxed);
    return flush(save, WRITE_BYTES);
}

static bool write_db(struct rdb_save *save, int db)
{
    save->place = (struct copy_place){.db = db};
    if (keyspace_copy_skips(save->engine->keyspace, db))
        return true;
    if (save->counts[db].keys > 0)
        rdb_file_sizes(&save->writer, db, save->counts[db].keys, save->counts[db].expires);
    while (save->place.slot < SLOT_COUNT)
        if (!write_range(save))
            return false;
    return true;
}

static void write_about(struct rdb_save *save)
{
    char number[BYTES_INTEGER_MAX];
    struct rdb_file_writer *writer = &save->writer;
    rdb_file_about(writer, BYTES("redis-ver"), BYTES("7.0.0"));
    rdb_file_about(writer, BYTES("redis-bits"), BYTES("64"));
    rdb_file_about(writer, BYTES("ctime"), bytes_of(number, bytes_from_int64(number, clock_now_ms() / 1000)));
    rdb_file_about(writer, BYTES("aof-base"), BYTES("0"));
    buffer_append_bytes(&writer->out, buffer_bytes(&save->functions));
}

/* Under all locks, for a moment. */
static void at_moment(void *context)
{
    struct rdb_save *save = context;
    save->functions.length = 0;
    functions_copy(&save->functions);
    for (int db = 0; db < DATABASE_COUNT; db++)
        save->counts[db] = keyspace_counts(save->engine->keyspace, db);
}

static void moment_begin(struct rdb_save *save)
{
    int64_t maxmemory = save->engine->maxmemory;
    size_t bytes_max = (maxmemory > 0 ? (size_t)maxmemory : memory_of_machine()) / CHANGED_BYTES_SHARE;
    save->moment =
        keyspace_moment_begin(save->engine->keyspace, SAVE_WORKER,
                              bytes_max > CHANGED_BYTES_MIN ? bytes_max : CHANGED_BYTES_MIN, at_moment, save);
}

static bool moment_end(struct rdb_save *save)
{
    bool is_void = save->moment && moment_is_void(save->moment);
    save->is_blurred = !save->moment || moment_is_blurred(save->moment);
    if (save->moment)
        keyspace_moment_end(save->engine->keyspace, SAVE_WORKER, &save->moment);
    return !is_void;
}

static bool begin_anew(struct rdb_save *save)
{
    rdb_file_writer_deinit(&save->writer);
    save->keys = save->recent = 0;
    save->written = save->synced = 0;
    if (ftruncate(save->file, 0) != 0 || lseek(save->file, 0, SEEK_SET) != 0)
        return fail(save, status_from_errno(errno), "the file cannot be written");
    return true;
}

static bool write_keys(struct rdb_save *save)
{
    rdb_file_begin(&save->writer);
    write_about(save);
    for (int db = 0; db < DATABASE_COUNT; db++) {
        if (!write_db(save, db))
            return false;
        if (save->moment && moment_is_void(save->moment))
            return true;
    }
    rdb_file_end(&save->writer);
    return flush(save, 0);
}

/* *is_sound: the databases are the same as at the begin. */
static bool write_all(struct rdb_save *save, bool of_one_moment, bool *is_sound)
{
    uint64_t swaps = keyspace_swap_count(save->engine->keyspace);
    if (of_one_moment)
        moment_begin(save);
    else
        at_moment(save);
    bool written = begin_anew(save) && write_keys(save);
    *is_sound = moment_end(save) && swaps == keyspace_swap_count(save->engine->keyspace);
    return written;
}

static bool write_file(struct rdb_save *save)
{
    bool is_sound = false;
    for (int attempt = 0; attempt < ATTEMPTS_MAX && !is_sound; attempt++)
        if (!write_all(save, attempt < ATTEMPTS_OF_ONE_MOMENT, &is_sound))
            return false;
    return is_sound || fail(save, STATUS_BUSY, "databases were exchanged meanwhile, again and again");
}

/* ---- the file ---- */

static bool sync_directory(const struct rdb_save *save)
{
    int directory = open(save->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = directory >= 0 && fsync(directory) == 0;
    if (directory >= 0)
        close(directory);
    return synced;
}

static bool make_file(struct rdb_save *save)
{
    save->file = open(save->path_new, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (save->file < 0)
        return fail(save, status_from_errno(errno), "no file can be made");
    bool made = has_space(save) && write_file(save);
    if (made && fsync(save->file) != 0)
        made = fail(save, status_from_errno(errno), "the file cannot be synced");
    if (close(save->file) != 0 && made)
        made = fail(save, status_from_errno(errno), "the file cannot be closed");
    if (made && rename(save->path_new, save->path) != 0)
        made = fail(save, status_from_errno(errno), "the file cannot be renamed");
    if (!made)
        unlink(save->path_new);
    return made && (sync_directory(save) || fail(save, STATUS_IO, "the directory cannot be synced"));
}

static void tell(const struct rdb_save *save, int64_t started_ms)
{
    unsigned long long keys = save->keys, recent = save->recent;
    if (save->status != STATUS_OK)
        log_warning("RDB file not saved", "file=\"%s\" keys=%llu reason=\"%s\" status=\"%s\"", save->path, keys,
                    save->failure, status_text(save->status));
    else
        log_notice("RDB file saved", "file=\"%s\" keys=%llu bytes=%lld ms=%lld", save->path, keys,
                   (long long)save->written, (long long)(clock_now_ms() - started_ms));
    if (save->status == STATUS_OK && save->is_blurred)
        log_warning("the RDB file is not of one moment",
                    "reason=\"more changed meanwhile than there is memory to remember it\"");
    if (save->status == STATUS_OK && recent > 0)
        log_warning("the RDB file needs Redis 7.4 or later", "keys=%llu reason=\"fields of hashes have times\"",
                    recent);
}

/* ---- life ---- */

static void run(void *argument)
{
    struct rdb_save *save = argument;
    int64_t started_ms = clock_now_ms();
    make_file(save);
    tell(save, started_ms);
    rdb_file_writer_deinit(&save->writer);
    buffer_deinit(&save->functions);
    buffer_deinit(&save->shown);
    mailbox_post(save->home, &save->mail);
}

static void join(struct rdb_save *save)
{
    if (!save->is_joined)
        thread_stop(&save->thread);
    save->is_joined = true;
}

static void delivered(struct mail *mail)
{
    struct rdb_save *save = list_entry(mail, struct rdb_save, mail);
    join(save);
    atomic_store(&saves.present, NULL);
    atomic_store(&saves.written, 0);
    atomic_store(&saves.total, 0);
    save->done(save->owner, save->status);
    memory_free(save);
}

static uint64_t count_keys(const struct keyspace *keyspace)
{
    uint64_t keys = 0;
    for (int db = 0; db < DATABASE_COUNT; db++)
        keys += keyspace_counts(keyspace, db).keys;
    return keys;
}

void rdb_save_start(struct engine *engine, struct mailbox *home, void (*done)(void *owner, int status), void *owner)
{
    struct rdb_save *save = memory_allocate_zeroed(sizeof(*save));
    const struct option *space = settings_find(BYTES("tier-free-space-min"));
    save->engine = engine;
    save->home = home;
    save->mail.deliver = delivered;
    save->done = done;
    save->owner = owner;
    save->free_bytes_min = space && engine->tier ? (uint64_t) * (int64_t *)space->value : 0;
    find_paths(save);
    if (atomic_load(&saves.stopping)) {
        save->is_joined = true;
        save->status = STATUS_CLOSED;
        mailbox_post(home, &save->mail);
        return;
    }
    atomic_store(&saves.total, count_keys(engine->keyspace));
    atomic_store(&saves.present, save);
    thread_start(&save->thread, "rdb-save", run, save);
}

void rdb_save_progress(uint64_t *written, uint64_t *total)
{
    *written = atomic_load(&saves.written);
    *total = atomic_load(&saves.total);
}

void rdb_save_stop(void)
{
    atomic_store(&saves.stopping, true);
    struct rdb_save *save = atomic_load(&saves.present);
    if (save)
        join(save);
}

/* ---- the directive ---- */

static bool parse_name(const struct option *option, struct bytes text, char *error, size_t error_size)
{
    static const char *const taken[] = {"identity", "functions", "log", "tier", ".", ".."};
    const char *reason = NULL;
    (void)option;
    if (text.length + sizeof(".new") > sizeof(file_name))
        reason = "dbfilename is too long";
    else if (text.length > 0 && (memchr(text.data, '/', text.length) || memchr(text.data, 0, text.length)))
        reason = "dbfilename can't be a path, just a filename";
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        if (bytes_equal_text(text, taken[i]))
            reason = "dbfilename names a part of the data directory";
    if (reason) {
        snprintf(error, error_size, "%s", reason);
        return false;
    }
    if (text.length > 0)
        memcpy(file_name, text.data, text.length);
    file_name[text.length] = 0;
    return true;
}

static void print_name(const struct option *option, struct buffer *out)
{
    (void)option;
    buffer_append_text(out, file_name);
}

const struct option rdb_save_options[] = {
    {.name = "dbfilename",
     .type = OPTION_SPECIAL,
     .flags = OPTION_STARTUP,
     .initial = "dump.rdb",
     .help = "the RDB file that SAVE and BGSAVE write to the data directory; \"\": none, they only move the checkpoint",
     .parse = parse_name,
     .print = print_name},
    {.name = NULL},
};
