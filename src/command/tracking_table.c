/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys stand in shards, each under a lock of its own, since every read of every tracking client comes here. Ids of sessions
 * that are gone stay until their key changes or is pushed out; nobody is told then. Prefixes are few, and all are looked
 * at in each turn that changed something: one list. */
#include "command/tracking_table.h"

#include "base/chain_table.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/random.h"
#include "command/info.h"

#define SHARD_COUNT 64
#define SHARD_SHIFT (64 - 6)

struct tracked_key {
    struct chain_node node;
    struct id_list readers; /* ascending */
    size_t length;
    char name[];
};

struct shard {
    struct lock lock;
    struct chain_table keys;
};

struct prefix {
    struct list node;
    struct id_list listeners;
    size_t length;
    char name[];
};

static struct {
    uint64_t seed;
    struct shard shards[SHARD_COUNT];
    struct lock prefix_lock;
    struct list prefixes;
} table;

void tracking_table_setup(void)
{
    random_secure(&table.seed, sizeof(table.seed));
    for (int i = 0; i < SHARD_COUNT; i++)
        lock_init(&table.shards[i].lock, LOCK_LEAF, 0);
    lock_init(&table.prefix_lock, LOCK_LEAF, 0);
    list_init(&table.prefixes);
}

/* ---- lists of ids ---- */

static void id_list_insert(struct id_list *list, size_t place, uint64_t id)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity > 0 ? 2 * list->capacity : 1;
        list->ids = memory_resize(list->ids, list->capacity * sizeof(*list->ids));
    }
    memmove(list->ids + place + 1, list->ids + place, (list->count - place) * sizeof(*list->ids));
    list->ids[place] = id;
    list->count++;
}

void id_list_add(struct id_list *list, uint64_t id)
{
    id_list_insert(list, list->count, id);
}

/* The place of the id, or where it belongs. */
static size_t id_list_place(const struct id_list *list, uint64_t id)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (list->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool id_list_join(struct id_list *list, uint64_t id)
{
    size_t place = id_list_place(list, id);
    if (place < list->count && list->ids[place] == id)
        return false;
    id_list_insert(list, place, id);
    return true;
}

static void id_list_leave(struct id_list *list, uint64_t id)
{
    size_t place = id_list_place(list, id);
    if (place == list->count || list->ids[place] != id)
        return;
    list->count--;
    memmove(list->ids + place, list->ids + place + 1, (list->count - place) * sizeof(*list->ids));
}

/* ---- keys ---- */

static uint64_t hash_of(struct bytes key)
{
    return hash_bytes(key.data, key.length, table.seed);
}

static struct bytes tracked_name(const struct tracked_key *tracked)
{
    return bytes_of(tracked->name, tracked->length);
}

static struct tracked_key *tracked_find_locked(const struct shard *shard, struct bytes key, uint64_t hash)
{
    struct chain_node *node = chain_table_find(&shard->keys, hash);
    while (node && !bytes_equal(tracked_name(list_entry(node, struct tracked_key, node)), key))
        node = chain_table_find_next(node);
    return node ? list_entry(node, struct tracked_key, node) : NULL;
}

static struct tracked_key *tracked_create_locked(struct shard *shard, struct bytes key, uint64_t hash)
{
    struct tracked_key *tracked = memory_allocate_zeroed(sizeof(*tracked) + key.length);
    tracked->length = key.length;
    memcpy(tracked->name, key.data, key.length);
    chain_table_add(&shard->keys, &tracked->node, hash);
    info_gauge_add(GAUGE_tracking_total_keys, 1);
    return tracked;
}

/* Some key of the shard or of one behind it. Locks are taken one at a time. */
static bool find_victim(size_t first, uint64_t random, struct buffer *victim)
{
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        struct shard *shard = &table.shards[(first + i) % SHARD_COUNT];
        lock_acquire(&shard->lock);
        struct chain_node *node = chain_table_any(&shard->keys, random);
        if (node)
            buffer_append_bytes(victim, tracked_name(list_entry(node, struct tracked_key, node)));
        lock_release(&shard->lock);
        if (node)
            return true;
    }
    return false;
}

