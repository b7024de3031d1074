/* SPDX-License-Identifier: BSD-3-Clause */
/* The turn of a worker, passes two to four: parse and prefetch a batch of requests from all ready sessions, execute it,
 * until all input is consumed or suspended; then the log. What one turn executes of a connection is bounded by what one
 * receive reads. Requests after one that was suspended are forgotten: they will be parsed again. */
#include "command/worker.h"

#include "base/memory.h"
#include "base/metric.h"
#include "base/ticks.h"
#include "command/channels.h"
#include "command/blocked.h"
#include "command/dispatch.h"
#include "command/lookahead.h"
#include "command/latency_events.h"
#include "command/feed.h"
#include "command/pause.h"
#include "command/reply_wait.h"
#include "command/request.h"
#include "command/tracking.h"
#include "command/transaction.h"

#include <math.h>

/* What the primary has, the follower takes. */
#define FEED_BULK_BYTES_MAX ((size_t)8 << 30)

/* A client that has not said who it is gets to announce only little. */
static const struct resp_limits strangers_limits = {
    .bulk_bytes_max = 16384, .args_max = 10, .inline_bytes_max = 65536, .unauthenticated = true};

struct worker *worker_create(struct engine *engine, uint32_t number, struct mailbox *mailbox)
{
    struct worker *worker = memory_allocate_zeroed(sizeof(*worker));
    worker->engine = engine;
    worker->number = number;
    worker->mailbox = mailbox;
    worker->evict_partition = number * 37 % PARTITION_COUNT;
    uint64_t seed;
    random_secure(&seed, sizeof(seed));
    random_init(&worker->random, seed);
    list_init(&worker->retry);
    list_init(&worker->waiting);
    list_init(&worker->stalled);
    list_init(&worker->paused);
    list_init(&worker->claim_wishes);
    list_init(&worker->unwatched);
    list_init(&worker->served);
    list_init(&worker->blocked);
    worker->requests = memory_allocate_zeroed(REQUESTS_PER_BATCH * sizeof(struct request));
    worker->stats = memory_allocate_zeroed(command_count() * sizeof(struct command_stats));
    return worker;
}

void worker_destroy(struct worker **taken)
{
    struct worker *worker = *taken;
    *taken = NULL;
    transaction_end_unwatched(worker);
    for (size_t i = 0; i < REQUESTS_PER_BATCH; i++)
        resp_args_deinit(&worker->requests[i].args);
    for (uint32_t i = 0; i < command_count(); i++)
        memory_free(worker->stats[i].buckets);
    effect_batch_deinit(&worker->effects);
    buffer_deinit(&worker->notices);
    buffer_deinit(&worker->edit_room);
    buffer_deinit(&worker->filled);
    channel_tables_destroy(&worker->channels);
    tracking_batch_destroy(worker);
    memory_free(worker->requests);
    memory_free(worker->stats);
    memory_free(worker->keys);
    memory_free(worker->claims);
    memory_free(worker->name_claims);
    memory_free(worker->key_arguments);
    memory_free(worker->key_flags);
    memory_free(worker);
}

/* Parses the next request of the item at 'parsed'; false if there is no complete one. */
static bool worker_parse(struct worker *worker, struct turn_item *item, size_t *parsed, struct request *request)
{
    struct session *session = item->session;
    struct resp_limits limits = {
        .bulk_bytes_max = (size_t)worker->engine->bulk_bytes_max, .args_max = 1024 * 1024, .inline_bytes_max = 65536};
    if (session->flags & SESSION_FEED)
        limits.bulk_bytes_max = FEED_BULK_BYTES_MAX;
    if (!(session->flags & SESSION_AUTHENTICATED))
        limits = strangers_limits;
    struct bytes rest = bytes_of(item->input.data + *parsed, item->input.length - *parsed);
    request->item = item;
    request->protocol_error = NULL;
    request->command = NULL;
    if (__builtin_expect(session->flags & SESSION_FEED, 0) && (request->length = feed_filler(session, rest)) > 0) {
        request->args.count = 0;
        *parsed += request->length;
        return true;
    }
    enum resp_result result =
        resp_parse(&session->parser, &limits, rest, &request->args, &request->length, &request->protocol_error);
    if (result == RESP_INCOMPLETE)
        return false;
    if (result == RESP_ERROR) {
        request->args.count = 0;
        request->length = rest.length;
    }
    *parsed += request->length;
    if (request->args.count == 0)
        return true;
    request->command = command_resolve(request->args.values, request->args.count);
    if (request->command && request->command->simple_key && request->args.count > 1) {
        request->key = keyspace_key(worker->engine->keyspace, request->args.values[1], session->db);
        keyspace_prefetch_table(worker->engine->keyspace, &request->key);
    }
    return true;
}

static void worker_execute(struct worker *worker, struct request *request, dispatch_function *dispatch_request)
{
    struct turn_item *item = request->item;
    struct session *session = item->session;
    if (session->flags & SESSION_STOPPED)
        return;
    if (__builtin_expect(session->flags & SESSION_FEED, 0)) {
        if (feed_execute(worker, session, request, dispatch_request))
            item->consumed += request->length;
        return;
    }
    if (request->protocol_error) {
        reply_error_format(&session->reply, "ERR Protocol error: %s", request->protocol_error);
        session->flags |= SESSION_CLOSING;
        session->transport->close_after_send(session->connection);
        item->consumed += request->length;
        return;
    }
    if (request->args.count == 0 ||
        dispatch_request(worker, session, request->args.values, request->args.count, request->command, &request->key))
        item->consumed += request->length;
}

