/* SPDX-License-Identifier: BSD-3-Clause */
/* Two sides of one thing:
 *
 *   a worker's own    name -> channel -> subscriptions -> sessions      its thread only, no lock
 *   shared            name -> subscribers on each worker                shards, each under a leaf lock
 *
 * C1  a subscription is in its session's list, in its channel's list, and in the worker's table of subscriptions by
 *     (channel, session), which answers whether the session has subscribed already.
 * C2  shared counts change on the subscriber's thread together with its own side, before the reply leaves: a message
 *     that is published after a client has seen its confirmation reaches it.
 * C3  patterns are few and all must be tried, so they are one shard. */
#include "command/channels.h"

#include "base/chain_table.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "command/info.h"
#include "command/worker.h"

#define SHARD_COUNT 64

/* ---- shared: counts by worker ---- */

struct shared_name {
    struct chain_node node;
    uint64_t total;
    size_t length;
    char *name;        /* behind counts */
    uint32_t counts[]; /* by worker number - 1 */
};

struct shard {
    struct lock lock;
    struct chain_table names;
};

static struct {
    uint64_t seed;
    uint32_t worker_count;
    struct shard shards[CHANNEL_KIND_COUNT][SHARD_COUNT];
} registry;

static const enum info_gauge gauges[CHANNEL_KIND_COUNT] = {
    [CHANNEL_PLAIN] = GAUGE_pubsub_channels,
    [CHANNEL_PATTERN] = GAUGE_pubsub_patterns,
    [CHANNEL_SHARD] = GAUGE_pubsubshard_channels,
};

void channels_setup(uint32_t worker_count)
{
    check(worker_count <= CHANNELS_WORKERS_MAX);
    registry.worker_count = worker_count;
    random_secure(&registry.seed, sizeof(registry.seed));
    for (int kind = 0; kind < CHANNEL_KIND_COUNT; kind++)
        for (int i = 0; i < SHARD_COUNT; i++)
            lock_init(&registry.shards[kind][i].lock, LOCK_LEAF, 0);
}

static uint64_t hash_of(struct bytes name)
{
    return hash_bytes(name.data, name.length, registry.seed);
}

static struct shard *shard_of(enum channel_kind kind, uint64_t hash)
{
    return &registry.shards[kind][kind == CHANNEL_PATTERN ? 0 : hash >> 58];
}
_Static_assert(SHARD_COUNT == 1 << (64 - 58), "the topmost bits choose a shard");

static struct bytes shared_bytes(const struct shared_name *shared)
{
    return bytes_of(shared->name, shared->length);
}

static struct shared_name *shared_find_locked(const struct shard *shard, struct bytes name, uint64_t hash)
{
    struct chain_node *node = chain_table_find(&shard->names, hash);
    while (node && !bytes_equal(shared_bytes(list_entry(node, struct shared_name, node)), name))
        node = chain_table_find_next(node);
    return node ? list_entry(node, struct shared_name, node) : NULL;
}

static struct shared_name *shared_create(struct bytes name)
{
    size_t counts_size = registry.worker_count * sizeof(uint32_t);
    struct shared_name *shared = memory_allocate_zeroed(sizeof(*shared) + counts_size + name.length);
    shared->name = (char *)shared->counts + counts_size;
    shared->length = name.length;
    memcpy(shared->name, name.data, name.length);
    return shared;
}

static void shared_add(enum channel_kind kind, struct bytes name, uint64_t hash, uint32_t worker)
{
    struct shard *shard = shard_of(kind, hash);
    lock_acquire(&shard->lock);
    struct shared_name *shared = shared_find_locked(shard, name, hash);
    if (!shared) {
        shared = shared_create(name);
        chain_table_add(&shard->names, &shared->node, hash);
        info_gauge_add(gauges[kind], 1);
    }
    shared->counts[worker - 1]++;
    shared->total++;
    lock_release(&shard->lock);
}

static void shared_remove(enum channel_kind kind, struct bytes name, uint64_t hash, uint32_t worker)
{
    struct shard *shard = shard_of(kind, hash);
    lock_acquire(&shard->lock);
    struct shared_name *shared = shared_find_locked(shard, name, hash);
    check(shared && shared->counts[worker - 1] > 0);
    shared->counts[worker - 1]--;
    if (--shared->total == 0) {
        chain_table_remove(&shard->names, &shared->node);
        info_gauge_add(gauges[kind], -1);
    } else {
        shared = NULL;
    }
    lock_release(&shard->lock);
    memory_free(shared);
}

static void audience_add(struct audience *audience, const struct shared_name *shared)
{
    audience->receivers += shared->total;
    for (uint32_t i = 0; i < registry.worker_count; i++)
        if (shared->counts[i] > 0)
            audience->workers[i / 64] |= UINT64_C(1) << i % 64;
}

