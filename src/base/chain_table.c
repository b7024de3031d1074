/* SPDX-License-Identifier: BSD-3-Clause */
/* Buckets double when there is one node for each, and halve when seven of eight are empty. */
#include "base/chain_table.h"

#include "base/check.h"
#include "base/memory.h"

#define BUCKETS_MIN 8

static struct chain_node **bucket_of(const struct chain_table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->bucket_count - 1)];
}

static struct chain_node *same_hash(struct chain_node *node, uint64_t hash)
{
    while (node && node->hash != hash)
        node = node->next;
    return node;
}

struct chain_node *chain_table_find(const struct chain_table *table, uint64_t hash)
{
    return table->count > 0 ? same_hash(*bucket_of(table, hash), hash) : NULL;
}

struct chain_node *chain_table_find_next(const struct chain_node *node)
{
    return same_hash(node->next, node->hash);
}

static void table_resize(struct chain_table *table, size_t bucket_count)
{
    struct chain_table resized = {.bucket_count = bucket_count, .count = table->count};
    resized.buckets = memory_allocate_zeroed(bucket_count * sizeof(*resized.buckets));
    for (size_t i = 0; i < table->bucket_count; i++) {
        for (struct chain_node *node = table->buckets[i], *next; node; node = next) {
            struct chain_node **bucket = bucket_of(&resized, node->hash);
            next = node->next;
            node->next = *bucket;
            *bucket = node;
        }
    }
    memory_free(table->buckets);
    *table = resized;
}

void chain_table_add(struct chain_table *table, struct chain_node *node, uint64_t hash)
{
    if (table->count == table->bucket_count)
        table_resize(table, table->bucket_count > 0 ? 2 * table->bucket_count : BUCKETS_MIN);
    struct chain_node **bucket = bucket_of(table, hash);
    node->hash = hash;
    node->next = *bucket;
    *bucket = node;
    table->count++;
}

void chain_table_remove(struct chain_table *table, struct chain_node *node)
{
    struct chain_node **place = bucket_of(table, node->hash);
    while (*place && *place != node)
        place = &(*place)->next;
    check(*place == node);
    *place = node->next;
    node->next = NULL;
    table->count--;
    if (table->count == 0)
        chain_table_deinit(table);
    else if (table->bucket_count > BUCKETS_MIN && table->count < table->bucket_count / 8)
        table_resize(table, table->bucket_count / 2);
}

struct chain_node *chain_table_walk(const struct chain_table *table, const struct chain_node *previous)
{
    if (previous && previous->next)
        return previous->next;
    size_t i = previous ? (previous->hash & (table->bucket_count - 1)) + 1 : 0;
    while (i < table->bucket_count && !table->buckets[i])
        i++;
    return i < table->bucket_count ? table->buckets[i] : NULL;
}

struct chain_node *chain_table_any(const struct chain_table *table, uint64_t random)
{
    if (table->count == 0)
        return NULL;
    size_t i = random & (table->bucket_count - 1);
    while (!table->buckets[i])
        i = (i + 1) & (table->bucket_count - 1);
    return table->buckets[i];
}

void chain_table_deinit(struct chain_table *table)
{
    memory_free(table->buckets);
    *table = (struct chain_table){0};
}
