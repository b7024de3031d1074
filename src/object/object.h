/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "object/block.h"

/* A value: type, encoding, contents. It knows no key, client, lock or expiry. */
enum object_type { OBJECT_STRING, OBJECT_LIST, OBJECT_SET, OBJECT_ZSET, OBJECT_HASH, OBJECT_STREAM, OBJECT_TYPE_COUNT };

enum object_encoding {
    ENCODING_INTEGER, /* a string that is a canonical 64-bit integer */
    ENCODING_EMBSTR,  /* a short string never modified in place; bytes stand in the entry */
    ENCODING_RAW,     /* any other string whose bytes stand in the entry */
    ENCODING_BLOCK,   /* a large string in a block of its own; reported as raw */
    /* Small collections, as the public formats have them; their bytes stand in the entry. */
    ENCODING_LISTPACK,
    ENCODING_LISTPACK_EXPIRY, /* a hash whose fields may expire: field, value, time */
    ENCODING_INTSET,
    /* Large collections, in a body of their own. */
    ENCODING_TABLE,
    ENCODING_SKIPLIST,
    ENCODING_QUICKLIST,
    ENCODING_STREAM,
    ENCODING_COUNT,
};

/* Strings longer than this stand in a block, collections in a body. */
#define OBJECT_INLINE_MAX 16000
/* The longest string that is reported as embstr. */
#define OBJECT_EMBSTR_MAX 44

/* A view of a value by value: what it points to belongs to the entry, or to whoever made it. */
struct object {
    uint8_t type;
    uint8_t encoding;
    union {
        int64_t integer;     /* ENCODING_INTEGER */
        struct bytes bytes;  /* inline encodings */
        struct block *block; /* ENCODING_BLOCK */
        void *body;          /* collections */
    };
};

/* Whether the value's bytes stand in the entry: bytes is what there is, and nothing is owned elsewhere. */
static inline bool object_is_inline(const struct object *object)
{
    const unsigned inline_encodings = 1u << ENCODING_EMBSTR | 1u << ENCODING_RAW | 1u << ENCODING_LISTPACK |
                                      1u << ENCODING_LISTPACK_EXPIRY | 1u << ENCODING_INTSET;
    return inline_encodings >> object->encoding & 1;
}
/* Whether both are views of one body or block: then it must be released once. */
static inline bool object_is_same_body(const struct object *a, const struct object *b)
{
    return a->encoding >= ENCODING_BLOCK && b->encoding >= ENCODING_BLOCK && !object_is_inline(a) &&
           !object_is_inline(b) && a->body == b->body;
}

/* An inline value's bytes where they can be edited: copied to 'room' unless they stand there already. After the edit
 * object_edit_end makes the value a view of the room, which must live until the value is stored. */
struct buffer *object_edit_begin(const struct object *object, struct buffer *room);
static inline void object_edit_end(struct object *object, const struct buffer *room)
{
    object->bytes = buffer_bytes(room);
}

/* A collection without elements, in its most compact encoding. Its bytes are constant: edits copy them. */
struct object object_empty(enum object_type type);
/* Elements, fields, entries; 1 for a string. */
size_t object_count(const struct object *object);
/* Calls visit for every element of a list or set, and for every member of a sorted set, in order where there is one, until
 * it returns false. */
void object_each(const struct object *object, bool (*visit)(void *context, struct bytes element), void *context);
/* A second value equal to the first; inline bytes are borrowed. */
struct object object_copy(const struct object *object);

/* When a part of the value ends by itself next, a field of a hash; OBJECT_NEVER_DUE if none does. */
#define OBJECT_NEVER_DUE INT64_MAX
int64_t object_due_ms(const struct object *object);
/* "string", "list", ... as TYPE answers. */
const char *object_type_name(uint8_t type);
/* "int", "embstr", "raw", ... as OBJECT ENCODING answers. */
const char *object_encoding_name(const struct object *object);
/* Releases what the object owns outside of its entry (a block, a body); large bodies in the background. */
void object_release(struct object *object);
/* Bytes held outside of the entry. */
size_t object_external_bytes(const struct object *object);
