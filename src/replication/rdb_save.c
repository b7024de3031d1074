/* SPDX-License-Identifier: BSD-3-Clause */
/* SAVE and BGSAVE: what a copy of all keys (rdb_copy.c) gives, into a file, on a thread of its own.
 *
 * F1 the file is made under another name, synced, then renamed, and the directory is synced: whoever opens dbfilename finds a
 *    whole file, the old one or the new one.
 * F2 the device is left the space that the tier wants free (tier-free-space-min): a copy must not stop the writes. */
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
#include "base/list.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "command/settings.h"
#include "replication/rdb_copy.h"

/* After so many bytes the ones before are on the device and out of the page cache: the end has little to sync, and the rows
 * that clients read stay cached. */
#define SYNC_BYTES ((off_t)8 << 20)
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
    struct rdb_copy copy;
};

static struct {
    _Atomic bool stopping;
    struct lock lock;         /* a leaf, of: */
    struct rdb_save *present; /* from start until 'done' is delivered */
    uint64_t total;           /* keys that it found */
} saves = {.lock = {.rank = LOCK_LEAF}};

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

static bool take_bytes(void *context, struct bytes bytes)
{
    struct rdb_save *save = context;
    if (atomic_load(&saves.stopping))
        return fail(save, STATUS_CLOSED, "the server stops");
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

static bool begin_anew(void *context)
{
    struct rdb_save *save = context;
    save->written = save->synced = 0;
    if (ftruncate(save->file, 0) != 0 || lseek(save->file, 0, SEEK_SET) != 0)
        return fail(save, status_from_errno(errno), "the file cannot be written");
    return true;
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

static bool copy_keys(struct rdb_save *save)
{
    save->copy.engine = save->engine;
    save->copy.context = save;
    save->copy.restart = begin_anew;
    save->copy.take = take_bytes;
    return rdb_copy_run(&save->copy) || fail(save, save->copy.status, save->copy.failure);
}

static bool make_file(struct rdb_save *save)
{
    save->file = open(save->path_new, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (save->file < 0)
        return fail(save, status_from_errno(errno), "no file can be made");
    bool made = has_space(save) && copy_keys(save);
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
    unsigned long long keys = atomic_load(&save->copy.keys), recent = save->copy.recent;
    if (save->status != STATUS_OK)
        log_warning("RDB file not saved", "file=\"%s\" keys=%llu reason=\"%s\" status=\"%s\"", save->path, keys,
                    save->failure, status_text(save->status));
    else
        log_notice("RDB file saved", "file=\"%s\" keys=%llu bytes=%lld ms=%lld", save->path, keys,
                   (long long)save->written, (long long)(clock_now_ms() - started_ms));
    if (save->status == STATUS_OK && save->copy.is_blurred)
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
    mailbox_post(save->home, &save->mail);
}

static void join(struct rdb_save *save)
{
    if (!save->is_joined)
        thread_stop(&save->thread);
    save->is_joined = true;
}

static uint64_t count_keys(const struct keyspace *keyspace)
{
    uint64_t keys = 0;
    for (int db = 0; db < DATABASE_COUNT; db++)
        keys += keyspace_counts(keyspace, db).keys;
    return keys;
}

static void present_set(struct rdb_save *save)
{
    uint64_t total = save ? count_keys(save->engine->keyspace) : 0;
    lock_acquire(&saves.lock);
    saves.present = save;
    saves.total = total;
    lock_release(&saves.lock);
}

static void delivered(struct mail *mail)
{
    struct rdb_save *save = list_entry(mail, struct rdb_save, mail);
    join(save);
    present_set(NULL);
    save->done(save->owner, save->status);
    memory_free(save);
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
    present_set(save);
    thread_start(&save->thread, "rdb-save", run, save);
}

void rdb_save_progress(uint64_t *written, uint64_t *total)
{
    lock_acquire(&saves.lock);
    *written = saves.present ? atomic_load(&saves.present->copy.keys) : 0;
    *total = saves.total;
    lock_release(&saves.lock);
}

void rdb_save_stop(void)
{
    atomic_store(&saves.stopping, true);
    if (saves.present)
        join(saves.present);
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
