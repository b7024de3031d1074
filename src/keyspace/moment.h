/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>

#include "keyspace/keyspace.h"

/* All keys as they were at one moment, for whoever copies them range by range while they change: what a key was is put aside
 * before its first change, unless the copy has passed it. One at a time. */
struct moment;

/* A value put aside. The payload is object/codec's. */
struct kept_value {
    struct bytes name, payload;
    int64_t expire_at_ms;
    int db; /* logical */
};

/* Takes all locks for as long as at_moment(context) takes: the moment is between two commands, transactions or scripts.
 * 'worker' as for keyspace_acquire_all. About bytes_max are spent on remembering which keys have changed. */
struct moment *keyspace_moment_begin(struct keyspace *keyspace, uint32_t worker, size_t bytes_max,
                                     void (*at_moment)(void *context), void *context);
void keyspace_moment_end(struct keyspace *keyspace, uint32_t worker, struct moment **moment);

/* The keys of one slot that have changed since: what was copied of them is void. */
struct kept_keys {
    uint64_t *hashes; /* an open table, 0 is free */
    uint32_t count, capacity;
};
bool kept_keys_has(const struct kept_keys *keys, uint64_t hash);
/* The range of a physical db's slot that ends at last_hash has been copied, as have all before it: what changes in it from now
 * on is not put aside. *keys: a copy, to be freed by memory_free(keys->hashes). */
void moment_pass(struct moment *moment, int physical_db, uint16_t slot, uint64_t last_hash, struct kept_keys *keys);
/* Shows what was put aside since the last call; writes what is large, without a lock but for pieces. */
void moment_take(struct moment *moment, void (*visit)(void *context, const struct kept_value *value), void *context);

/* Databases were emptied or exchanged: the copy is worth nothing. */
bool moment_is_void(const struct moment *moment);
/* More keys have changed than bytes_max can remember: those that change from now on are as the copy finds them. */
bool moment_is_blurred(const struct moment *moment);

/* ---- those who change keys ---- */

/* How many there are who must know of changes, moments and watches (watched_slots.c); read under any partition's lock. */
extern _Atomic unsigned moment_keepers;
/* Whether so much is put aside that writes should wait; any thread. */
extern _Atomic bool moment_is_full;
static inline bool moment_is_there(void)
{
    return atomic_load_explicit(&moment_keepers, memory_order_relaxed) != 0;
}
static inline bool moment_must_wait(void)
{
    return atomic_load_explicit(&moment_is_full, memory_order_relaxed);
}

void moment_keep_key(struct keyspace *keyspace, const struct key *key);
/* (lock) The key is about to be changed, made or removed. */
static inline void moment_keep(struct keyspace *keyspace, const struct key *key)
{
    if (__builtin_expect(moment_is_there(), 0))
        moment_keep_key(keyspace, key);
}
/* (lock) Its value is to be put aside, but somebody else is writing it piece by piece: who can wait does so, since the change
 * would have it put aside in one go. */
bool moment_waits_for_key(struct keyspace *keyspace, const struct key *key);
/* (lock) Whether there is nothing to keep of the key (any more). */
bool moment_has_kept(struct keyspace *keyspace, const struct key *key);
/* (all locks) Whole databases are. */
void moment_forget(struct keyspace *keyspace);

/* For a thread that holds nothing and waits for a value that may be under the moment's capture; 'partition' is any of the
 * keyspace's. */
void moment_help(struct keyspace *keyspace, struct lock *partition);
