/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "keyspace/keyspace.h"

/* What a primary says about a scrub in the stream. The marks are the message of a PING, which owns bytes of the stream as any
 * PING does, and which a replica of the Redis family passes over:
 *
 *     scrub ID DB FIRST COUNT      what these slots hold here, between the effects before and behind, is compared
 *     scrubbed ID SUM KEYS         that is what they hold at the primary
 *     scrub-functions ID SUM COUNT which libraries of functions the primary has here; no answer is waited for
 *
 * COUNT is 0 for all of a database in which there is nothing. */
struct scrub_question {
    uint64_t id;
    struct slot_group group;
};

/* What some slots hold: as many keys, and a sum of what each of them is, its name, value and times. It does not depend on how
 * values are encoded, nor on the node. */
struct scrub_sum {
    uint64_t sum, keys;
};

struct scrub_answer {
    uint64_t id;
    struct scrub_sum held;
};

/* The longest mark, as a command. */
#define SCRUB_MARK_MAX 128

/* Write the mark as a command of the stream, and return its length. */
size_t scrub_write_question(char out[SCRUB_MARK_MAX], const struct scrub_question *question);
size_t scrub_write_answer(char out[SCRUB_MARK_MAX], const struct scrub_answer *answer);
/* A sum of libraries, and how many they are in place of keys. */
size_t scrub_write_functions(char out[SCRUB_MARK_MAX], const struct scrub_answer *functions);

/* What a PING says, which may be anything. An unknown mark is none: it may be a newer primary's. */
enum scrub_mark { SCRUB_NO_MARK, SCRUB_QUESTION, SCRUB_ANSWER, SCRUB_FUNCTIONS };
enum scrub_mark scrub_read_mark(struct bytes message, struct scrub_question *question, struct scrub_answer *answer);

void scrub_sum_add(struct scrub_sum *sum, struct bytes name, int64_t expire_at_ms, uint64_t value_digest);
