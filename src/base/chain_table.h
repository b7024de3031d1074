/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A hash table of nodes that are embedded in what they are about; for registries, not for keys. All zero is valid and
 * empty. Whoever shares one guards it. */
struct chain_node {
    struct chain_node *next;
    uint64_t hash;
};

struct chain_table {
    struct chain_node **buckets;
    size_t bucket_count; /* a power of two, or 0 */
    size_t count;
};

/* The first node with this hash, NULL if none; then the next one of the same hash. */
struct chain_node *chain_table_find(const struct chain_table *table, uint64_t hash);
struct chain_node *chain_table_find_next(const struct chain_node *node);
/* The node must be in no table. May move all others: O(count) now and then. */
void chain_table_add(struct chain_table *table, struct chain_node *node, uint64_t hash);
/* The node must be in the table. */
void chain_table_remove(struct chain_table *table, struct chain_node *node);
/* Some node, another for another random number; NULL if there is none. */
struct chain_node *chain_table_any(const struct chain_table *table, uint64_t random);
/* Any order; NULL begins, NULL ends. The table must not change meanwhile. */
struct chain_node *chain_table_walk(const struct chain_table *table, const struct chain_node *previous);
/* Forgets all nodes and frees what the table holds of its own. */
void chain_table_deinit(struct chain_table *table);
