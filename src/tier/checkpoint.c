/* SPDX-License-Identifier: BSD-3-Clause */
/* All numbers have the low byte first.
 *
 * checkpoint:   magic 8 | offset 8 | wall_ms 8 | flushed_at 16 x 8 | length of state 8 | state | crc64 of all before
 *   is written beside and renamed, so that there is always a whole one.
 * row-bound:    two records of magic 8 | sequence 8 | offset 8 | crc64 8, ROW_BOUND_STRIDE apart
 *   are written in turn and in place (one sync a run, no new file), so that one of them is always whole.
 *
 * A damaged file is never taken for a missing one: starting from nothing beside rows that exist would hide keys or
 * apply effects twice. */
#include "tier/checkpoint.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"

#define CHECKPOINT_NAME "checkpoint"
#define CHECKPOINT_MAGIC UINT64_C(0x31746e696f706b63) /* "ckpoint1" */
#define CHECKPOINT_HEAD (8 * (4 + ROW_DATABASES))
#define CHECKPOINT_BYTES_MAX (INT64_C(1) << 30)
#define ROW_BOUND_NAME "row-bound"
#define ROW_BOUND_MAGIC UINT64_C(0x31646e756f62776f) /* "owbound1" */
#define ROW_BOUND_RECORD 32
#define ROW_BOUND_STRIDE 512
#define PATH_BYTES 4096

static void number_append(struct buffer *out, uint64_t value)
{
    uint64_t little = htole64(value);
    buffer_append(out, &little, sizeof(little));
}

static uint64_t number_at(const char *from)
{
    uint64_t little;
    memcpy(&little, from, sizeof(little));
    return le64toh(little);
}

static void path_make(char path[PATH_BYTES], const char *directory, const char *name)
{
    snprintf(path, PATH_BYTES, "%s/%s", directory, name);
}

static enum status fail(const char *path, const char *what, char *error, size_t error_size)
{
    int number = errno;
    snprintf(error, error_size, "cannot %s %s: %s", what, path, strerror(number));
    return status_from_errno(number);
}

