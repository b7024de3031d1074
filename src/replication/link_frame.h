/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/bytes.h"

/* Frames in which bytes go over a link compressed, from one Forebay to another. Pure; any thread.
 *
 *     u32 stored bytes | u32 raw bytes | u64 checksum of both and of what is stored | stored bytes
 *
 * little endian; what is stored is one block of LZ4, or where that is no shorter, the raw bytes themselves (both numbers are
 * equal then). A frame of no bytes is the last one. Each frame stands for itself. */
#define LINK_FRAME_HEADER_BYTES 16
/* Neither side has to hold more than a frame. */
#define LINK_FRAME_RAW_MAX ((size_t)512 << 10)

/* Appends one frame for these bytes, 1 to LINK_FRAME_RAW_MAX of them. */
void link_frame_append(struct buffer *out, struct bytes raw);
void link_frame_append_end(struct buffer *out);

enum link_frame_result {
    LINK_FRAME_MORE,  /* it is not all there; *taken says how many bytes there have to be before that is asked again */
    LINK_FRAME_TAKEN, /* *taken bytes are done with, and what they meant is appended */
    LINK_FRAME_END,   /* the same, and it was the last one */
    LINK_FRAME_BAD,   /* 'error' says why; nothing is appended */
};
/* The frame at the input's front. */
enum link_frame_result link_frame_take(struct bytes input, struct buffer *raw, size_t *taken, const char **error);