static void audience_add_patterns(struct audience *audience, struct bytes channel)
{
    struct shard *shard = &registry.shards[CHANNEL_PATTERN][0];
    lock_acquire(&shard->lock);
    for (struct chain_node *node = NULL; (node = chain_table_walk(&shard->names, node));) {
        const struct shared_name *shared = list_entry(node, struct shared_name, node);
        if (bytes_match(shared_bytes(shared), channel, false))
            audience_add(audience, shared);
    }
    lock_release(&shard->lock);
}

void channels_audience(enum channel_kind kind, struct bytes channel, struct audience *audience)
{
    *audience = (struct audience){0};
    if (channels_names(kind) > 0) {
        uint64_t hash = hash_of(channel);
        struct shard *shard = shard_of(kind, hash);
        lock_acquire(&shard->lock);
        const struct shared_name *shared = shared_find_locked(shard, channel, hash);
        if (shared)
            audience_add(audience, shared);
        lock_release(&shard->lock);
    }
    if (kind == CHANNEL_PLAIN && channels_names(CHANNEL_PATTERN) > 0)
        audience_add_patterns(audience, channel);
}

static void shard_each_name(struct shard *shard, struct bytes pattern, void (*visit)(void *context, struct bytes name),
                            void *context)
{
    lock_acquire(&shard->lock);
    for (struct chain_node *node = NULL; (node = chain_table_walk(&shard->names, node));) {
        struct bytes name = shared_bytes(list_entry(node, struct shared_name, node));
        if (!pattern.data || bytes_match(pattern, name, false))
            visit(context, name);
    }
    lock_release(&shard->lock);
}

void channels_each_name(enum channel_kind kind, struct bytes pattern, void (*visit)(void *context, struct bytes name),
                        void *context)
{
    for (int i = 0; i < SHARD_COUNT; i++)
        shard_each_name(&registry.shards[kind][i], pattern, visit, context);
}

uint64_t channels_subscribers(enum channel_kind kind, struct bytes name)
{
    uint64_t hash = hash_of(name);
    struct shard *shard = shard_of(kind, hash);
    lock_acquire(&shard->lock);
    const struct shared_name *shared = shared_find_locked(shard, name, hash);
    uint64_t total = shared ? shared->total : 0;
    lock_release(&shard->lock);
    return total;
}

int64_t channels_names(enum channel_kind kind)
{
    return atomic_load_explicit(&info_gauges[gauges[kind]], memory_order_relaxed);
}

/* ---- a worker's own ---- */

struct channel {
    struct chain_node node;
    struct list subscriptions;
    enum channel_kind kind;
    size_t length;
    char name[];
};

struct subscription {
    struct chain_node node;
    struct list of_channel, of_session;
    struct channel *channel;
    struct session *session;
};

struct channel_tables {
    struct chain_table channels[CHANNEL_KIND_COUNT];
    struct chain_table subscriptions;
};

static struct channel_tables *tables_of(struct worker *worker)
{
    if (!worker->channels)
        worker->channels = memory_allocate_zeroed(sizeof(*worker->channels));
    return worker->channels;
}

void channel_tables_destroy(struct channel_tables **tables)
{
    memory_free(*tables); /* empty: the sessions went before */
    *tables = NULL;
}

static struct bytes channel_bytes(const struct channel *channel)
{
    return bytes_of(channel->name, channel->length);
}

static struct channel *channel_find(const struct channel_tables *tables, enum channel_kind kind, struct bytes name,
                                    uint64_t hash)
{
    struct chain_node *node = chain_table_find(&tables->channels[kind], hash);
    while (node && !bytes_equal(channel_bytes(list_entry(node, struct channel, node)), name))
        node = chain_table_find_next(node);
    return node ? list_entry(node, struct channel, node) : NULL;
}

static struct channel *channel_create(struct channel_tables *tables, enum channel_kind kind, struct bytes name,
                                      uint64_t hash)
{
    struct channel *channel = memory_allocate(sizeof(*channel) + name.length);
    channel->kind = kind;
    channel->length = name.length;
    memcpy(channel->name, name.data, name.length);
    list_init(&channel->subscriptions);
    chain_table_add(&tables->channels[kind], &channel->node, hash);
    return channel;
}

/* Of who and what, not of contents: channel and session are the worker's own objects. */
static uint64_t hash_of_pair(const struct channel *channel, const struct session *session)
{
    return channel->node.hash ^ session->id * UINT64_C(0x9E3779B97F4A7C15);
}

static struct subscription *subscription_find(const struct channel_tables *tables, const struct channel *channel,
                                              const struct session *session)
{
    struct chain_node *node = chain_table_find(&tables->subscriptions, hash_of_pair(channel, session));
    for (; node; node = chain_table_find_next(node)) {
        struct subscription *subscription = list_entry(node, struct subscription, node);
        if (subscription->channel == channel && subscription->session == session)
            return subscription;
    }
    return NULL;
}

static struct subscriptions *subscriptions_of(struct session *session)
{
    if (session->subscriptions)
        return session->subscriptions;
    session->subscriptions = memory_allocate_zeroed(sizeof(*session->subscriptions));
    for (int kind = 0; kind < CHANNEL_KIND_COUNT; kind++)
        list_init(&session->subscriptions->lists[kind]);
    session->flags |= SESSION_SUBSCRIBER;
    session->transport->set_subscriber(session->connection, true);
    info_gauge_add(GAUGE_pubsub_clients, 1);
    return session->subscriptions;
}

