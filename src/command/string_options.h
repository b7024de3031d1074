/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

/* The options of SET, MSETEX and GETEX: a condition, a time to live (that INCREX has, too), GET. */

enum set_condition { SET_ALWAYS, SET_IF_ABSENT, SET_IF_PRESENT, SET_IF_EQUAL };

enum set_ttl { TTL_NONE, TTL_EX, TTL_PX, TTL_EXAT, TTL_PXAT, TTL_KEEP, TTL_PERSIST };

struct string_options {
    enum set_condition condition;
    struct bytes comparison; /* of SET_IF_EQUAL */
    bool get;
    enum set_ttl ttl;
    struct bytes expire; /* of TTL_EX to TTL_PXAT */
    int64_t expire_at_ms;
};

/* The kind of time that a word names, of those in 'allowed'; TTL_NONE if it is another word. */
enum set_ttl set_ttl_of(struct bytes word, const char *allowed);

/* Reads the words from 'first' on, of the kinds in 'allowed' (c condition, e IFEQ, g GET, k KEEPTTL, p PERSIST). A word may
 * come again, the last of its kind counts; two kinds of time or of condition do not go together. Replies on failure. */
bool string_options_parse(struct execution *x, size_t first, const char *allowed, struct string_options *options);

/* Whether a time is given, be it relative or absolute. */
static inline bool set_has_expire(const struct string_options *options)
{
    return options->ttl != TTL_NONE && options->ttl <= TTL_PXAT;
}

/* Makes the time absolute, if there is one; replies if it is none. */
bool string_options_parse_expire(struct execution *x, struct string_options *options);

/* For the rows. */
#define EXPIRY_CHOICES                                                                                                 \
    {.name = "seconds", .type = ARGUMENT_INTEGER, .token = "EX"},                                                      \
        {.name = "milliseconds", .type = ARGUMENT_INTEGER, .token = "PX"},                                             \
        {.name = "unix-time-seconds", .type = ARGUMENT_UNIX_TIME, .token = "EXAT"},                                    \
    {                                                                                                                  \
        .name = "unix-time-milliseconds", .type = ARGUMENT_UNIX_TIME, .token = "PXAT"                                  \
    }
