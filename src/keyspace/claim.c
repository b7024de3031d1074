/* SPDX-License-Identifier: BSD-3-Clause */
/* Claims: see keyspace.h. A partition lists those on its keys. What happens to keys by itself (expiry, eviction, gathering)
 * passes over a partition with claims as if it were held. Of claimed names, expiry and eviction leave the keys that have
 * them, unless a row keeps what they are. */
#include "keyspace/keyspace_private.h"

_Atomic uint32_t keyspace_claim_count;

void keyspace_claim(struct keyspace *keyspace, struct key_claim *claim)
{
    struct partition *partition = keyspace_partition_of(keyspace, claim->key.slot);
    partition_assert_held(keyspace, partition);
    list_append(&partition->claims, &claim->node);
    atomic_fetch_add_explicit(&keyspace_claim_count, 1, memory_order_relaxed);
}

void keyspace_unclaim(struct keyspace *keyspace, struct key_claim *claim)
{
    partition_assert_held(keyspace, keyspace_partition_of(keyspace, claim->key.slot));
    list_remove(&claim->node);
    atomic_fetch_sub_explicit(&keyspace_claim_count, 1, memory_order_relaxed);
}

bool keyspace_has_claims(struct keyspace *keyspace, uint32_t partition)
{
    return partition_is_claimed(&keyspace->partitions[partition]) || keyspace_has_name_claims(keyspace);
}

/* ---- names ---- */

void keyspace_claim_names(struct keyspace *keyspace, struct name_claim *claim)
{
    list_append(&keyspace->name_claims, &claim->node);
    atomic_fetch_add_explicit(&keyspace->name_claim_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&keyspace_claim_count, 1, memory_order_relaxed);
}

void keyspace_unclaim_names(struct keyspace *keyspace, struct name_claim *claim)
{
    list_remove(&claim->node);
    atomic_fetch_sub_explicit(&keyspace->name_claim_count, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&keyspace_claim_count, 1, memory_order_relaxed);
}

bool keyspace_has_name_claims(const struct keyspace *keyspace)
{
    return atomic_load_explicit(&keyspace->name_claim_count, memory_order_relaxed) > 0;
}

static bool name_is_claimed(const struct name_claim *claim, const struct key *key)
{
    size_t begin = claim->begin.length, end = claim->end.length, length = key->name.length;
    return key->db == claim->db && length >= begin + end &&
           bytes_equal(bytes_of(key->name.data, begin), claim->begin) &&
           bytes_equal(bytes_of(key->name.data + length - end, end), claim->end);
}

static bool has_claimed_name(const struct keyspace *keyspace, const struct key *key)
{
    for (const struct list *node = keyspace->name_claims.next; node != &keyspace->name_claims; node = node->next)
        if (name_is_claimed(list_entry(node, struct name_claim, node), key))
            return true;
    return false;
}

/* ---- what is claimed ---- */

static bool is_same_key(const struct key *a, const struct key *b)
{
    return a->hash == b->hash && a->db == b->db && bytes_equal(a->name, b->name);
}

bool keyspace_claim_is_shared(struct keyspace *keyspace, const struct key_claim *claim, const struct key_claim *own,
                              size_t count)
{
    const struct partition *partition = keyspace_partition_of(keyspace, claim->key.slot);
    partition_assert_held(keyspace, partition);
    for (const struct list *node = partition->claims.next; node != &partition->claims; node = node->next) {
        const struct key_claim *other = list_entry(node, struct key_claim, node);
        if ((other < own || other >= own + count) && is_same_key(&other->key, &claim->key))
            return true;
    }
    return false;
}

enum claim_kind keyspace_claim_of(struct keyspace *keyspace, const struct key *key)
{
    const struct partition *partition = keyspace_partition_of(keyspace, key->slot);
    enum claim_kind kind = CLAIM_NONE;
    partition_assert_held(keyspace, partition);
    for (const struct list *node = partition->claims.next; node != &partition->claims; node = node->next) {
        const struct key_claim *claim = list_entry(node, struct key_claim, node);
        if (!is_same_key(&claim->key, key))
            continue;
        if (claim->is_exclusive)
            return CLAIM_EXCLUSIVE;
        kind = CLAIM_SHARED;
    }
    return kind == CLAIM_NONE && has_claimed_name(keyspace, key) ? CLAIM_SHARED : kind;
}

bool keyspace_is_claimed(struct keyspace *keyspace, const struct key *key)
{
    return keyspace_any_claims() && keyspace_claim_of(keyspace, key) != CLAIM_NONE;
}

bool place_is_being_changed(const struct place *place, const struct entry *entry)
{
    if (!partition_is_claimed(place->partition) || !entry_is_live(entry))
        return false;
    struct key key = place_key(place, entry);
    return keyspace_claim_of(place->keyspace, &key) == CLAIM_EXCLUSIVE;
}
