/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"
#include "command/word_list.h"
#include "object/hash_object.h"

/* What commands share that name their fields behind FIELDS and their number, and change the times of fields. Times are told
 * to the stream as HPEXPIREAT; a time that has passed deletes the field, with HDEL. */

/* FIELDS count word ...: 'words' words for each field, to the end. */
struct hash_fields {
    const struct bytes *words;
    size_t count;
};
/* 'words' words for each field from 'at' on; false: an error is replied, 'count_error' if the number is below 1. */
bool hash_fields_parse(struct execution *x, size_t at, size_t words, const char *count_error,
                       struct hash_fields *fields);
#define FIELDS_NOT_POSITIVE "ERR Number of fields must be a positive integer"

/* A time of a field; false: an error is replied. */
bool hash_field_time_parse(struct execution *x, struct bytes word, bool in_seconds, bool relative,
                           int64_t *expire_at_ms);

/* A hash whose fields' times change, and which fields changed how. */
struct hash_timing {
    struct execution *x;
    struct entry *entry;
    struct object hash;
    struct buffer *room;
    struct word_list timed, deleted;
};
/* False (an error is replied) if the key holds another type. */
bool hash_timing_begin(struct execution *x, struct hash_timing *timing);
/* Stores and tells what changed; 'event' is that of the times. */
void hash_timing_end(struct hash_timing *timing, int64_t expire_at_ms, const char *event);
/* The field is there. */
void hash_time_field(struct hash_timing *timing, struct bytes field, int64_t expire_at_ms);

/* ---- for the rows ---- */

#define FIELDS_OF(...)                                                                                                 \
    {                                                                                                                  \
        .name = "fields", .type = ARGUMENT_BLOCK, .token = "FIELDS",                                                   \
        .children = ARGUMENTS(ARG_INTEGER("numfields"), __VA_ARGS__)                                                   \
    }
#define FIELD_NAMES                                                                                                    \
    {                                                                                                                  \
        .name = "field", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE                                           \
    }
