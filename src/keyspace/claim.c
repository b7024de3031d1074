/* SPDX-License-Identifier: BSD-3-Clause */
/* Claims: see keyspace.h. A partition lists those on its keys. What happens to keys by itself (expiry, eviction, gathering)
 * passes over a partition with claims as if it were held. Of claimed names, expiry and eviction leave the keys that have
 * them, unless a row keeps what they are.
 *
 * A transaction or script has changed some of its keys and told the stream nothing of it. What it leaves undone if the node
 * goes down now must not be in a row or a copy, so these wait for its claims: of entries, tombstones included, or of the whole
 * slot where there may be no entry any more. A checkpoint counts keys, and waits for all of them. */
#include <time.h>

#include "keyspace/keyspace_private.h"

_Atomic uint32_t keyspace_claim_count, keyspace_wish_count;

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

bool keyspace_is_claimed_by_script(struct keyspace *keyspace, uint32_t partition)
{
    const struct list *claims = &keyspace->partitions[partition].claims;
    for (const struct list *node = claims->next; node != claims; node = node->next)
        if (list_entry(node, struct key_claim, node)->is_of_script)
            return true;
    return false;
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
    if (!partition_is_claimed(place->partition))
        return false;
    struct key key = place_key(place, entry);
    return keyspace_claim_of(place->keyspace, &key) == CLAIM_EXCLUSIVE;
}

bool keyspace_slot_is_being_changed(struct keyspace *keyspace, int logical_db, uint16_t slot)
{
    const struct partition *partition = keyspace_partition_of(keyspace, slot);
    partition_assert_held(keyspace, partition);
    for (const struct list *node = partition->claims.next; node != &partition->claims; node = node->next) {
        const struct key_claim *claim = list_entry(node, struct key_claim, node);
        if (claim->is_exclusive && claim->key.slot == slot && claim->key.db == logical_db)
            return true;
    }
    return false;
}

/* ---- wishes ---- */

static void change_wishes(struct keyspace *keyspace, const struct partition_set *set, uint32_t more)
{
    for (uint32_t i = 0; i < PARTITION_COUNT; i++)
        if (partition_set_has(set, i))
            atomic_fetch_add_explicit(&keyspace->partitions[i].wishes, more, memory_order_relaxed);
    atomic_fetch_add_explicit(&keyspace_wish_count, more, memory_order_relaxed);
}

void keyspace_wish_unclaimed(struct keyspace *keyspace, const struct partition_set *set)
{
    change_wishes(keyspace, set, 1);
}

void keyspace_end_wish(struct keyspace *keyspace, const struct partition_set *set)
{
    change_wishes(keyspace, set, UINT32_MAX);
}

bool keyspace_is_wished_unclaimed(const struct keyspace *keyspace, uint32_t partition)
{
    return atomic_load_explicit(&keyspace->partitions[partition].wishes, memory_order_relaxed) > 0;
}

/* ---- transactions and scripts ---- */

#define WHOLE_PAUSE_NS 100000

static bool has_half_done(const struct partition *partition)
{
    for (const struct list *node = partition->claims.next; node != &partition->claims; node = node->next)
        if (list_entry(node, struct key_claim, node)->is_of_whole)
            return true;
    return false;
}

/* All locks are held. */
static bool any_half_done(const struct keyspace *keyspace)
{
    for (unsigned i = 0; i < PARTITION_COUNT && keyspace_any_claims(); i++)
        if (has_half_done(&keyspace->partitions[i]))
            return true;
    return false;
}

void keyspace_acquire_whole(struct keyspace *keyspace, uint32_t worker)
{
    atomic_fetch_add(&keyspace->whole_wanted, 1);
    for (keyspace_acquire_all(keyspace, worker); any_half_done(keyspace); keyspace_acquire_all(keyspace, worker)) {
        keyspace_release_all(keyspace, worker);
        nanosleep(&(struct timespec){.tv_nsec = WHOLE_PAUSE_NS}, NULL);
    }
    atomic_fetch_sub(&keyspace->whole_wanted, 1);
}

bool keyspace_wants_whole(const struct keyspace *keyspace)
{
    return atomic_load_explicit(&keyspace->whole_wanted, memory_order_relaxed) > 0;
}
