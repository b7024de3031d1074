/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"
#include "object/zset_object.h"

/* What the files of the sorted set family share. */

/* Words of effects that need no allocation. */
#define ZSET_WORDS_INLINE 64

/* The sorted set at a key; false if it is of another type (WRONGTYPE is replied) or missing ('entry' is NULL then, and
 * nothing is replied). */
bool zset_lookup_read(struct execution *x, const struct key *key, struct entry **entry, struct object *zset);
bool zset_lookup_write(struct execution *x, const struct key *key, struct entry **entry, struct object *zset);

/* Puts a set that was made from nothing in place of whatever the key holds, or deletes the key if it is empty. Takes the
 * set, tells 'event' or "del", and replies with the count. */
void zset_store_result(struct execution *x, const struct key *key, struct object *zset, const char *event);

/* The head of a reply with 'count' members: with scores they are pairs, nested in RESP3. */
void zset_reply_members(struct execution *x, size_t count, bool with_scores);
void zset_reply_member(struct execution *x, struct bytes member, double score, bool with_scores);

/* Removes 'count' members from 'first' on, and says so to the stream and to whoever listens for 'event'. */
void zset_remove_range(struct execution *x, const struct key *key, struct entry *entry, struct object *zset,
                       size_t first, size_t count, const char *event);

/* zset_add_commands.c: ZADD with these words in place of the request's. */
void zadd_words(struct execution *x, const struct bytes *words, size_t count);
