/* SPDX-License-Identifier: BSD-3-Clause */
/* What was read comes into the table: of a load, if its marker still stands (L1 of residency.c); of who reads without
 * waiting, at once. */
#include "keyspace/residency_private.h"
#include "object/codec.h"

size_t load_keys(struct load *load, const struct row_key **keys)
{
    *keys = load->rows;
    return load->fetch_count;
}

/* What a row becomes in RAM, or NULL. */
static struct entry *row_decode(const struct row *row, const struct keyspace *keyspace, enum status *status)
{
    struct buffer scratch = {0};
    struct object value;
    struct entry *entry = NULL;
    *status = codec_decode(row->payload, &scratch, &value);
    if (*status == STATUS_OK) {
        entry = entry_create(row->key.name, &value, row->expire_at_ms, ENTRY_CLEAN | ENTRY_HAS_ROW);
        entry->access = keyspace_access_fresh(keyspace) & 0xffffff;
    }
    buffer_deinit(&scratch);
    return entry;
}

/* Puts the entry, or nothing, where the marker stands, and frees the marker. */
static void marker_replace(const struct place *place, uint64_t hash, struct entry *marker, struct entry *entry,
                           enum status status)
{
    if (entry) {
        slot_table_replace(place->table, hash, marker, entry);
        place_account(place, entry, 1);
        place_note_expiry(place, hash, entry);
    } else {
        slot_table_remove(place->table, hash, marker);
    }
    fetch_resolve(marker_fetch(marker), place->partition, entry, status);
    entry_free(marker);
}

static void fetch_install(struct keyspace *keyspace, struct fetch *fetch, struct entry *entry, enum status status)
{
    struct partition *partition = keyspace_partition_of(keyspace, fetch->key.slot);
    lock_acquire(&partition->lock);
    if (fetch->stands) {
        struct place place = place_make(keyspace, fetch->key.db, fetch->key.slot);
        struct entry *marker = slot_table_find(place.table, fetch->key.hash, fetch->key.name);
        check(marker && entry_state(marker) == ENTRY_LOADING && marker_fetch(marker) == fetch);
        marker_replace(&place, fetch->key.hash, marker, entry, status);
        entry = NULL;
    }
    lock_release(&partition->lock);
    if (entry)
        entry_free(entry);
}

void load_install(struct load *load, size_t index, const struct row *row, enum status status)
{
    struct fetch *fetch = load->order[index];
    struct entry *entry = NULL;
    if (status == STATUS_OK && row)
        entry = row_decode(row, load->keyspace, &status);
    else if (status == STATUS_OK && load->home)
        entry = entry_create(fetch->key.name, NULL, ENTRY_NO_EXPIRE, ENTRY_ABSENT);
    fetch_install(load->keyspace, fetch, entry, status);
    load->installed++;
}

void load_finish(struct load *load)
{
    for (size_t i = 0; i < load->fetch_count && load->installed < load->fetch_count; i++)
        fetch_install(load->keyspace, &load->fetches[i], NULL, STATUS_CLOSED);
    load_release(load);
}

/* ---- without waiting ---- */

struct read_through {
    struct place place;
    const struct key *key;
    enum status status;
    uint64_t offset;
};

/* Where nothing is, or a marker. */
static void entry_install(const struct place *place, uint64_t hash, struct entry *entry)
{
    struct entry *marker = slot_table_find(place->table, hash, entry_key(entry));
    if (marker) {
        marker_replace(place, hash, marker, entry, STATUS_OK);
        return;
    }
    slot_table_insert(place->table, hash, entry, place->keyspace->hash_seed);
    place_account(place, entry, 1);
    place_note_expiry(place, hash, entry);
}

static void take_row(void *taker, const struct row *row)
{
    struct read_through *read = taker;
    struct entry *entry = row_decode(row, read->place.keyspace, &read->status);
    if (!entry)
        return;
    read->offset = row->offset;
    entry_install(&read->place, read->key->hash, entry);
}

enum status keyspace_fetch(struct keyspace *keyspace, const struct key *key, uint64_t *offset)
{
    *offset = 0;
    struct read_through read = {.key = key};
    read.place = place_make(keyspace, keyspace_physical(keyspace, key->db), key->slot);
    const struct entry *entry = slot_table_find(read.place.table, key->hash, key->name);
    if (entry && entry_state(entry) != ENTRY_LOADING)
        return entry_is_live(entry) ? STATUS_OK : STATUS_NOT_FOUND;
    if (place_row_flags(&read.place, key->hash) == 0)
        return STATUS_NOT_FOUND;
    const struct backing *backing = keyspace->backing;
    struct row_key row_key = {read.place.db, key->slot, key->hash, key->name};
    enum status status = backing->read(backing->context, &row_key, take_row, &read);
    *offset = read.offset;
    return status != STATUS_OK ? status : read.status;
}

struct read_apart {
    struct keyspace *keyspace;
    struct entry *entry;
};

static void take_row_apart(void *taker, const struct row *row)
{
    struct read_apart *read = taker;
    enum status status;
    read->entry = row_decode(row, read->keyspace, &status);
}

void keyspace_fetch_begin(struct keyspace *keyspace, const struct key *key, struct fetched_row *fetched)
{
    const struct backing *backing = keyspace->backing;
    struct read_apart read = {.keyspace = keyspace};
    struct row_key row_key = {keyspace_physical(keyspace, key->db), key->slot, key->hash, key->name};
    (void)!backing->read(backing->context, &row_key, take_row_apart, &read);
    fetched->entry = read.entry;
}

void keyspace_fetch_end(struct keyspace *keyspace, const struct key *key, struct fetched_row *fetched)
{
    if (!fetched->entry)
        return;
    struct place place = place_make(keyspace, keyspace_physical(keyspace, key->db), key->slot);
    if (keyspace_is_decided(keyspace, key))
        entry_free(fetched->entry);
    else
        entry_install(&place, key->hash, fetched->entry);
    fetched->entry = NULL;
}