static void subscriptions_free_if_none(struct session *session)
{
    for (int kind = 0; kind < CHANNEL_KIND_COUNT; kind++)
        if (session->subscriptions->counts[kind] > 0)
            return;
    memory_free(session->subscriptions);
    session->subscriptions = NULL;
    session->flags &= ~(uint32_t)SESSION_SUBSCRIBER;
    session->transport->set_subscriber(session->connection, false);
    info_gauge_add(GAUGE_pubsub_clients, -1);
}

bool channels_subscribe(struct session *session, enum channel_kind kind, struct bytes name)
{
    struct channel_tables *tables = tables_of(session->worker);
    uint64_t hash = hash_of(name);
    struct channel *channel = channel_find(tables, kind, name, hash);
    if (!channel)
        channel = channel_create(tables, kind, name, hash);
    else if (subscription_find(tables, channel, session))
        return false;
    struct subscription *subscription = memory_allocate(sizeof(*subscription));
    struct subscriptions *own = subscriptions_of(session);
    subscription->channel = channel;
    subscription->session = session;
    list_append(&channel->subscriptions, &subscription->of_channel);
    list_append(&own->lists[kind], &subscription->of_session);
    own->counts[kind]++;
    chain_table_add(&tables->subscriptions, &subscription->node, hash_of_pair(channel, session));
    shared_add(kind, name, hash, session->worker->number);
    return true;
}

static void subscription_end(struct channel_tables *tables, struct subscription *subscription)
{
    struct channel *channel = subscription->channel;
    struct session *session = subscription->session;
    shared_remove(channel->kind, channel_bytes(channel), channel->node.hash, session->worker->number);
    chain_table_remove(&tables->subscriptions, &subscription->node);
    list_remove(&subscription->of_channel);
    list_remove(&subscription->of_session);
    session->subscriptions->counts[channel->kind]--;
    memory_free(subscription);
    if (list_is_empty(&channel->subscriptions)) {
        chain_table_remove(&tables->channels[channel->kind], &channel->node);
        memory_free(channel);
    }
}

bool channels_unsubscribe(struct session *session, enum channel_kind kind, struct bytes name)
{
    struct channel_tables *tables = session->worker->channels;
    if (!session->subscriptions)
        return false;
    struct channel *channel = channel_find(tables, kind, name, hash_of(name));
    struct subscription *subscription = channel ? subscription_find(tables, channel, session) : NULL;
    if (!subscription)
        return false;
    subscription_end(tables, subscription);
    subscriptions_free_if_none(session);
    return true;
}

bool channels_unsubscribe_any(struct session *session, enum channel_kind kind, struct buffer *name)
{
    if (channels_count(session, kind) == 0)
        return false;
    struct list *first = session->subscriptions->lists[kind].next;
    struct subscription *subscription = list_entry(first, struct subscription, of_session);
    name->length = 0;
    buffer_append_bytes(name, channel_bytes(subscription->channel));
    subscription_end(session->worker->channels, subscription);
    subscriptions_free_if_none(session);
    return true;
}

void channels_leave(struct session *session)
{
    if (!session->subscriptions)
        return;
    for (int kind = 0; kind < CHANNEL_KIND_COUNT; kind++) {
        struct list *list = &session->subscriptions->lists[kind];
        while (!list_is_empty(list))
            subscription_end(session->worker->channels, list_entry(list->next, struct subscription, of_session));
    }
    subscriptions_free_if_none(session);
}

uint32_t channels_count(const struct session *session, enum channel_kind kind)
{
    return session->subscriptions ? session->subscriptions->counts[kind] : 0;
}

void channels_each_subscriber(struct worker *worker, enum channel_kind kind, struct bytes name,
                              void (*visit)(void *context, struct session *session), void *context)
{
    const struct channel *channel = worker->channels ? channel_find(worker->channels, kind, name, hash_of(name)) : NULL;
    if (!channel)
        return;
    for (struct list *node = channel->subscriptions.next; node != &channel->subscriptions; node = node->next)
        visit(context, list_entry(node, struct subscription, of_channel)->session);
}

void channels_each_pattern(struct worker *worker, struct bytes channel,
                           void (*visit)(void *context, struct session *session, struct bytes pattern), void *context)
{
    if (!worker->channels)
        return;
    const struct chain_table *patterns = &worker->channels->channels[CHANNEL_PATTERN];
    for (struct chain_node *node = NULL; (node = chain_table_walk(patterns, node));) {
        const struct channel *pattern = list_entry(node, struct channel, node);
        if (!bytes_match(channel_bytes(pattern), channel, false))
            continue;
        for (struct list *place = pattern->subscriptions.next; place != &pattern->subscriptions; place = place->next)
            visit(context, list_entry(place, struct subscription, of_channel)->session, channel_bytes(pattern));
    }
}
