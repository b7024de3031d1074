/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/bytes.h"

/* What waits to be sent to a peer: bytes, and between them references to memory that somebody else owns, so
 * that a large value is never copied. All zero is valid and empty. One thread at a time. */
struct output_reference {
    size_t position; /* index into bytes before which the reference is sent */
    const char *data;
    size_t length;
    void (*release)(void *owner); /* called once, when sent or dropped */
    void *owner;
};

struct output {
    struct buffer bytes;
    struct output_reference *references; /* ascending by position */
    uint32_t reference_count, reference_capacity;
    size_t referenced_length; /* sum of the references' lengths */
};

/* Appends a reference; 'release(owner)' is called on the output's thread when the bytes are no longer needed. */
void output_append_reference(struct output *output, struct bytes bytes, void (*release)(void *owner), void *owner);

/* All bytes still to be sent. */
static inline size_t output_length(const struct output *output)
{
    return output->bytes.length + output->referenced_length;
}

/* Forgets everything at or after a mark taken as output_mark, releasing references. For a command that must
 * start over and has already written a part of its reply. */
struct output_mark {
    size_t length;
    uint32_t reference_count;
};
static inline struct output_mark output_mark(const struct output *output)
{
    return (struct output_mark){output->bytes.length, output->reference_count};
}
void output_rewind(struct output *output, struct output_mark mark);

/* Puts other bytes in place of what lies between two marks, releasing its references; later marks are void. */
void output_replace(struct output *output, struct output_mark from, struct output_mark to, struct bytes with);

/* Appends all of 'from' and leaves it empty; its references change their owner. */
void output_move(struct output *to, struct output *from);

/* Releases all and frees the buffers. */
void output_deinit(struct output *output);
