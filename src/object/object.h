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
    ENCODING_COUNT,
};

/* Strings longer than this stand in a block. */
#define OBJECT_INLINE_MAX 16000
/* The longest string that is reported as embstr. */
#define OBJECT_EMBSTR_MAX 44

/* A view of a value by value: what it points to belongs to the entry, or to whoever made it. */
struct object {
    uint8_t type;
    uint8_t encoding;
    union {
        int64_t integer;     /* ENCODING_INTEGER */
        struct bytes bytes;  /* ENCODING_EMBSTR, ENCODING_RAW */
        struct block *block; /* ENCODING_BLOCK */
        void *body;          /* collections */
    };
};

/* "string", "list", ... as TYPE answers. */
const char *object_type_name(uint8_t type);
/* "int", "embstr", "raw", ... as OBJECT ENCODING answers. */
const char *object_encoding_name(const struct object *object);
/* Releases what the object owns outside of its entry (a block, a body); large bodies in the background. */
void object_release(struct object *object);
/* Bytes held outside of the entry. */
size_t object_external_bytes(const struct object *object);
