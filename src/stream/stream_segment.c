/* SPDX-License-Identifier: BSD-3-Clause */
/* A segment comes into being under another name, is synced, and is renamed: a file that has a segment's name always
 * has a whole header.
 *
 * While clients wait for syncs, zeros are written ahead of the frames. To sync bytes that replace others is about half
 * the work of syncing a file that has grown, or room that was only set aside: the file system has nothing to tell its
 * journal. The price is that such bytes are written twice. Zeros are no frame, so a reader takes them for a torn
 * tail; they are cut off wherever a segment ends. */
#define _GNU_SOURCE
#include "stream/stream_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"

#define OFFSET_DIGITS 20
/* What is set aside on the device at a time, so that a sync need not find room. */
#define ALLOCATION_BYTES ((uint64_t)8 << 20)
/* In one call: nobody else can write to the file meanwhile, and a file system in memory, which fills what it sets aside, takes
 * long. After a call that did, those who wait get their turn. */
#define ALLOCATION_CALL_BYTES ((uint64_t)256 << 10)
#define ALLOCATION_LONG_US 20
#define ALLOCATION_PAUSE_NS 50000
/* What is written ahead of the frames at a time. */
#define ZEROED_BYTES ((uint64_t)256 << 10)

struct stream_io stream_io = {.write_at = pwrite, .sync = fdatasync, .sync_directory = fsync, .retry_us = 1000000};

void log_segment_name(char name[SEGMENT_NAME_MAX], uint64_t first)
{
    snprintf(name, SEGMENT_NAME_MAX, "log-%0*" PRIu64 ".seg", OFFSET_DIGITS, first);
}

bool log_segment_name_parse(const char *name, uint64_t *first)
{
    if (strlen(name) != 4 + OFFSET_DIGITS + 4 || strncmp(name, "log-", 4) != 0 ||
        strcmp(name + 4 + OFFSET_DIGITS, ".seg") != 0)
        return false;
    for (int i = 0; i < OFFSET_DIGITS; i++)
        if (name[4 + i] < '0' || name[4 + i] > '9')
            return false;
    errno = 0;
    *first = strtoull(name + 4, NULL, 10);
    return errno == 0;
}

int log_segment_write(int fd, const void *data, size_t length, uint64_t position)
{
    const char *at = data;
    while (length > 0) {
        ssize_t count = stream_io.write_at(fd, at, length, (off_t)position);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count < 0 ? errno : EIO;
        at += count;
        position += (uint64_t)count;
        length -= (size_t)count;
    }
    return 0;
}

/* Where in the block the first frame at or above the offset begins. */
static size_t block_position(const struct kept_block *block, uint64_t salt, uint64_t first)
{
    struct frame frame;
    size_t length, at = 0;
    while (at < block->bytes.length) {
        struct bytes rest = bytes_of(block->bytes.data + at, block->bytes.length - at);
        if (frame_read(rest, salt, &frame, &length) != FRAME_GOOD || frame.offset >= first)
            return at;
        at += length;
    }
    return at;
}

static int log_segment_fill(struct stream *stream, int fd, struct log_segment *segment, const struct kept *kept)
{
    char bytes[SEGMENT_HEADER_BYTES];
    struct segment_header header = {
        .first = segment->first, .previous_end = segment->previous_end, .salt = stream->salt};
    struct stream_identity identity = stream_identity_get(stream);
    memcpy(header.replication_id, identity.id, sizeof(header.replication_id));
    log_segment_header_encode(bytes, &header);
    int error = log_segment_write(fd, bytes, sizeof(bytes), 0);
    uint64_t position = sizeof(bytes);
    for (struct kept_block *block = kept ? kept->head : NULL; block && !error; block = block->next) {
        size_t skip = block_position(block, stream->salt, segment->first);
        error = log_segment_write(fd, block->bytes.data + skip, block->bytes.length - skip, position);
        position += block->bytes.length - skip;
    }
    if (!error && stream_io.sync(fd) < 0)
        error = errno;
    segment->bytes = segment->synced_bytes = segment->allocated_bytes = position;
    return error;
}

