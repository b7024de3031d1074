/* SPDX-License-Identifier: BSD-3-Clause */
/* An invalidation is a list of keys with the session that changed each. It is made once and goes, by its session's id, to
 * everyone who is to be told; there, on that session's own thread, it becomes a push: without the keys that the session
 * changed itself if it asked for NOLOOP, and perhaps to another session, which is one letter more.
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
#include "command/message.h"
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

/* ---- invalidations ---- */

struct invalidation {
    _Atomic uint32_t references;
    bool all;           /* everything; no keys */
    struct buffer keys; /* each a struct invalid_key and its name */
};

struct invalid_key {
    uint64_t writer;
    size_t length;
};

static struct invalidation *invalidation_create(void)
{
    struct invalidation *invalidation = memory_allocate_zeroed(sizeof(*invalidation));
    atomic_init(&invalidation->references, 1);
    return invalidation;
}

static void invalidation_add(struct invalidation *invalidation, struct bytes key, uint64_t writer)
{
    struct invalid_key header = {.writer = writer, .length = key.length};
    buffer_append(&invalidation->keys, &header, sizeof(header));
    buffer_append_bytes(&invalidation->keys, key);
}

static void invalidation_release(struct invalidation *invalidation)
{
    if (atomic_fetch_sub_explicit(&invalidation->references, 1, memory_order_acq_rel) > 1)
        return;
    buffer_deinit(&invalidation->keys);
    memory_free(invalidation);
}

/* The array of keys without those that 'left_out' wrote (0: all of them); returns how many. */
static size_t keys_print(const struct invalidation *invalidation, uint64_t left_out, struct buffer *out)
{
    const struct buffer *keys = &invalidation->keys;
    struct buffer bulks = {0};
    size_t count = 0;
    struct invalid_key header;
    for (size_t at = 0; at < keys->length; at += sizeof(header) + header.length) {
        memcpy(&header, keys->data + at, sizeof(header));
        if (left_out != 0 && header.writer == left_out)
            continue;
        buffer_append_format(&bulks, "$%zu\r\n", header.length);
        buffer_append(&bulks, keys->data + at + sizeof(header), header.length);
        buffer_append_text(&bulks, "\r\n");
        count++;
    }
    buffer_append_format(out, "*%zu\r\n", count);
    buffer_append_bytes(out, buffer_bytes(&bulks));
    buffer_deinit(&bulks);
    return count;
}

/* RESP2 has no pushes, but a subscriber can take it for a message. */
static void push_invalidation(struct session *session, const struct invalidation *invalidation, uint64_t left_out,
                              bool redirected)
{
    bool resp3 = session->reply.protocol > 2;
    struct buffer keys = {0};
    if (!resp3 && !(redirected && (session->flags & SESSION_SUBSCRIBER)))
        return;
    if (invalidation->all)
        buffer_append_text(&keys, resp3 ? "_\r\n" : "$-1\r\n");
    if (invalidation->all || keys_print(invalidation, left_out, &keys) > 0)
        session_push(session,
                     resp3 ? BYTES(">2\r\n$10\r\ninvalidate\r\n")
                           : BYTES("*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n"),
                     buffer_bytes(&keys));
    buffer_deinit(&keys);
}

/* ---- on their way ---- */

/* With who has it redirected, in case the way leads nowhere, and whose own changes are left out. */
struct redirected {
    struct invalidation *invalidation;
    uint64_t from, left_out;
};

static void redirection_broken(struct session *session, int64_t unused)
{
    (void)unused;
    if (!session->tracking || session->tracking->redirect == 0)
        return;
    session->tracking->flags |= TRACKING_BROKEN;
    if (session->reply.protocol < 3)
        return;
    struct buffer id = {0};
    buffer_append_format(&id, ":%llu\r\n", (unsigned long long)session->tracking->redirect);
    session_push(session, BYTES(">2\r\n$21\r\ntracking-redir-broken\r\n"), buffer_bytes(&id));
    buffer_deinit(&id);
}

static void redirected_free(struct redirected *redirected)
{
    invalidation_release(redirected->invalidation);
    memory_free(redirected);
}

static void redirected_arrived(struct session *session, int64_t argument)
{
    struct redirected *redirected = (struct redirected *)(intptr_t)argument;
    push_invalidation(session, redirected->invalidation, redirected->left_out, true);
    redirected_free(redirected);
}

static void redirected_missed(int64_t argument)
{
    struct redirected *redirected = (struct redirected *)(intptr_t)argument;
    session_act(redirected->from, redirection_broken, 0);
    redirected_free(redirected);
}

static void redirect(struct session *session, struct invalidation *invalidation, uint64_t left_out)
{
    struct redirected *redirected = memory_allocate(sizeof(*redirected));
    *redirected = (struct redirected){.invalidation = invalidation, .from = session->id, .left_out = left_out};
    atomic_fetch_add_explicit(&invalidation->references, 1, memory_order_relaxed);
    if (session_reach(session->worker, session->tracking->redirect, redirected_arrived, redirected_missed,
                      (int64_t)(intptr_t)redirected))
        return;
    redirection_broken(session, 0);
    redirected_free(redirected);
}

static void invalidation_arrived(struct session *session, int64_t argument)
{
    struct invalidation *invalidation = (struct invalidation *)(intptr_t)argument;
    const struct tracking *tracking = session->tracking;
    uint64_t left_out = tracking && (tracking->flags & TRACKING_NOLOOP) ? session->id : 0;
    if (tracking && tracking->redirect != 0)
        redirect(session, invalidation, left_out);
    else if (tracking)
        push_invalidation(session, invalidation, left_out, false);
    invalidation_release(invalidation);
}

static void invalidation_missed(int64_t argument)
{
    invalidation_release((struct invalidation *)(intptr_t)argument);
}

static void invalidation_send(struct worker *worker, struct invalidation *invalidation, const struct id_list *to)
{
    for (size_t i = 0; i < to->count; i++) {
        atomic_fetch_add_explicit(&invalidation->references, 1, memory_order_relaxed);
        if (!session_reach(worker, to->ids[i], invalidation_arrived, invalidation_missed,
                           (int64_t)(intptr_t)invalidation))
            invalidation_release(invalidation);
    }
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
    struct invalidation *invalidation = invalidation_create();
    invalidation->all = true;
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
