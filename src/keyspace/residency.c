/* SPDX-License-Identifier: BSD-3-Clause */
/* Making cold keys present for requests that wait.
 *
 * A load is what one request waits for: all its keys. Those that RAM does not decide get a marker, an entry that
 * points to the load's struct fetch; keys whose marker stands already are joined. A reader fetches the rows of the
 * load's own markers and installs them.
 *
 * L1 a fetch stands exactly as long as its marker is in the table; both change under the partition's lock. Whoever
 *    takes the marker out (install, put, flush) resolves the fetch: all who wait on it go on. A later install finds
 *    it fallen and drops what it read. So nothing is installed that a write has overtaken.
 * L2 'pending' counts the fetches that a load waits on, and one for its submission. At zero it is mailed home.
 * L3 a load lives while its request or its reader needs it: 'references'. An abandoned one still runs its course,
 *    since others may wait on its markers.
 * L4 what a load waited for or found stays pinned until load_end. An entry's pinned bit stands while any load_key
 *    for it is in the partition's list. A key found to have no row is kept as ENTRY_ABSENT as long.
 * L5 loads of more than LOAD_SMALL_MAX keys take turns from submission to load_end, in order. They place markers
 *    and pins only when it is their turn, on a reader, one lock at a time: so two large requests never hold half of
 *    what the other needs, and each ends. */
#include <stdlib.h>

#include "base/memory.h"
#include "keyspace/keyspace_private.h"
#include "object/codec.h"

#define LOAD_SMALL_MAX 64
/* Rows reported as expired that are being fetched; further ones will be reported again. */
#define REPORTS_MAX 1024

/* One key that a reader fetches. */
struct fetch {
    struct list node;  /* in its partition while it stands */
    struct list waits; /* of load_key.wait */
    struct row_key key;
    bool stands;
};

/* One key that a request needs. */
struct load_key {
    struct list wait; /* in a fetch */
    struct list pin;  /* in its partition */
    bool is_pinned;
    struct load *load;
    struct row_key key;
};

struct load {
    /* immutable after load_begin */
    struct keyspace *keyspace;
    struct mailbox *home; /* NULL: nobody waits, nothing is pinned */
    void (*deliver)(void *owner, int status);
    void *owner;
    size_t key_count;
    struct load_key *keys;
    bool is_big;

    /* by who places and submits, then the reader */
    size_t fetch_count, installed;
    struct fetch *fetches;
    struct fetch **order; /* of rows */
    struct row_key *rows; /* sorted */
    struct job job;

    /* any thread */
    _Atomic uint32_t references;
    _Atomic uint32_t pending;
    _Atomic int status;
    _Atomic bool is_abandoned;

    struct list turn; /* under turns->lock */
    struct mail mail;
    bool is_delivered; /* home's thread */
};

/* Loads under way that nobody waits for: beyond it hints are dropped. */
#define AHEAD_MAX 4096

struct load_turns {
    struct lock lock;
    struct load *holder;
    struct list queue;
    _Atomic uint32_t reports;
};

struct load_turns *load_turns_create(void)
{
    struct load_turns *turns = memory_allocate_zeroed(sizeof(*turns));
    lock_init(&turns->lock, LOCK_LEAF, 0);
    list_init(&turns->queue);
    return turns;
}

void load_turns_destroy(struct load_turns **turns)
{
    check((*turns)->holder == NULL);
    memory_free(*turns);
    *turns = NULL;
}

bool keyspace_is_decided(struct keyspace *keyspace, const struct key *key)
{
    struct place place;
    if (!keyspace->backing)
        return true;
    place_find(keyspace, keyspace_physical(keyspace, key->db), key->slot, &place);
    const struct entry *entry = place.table ? slot_table_find(place.table, key->hash, key->name) : NULL;
    return entry ? entry_state(entry) != ENTRY_LOADING : place_row_flags(&place, key->hash) == 0;
}

/* ---- a load's life ---- */

static void load_deliver(struct mail *mail);

static size_t names_length(const struct key *keys, size_t count)
{
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += keys[i].name.length;
    return length;
}

static struct load *load_create(struct keyspace *keyspace, const struct key *keys, size_t count)
{
    const size_t per_key = sizeof(struct load_key) + sizeof(struct fetch) + sizeof(void *) + sizeof(struct row_key);
    struct load *load = memory_allocate_zeroed(sizeof(*load) + count * per_key + names_length(keys, count));
    load->keyspace = keyspace;
    load->key_count = count;
    load->is_big = count > LOAD_SMALL_MAX;
    load->keys = (struct load_key *)(load + 1);
    load->fetches = (struct fetch *)(load->keys + count);
    load->order = (struct fetch **)(load->fetches + count);
    load->rows = (struct row_key *)(load->order + count);
    char *names = (char *)(load->rows + count);
    for (size_t i = 0; i < count; i++) {
        struct load_key *wanted = &load->keys[i];
        wanted->load = load;
        wanted->key.db = keyspace_physical(keyspace, keys[i].db);
        wanted->key.slot = keys[i].slot;
        wanted->key.hash = keys[i].hash;
        wanted->key.name = bytes_of(names, keys[i].name.length);
        if (keys[i].name.length > 0)
            memcpy(names, keys[i].name.data, keys[i].name.length);
        names += keys[i].name.length;
    }
    list_init(&load->turn);
    load->mail.deliver = load_deliver;
    atomic_init(&load->references, 1);
    atomic_init(&load->pending, 1);
    return load;
}

