/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

/* What handlers do to keys. Each function changes the keyspace and stages the effect of it, so that a handler cannot
 * forget one. All under the lock of the key's partition, as dispatch has taken it. */

/* The live entry, or NULL. An expired one is deleted on the way (with its effect). Counts hits and misses and marks
 * the access. */
struct entry *lookup_read(struct execution *x, const struct key *key);
/* The same for a command that will change the key: no hit or miss is counted. */
struct entry *lookup_write(struct execution *x, const struct key *key);
/* Neither counts nor touches (TYPE, TTL, OBJECT, EXISTS' kind). */
struct entry *lookup_peek(struct execution *x, const struct key *key);

/* Replies WRONGTYPE and returns false if the entry exists and is of another type. */
bool require_type(struct execution *x, const struct entry *entry, enum object_type type);

/* Creates or replaces; 'old' is what look-up returned (NULL: it creates). */
struct entry *store(struct execution *x, const struct key *key, struct entry *old, const struct object *value,
                    int64_t expire_at_ms);
/* Puts back a collection that was changed: over 'old', or as a new key (NULL). Keeps the expiry. Stages nothing: the caller
 * says with stage_change what has changed. */
struct entry *store_changed(struct execution *x, const struct key *key, struct entry *old, const struct object *value);
/* After a removal: stores what is left and returns false, or deletes the key (with its effect) if nothing is. */
bool store_remainder(struct execution *x, const struct key *key, struct entry *entry, const struct object *value);
/* Stages 'NAME key head... words...' in upper case, or in lower if it creates the key; then it must be complete by itself.
 * More words than one effect holds go into several, 'step' of them together, each with key and head. */
void stage_change(struct execution *x, const struct key *key, bool creates, const char *name, const struct bytes *words,
                  size_t count, size_t step);
void stage_change_with(struct execution *x, const struct key *key, bool creates, const char *name,
                       const struct bytes *head, size_t head_count, const struct bytes *words, size_t count,
                       size_t step);
/* Stages 'NAME SUB key words...', at most EFFECT_PIECE_WORDS - 3 of them. */
void stage_subcommand(struct execution *x, const struct key *key, bool creates, const char *name, const char *sub,
                      const struct bytes *words, size_t count);
/* Stages the whole value, whatever its type. */
void stage_whole(struct execution *x, const struct key *key, const struct object *value, int64_t expire_at_ms,
                 bool creates);
/* Around staging much about a key as the first effects of a command, if it is so much: while others have the partitions. What
 * is staged must be there before the command changes anything; little may be staged after it. */
void stage_large_begin(struct execution *x, const struct key *key, size_t elements);
void stage_large_end(struct execution *x);
/* The same for many words about what has been changed already; true: to be ended by stage_large_end. */
bool stage_changed_begin(struct execution *x, const struct key *key, size_t words);
/* For a transaction or script: the last of its parts has been run. */
void stage_parts_end(struct execution *whole);
/* An empty buffer for object_edit_begin; good until the next call. */
struct buffer *edit_room(struct execution *x);

/* A string whose whole would be long has changed, or begins, with this piece. */
void stage_append(struct execution *x, const struct key *key, struct bytes suffix);
void stage_setrange(struct execution *x, const struct key *key, int64_t offset, struct bytes piece, bool creates);
void stage_set(struct execution *x, const struct key *key, const struct object *value, int64_t expire_at_ms,
               bool creates);

/* Sets or clears (ENTRY_NO_EXPIRE) the expiry; a time that has passed deletes the key. */
struct entry *store_expire(struct execution *x, const struct key *key, struct entry *entry, int64_t expire_at_ms);
/* Deletes a live entry. */
void delete_key(struct execution *x, const struct key *key, struct entry *entry);
/* Gives the value and its expiry to another key (over 'old', NULL: it creates) and deletes the source. */
void move_value(struct execution *x, const struct key *from, struct entry *source, const struct key *to,
                struct entry *old);

/* Node-wide effects (FLUSHDB, FLUSHALL, SWAPDB a b), staged in order with the others. */
void stage_node_effect(struct execution *x, const char *name, const int64_t *numbers, uint32_t count);

/* (lock) Appends an effect of what happened outside of any execution, at once. */
void effect_append_alone(struct engine *engine, const struct key *key, const char *name, const struct bytes *words,
                         uint32_t count);
/* Gives the sink of keys that expire or are evicted by themselves. */
struct sink;
const struct sink *effects_sink(struct engine *engine);
