/* SPDX-License-Identifier: BSD-3-Clause */
/* WATCH: a partition lists the watches on its keys, and every change of a key looks there, if anybody watches. A
 * touched flag belongs to the session, which reads it on its own thread before EXEC.
 *
 * Awaits are of those who wait for a key to be filled: whoever fills one asks here, and decides who is served. */
#include "keyspace/keyspace_private.h"

void keyspace_watch(struct keyspace *keyspace, struct watch *watch)
{
    struct partition *partition = keyspace_partition_of(keyspace, watch->key.slot);
    partition_assert_held(keyspace, partition);
    list_append(&partition->watches, &watch->node);
}

void keyspace_unwatch(struct keyspace *keyspace, struct watch *watch)
{
    partition_assert_held(keyspace, keyspace_partition_of(keyspace, watch->key.slot));
    list_remove(&watch->node);
}

static void touch(struct watch *watch)
{
    atomic_store_explicit(watch->touched, true, memory_order_release);
}

void partition_touch_watches(struct partition *partition, const struct key *key)
{
    for (struct list *node = partition->watches.next; node != &partition->watches; node = node->next) {
        struct watch *watch = list_entry(node, struct watch, node);
        if (watch->key.hash == key->hash && watch->key.db == key->db && watch->key.slot == key->slot &&
            bytes_equal(watch->key.name, key->name))
            touch(watch);
    }
}

/* A cold key may exist; only RAM can be asked here. */
static bool may_exist(struct keyspace *keyspace, const struct key *watched, int db)
{
    struct key key = *watched;
    key.db = (int16_t)db;
    return keyspace_find(keyspace, &key) || !keyspace_is_decided(keyspace, &key);
}

void partition_touch_database(struct keyspace *keyspace, struct partition *partition, int db, int other_db)
{
    for (struct list *node = partition->watches.next; node != &partition->watches; node = node->next) {
        struct watch *watch = list_entry(node, struct watch, node);
        if (watch->key.db == db && (may_exist(keyspace, &watch->key, db) || may_exist(keyspace, &watch->key, other_db)))
            touch(watch);
    }
}

void keyspace_await(struct keyspace *keyspace, struct await *await)
{
    struct partition *partition = keyspace_partition_of(keyspace, await->key.slot);
    partition_assert_held(keyspace, partition);
    list_append(&partition->awaits, &await->node);
    await->is_listed = true;
}

void keyspace_unawait(struct keyspace *keyspace, struct await *await)
{
    partition_assert_held(keyspace, keyspace_partition_of(keyspace, await->key.slot));
    list_remove(&await->node);
    await->is_listed = false;
}

bool keyspace_is_awaited(struct keyspace *keyspace, const struct key *key)
{
    return !list_is_empty(&keyspace_partition_of(keyspace, key->slot)->awaits);
}

struct await *keyspace_next_await(struct keyspace *keyspace, const struct key *key, const struct await *after)
{
    struct partition *partition = keyspace_partition_of(keyspace, key->slot);
    struct list *node = after ? after->node.next : partition->awaits.next;
    return node == &partition->awaits ? NULL : list_entry(node, struct await, node);
}
