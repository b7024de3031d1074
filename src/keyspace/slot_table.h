/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "keyspace/entry.h"

/* The entries of one (physical db, slot) in the order of (hash, name): live ones, tombstones and markers alike.
 * It owns its segments, not the entries. Everything under the partition's lock, but for what is atomic. All zero is
 * an empty table. */
struct slot_table {
    _Atomic uint64_t root;    /* a segment or a node, see slot_table.c; 0: no entries */
    _Atomic uint32_t keys;    /* live in RAM or cold; the owner's to count, like the next three */
    _Atomic uint32_t pending; /* entries that wait to be captured: DIRTY and GONE */
    uint32_t expires;         /* of the keys, those with an expiry */
    uint32_t resident;        /* of the keys, those live in RAM */
    uint32_t entries;         /* counted here */
    uint32_t unclean;         /* of the entries, DIRTY, GONE and those in a run; the owner's to count */
    int64_t expiry_bound_ms;  /* no live entry is due before it; 0 in a table that was never told of any */
};

/* "Nothing here expires." */
#define EXPIRY_NEVER OBJECT_NEVER_DUE

void slot_table_init(struct slot_table *table);
/* Frees the segments and calls 'release' with every entry; the table is empty then. Unbounded in time. */
void slot_table_clear(struct slot_table *table, void (*release)(struct entry *entry));
/* Moves what 'from' holds to 'to' (which is overwritten) and leaves 'from' empty. */
void slot_table_move(struct slot_table *to, struct slot_table *from);

/* The entry of that name, in whatever state, or NULL. */
struct entry *slot_table_find(const struct slot_table *table, uint64_t hash, struct bytes name);
/* Adds an entry whose name is not in the table. 'seed' is that of the hash. At most some microseconds at any size. */
void slot_table_insert(struct slot_table *table, uint64_t hash, struct entry *entry, uint64_t seed);
/* Puts another entry of the same name in the old one's place. */
void slot_table_replace(struct slot_table *table, uint64_t hash, const struct entry *old_entry, struct entry *entry);
/* Takes the entry out. */
void slot_table_remove(struct slot_table *table, uint64_t hash, const struct entry *entry);

/* A step of a walk: calls visit with every entry of the segment that covers 'hash', in order, entries before 'hash'
 * included. What visit returns stands there afterwards: the same entry, another of the same name, or NULL for none;
 * otherwise it must leave the table alone, but may look keys up. Returns where the next segment begins, 0 after the
 * last. */
uint64_t slot_table_visit(struct slot_table *table, uint64_t hash,
                          struct entry *(*visit)(void *context, struct entry *entry), void *context);

/* Lowers the bounds for an entry of that hash that expires at expire_at_ms. */
void slot_table_note_expiry(struct slot_table *table, uint64_t hash, int64_t expire_at_ms);
/* The bound of the segment that covers 'hash' (a visit makes it exact), and where the next begins. */
int64_t slot_table_segment_expiry(const struct slot_table *table, uint64_t hash, uint64_t *next);

/* Prefetches what a find of the hash will read first; no lock needed, a hint. */
void slot_table_prefetch(const struct slot_table *table, uint64_t hash);
/* Under the lock: prefetches the entry that a find of the hash will compare first. */
void slot_table_prefetch_entry(const struct slot_table *table, uint64_t hash);

/* Bytes of segments and nodes. Walks the table's nodes: for tests and estimates. */
size_t slot_table_bytes(const struct slot_table *table);
