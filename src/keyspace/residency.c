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
#include "keyspace/residency_private.h"

#define LOAD_SMALL_MAX 64
/* Of loads under way that nobody waits for: from how many on rows reported as expired are left to be reported again, and
 * hints are dropped. */
#define REPORTS_MAX 1024
#define AHEAD_MAX 4096

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

void load_release(struct load *load)
{
    if (atomic_fetch_sub_explicit(&load->references, 1, memory_order_acq_rel) == 1)
        memory_free(load);
}

void load_settle(struct load *load)
{
    if (atomic_fetch_sub_explicit(&load->pending, 1, memory_order_acq_rel) != 1)
        return;
    if (load->home) {
        mailbox_post(load->home, &load->mail);
        return;
    }
    atomic_fetch_sub_explicit(&load->keyspace->turns->unwaited, 1, memory_order_relaxed);
    load_release(load);
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
    _Atomic uint32_t *unwaited = &keyspace->turns->unwaited;
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

void keyspace_run_on_reader(struct keyspace *keyspace, struct job *job)
{
    if (keyspace->backing)
        keyspace->backing->run(keyspace->backing->context, job);
    else
        job->run(job);
}

void keyspace_report_expired(struct keyspace *keyspace, const struct row_key *row_key)
{
    struct partition *partition = keyspace_partition_of(keyspace, row_key->slot);
    struct key key = {row_key->name, row_key->hash, row_key->slot, 0};
    struct load *load = NULL;
    struct place place;
    if (atomic_fetch_add_explicit(&keyspace->turns->unwaited, 1, memory_order_relaxed) < REPORTS_MAX) {
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
        atomic_fetch_sub_explicit(&keyspace->turns->unwaited, 1, memory_order_relaxed);
}
