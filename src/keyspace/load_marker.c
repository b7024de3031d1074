/* SPDX-License-Identifier: BSD-3-Clause */
/* Markers and pins of loads (L1, L4 of residency.c); all under the partition's lock. */
#include "keyspace/residency_private.h"

struct fetch *marker_fetch(const struct entry *marker)
{
    struct fetch *fetch;
    memcpy(&fetch, entry_value_field(marker), sizeof(void *));
    return fetch;
}

static bool entry_can_be_pinned(const struct entry *entry)
{
    return entry_is_live(entry) || entry_state(entry) == ENTRY_ABSENT;
}

static void load_key_pin(struct load_key *wanted, struct partition *partition, struct entry *entry)
{
    if (!wanted->load->home)
        return;
    entry->flags |= ENTRY_PINNED;
    wanted->is_pinned = true;
    list_append(&partition->pins, &wanted->pin);
}

static bool row_keys_equal(const struct row_key *a, const struct row_key *b)
{
    return a->hash == b->hash && a->slot == b->slot && a->db == b->db && bytes_equal(a->name, b->name);
}

static bool is_pinned_by_another(const struct partition *partition, const struct row_key *key)
{
    for (const struct list *node = partition->pins.next; node != &partition->pins; node = node->next)
        if (row_keys_equal(&list_entry(node, struct load_key, pin)->key, key))
            return true;
    return false;
}

void load_key_unpin(struct load_key *wanted, struct keyspace *keyspace)
{
    const struct row_key *key = &wanted->key;
    struct place place;
    place_find(keyspace, key->db, key->slot, &place);
    list_remove(&wanted->pin);
    wanted->is_pinned = false;
    if (is_pinned_by_another(place.partition, key))
        return;
    struct entry *entry = place.table ? slot_table_find(place.table, key->hash, key->name) : NULL;
    if (!entry)
        return;
    entry->flags &= (uint8_t)~ENTRY_PINNED;
    if (entry_state(entry) == ENTRY_ABSENT) {
        slot_table_remove(place.table, key->hash, entry);
        entry_free(entry);
    }
}

void fetch_resolve(struct fetch *fetch, struct partition *partition, struct entry *successor, enum status status)
{
    fetch->stands = false;
    list_remove(&fetch->node);
    while (!list_is_empty(&fetch->waits)) {
        struct load_key *wanted = list_entry(fetch->waits.next, struct load_key, wait);
        list_remove(&wanted->wait);
        if (successor && entry_can_be_pinned(successor))
            load_key_pin(wanted, partition, successor);
        if (status != STATUS_OK)
            atomic_store_explicit(&wanted->load->status, (int)status, memory_order_relaxed);
        load_settle(wanted->load);
    }
}

void marker_invalidate(const struct place *place, const struct entry *marker, struct entry *successor)
{
    fetch_resolve(marker_fetch(marker), place->partition, successor, STATUS_OK);
}

void partition_invalidate_markers(struct partition *partition, uint8_t physical_db)
{
    struct list *node = partition->fetches.next;
    while (node != &partition->fetches) {
        struct fetch *fetch = list_entry(node, struct fetch, node);
        node = node->next;
        if (fetch->key.db == physical_db)
            fetch_resolve(fetch, partition, NULL, STATUS_OK);
    }
}

static struct entry *marker_place(struct load *load, const struct place *place, const struct row_key *key)
{
    struct fetch *fetch = &load->fetches[load->fetch_count++];
    struct object pointer = {.type = OBJECT_STRING, .encoding = ENCODING_INTEGER, .body = fetch};
    struct entry *marker = entry_create(key->name, &pointer, ENTRY_NO_EXPIRE, ENTRY_LOADING);
    fetch->key = *key;
    fetch->stands = true;
    list_init(&fetch->waits);
    list_append(&place->partition->fetches, &fetch->node);
    slot_table_insert(place->table, key->hash, marker, place->keyspace->hash_seed);
    return marker;
}

void load_place_key(struct load *load, struct load_key *wanted)
{
    const struct row_key *key = &wanted->key;
    struct place place = place_make(load->keyspace, key->db, key->slot);
    struct entry *entry = slot_table_find(place.table, key->hash, key->name);
    if (!entry) {
        if (place_row_flags(&place, key->hash) == 0)
            return;
        entry = marker_place(load, &place, key);
    }
    if (entry_state(entry) == ENTRY_LOADING) {
        atomic_fetch_add_explicit(&load->pending, 1, memory_order_relaxed);
        list_append(&marker_fetch(entry)->waits, &wanted->wait);
    } else if (entry_can_be_pinned(entry)) {
        load_key_pin(wanted, place.partition, entry);
    }
}
