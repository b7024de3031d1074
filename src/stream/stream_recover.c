/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening a log. What may be found, and what it means:
 *
 * - no segment: a new log, beginning at the largest offset of any row.
 * - the last segment ends with the mark of a clean stop: the same history goes on. The mark is removed before the
 *   first append, so that whatever happens next is not taken for a clean stop.
 * - it ends otherwise: an unclean end. What follows the last good frame is cut off, and a new replication id begins,
 *   since others may have seen bytes at the offsets that are about to be used again.
 * - a bad frame with a witness after it that it had been synced (stream_frame.c): refused, nothing is changed.
 * - it ends below the largest offset of any row: a new segment begins there, and says where the one before ended.
 *
 * Segments before the last are complete (L2 in stream_log.c); their frames are examined when they are replayed. */
#include "stream/stream_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"

struct recovery {
    struct stream *stream;
    char *error;
    size_t error_size;
    uint64_t end;      /* offset after the last good frame */
    uint64_t position; /* in the last segment's file, of the same */
    bool clean;
    bool torn; /* more than zeros follow the last good frame */
};

/* Writes the error text and returns the status. */
__attribute__((format(printf, 3, 4))) static enum status recovery_fail(struct recovery *recovery, enum status status,
                                                                       const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(recovery->error, recovery->error_size, format, arguments);
    va_end(arguments);
    return status;
}

static enum status recovery_fail_system(struct recovery *recovery, const char *name, const char *what, int error)
{
    return recovery_fail(recovery, status_from_errno(error), "cannot %s %s/%s: %s", what, recovery->stream->directory,
                         name, strerror(error));
}

/* Segments. */

