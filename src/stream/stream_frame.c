/* SPDX-License-Identifier: BSD-3-Clause */
/* All numbers are little-endian.
 *
 * Segment header, 128 bytes:                      Frame header, 40 bytes, then the payload:
 *     0  8  magic "FOREBAYL"                          0  4  magic: an ordinary frame, or the mark of a clean stop
 *     8  4  version                                   4  4  checksum of all that follows, payload included
 *    12  4  checksum of all that follows              8  8  offset of the payload's first byte
 *    16  8  first offset                             16  8  length of the payload
 *    24  8  end of the stream before it              24  8  how far the stream was synced
 *    32  8  salt                                     32  4  selected db before the payload
 *    40 40  replication id                           36  4  zero
 *    80 48  zero
 *
 * Why a frame says how far the stream was synced: after a power failure the last frames, which nobody synced, may be
 * there in any order, and a bad frame before good ones is still only a torn tail. If one of the good ones knows of
 * a sync beyond the bad one, then bytes that had been safe are gone, and that must not be cut off in silence. The
 * checksums are salted so that no client can forge such a witness inside a value. */
#include "stream/stream_frame.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"

#define SEGMENT_MAGIC UINT64_C(0x4c59414245524f46) /* "FOREBAYL" */
#define SEGMENT_VERSION 1
#define FRAME_MAGIC 0x52464246u       /* "FBFR" */
#define FRAME_CLEAN_MAGIC 0x4e4c4346u /* "FCLN" */
#define FRAME_PAYLOAD_MAX (UINT64_C(1) << 40)

#define READ_BYTES (1 << 20)

static void put_32(char *at, uint32_t value)
{
    value = htole32(value);
    memcpy(at, &value, sizeof(value));
}

static void put_64(char *at, uint64_t value)
{
    value = htole64(value);
    memcpy(at, &value, sizeof(value));
}

static uint32_t get_32(const char *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return le32toh(value);
}

static uint64_t get_64(const char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return le64toh(value);
}

void log_segment_header_encode(char bytes[SEGMENT_HEADER_BYTES], const struct segment_header *header)
{
    memset(bytes, 0, SEGMENT_HEADER_BYTES);
    put_64(bytes, SEGMENT_MAGIC);
    put_32(bytes + 8, SEGMENT_VERSION);
    put_64(bytes + 16, header->first);
    put_64(bytes + 24, header->previous_end);
    put_64(bytes + 32, header->salt);
    memcpy(bytes + 40, header->replication_id, REPLICATION_ID_LENGTH);
    put_32(bytes + 12, hash_checksum(bytes + 16, SEGMENT_HEADER_BYTES - 16));
}

enum status log_segment_header_decode(const char bytes[SEGMENT_HEADER_BYTES], struct segment_header *header)
{
    if (get_64(bytes) != SEGMENT_MAGIC || get_32(bytes + 8) != SEGMENT_VERSION)
        return STATUS_INVALID;
    if (get_32(bytes + 12) != hash_checksum(bytes + 16, SEGMENT_HEADER_BYTES - 16))
        return STATUS_CORRUPT;
    header->first = get_64(bytes + 16);
    header->previous_end = get_64(bytes + 24);
    header->salt = get_64(bytes + 32);
    memcpy(header->replication_id, bytes + 40, REPLICATION_ID_LENGTH);
    header->replication_id[REPLICATION_ID_LENGTH] = '\0';
    return STATUS_OK;
}

static uint32_t frame_checksum(const char *bytes, size_t frame_length, uint64_t salt)
{
    return (uint32_t)hash_bytes(bytes + 8, frame_length - 8, salt);
}

void frame_seal(char *bytes, uint64_t salt, const struct frame *frame)
{
    put_32(bytes, frame->clean ? FRAME_CLEAN_MAGIC : FRAME_MAGIC);
    put_64(bytes + 8, frame->offset);
    put_64(bytes + 16, frame->payload.length);
    put_64(bytes + 24, frame->synced);
    put_32(bytes + 32, (uint32_t)frame->db);
    put_32(bytes + 36, 0);
    put_32(bytes + 4, frame_checksum(bytes, FRAME_HEADER_BYTES + frame->payload.length, salt));
}

