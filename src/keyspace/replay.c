/* SPDX-License-Identifier: BSD-3-Clause */
/* Recovery: effects are applied before anybody else is there, and mostly without knowing the rows they concern. RAM
 * then knows a key or not; whether it existed before, only the effect tells. So the number of keys follows the
 * effects. The number of keys that expire follows what is known, and is an estimate between none and all from then
 * on: a cold key that is overwritten or deleted may have had an expiry, and a row may have one that came after the
 * checkpoint's counts. */
#include "keyspace/keyspace_private.h"

void keyspace_set_replaying(struct keyspace *keyspace, bool replaying)
{
    keyspace->is_replaying = replaying;
}

static bool is_known_live(struct keyspace *keyspace, const struct key *key)
{
    return keyspace_find(keyspace, key) != NULL;
}

struct entry *keyspace_replay_put(struct keyspace *keyspace, const struct key *key, const struct object *value,
                                  int64_t expire_at_ms, bool creates)
{
    bool was_live = is_known_live(keyspace, key);
    struct entry *entry = keyspace_put(keyspace, key, value, expire_at_ms);
    struct place place = place_make(keyspace, keyspace_physical(keyspace, key->db), key->slot);
    /* put has counted a key it did not find in RAM as new. */
    place_count_keys(&place, (creates ? 1 : 0) - (was_live ? 0 : 1), 0);
    return entry;
}

void keyspace_replay_remove(struct keyspace *keyspace, const struct key *key)
{
    struct entry *entry = keyspace_find(keyspace, key);
    if (entry) {
        keyspace_remove(keyspace, key, entry);
        return;
    }
    struct place place = place_make(keyspace, keyspace_physical(keyspace, key->db), key->slot);
    place_count_keys(&place, -1, 0);
    unsigned row_flags = place_row_flags(&place, key->hash);
    struct entry *known = slot_table_find(place.table, key->hash, key->name);
    if (known || row_flags == 0)
        return;
    struct entry *tombstone = entry_create(key->name, NULL, ENTRY_NO_EXPIRE, ENTRY_GONE | row_flags);
    slot_table_insert(place.table, key->hash, tombstone, keyspace->hash_seed);
    place_account(&place, tombstone, 1);
}
