/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is to be told of a change: in the default mode those who read the key, by the table; in BCAST mode those who listen
 * to a prefix of it, in one batch at the end of the worker's turn.
 *
 * T1  a read is remembered while its key is held; a change is looked up after its key was released. So no change is missed;
 *     a reader that came in between is told of the change that it has already seen.
 * T2  'sessions' and the bit in notify_wanted change together under the lock, so that commands tell of changes exactly
 *     while somebody tracks. */
#include "command/tracking.h"

#include <stdlib.h>

#include "base/chain_table.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "command/info.h"
#include "command/invalidation.h"
#include "command/notify.h"
#include "command/tracking_table.h"

static int64_t keys_max; /* tracking-table-max-keys */
static struct lock lock = {.rank = LOCK_LEAF};
static int64_t sessions; /* under lock */
static uint64_t seed;

const struct option tracking_options[] = {
    {.name = "tracking-table-max-keys",
     .type = OPTION_INTEGER,
     .value = &keys_max,
     .initial = "1000000",
     .minimum = 0,
     .maximum = INT64_MAX,
     .help =
         "keys of which it is remembered who read them (CLIENT TRACKING); beyond it some are invalidated; 0: no bound"},
    {.name = NULL},
};

void tracking_setup(void)
{
    tracking_table_setup();
    random_secure(&seed, sizeof(seed));
}

/* ---- beginning and ending ---- */

/* Returns how many there are now. */
static int64_t sessions_add(int64_t amount)
{
    lock_acquire(&lock);
    int64_t count = sessions += amount;
    notify_track(count > 0);
    lock_release(&lock);
    info_gauge_add(GAUGE_tracking_clients, amount);
    return count;
}

/* While nobody tracks, changes are not told and take no key out of the table. Who began again before it was cleared may
 * have lost a key, and is told to forget all. */
static void table_abandon(struct worker *worker)
{
    tracking_table_clear();
    if (sessions_add(0) > 0)
        tracking_flushed(worker);
}

static void prefixes_add(struct session *session, const struct bytes *prefixes, size_t count)
{
    struct tracking *tracking = session->tracking;
    size_t total = tracking->prefix_count + count;
    tracking->prefixes = memory_resize(tracking->prefixes, total * sizeof(*tracking->prefixes));
    for (size_t i = 0; i < count; i++) {
        struct buffer *place = tracking->prefixes + tracking->prefix_count++;
        for (; place > tracking->prefixes && bytes_compare(buffer_bytes(place - 1), prefixes[i]) > 0; place--)
            *place = place[-1];
        *place = (struct buffer){0};
        buffer_append_bytes(place, prefixes[i]);
        tracking_prefix_add(prefixes[i], session->id);
    }
}

void tracking_start(struct session *session, unsigned flags, uint64_t redirect, const struct bytes *prefixes,
                    size_t prefix_count)
{
    if (!session->tracking) {
        session->tracking = memory_allocate_zeroed(sizeof(*session->tracking));
        session->flags |= SESSION_TRACKING;
        atomic_store_explicit(&session->tracks, true, memory_order_relaxed);
        sessions_add(1);
    }
    session->tracking->flags = flags;
    session->tracking->redirect = redirect;
    static const struct bytes all = {"", 0};
    if (prefix_count > 0)
        prefixes_add(session, prefixes, prefix_count);
    else if ((flags & TRACKING_BCAST) && session->tracking->prefix_count == 0)
        prefixes_add(session, &all, 1);
}

void tracking_stop(struct session *session)
{
    struct tracking *tracking = session->tracking;
    if (!tracking)
        return;
    session->tracking = NULL;
    session->flags &= ~(uint32_t)SESSION_TRACKING;
    atomic_store_explicit(&session->tracks, false, memory_order_relaxed);
    for (size_t i = 0; i < tracking->prefix_count; i++) {
        tracking_prefix_remove(buffer_bytes(&tracking->prefixes[i]), session->id);
        buffer_deinit(&tracking->prefixes[i]);
    }
    memory_free(tracking->prefixes);
    memory_free(tracking);
    if (sessions_add(-1) == 0)
        table_abandon(session->worker);
}

/* ---- reading ---- */

static void remember(struct execution *x)
{
    int64_t bound = __atomic_load_n(&keys_max, __ATOMIC_RELAXED);
    struct buffer victim = {0};
    for (size_t i = 0; i < x->key_count; i++) {
        if (tracking_table_add(x->keys[i].name, x->session->id, bound, &victim))
            notify_stage_forgotten(x->worker, buffer_bytes(&victim));
        victim.length = 0;
    }
    buffer_deinit(&victim);
}

static bool wants_to_cache(const struct tracking *tracking)
{
    bool caching = tracking->flags & TRACKING_CACHING;
    if (tracking->flags & TRACKING_OPTIN)
        return caching;
    return !(tracking->flags & TRACKING_BCAST) && !((tracking->flags & TRACKING_OPTOUT) && caching);
}

static bool is_client_command(const struct command_entry *command)
{
    return command->parent && strcmp(command->parent->full_name, "client") == 0;
}

void tracking_ran(struct execution *x)
{
    struct tracking *tracking = x->session->tracking;
    if ((x->command->flags & COMMAND_READONLY) && wants_to_cache(tracking))
        remember(x);
    /* What CLIENT CACHING said holds for one command, or one transaction. */
    if (!(x->session->flags & (SESSION_MULTI | SESSION_EXECUTING_MULTI)) && !is_client_command(x->command))
        tracking->flags &= ~(unsigned)TRACKING_CACHING;
}

/* ---- changes ---- */

