/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/bytes.h"
#include "base/status.h"
#include "object/object.h"

/* The one value codec: a type byte and an RDB object payload, as in Redis's RDB files. Rows, DUMP and RESTORE,
 * replica sync and slot moves all use it. Source of the format: the RDB file format of Redis, versions 1 to 11. */

/* The version written at the end of DUMP payloads: what Redis 7.0 reads. */
#define CODEC_DUMP_VERSION 10
#define CODEC_DUMP_VERSION_MAX 13

/* For a program without the settings of a server: collections stay as compact as they do where nothing was set. */
void codec_setup(void);

/* Appends type byte and payload. */
void codec_encode(const struct object *object, struct buffer *out);

/* Reads type byte and payload, which must be all of 'input'. A short string's bytes are borrowed from 'input' or
 * from 'scratch' (decompressed); a block or body is the caller's. STATUS_CORRUPT changes nothing; every length is
 * checked against the input before it is believed. */
enum status codec_decode(struct bytes input, struct buffer *scratch, struct object *object) MUST_USE;

/* The object type that a payload's type byte stands for, or -1. */
int codec_type(uint8_t type_byte);

/* The value's object_digest; STATUS_CORRUPT as above. */
enum status codec_digest(struct bytes payload, uint64_t *digest) MUST_USE;

/* DUMP's form: codec_encode, a two-byte version and a CRC64. */
void codec_dump(const struct object *object, struct buffer *out);
/* Checks version (1 to CODEC_DUMP_VERSION_MAX, and Valkey's 80) and CRC, which must match even where it is zero, and
 * strips them: the payload for codec_decode. STATUS_CORRUPT if either is wrong. */
enum status codec_dump_payload(struct bytes dump, struct bytes *payload) MUST_USE;