bool tracking_table_add(struct bytes key, uint64_t id, int64_t keys_max, struct buffer *victim)
{
    uint64_t hash = hash_of(key);
    struct shard *shard = &table.shards[hash >> SHARD_SHIFT];
    lock_acquire(&shard->lock);
    struct tracked_key *tracked = tracked_find_locked(shard, key, hash);
    bool created = !tracked;
    if (created)
        tracked = tracked_create_locked(shard, key, hash);
    if (id_list_join(&tracked->readers, id))
        info_gauge_add(GAUGE_tracking_total_items, 1);
    lock_release(&shard->lock);
    int64_t keys = atomic_load_explicit(&info_gauges[GAUGE_tracking_total_keys], memory_order_relaxed);
    return created && keys_max > 0 && keys > keys_max &&
           find_victim((hash >> SHARD_SHIFT) + 1, hash * UINT64_C(0x9E3779B97F4A7C15) >> 32, victim);
}

static void tracked_free(struct tracked_key *tracked)
{
    info_gauge_add(GAUGE_tracking_total_keys, -1);
    info_gauge_add(GAUGE_tracking_total_items, -(int64_t)tracked->readers.count);
    memory_free(tracked->readers.ids);
    memory_free(tracked);
}

void tracking_table_take(struct bytes key, struct id_list *readers)
{
    if (atomic_load_explicit(&info_gauges[GAUGE_tracking_total_keys], memory_order_relaxed) == 0)
        return;
    uint64_t hash = hash_of(key);
    struct shard *shard = &table.shards[hash >> SHARD_SHIFT];
    lock_acquire(&shard->lock);
    struct tracked_key *tracked = tracked_find_locked(shard, key, hash);
    if (tracked)
        chain_table_remove(&shard->keys, &tracked->node);
    lock_release(&shard->lock);
    if (!tracked)
        return;
    for (size_t i = 0; i < tracked->readers.count; i++)
        id_list_add(readers, tracked->readers.ids[i]);
    tracked_free(tracked);
}

void tracking_table_clear(void)
{
    for (int i = 0; i < SHARD_COUNT; i++) {
        struct shard *shard = &table.shards[i];
        lock_acquire(&shard->lock);
        struct chain_table keys = shard->keys;
        shard->keys = (struct chain_table){0};
        lock_release(&shard->lock);
        for (struct chain_node *node = chain_table_walk(&keys, NULL), *next; node; node = next) {
            next = chain_table_walk(&keys, node);
            tracked_free(list_entry(node, struct tracked_key, node));
        }
        chain_table_deinit(&keys);
    }
}

/* ---- prefixes ---- */

static struct bytes prefix_name(const struct prefix *prefix)
{
    return bytes_of(prefix->name, prefix->length);
}

static struct prefix *prefix_find_locked(struct bytes name)
{
    for (struct list *node = table.prefixes.next; node != &table.prefixes; node = node->next)
        if (bytes_equal(prefix_name(list_entry(node, struct prefix, node)), name))
            return list_entry(node, struct prefix, node);
    return NULL;
}

/* The first prefix behind this one, or the head: the list is ascending. */
static struct list *prefix_successor_locked(struct bytes name)
{
    struct list *node = table.prefixes.next;
    while (node != &table.prefixes && bytes_compare(prefix_name(list_entry(node, struct prefix, node)), name) < 0)
        node = node->next;
    return node;
}

void tracking_prefix_add(struct bytes name, uint64_t id)
{
    lock_acquire(&table.prefix_lock);
    struct prefix *prefix = prefix_find_locked(name);
    if (!prefix) {
        prefix = memory_allocate_zeroed(sizeof(*prefix) + name.length);
        prefix->length = name.length;
        memcpy(prefix->name, name.data, name.length);
        list_append(prefix_successor_locked(name), &prefix->node);
        info_gauge_add(GAUGE_tracking_total_prefixes, 1);
    }
    id_list_join(&prefix->listeners, id);
    lock_release(&table.prefix_lock);
}

void tracking_prefix_remove(struct bytes name, uint64_t id)
{
    lock_acquire(&table.prefix_lock);
    struct prefix *prefix = prefix_find_locked(name);
    if (prefix) {
        id_list_leave(&prefix->listeners, id);
        if (prefix->listeners.count > 0)
            prefix = NULL;
        else
            list_remove(&prefix->node);
    }
    lock_release(&table.prefix_lock);
    if (!prefix)
        return;
    info_gauge_add(GAUGE_tracking_total_prefixes, -1);
    memory_free(prefix->listeners.ids);
    memory_free(prefix);
}

void tracking_each_prefix(void (*visit)(void *context, struct bytes prefix, const struct id_list *listeners),
                          void *context)
{
    lock_acquire(&table.prefix_lock);
    for (struct list *node = table.prefixes.next; node != &table.prefixes; node = node->next) {
        const struct prefix *prefix = list_entry(node, struct prefix, node);
        visit(context, prefix_name(prefix), &prefix->listeners);
    }
    lock_release(&table.prefix_lock);
}