/* Fills a batch from the items, from *next on; an item without a complete request left is passed. */
static size_t worker_fill(struct worker *worker, struct turn_item *items, size_t count, size_t *next, size_t *parsed)
{
    size_t filled = 0;
    while (filled < REQUESTS_PER_BATCH && *next < count) {
        struct turn_item *item = &items[*next];
        bool more = !(item->session->flags & SESSION_STOPPED) && *parsed < item->input.length &&
                    worker_parse(worker, item, parsed, &worker->requests[filled]);
        if (more && !worker->requests[filled++].protocol_error)
            continue;
        (*next)++;
        *parsed = *next < count ? items[*next].consumed : 0;
    }
    return filled;
}

static void worker_prefetch(struct worker *worker, size_t filled,
                            void (*stage)(struct keyspace *keyspace, const struct key *key))
{
    for (size_t i = 0; i < filled; i++) {
        struct request *request = &worker->requests[i];
        if (request->command && request->command->simple_key && request->args.count > 1)
            stage(worker->engine->keyspace, &request->key);
    }
}

static void worker_run_batch(struct worker *worker, size_t filled)
{
    if (filled > 1) {
        worker_prefetch(worker, filled, keyspace_prefetch_segment);
        worker_prefetch(worker, filled, keyspace_prefetch_entry);
    }
    for (size_t i = 0; i < filled; i++) {
        const struct session *session = worker->requests[i].item->session;
        bool was_stopped = session->flags & SESSION_STOPPED;
        worker_execute(worker, &worker->requests[i], dispatch);
        if (__builtin_expect(worker->turn_is_cut, 0))
            return;
        if (__builtin_expect(!was_stopped && (session->flags & SESSION_SUSPENDED), 0) &&
            session->suspension == SUSPENDED_COLD)
            lookahead_fetch(worker, i, filled);
    }
}

/* From when on a command is looked at as a slow one. */
static uint64_t slow_ticks(const struct engine *engine)
{
    int64_t slowlog_us = __atomic_load_n(&engine->slowlog_slower_than_us, __ATOMIC_RELAXED);
    int64_t threshold_ms = __atomic_load_n(&latency_threshold_ms, __ATOMIC_RELAXED);
    double us = slowlog_us >= 0 ? (double)slowlog_us : INFINITY;
    if (threshold_ms > 0 && (double)threshold_ms * 1000 < us)
        us = (double)threshold_ms * 1000;
    double ticks = us * ticks_per_us;
    return ticks < 0x1p63 ? (uint64_t)ticks : UINT64_MAX;
}

void worker_begin_turn(struct worker *worker, int64_t now_ms)
{
    worker->now_ms = now_ms;
    worker->memory_short = !engine_make_room(worker->engine, worker);
    worker->slow_ticks = slow_ticks(worker->engine);
    worker->now_ticks = ticks_now();
}

void worker_turn(struct worker *worker, struct turn_item *items, size_t count, int64_t now_ms)
{
    worker_begin_turn(worker, now_ms);
    for (size_t i = 0; i < count; i++)
        items[i].consumed = 0;
    size_t next = 0, parsed = 0;
    worker->items = items;
    worker->item_count = count;
    worker->turn_is_cut = false;
    while (next < count && !worker->turn_is_cut) {
        size_t filled = worker_fill(worker, items, count, &next, &parsed);
        worker_run_batch(worker, filled);
        if (filled == REQUESTS_PER_BATCH)
            worker->memory_short = !engine_make_room(worker->engine, worker);
    }
    if (worker->changed_keys.count > 0)
        tracking_broadcast(worker);
    reply_wait_pass(worker);
    if (worker->retry_soon) {
        worker->retry_soon = false;
        worker_retry(worker);
    }
}

void worker_turn_within(struct worker *worker, struct turn_item *items, size_t count, int64_t now_ms)
{
    struct request request = {0};
    worker->now_ms = now_ms;
    for (size_t i = 0; i < count; i++) {
        size_t parsed = items[i].consumed = 0;
        while (!(items[i].session->flags & SESSION_STOPPED) && parsed < items[i].input.length &&
               worker_parse(worker, &items[i], &parsed, &request))
            worker_execute(worker, &request, dispatch_within);
    }
    resp_args_deinit(&request.args);
}

static void cut_turn(struct worker *worker, const struct session *busy)
{
    worker->turn_is_cut = true;
    for (size_t i = 0; i < worker->item_count; i++)
        if (worker->items[i].session != busy)
            resp_parser_reset(&worker->items[i].session->parser);
    reply_wait_pass(worker);
}

void worker_answer_others(struct worker *worker, struct session *busy)
{
    int64_t now_ms = worker->now_ms;
    if (!worker->answer_others)
        return;
    if (!worker->turn_is_cut)
        cut_turn(worker, busy);
    worker->answer_others(worker->loop, busy->connection);
    worker->now_ms = now_ms;
}

void worker_retry(struct worker *worker)
{
    struct list ready;
    list_init(&ready);
    while (!list_is_empty(&worker->retry)) {
        struct list *node = worker->retry.next;
        list_remove(node);
        list_append(&ready, node);
    }
    while (!list_is_empty(&ready)) {
        struct session *session = list_entry(ready.next, struct session, worker_node);
        list_remove(&session->worker_node);
        session_resume(session);
    }
    reply_wait_retry(worker);
    transaction_end_unwatched(worker);
}

void worker_wake(struct worker *worker, int64_t now_ms)
{
    pause_wake(worker, now_ms);
    blocked_time_out(worker, now_ms);
}