static bool write_whole(int file, struct bytes bytes, off_t at)
{
    while (bytes.length > 0) {
        ssize_t written = pwrite(file, bytes.data, bytes.length, at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        at += written;
        bytes = (struct bytes){bytes.data + written, bytes.length - (size_t)written};
    }
    return true;
}

static bool read_whole(int file, char *to, size_t length, off_t at)
{
    while (length > 0) {
        ssize_t got = pread(file, to, length, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got, to += got, length -= (size_t)got;
    }
    return true;
}

static bool directory_sync(const char *directory)
{
    int file = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = file >= 0 && fsync(file) == 0;
    if (file >= 0)
        close(file);
    return synced;
}

/* ---- the checkpoint ---- */

void checkpoint_deinit(struct checkpoint *checkpoint)
{
    buffer_deinit(&checkpoint->state);
    *checkpoint = (struct checkpoint){0};
}

static void checkpoint_encode(const struct checkpoint *checkpoint, struct buffer *out)
{
    number_append(out, CHECKPOINT_MAGIC);
    number_append(out, checkpoint->offset);
    number_append(out, (uint64_t)checkpoint->wall_ms);
    for (int db = 0; db < ROW_DATABASES; db++)
        number_append(out, checkpoint->flushed_at[db]);
    number_append(out, checkpoint->state.length);
    buffer_append_bytes(out, buffer_bytes(&checkpoint->state));
    number_append(out, crc64(0, out->data, out->length));
}

static enum status checkpoint_decode(struct bytes bytes, struct checkpoint *checkpoint)
{
    size_t whole = CHECKPOINT_HEAD + 8;
    if (bytes.length < whole || number_at(bytes.data) != CHECKPOINT_MAGIC)
        return STATUS_CORRUPT;
    size_t body = bytes.length - 8;
    if (number_at(bytes.data + body) != crc64(0, bytes.data, body))
        return STATUS_CORRUPT;
    if (number_at(bytes.data + CHECKPOINT_HEAD - 8) != bytes.length - whole)
        return STATUS_CORRUPT;
    checkpoint->offset = number_at(bytes.data + 8);
    checkpoint->wall_ms = (int64_t)number_at(bytes.data + 16);
    for (int db = 0; db < ROW_DATABASES; db++)
        checkpoint->flushed_at[db] = number_at(bytes.data + 24 + 8 * db);
    checkpoint->state.length = 0;
    buffer_append(&checkpoint->state, bytes.data + CHECKPOINT_HEAD, bytes.length - whole);
    return STATUS_OK;
}

enum status checkpoint_write(const char *directory, const struct checkpoint *checkpoint, char *error, size_t error_size)
{
    char path[PATH_BYTES], beside[PATH_BYTES];
    struct buffer bytes = {0};
    enum status status = STATUS_OK;
    path_make(path, directory, CHECKPOINT_NAME);
    path_make(beside, directory, CHECKPOINT_NAME ".new");
    int file = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0)
        return fail(beside, "create", error, error_size);
    checkpoint_encode(checkpoint, &bytes);
    if (!write_whole(file, buffer_bytes(&bytes), 0) || fsync(file) != 0)
        status = fail(beside, "write", error, error_size);
    else if (rename(beside, path) != 0 || !directory_sync(directory))
        status = fail(path, "replace", error, error_size);
    if (status != STATUS_OK)
        unlink(beside);
    close(file);
    buffer_deinit(&bytes);
    return status;
}

static enum status file_read(int file, const char *path, struct buffer *bytes, char *error, size_t error_size)
{
    struct stat about;
    if (fstat(file, &about) != 0)
        return fail(path, "read", error, error_size);
    if (about.st_size > CHECKPOINT_BYTES_MAX)
        return STATUS_CORRUPT;
    if (!read_whole(file, buffer_reserve(bytes, (size_t)about.st_size + 1), (size_t)about.st_size, 0))
        return fail(path, "read", error, error_size);
    bytes->length = (size_t)about.st_size;
    return STATUS_OK;
}

enum status checkpoint_read(const char *directory, struct checkpoint *checkpoint, char *error, size_t error_size)
{
    char path[PATH_BYTES];
    struct buffer bytes = {0};
    path_make(path, directory, CHECKPOINT_NAME);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return errno == ENOENT ? STATUS_NOT_FOUND : fail(path, "open", error, error_size);
    enum status status = file_read(file, path, &bytes, error, error_size);
    if (status == STATUS_OK)
        status = checkpoint_decode(buffer_bytes(&bytes), checkpoint);
    if (status == STATUS_CORRUPT)
        snprintf(error, error_size,
                 "%s is damaged: put the whole data directory back from a backup, or let this node copy its data from "
                 "a replica into an empty directory",
                 path);
    close(file);
    buffer_deinit(&bytes);
    return status;
}

bool checkpoint_exists(const char *directory)
{
    char path[PATH_BYTES];
    path_make(path, directory, CHECKPOINT_NAME);
    if (access(path, F_OK) == 0)
        return true;
    path_make(path, directory, ROW_BOUND_NAME);
    return access(path, F_OK) == 0;
}

/* ---- the row bound ---- */

static enum status record_write(struct row_bound *bound)
{
    struct buffer record = {0};
    number_append(&record, ROW_BOUND_MAGIC);
    number_append(&record, bound->sequence);
    number_append(&record, bound->offset);
    number_append(&record, crc64(0, record.data, record.length));
    off_t at = (off_t)(bound->sequence % 2) * ROW_BOUND_STRIDE;
    bool written = write_whole(bound->file, buffer_bytes(&record), at) && fdatasync(bound->file) == 0;
    int number = errno;
    buffer_deinit(&record);
    return written ? STATUS_OK : status_from_errno(number);
}

/* Takes the record over if it is whole and the newest so far. */
static bool record_read(struct row_bound *bound, int index)
{
    char record[ROW_BOUND_RECORD];
    if (!read_whole(bound->file, record, sizeof(record), (off_t)index * ROW_BOUND_STRIDE))
        return false;
    if (number_at(record) != ROW_BOUND_MAGIC || number_at(record + 24) != crc64(0, record, 24))
        return false;
    if (number_at(record + 8) >= bound->sequence) {
        bound->sequence = number_at(record + 8);
        bound->offset = number_at(record + 16);
    }
    return true;
}

enum status row_bound_open(struct row_bound *bound, const char *directory, char *error, size_t error_size)
{
    char path[PATH_BYTES];
    struct stat about;
    path_make(path, directory, ROW_BOUND_NAME);
    *bound = (struct row_bound){.file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
    if (bound->file < 0 || fstat(bound->file, &about) != 0)
        return fail(path, "open", error, error_size);
    bool first = record_read(bound, 0), second = record_read(bound, 1);
    if (first || second)
        return STATUS_OK;
    if (about.st_size >= ROW_BOUND_RECORD) {
        snprintf(error, error_size,
                 "%s is damaged: put the whole data directory back from a backup, or let this node copy its data from "
                 "a replica into an empty directory",
                 path);
        return STATUS_CORRUPT;
    }
    if (record_write(bound) != STATUS_OK || !directory_sync(directory))
        return fail(path, "write", error, error_size);
    return STATUS_OK;
}

enum status row_bound_raise(struct row_bound *bound, uint64_t offset)
{
    if (bound->file < 0 || offset <= bound->offset)
        return STATUS_OK;
    struct row_bound raised = {.file = bound->file, .offset = offset, .sequence = bound->sequence + 1};
    enum status status = record_write(&raised);
    if (status == STATUS_OK)
        *bound = raised;
    return status;
}

void row_bound_close(struct row_bound *bound)
{
    if (bound->file >= 0)
        close(bound->file);
    bound->file = -1;
}