static void load_release(struct load *load)
{
    if (atomic_fetch_sub_explicit(&load->references, 1, memory_order_acq_rel) == 1)
        memory_free(load);
}

/* One thing less to wait for. The load may be gone after it. */
static void load_settle(struct load *load)
{
    if (atomic_fetch_sub_explicit(&load->pending, 1, memory_order_acq_rel) != 1)
        return;
    if (load->home) {
        mailbox_post(load->home, &load->mail);
        return;
    }
    atomic_fetch_sub_explicit(&load->keyspace->turns->reports, 1, memory_order_relaxed);
    load_release(load);
}

/* ---- markers and pins: under the partition's lock ---- */

static struct fetch *marker_fetch(const struct entry *marker)
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

static void load_key_unpin(struct load_key *wanted, struct keyspace *keyspace)
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

/* The fetch's marker is out of the table, 'successor' in its place. */
static void fetch_resolve(struct fetch *fetch, struct partition *partition, struct entry *successor, enum status status)
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

static void load_place_key(struct load *load, struct load_key *wanted)
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

/* ---- the request's side ---- */

static bool all_decided(struct keyspace *keyspace, const struct key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!keyspace_is_decided(keyspace, &keys[i]))
            return false;
    return true;
}

struct load *load_begin(struct keyspace *keyspace, const struct key *keys, size_t count, struct mailbox *home,
                        void (*deliver)(void *owner, int status), void *owner)
{
    if (all_decided(keyspace, keys, count))
        return NULL;
    struct load *load = load_create(keyspace, keys, count);
    load->home = home;
    load->deliver = deliver;
    load->owner = owner;
    for (size_t i = 0; i < count && !load->is_big; i++)
        load_place_key(load, &load->keys[i]);
    return load;
}

struct load *load_ahead(struct keyspace *keyspace, const struct key *key)
{
    _Atomic uint32_t *unwaited = &keyspace->turns->reports;
    /* Without a filter many keys would be fetched only to be found absent, which nobody keeps for them. */
    if (keyspace->partitions[key_partition(key)].filter_unready != 0 || all_decided(keyspace, key, 1))
        return NULL;
    if (atomic_fetch_add_explicit(unwaited, 1, memory_order_relaxed) >= AHEAD_MAX) {
        atomic_fetch_sub_explicit(unwaited, 1, memory_order_relaxed);
        return NULL;
    }
    struct load *load = load_create(keyspace, key, 1);
    load_place_key(load, &load->keys[0]);
    return load;
}

static int fetch_compare(const void *left, const void *right)
{
    const struct row_key *a = &(*(struct fetch *const *)left)->key, *b = &(*(struct fetch *const *)right)->key;
    if (a->db != b->db)
        return a->db < b->db ? -1 : 1;
    if (a->slot != b->slot)
        return a->slot < b->slot ? -1 : 1;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return bytes_compare(a->name, b->name);
}

/* All markers are placed: to the reader. */
static void load_start(struct load *load)
{
    const struct backing *backing = load->keyspace->backing;
    for (size_t i = 0; i < load->fetch_count; i++)
        load->order[i] = &load->fetches[i];
    qsort(load->order, load->fetch_count, sizeof(void *), fetch_compare);
    for (size_t i = 0; i < load->fetch_count; i++)
        load->rows[i] = load->order[i]->key;
    if (load->fetch_count > 0) {
        atomic_fetch_add_explicit(&load->references, 1, memory_order_relaxed);
        backing->load(backing->context, load);
    }
    load_settle(load);
}

static void place_big_load(struct job *job)
{
    struct load *load = list_entry(job, struct load, job);
    bool is_abandoned = atomic_load_explicit(&load->is_abandoned, memory_order_relaxed);
    for (size_t i = 0; i < load->key_count && !is_abandoned; i++) {
        struct lock *lock = &keyspace_partition_of(load->keyspace, load->keys[i].key.slot)->lock;
        lock_acquire(lock);
        load_place_key(load, &load->keys[i]);
        lock_release(lock);
    }
    load_start(load);
}

static void run_on_reader(struct load *load, void (*run)(struct job *job))
{
    load->job.run = run;
    keyspace_run_on_reader(load->keyspace, &load->job);
}