int log_segment_create(struct stream *stream, uint64_t first, uint64_t previous_end, const struct kept *kept,
                       struct log_segment **made)
{
    char name[SEGMENT_NAME_MAX];
    static const char name_new[] = "log-new";
    log_segment_name(name, first);
    int fd = openat(stream->directory_fd, name_new, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0640);
    if (fd < 0)
        return errno;
    struct log_segment *segment = memory_allocate_zeroed(sizeof(*segment));
    list_init(&segment->node);
    segment->first = first;
    segment->previous_end = previous_end;
    segment->fd = fd;
    int error = log_segment_fill(stream, fd, segment, kept);
    if (!error && renameat(stream->directory_fd, name_new, stream->directory_fd, name) < 0)
        error = errno;
    if (error)
        unlinkat(stream->directory_fd, name_new, 0);
    else if (stream_io.sync_directory(stream->directory_fd) < 0)
        error = errno;
    if (error)
        log_segment_destroy(&segment);
    else
        *made = segment;
    return error;
}

static void allocate_some(struct log_segment *segment, uint64_t bytes, bool may_pause)
{
    int64_t began_us = clock_monotonic_us();
    (void)!fallocate(segment->fd, FALLOC_FL_KEEP_SIZE, (off_t)segment->allocated_bytes, (off_t)bytes);
    segment->allocated_bytes += bytes;
    if (may_pause && clock_monotonic_us() - began_us > ALLOCATION_LONG_US)
        nanosleep(&(struct timespec){.tv_nsec = ALLOCATION_PAUSE_NS}, NULL);
}

void log_segment_allocate(struct log_segment *segment, uint64_t segment_bytes, bool may_pause)
{
    uint64_t step = segment_bytes < ALLOCATION_BYTES ? segment_bytes : ALLOCATION_BYTES;
    uint64_t bytes = atomic_load(&segment->bytes);
    if (segment->allocated_bytes > bytes + step / 2)
        return;
    if (segment->allocated_bytes < bytes)
        segment->allocated_bytes = bytes;
    uint64_t end = segment->allocated_bytes + step;
    if (end > segment_bytes)
        end = segment_bytes; /* the next one begins soon */
    while (segment->allocated_bytes < end) {
        uint64_t left = end - segment->allocated_bytes;
        allocate_some(segment, left < ALLOCATION_CALL_BYTES ? left : ALLOCATION_CALL_BYTES, may_pause);
    }
}

bool log_segment_is_zeroed(const struct log_segment *segment)
{
    return segment->zeroed_bytes > atomic_load(&segment->bytes) + ZEROED_BYTES / 2;
}

void log_segment_zero(struct log_segment *segment)
{
    static char zeros[ZEROED_BYTES];
    uint64_t bytes = atomic_load(&segment->bytes);
    if (segment->zeroed_bytes < bytes)
        segment->zeroed_bytes = bytes;
    (void)!pwrite(segment->fd, zeros, sizeof(zeros), (off_t)segment->zeroed_bytes);
    segment->zeroed_bytes += sizeof(zeros);
}

void log_segment_destroy(struct log_segment **segment)
{
    if ((*segment)->fd >= 0)
        close((*segment)->fd);
    memory_free(*segment);
    *segment = NULL;
}

int directory_write_file(int directory_fd, const char *name, struct bytes content)
{
    char name_new[64];
    snprintf(name_new, sizeof(name_new), "%s-new", name);
    int fd = openat(directory_fd, name_new, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0640);
    if (fd < 0)
        return errno;
    int error = log_segment_write(fd, content.data, content.length, 0);
    if (!error && stream_io.sync(fd) < 0)
        error = errno;
    close(fd);
    if (!error && renameat(directory_fd, name_new, directory_fd, name) < 0)
        error = errno;
    if (!error && stream_io.sync_directory(directory_fd) < 0)
        error = errno;
    return error;
}