static int offset_compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static enum status recovery_list(struct recovery *recovery, uint64_t **offsets, size_t *count)
{
    struct buffer found = {0};
    int fd = openat(recovery->stream->directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (!directory) {
        enum status status = recovery_fail_system(recovery, ".", "list", errno);
        if (fd >= 0)
            close(fd);
        return status;
    }
    struct dirent *entry;
    uint64_t first;
    while ((entry = readdir(directory)))
        if (log_segment_name_parse(entry->d_name, &first))
            buffer_append(&found, &first, sizeof(first));
    closedir(directory);
    *offsets = (uint64_t *)(void *)found.data;
    *count = found.length / sizeof(first);
    if (*count > 0)
        qsort(*offsets, *count, sizeof(first), offset_compare);
    return STATUS_OK;
}

static enum status recovery_check_header(struct recovery *recovery, const char *name, int fd,
                                         struct segment_header *header)
{
    char bytes[SEGMENT_HEADER_BYTES];
    ssize_t count = pread(fd, bytes, sizeof(bytes), 0);
    if (count < 0)
        return recovery_fail_system(recovery, name, "read", errno);
    enum status status = count < (ssize_t)sizeof(bytes) ? STATUS_CORRUPT : log_segment_header_decode(bytes, header);
    if (status == STATUS_INVALID)
        return recovery_fail(recovery, status,
                             "%s/%s is not a log segment of this version: start the version that "
                             "wrote it, or move the file away",
                             recovery->stream->directory, name);
    if (status != STATUS_OK)
        return recovery_fail(recovery, status,
                             "%s/%s: the header (byte 0) is damaged: restore the file from a "
                             "backup, or the node from a replica",
                             recovery->stream->directory, name);
    return STATUS_OK;
}

static enum status recovery_add(struct recovery *recovery, uint64_t first)
{
    struct stream *stream = recovery->stream;
    char name[SEGMENT_NAME_MAX];
    struct segment_header header = {0};
    log_segment_name(name, first);
    int fd = openat(stream->directory_fd, name, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return recovery_fail_system(recovery, name, "open", errno);
    enum status status = recovery_check_header(recovery, name, fd, &header);
    if (status == STATUS_OK && header.first != first)
        status = recovery_fail(recovery, STATUS_CORRUPT,
                               "%s/%s begins at offset %" PRIu64 ", not where its name "
                               "says: give the file its old name",
                               stream->directory, name, header.first);
    off_t bytes = status == STATUS_OK ? lseek(fd, 0, SEEK_END) : 0;
    if (status != STATUS_OK) {
        close(fd);
        return status;
    }
    if (stream->current) {
        close(stream->current->fd);
        stream->current->fd = -1;
    }
    struct log_segment *segment = memory_allocate_zeroed(sizeof(*segment));
    segment->first = first;
    segment->previous_end = header.previous_end;
    segment->fd = fd;
    segment->bytes = (uint64_t)bytes;
    list_append(&stream->segments, &segment->node);
    stream->current = segment;
    stream->salt = header.salt;
    return STATUS_OK;
}

/* The end of the last segment. */

static enum status recovery_check_tail(struct recovery *recovery, struct segment_reader *reader, const char *name)
{
    uint64_t length = reader->file_bytes - recovery->position;
    char *rest = memory_try_allocate(length ? length : 1);
    if (!rest)
        return recovery_fail(recovery, STATUS_NO_MEMORY, "no memory for the end of %s/%s: %" PRIu64 " bytes",
                             recovery->stream->directory, name, length);
    enum status status = STATUS_OK;
    uint64_t have = 0;
    while (have < length && status == STATUS_OK) {
        ssize_t count = pread(reader->fd, rest + have, length - have, (off_t)(recovery->position + have));
        if (count <= 0)
            status = recovery_fail_system(recovery, name, "read", count < 0 ? errno : EIO);
        else
            have += (uint64_t)count;
    }
    recovery->torn = length > 0 && (rest[0] != 0 || memcmp(rest, rest + 1, length - 1) != 0);
    if (status == STATUS_OK && frame_proves_sync(bytes_of(rest, length), reader->salt, recovery->end))
        status = recovery_fail(
            recovery, STATUS_CORRUPT,
            "%s/%s: damaged at byte %" PRIu64 " (offset %" PRIu64 "), and what "
            "follows had been synced: restore the file from a backup or the node from a replica; to give up all "
            "that follows: truncate -s %" PRIu64 " %s/%s",
            recovery->stream->directory, name, recovery->position, recovery->end, recovery->position,
            recovery->stream->directory, name);
    memory_free(rest);
    return status;
}

static enum status recovery_scan(struct recovery *recovery)
{
    struct log_segment *segment = recovery->stream->current;
    struct segment_reader reader;
    struct frame frame;
    enum reader_result result = READER_FAILED;
    char name[SEGMENT_NAME_MAX];
    log_segment_name(name, segment->first);
    recovery->end = segment->first;
    recovery->position = SEGMENT_HEADER_BYTES;
    if (log_segment_reader_init(&reader, segment->fd, recovery->stream->salt)) {
        while ((result = log_segment_reader_next(&reader, &frame)) == READER_FRAME) {
            recovery->clean = frame.clean && frame.offset == recovery->end && reader.position == reader.file_bytes;
            if (frame.clean || frame.offset != recovery->end)
                break;
            recovery->end += frame.payload.length;
            recovery->position = reader.position;
        }
    }
    enum status status = STATUS_OK;
    if (result == READER_FAILED)
        status = recovery_fail_system(recovery, name, "read", errno);
    else if (!recovery->clean)
        status = recovery_check_tail(recovery, &reader, name);
    log_segment_reader_deinit(&reader);
    return status;
}

/* Removes the mark of a clean stop, or a torn tail; what stays is then on the device. */
static enum status recovery_cut(struct recovery *recovery)
{
    struct stream *stream = recovery->stream;
    struct log_segment *segment = stream->current;
    char name[SEGMENT_NAME_MAX];
    log_segment_name(name, segment->first);
    if (recovery->torn)
        log_warning("log_tail_cut", "file=%s byte=%" PRIu64 " cut=%" PRIu64 " offset=%" PRIu64, name,
                    recovery->position, segment->bytes - recovery->position, recovery->end);
    if (ftruncate(segment->fd, (off_t)recovery->position) < 0 || stream_io.sync(segment->fd) < 0)
        return recovery_fail_system(recovery, name, "cut the end of", errno);
    segment->bytes = segment->synced_bytes = segment->allocated_bytes = recovery->position;
    return STATUS_OK;
}

static enum status recovery_begin_segment(struct recovery *recovery, uint64_t first)
{
    struct stream *stream = recovery->stream;
    struct log_segment *segment;
    char name[SEGMENT_NAME_MAX];
    log_segment_name(name, first);
    int error = log_segment_create(stream, first, recovery->end, NULL, &segment);
    if (error)
        return recovery_fail_system(recovery, name, "create", error);
    if (stream->current) {
        close(stream->current->fd);
        stream->current->fd = -1;
    }
    list_append(&stream->segments, &segment->node);
    stream->current = segment;
    recovery->end = first;
    return STATUS_OK;
}

/* 'rows' is the largest offset of a row: if the log ends below it, the keys have effects that no replica can be given. */
static enum status recovery_settle_identity(struct recovery *recovery, bool fresh, uint64_t rows)
{
    struct stream *stream = recovery->stream;
    struct stream_identity *identity = &stream->identity;
    if (fresh || !stream_identity_read(stream, identity))
        stream_identity_begin(identity);
    else if (!recovery->clean || recovery->end < rows)
        stream_identity_succeed(identity, recovery->end);
    else
        return STATUS_OK;
    if (recovery->end < rows)
        identity->begin = rows;
    int error = stream_identity_write(stream, identity);
    return error ? recovery_fail_system(recovery, IDENTITY_NAME, "write", error) : STATUS_OK;
}

enum status stream_recover(struct stream *stream, uint64_t row_offset_max, char *error, size_t error_size)
{
    struct recovery recovery = {.stream = stream, .error = error, .error_size = error_size};
    uint64_t *offsets = NULL;
    size_t count = 0;
    enum status status = recovery_list(&recovery, &offsets, &count);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = recovery_add(&recovery, offsets[i]);
    memory_free(offsets);
    if (status == STATUS_OK && count > 0)
        status = recovery_scan(&recovery);
    if (status != STATUS_OK)
        return status;

    bool ends_low = recovery.end < row_offset_max;
    if (ends_low && count > 0)
        log_warning("log_ends_below_rows", "log_end=%" PRIu64 " rows=%" PRIu64, recovery.end, row_offset_max);
    status = recovery_settle_identity(&recovery, count == 0, row_offset_max);
    if (status == STATUS_OK && count > 0)
        status = recovery_cut(&recovery);
    if (count == 0)
        random_secure(&stream->salt, sizeof(stream->salt));
    if (status == STATUS_OK && (ends_low || count == 0))
        status = recovery_begin_segment(&recovery, row_offset_max);
    atomic_store(&stream->end, recovery.end);
    atomic_store(&stream->written, recovery.end);
    atomic_store(&stream->synced, recovery.end);
    return status;
}
