/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"
#include "object/string_object.h"

/* Values at least this long are sent by reference. */
#define REPLY_REFERENCE_MIN 16384

/* A string as a bulk reply. */
static inline void reply_string(struct reply *reply, const struct object *value)
{
    if (value->encoding == ENCODING_INTEGER)
        reply_bulk_integer(reply, value->integer);
    else if (value->encoding != ENCODING_BLOCK)
        reply_bulk(reply, value->bytes);
    else if (value->block->length < REPLY_REFERENCE_MIN)
        reply_bulk(reply, bytes_of(value->block->data, value->block->length));
    else
        reply_bulk_reference(reply, bytes_of(value->block->data, value->block->length), block_release,
                             block_acquire(value->block));
}