void load_submit(struct load *load)
{
    if (!load->is_big) {
        load_start(load);
        return;
    }
    struct load_turns *turns = load->keyspace->turns;
    lock_acquire(&turns->lock);
    bool has_turn = turns->holder == NULL;
    if (has_turn)
        turns->holder = load;
    else
        list_append(&turns->queue, &load->turn);
    lock_release(&turns->lock);
    if (has_turn)
        run_on_reader(load, place_big_load);
}

static void pass_turn(struct load *load)
{
    struct load_turns *turns = load->keyspace->turns;
    struct load *next = NULL;
    lock_acquire(&turns->lock);
    check(turns->holder == load);
    if (!list_is_empty(&turns->queue)) {
        next = list_entry(turns->queue.next, struct load, turn);
        list_remove(&next->turn);
    }
    turns->holder = next;
    lock_release(&turns->lock);
    if (next)
        run_on_reader(next, place_big_load);
}

/* Unpins what it can get at; true if that is all. */
static bool load_unpin(struct load *load, bool may_sleep)
{
    bool all = true;
    for (size_t i = 0; i < load->key_count; i++) {
        struct load_key *wanted = &load->keys[i];
        if (!wanted->is_pinned)
            continue;
        struct lock *lock = &keyspace_partition_of(load->keyspace, wanted->key.slot)->lock;
        if (may_sleep) {
            lock_acquire(lock);
        } else if (!lock_try(lock)) {
            all = false;
            continue;
        }
        load_key_unpin(wanted, load->keyspace);
        lock_release(lock);
    }
    return all;
}

static void load_dispose(struct load *load)
{
    if (load->is_big)
        pass_turn(load);
    load_release(load);
}

static void unpin_rest(struct job *job)
{
    struct load *load = list_entry(job, struct load, job);
    load_unpin(load, true);
    load_dispose(load);
}

void load_end(struct load **taken)
{
    struct load *load = *taken;
    *taken = NULL;
    check(load->is_delivered);
    if (load_unpin(load, false))
        load_dispose(load);
    else
        run_on_reader(load, unpin_rest);
}

void load_abandon(struct load **taken)
{
    struct load *load = *taken;
    atomic_store_explicit(&load->is_abandoned, true, memory_order_relaxed);
    if (load->is_delivered)
        load_end(taken);
    *taken = NULL;
}

static void load_deliver(struct mail *mail)
{
    struct load *load = list_entry(mail, struct load, mail);
    load->is_delivered = true;
    if (atomic_load_explicit(&load->is_abandoned, memory_order_relaxed))
        load_end(&load);
    else
        load->deliver(load->owner, atomic_load_explicit(&load->status, memory_order_relaxed));
}

/* ---- the reader's side ---- */

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

void keyspace_run_on_reader(struct keyspace *keyspace, struct job *job)
{
    if (keyspace->backing)
        keyspace->backing->run(keyspace->backing->context, job);
    else
        job->run(job);
}

/* ---- without waiting ---- */

struct read_through {
    struct place place;
    const struct key *key;
    enum status status;
    uint64_t offset;
};

static void take_row(void *taker, const struct row *row)
{
    struct read_through *read = taker;
    struct place *place = &read->place;
    struct entry *entry = row_decode(row, place->keyspace, &read->status);
    if (!entry)
        return;
    struct entry *marker = slot_table_find(place->table, read->key->hash, read->key->name);
    read->offset = row->offset;
    if (marker) {
        marker_replace(place, read->key->hash, marker, entry, STATUS_OK);
        return;
    }
    slot_table_insert(place->table, read->key->hash, entry, place->keyspace->hash_seed);
    place_account(place, entry, 1);
    place_note_expiry(place, read->key->hash, entry);
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

void keyspace_report_expired(struct keyspace *keyspace, const struct row_key *row_key)
{
    struct partition *partition = keyspace_partition_of(keyspace, row_key->slot);
    struct key key = {row_key->name, row_key->hash, row_key->slot, 0};
    struct load *load = NULL;
    struct place place;
    if (atomic_fetch_add_explicit(&keyspace->turns->reports, 1, memory_order_relaxed) < REPORTS_MAX) {
        lock_acquire(&partition->lock);
        place_find(keyspace, row_key->db, row_key->slot, &place);
        bool is_known = place.table && slot_table_find(place.table, key.hash, key.name);
        key.db = (int16_t)keyspace_logical_db(keyspace, row_key->db);
        if (!is_known && place_row_flags(&place, key.hash) != 0) {
            load = load_create(keyspace, &key, 1);
            load_place_key(load, &load->keys[0]);
        }
        lock_release(&partition->lock);
    }
    if (load)
        load_submit(load);
    else
        atomic_fetch_sub_explicit(&keyspace->turns->reports, 1, memory_order_relaxed);
}
