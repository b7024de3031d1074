/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"
#include "base/status.h"

/* Lengths and strings as RDB files and DUMP payloads spell them: what every type's payload is made of. */

/* No string of a payload is longer, as Redis's proto-max-bulk-len has it. */
#define RDB_STRING_MAX ((size_t)512 << 20)

/* What is still to be read; moved on by every successful read. */
struct rdb_reader {
    const unsigned char *at, *end;
};

static inline struct rdb_reader rdb_reader_of(struct bytes input)
{
    const unsigned char *data = (const unsigned char *)input.data;
    return (struct rdb_reader){data, data + input.length};
}

static inline size_t rdb_reader_left(const struct rdb_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

void rdb_write_length(struct buffer *out, uint64_t length);
/* A plain length; false if the input ends early or a special string stands there. */
bool rdb_read_length(struct rdb_reader *reader, uint64_t *length) MUST_USE;

/* Writes short canonical integers in their binary form, as Redis does, and all else plain. */
void rdb_write_string(struct buffer *out, struct bytes bytes);
void rdb_write_integer_string(struct buffer *out, int64_t value);

/* A string that was found but not yet expanded, so that the reader may choose where its bytes go. */
struct rdb_string {
    enum { RDB_STRING_PLAIN, RDB_STRING_INTEGER, RDB_STRING_COMPRESSED } form;
    int64_t integer;    /* RDB_STRING_INTEGER */
    struct bytes bytes; /* borrowed from the input: the string, or its compressed form */
    size_t length;      /* of the string */
};

/* False if the input is malformed. The length is at most RDB_STRING_MAX and in proportion to the input. */
bool rdb_read_string(struct rdb_reader *reader, struct rdb_string *string) MUST_USE;
/* Writes the string's 'length' bytes to 'to'; false if its compressed form is malformed. */
bool rdb_string_expand(const struct rdb_string *string, char *to) MUST_USE;
/* Reads a string as bytes of the input, or of 'room' where it had to be expanded: good until the room's next use. False
 * if it is malformed. */
bool rdb_read_bytes(struct rdb_reader *reader, struct buffer *room, struct bytes *bytes) MUST_USE;
