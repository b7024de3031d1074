/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "object/member.h"

/* The members of a large set, hash or sorted set by name, in the order of their hashes. No step takes longer the larger
 * the table is: it grows and shrinks in places. Whoever owns it holds the lock. All zero is an empty table; it may be
 * moved as plain bytes. It owns its members unless said otherwise. */
struct member_table {
    uint64_t root; /* see member_table.c */
    size_t count;
    size_t bytes;                           /* of the members and of what leads to them */
    struct object_capture *_Atomic capture; /* told before members change; NULL: none */
};

/* A member is about to change, to be taken out, or (NULL) to be added under this name. */
void member_capture_note(struct object_capture *capture, uint64_t hash, struct bytes name, const struct member *member);
static inline void member_table_will_change(const struct member_table *table, uint64_t hash, struct bytes name,
                                            const struct member *member)
{
    struct object_capture *capture = atomic_load_explicit(&table->capture, memory_order_relaxed);
    if (__builtin_expect(capture != NULL, 0))
        member_capture_note(capture, hash, name, member);
}

/* Of all tables of the process, once before the first is made. Cursors mean the same wherever it is the same. */
void member_table_set_seed(uint64_t seed);
uint64_t member_hash(struct bytes name);

/* The member of that name, or NULL. 'hash' is member_hash of it, here and below. */
struct member *member_table_find(const struct member_table *table, uint64_t hash, struct bytes name);
/* Takes a member whose name is not in the table. */
void member_table_insert(struct member_table *table, uint64_t hash, struct member *member);
/* Puts another of the same name in its place; the old one is destroyed. */
void member_table_replace(struct member_table *table, uint64_t hash, struct member *old_member, struct member *member);
/* Takes this very member out and gives it to the caller. */
void member_table_take(struct member_table *table, uint64_t hash, struct member *member);
/* Destroys the member of that name; false if there is none. */
bool member_table_remove(struct member_table *table, uint64_t hash, struct bytes name);

/* The member of that rank (below the count) in the order of the hashes: with a random rank, each equally likely. Some
 * dozen words are read for each sixteenfold of the count. */
struct member *member_table_at(const struct member_table *table, size_t rank);

/* Destroys all members; the table is empty then. Takes as long as there are members. */
void member_table_clear(struct member_table *table);
/* Forgets them: the table is empty then, the members are their owner's. */
void member_table_forget(struct member_table *table);

/* A walk over all members in order of their hashes. The table is left alone during it. */
struct member_walk {
    const struct member_table *table;
    const uint64_t *next, *end; /* words of the present leaf */
    uint64_t hash;              /* where the next leaf begins */
    bool is_last;
};
/* From the first member whose hash is not below. */
struct member_walk member_walk_from(const struct member_table *table, uint64_t hash);
/* The next member, or NULL after the last. */
struct member *member_walk_next(struct member_walk *walk);

/* Calls visit with the members of the leaf that covers the hash, from that hash on exactly, until it returns false.
 * Returns where to go on, whatever changed meanwhile; 0 after the last member. */
uint64_t member_table_visit(const struct member_table *table, uint64_t hash,
                            bool (*visit)(void *context, struct member *member), void *context);

/* A step of a walk that may be resumed after any changes: calls visit with about 'count' members (all that stand
 * together) from the cursor on, 0 at first. Returns the cursor to go on from, below 2^53, or 0 at the end. A member that
 * is there from the first step to the last is visited. */
uint64_t member_table_scan(const struct member_table *table, uint64_t cursor, size_t count,
                           void (*visit)(void *context, struct member *member), void *context);
