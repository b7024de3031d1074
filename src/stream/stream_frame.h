/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

/* The bytes of a segment: a header, then frames. Pure but for the reader at the end, which only reads a file. */

#define REPLICATION_ID_LENGTH 40

#define SEGMENT_HEADER_BYTES 128

struct segment_header {
    uint64_t first;        /* offset of the first byte of the first frame */
    uint64_t salt;         /* secret, of all segments of a log; seeds the checksums of frames */
    uint64_t previous_end; /* where the stream ended before this segment; less than first where it skipped ahead */
    char replication_id[REPLICATION_ID_LENGTH + 1];
};

void log_segment_header_encode(char bytes[SEGMENT_HEADER_BYTES], const struct segment_header *header);
/* STATUS_INVALID: not a segment, or of a version that is not known here. STATUS_CORRUPT: damaged. */
enum status log_segment_header_decode(const char bytes[SEGMENT_HEADER_BYTES], struct segment_header *header) MUST_USE;

#define FRAME_HEADER_BYTES 40

/* Whole brackets that were written in one piece. */
struct frame {
    uint64_t offset; /* of the payload's first byte */
    uint64_t synced; /* the stream was synced so far when the frame was made */
    int32_t db;      /* selected before the first byte; -1: the payload begins with a SELECT */
    bool clean;      /* the mark of a clean stop; it has no payload and is a segment's last frame */
    struct bytes payload;
};

/* Completes the frame whose payload stands at bytes + FRAME_HEADER_BYTES: fills in the header before it. */
void frame_seal(char *bytes, uint64_t salt, const struct frame *frame);

enum frame_verdict {
    FRAME_GOOD,
    FRAME_SHORT, /* the frame, if it is one, has at least *wanted bytes */
    FRAME_BAD,
};

/* Reads the frame that begins at input.data, which may be anything. FRAME_GOOD: *wanted is the frame's length
 * and the payload points into the input. */
enum frame_verdict frame_read(struct bytes input, uint64_t salt, struct frame *frame, size_t *wanted);

/* Whether a frame somewhere in 'rest', the bytes after a bad frame that should have begun at 'offset', tells that
 * the stream had been synced beyond that offset: then the damage is no torn tail. */
bool frame_proves_sync(struct bytes rest, uint64_t salt, uint64_t offset);

/* Reads a segment's frames in order, in large reads. */
struct segment_reader {
    int fd; /* the caller's */
    uint64_t salt;
    uint64_t file_bytes;
    uint64_t position; /* in the file, of the next frame; of the bad one after READER_BAD */
    struct buffer window;
    uint64_t window_position; /* in the file, of the window's first byte */
};

enum reader_result {
    READER_FRAME,
    READER_END,    /* the last frame ends where the file ends */
    READER_BAD,    /* what stands here is no whole frame */
    READER_FAILED, /* errno tells */
};

/* Begins at the first frame; false with errno set if the file cannot be examined. */
bool log_segment_reader_init(struct segment_reader *reader, int fd, uint64_t salt);
/* The payload is valid until the next call. Does not look at offsets. */
enum reader_result log_segment_reader_next(struct segment_reader *reader, struct frame *frame);
void log_segment_reader_deinit(struct segment_reader *reader);