enum frame_verdict frame_read(struct bytes input, uint64_t salt, struct frame *frame, size_t *wanted)
{
    *wanted = FRAME_HEADER_BYTES;
    if (input.length < FRAME_HEADER_BYTES)
        return FRAME_SHORT;
    uint32_t magic = get_32(input.data);
    uint64_t length = get_64(input.data + 16);
    frame->clean = magic == FRAME_CLEAN_MAGIC;
    if ((magic != FRAME_MAGIC && !frame->clean) || length > FRAME_PAYLOAD_MAX || frame->clean != (length == 0))
        return FRAME_BAD;
    *wanted = FRAME_HEADER_BYTES + length;
    if (input.length < *wanted)
        return FRAME_SHORT;
    if (get_32(input.data + 4) != frame_checksum(input.data, *wanted, salt))
        return FRAME_BAD;
    frame->offset = get_64(input.data + 8);
    frame->synced = get_64(input.data + 24);
    frame->db = (int32_t)get_32(input.data + 32);
    frame->payload = bytes_of(input.data + FRAME_HEADER_BYTES, length);
    return frame->offset + length < frame->offset ? FRAME_BAD : FRAME_GOOD;
}

/* The offset claimed at 'at' must fit the distance from the bad frame: only then is the checksum worth its time, and
 * a value that imitates frames cannot make this slow. */
static bool frame_may_follow(struct bytes rest, size_t at, uint64_t offset)
{
    uint64_t claimed = get_64(rest.data + at + 8);
    uint64_t synced = get_64(rest.data + at + 24);
    return claimed > offset && claimed - offset + FRAME_HEADER_BYTES <= at && synced > offset && synced <= claimed;
}

bool frame_proves_sync(struct bytes rest, uint64_t salt, uint64_t offset)
{
    struct frame frame;
    size_t wanted;
    for (size_t at = 1; at + FRAME_HEADER_BYTES <= rest.length; at++) {
        const char *found = memchr(rest.data + at, 'F', rest.length - at - FRAME_HEADER_BYTES + 1);
        if (!found)
            return false;
        at = (size_t)(found - rest.data);
        struct bytes candidate = bytes_of(found, rest.length - at);
        if (frame_may_follow(rest, at, offset) && frame_read(candidate, salt, &frame, &wanted) == FRAME_GOOD)
            return true;
    }
    return false;
}

bool log_segment_reader_init(struct segment_reader *reader, int fd, uint64_t salt)
{
    struct stat information;
    if (fstat(fd, &information) < 0)
        return false;
    *reader = (struct segment_reader){
        .fd = fd,
        .salt = salt,
        .file_bytes = (uint64_t)information.st_size,
        .position = SEGMENT_HEADER_BYTES,
        .window_position = SEGMENT_HEADER_BYTES,
    };
    return true;
}

/* Makes the window hold 'wanted' bytes from the next frame on, or what the file has. */
static bool reader_fill(struct segment_reader *reader, size_t wanted)
{
    struct buffer *window = &reader->window;
    buffer_consume(window, reader->position - reader->window_position);
    reader->window_position = reader->position;
    size_t goal = wanted > READ_BYTES ? wanted : READ_BYTES;
    while (window->length < wanted) {
        char *room = buffer_reserve(window, goal - window->length);
        off_t position = (off_t)(reader->window_position + window->length);
        ssize_t count = pread(reader->fd, room, goal - window->length, position);
        if (count < 0 && errno == EINTR)
            continue;
        if (count == 0)
            errno = EIO; /* the file was longer a moment ago */
        if (count <= 0)
            return false;
        window->length += (size_t)count;
    }
    return true;
}

enum reader_result log_segment_reader_next(struct segment_reader *reader, struct frame *frame)
{
    if (reader->position >= reader->file_bytes)
        return READER_END;
    for (;;) {
        size_t wanted, skip = reader->position - reader->window_position;
        struct bytes ahead = {NULL, 0};
        if (skip < reader->window.length)
            ahead = bytes_of(reader->window.data + skip, reader->window.length - skip);
        enum frame_verdict verdict = frame_read(ahead, reader->salt, frame, &wanted);
        if (verdict == FRAME_BAD || (verdict == FRAME_SHORT && wanted > reader->file_bytes - reader->position))
            return READER_BAD;
        if (verdict == FRAME_GOOD) {
            reader->position += wanted;
            return READER_FRAME;
        }
        if (!reader_fill(reader, wanted))
            return READER_FAILED;
    }
}

void log_segment_reader_deinit(struct segment_reader *reader)
{
    buffer_deinit(&reader->window);
}