static void collect_tracking(void *context, struct session *session)
{
    if (atomic_load_explicit(&session->tracks, memory_order_relaxed))
        id_list_add(context, session->id);
}

void tracking_flushed(struct worker *worker)
{
    struct id_list everybody = {0};
    struct invalidation *invalidation = invalidation_create_of_all();
    tracking_table_clear();
    session_each(collect_tracking, &everybody);
    invalidation_send(worker, invalidation, &everybody);
    invalidation_release(invalidation);
    memory_free(everybody.ids);
}

/* A changed key of the turn, for those who listen to prefixes. */
struct changed_key {
    struct chain_node node;
    uint64_t writer;
    size_t length;
    char name[];
};

static void batch_add(struct worker *worker, struct bytes key, uint64_t writer)
{
    uint64_t hash = hash_bytes(key.data, key.length, seed);
    struct chain_node *node = chain_table_find(&worker->changed_keys, hash);
    for (; node; node = chain_table_find_next(node)) {
        struct changed_key *changed = list_entry(node, struct changed_key, node);
        if (bytes_equal(bytes_of(changed->name, changed->length), key)) {
            changed->writer = writer;
            return;
        }
    }
    struct changed_key *changed = memory_allocate(sizeof(*changed) + key.length);
    changed->writer = writer;
    changed->length = key.length;
    memcpy(changed->name, key.data, key.length);
    chain_table_add(&worker->changed_keys, &changed->node, hash);
}

static void tell_readers(struct worker *worker, struct bytes key, uint64_t writer)
{
    struct id_list readers = {0};
    tracking_table_take(key, &readers);
    if (readers.count == 0)
        return;
    struct invalidation *invalidation = invalidation_create();
    invalidation_add(invalidation, key, writer);
    invalidation_send(worker, invalidation, &readers);
    invalidation_release(invalidation);
    memory_free(readers.ids);
}

void tracking_changed(struct worker *worker, struct bytes key, uint64_t writer)
{
    if (atomic_load_explicit(&info_gauges[GAUGE_tracking_total_prefixes], memory_order_relaxed) > 0)
        batch_add(worker, key, writer);
    tell_readers(worker, key, writer);
}

void tracking_forget(struct worker *worker, struct bytes key)
{
    tell_readers(worker, key, 0);
}

/* What goes to the listeners of one prefix; sent when the prefixes are no longer held. */
struct broadcast {
    struct broadcast *next;
    struct invalidation *invalidation;
    struct id_list to;
};

struct broadcaster {
    const struct changed_key **keys; /* ascending */
    size_t key_count;
    struct broadcast **end;
};

static struct invalidation *invalidation_of_prefix(const struct broadcaster *broadcaster, struct bytes prefix)
{
    struct invalidation *invalidation = NULL;
    for (size_t i = 0; i < broadcaster->key_count; i++) {
        const struct changed_key *changed = broadcaster->keys[i];
        if (changed->length < prefix.length || memcmp(changed->name, prefix.data, prefix.length) != 0)
            continue;
        if (!invalidation)
            invalidation = invalidation_create();
        invalidation_add(invalidation, bytes_of(changed->name, changed->length), changed->writer);
    }
    return invalidation;
}

static void broadcast_prefix(void *context, struct bytes prefix, const struct id_list *listeners)
{
    struct broadcaster *broadcaster = context;
    struct invalidation *invalidation = invalidation_of_prefix(broadcaster, prefix);
    if (!invalidation)
        return;
    struct broadcast *broadcast = memory_allocate_zeroed(sizeof(*broadcast));
    broadcast->invalidation = invalidation;
    for (size_t i = 0; i < listeners->count; i++)
        id_list_add(&broadcast->to, listeners->ids[i]);
    *broadcaster->end = broadcast;
    broadcaster->end = &broadcast->next;
}

void tracking_batch_destroy(struct worker *worker)
{
    struct chain_table keys = worker->changed_keys;
    worker->changed_keys = (struct chain_table){0};
    for (struct chain_node *node = chain_table_walk(&keys, NULL), *next; node; node = next) {
        next = chain_table_walk(&keys, node);
        memory_free(list_entry(node, struct changed_key, node));
    }
    chain_table_deinit(&keys);
}

static int compare_changed(const void *a, const void *b)
{
    const struct changed_key *first = *(const struct changed_key *const *)a;
    const struct changed_key *second = *(const struct changed_key *const *)b;
    return bytes_compare(bytes_of(first->name, first->length), bytes_of(second->name, second->length));
}

static const struct changed_key **batch_sort(const struct chain_table *batch)
{
    const struct changed_key **keys = memory_allocate(batch->count * sizeof(const struct changed_key *));
    size_t count = 0;
    for (struct chain_node *node = NULL; (node = chain_table_walk(batch, node));)
        keys[count++] = list_entry(node, struct changed_key, node);
    qsort(keys, count, sizeof(keys[0]), compare_changed);
    return keys;
}

void tracking_broadcast(struct worker *worker)
{
    struct broadcast *first = NULL;
    struct broadcaster broadcaster = {
        .keys = batch_sort(&worker->changed_keys), .key_count = worker->changed_keys.count, .end = &first};
    tracking_each_prefix(broadcast_prefix, &broadcaster);
    memory_free(broadcaster.keys);
    tracking_batch_destroy(worker);
    for (struct broadcast *broadcast = first, *next; broadcast; broadcast = next) {
        next = broadcast->next;
        invalidation_send(worker, broadcast->invalidation, &broadcast->to);
        invalidation_release(broadcast->invalidation);
        memory_free(broadcast->to.ids);
        memory_free(broadcast);
    }
}
