/* SPDX-License-Identifier: BSD-3-Clause */
/* A thread that executes pieces of batches: see feed_apply.c. Its session is a feed's without a link, which nobody else knows of;
 * where that is suspended the thread sleeps. */
#define _GNU_SOURCE /* sem_clockwait */
#include "command/feed_apply_private.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "command/lookahead.h"
#include "command/tracking.h"
#include "keyspace/moment.h"

#define RETRY_NS 1000000
#define SECOND_NS 1000000000

/* ---- a thread's session: no link stands behind it ---- */

static void nothing(void *feed)
{
    (void)feed;
}

static void not_trusted(void *feed, bool trusted)
{
    (void)feed, (void)trusted;
}

static void describe(void *feed, char *peer, char *local, size_t size)
{
    (void)feed;
    snprintf(peer, size, "primary:0");
    snprintf(local, size, "127.0.0.1:0");
}

static void measure(void *feed, struct session_measures *measures)
{
    (void)feed;
    *measures = (struct session_measures){.fd = -1};
}

static const struct transport apply_transport = {
    .suspend = nothing,
    .resume = nothing,
    .block = nothing,
    .hold = nothing,
    .release = nothing,
    .wants_send = nothing,
    .close_after_send = nothing,
    .close = nothing,
    .set_trusted = not_trusted,
    .set_subscriber = not_trusted,
    .describe = describe,
    .measure = measure,
};

static void retry_later(void *applier)
{
    (void)applier; /* go_on_later looks every millisecond */
}

static void wake_at(void *applier, int64_t at_ms)
{
    (void)applier, (void)at_ms;
}

/* ---- one effect ---- */

static void sleep_until_woken(struct applier *applier, int64_t ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ns;
    if (until.tv_nsec >= SECOND_NS) {
        until.tv_nsec -= SECOND_NS;
        until.tv_sec++;
    }
    (void)!sem_clockwait(&applier->wake, CLOCK_MONOTONIC, &until);
}

/* Sleeps until the suspended session may go on. A large value of a save may be what it waits for, which somebody has to
 * write. */
static void go_on_later(struct applier *applier, const struct key *key)
{
    struct worker *worker = applier->worker;
    struct keyspace *keyspace = worker->engine->keyspace;
    if (worker->retry_soon) {
        worker->retry_soon = false;
        worker_retry(worker);
        return;
    }
    while (applier->feed.session->flags & SESSION_SUSPENDED) {
        sleep_until_woken(applier, RETRY_NS);
        worker->now_ms = clock_now_ms();
        mailbox_drain(&applier->mailbox);
        if (!list_is_empty(&worker->retry))
            worker_retry(worker);
        if (moment_is_there())
            moment_help(keyspace, keyspace_partition_lock(keyspace, key_partition(key)));
    }
}

/* The keys of what comes next, here and in the pieces that follow. */
static void fetch_ahead(const struct applier *applier, uint32_t place)
{
    const struct gathered *gathered = &applier->apply->gathered;
    for (uint32_t i = place + 1; i < gathered->count && i <= place + PIECE_EFFECTS; i++)
        lookahead_fetch_key(applier->worker->engine->keyspace, &gathered->effects[gathered->order[i]].key);
}

static void execute(struct applier *applier, uint32_t place)
{
    const struct feed_apply *apply = applier->apply;
    const struct gathered *gathered = &apply->gathered;
    const struct gathered_effect *effect = &gathered->effects[gathered->order[place]];
    const struct bytes *words = gathered->words + effect->first_word;
    struct session *session = applier->feed.session;
    uint32_t errors_before = session->reply.errors;
    session->db = effect->key.db;
    applier->feed.effect_end = apply->floor + effect->end;
    while (!dispatch(applier->worker, session, words, effect->word_count, effect->command, &effect->key)) {
        if (session->suspension == SUSPENDED_COLD)
            fetch_ahead(applier, place);
        go_on_later(applier, &effect->key);
    }
    if (session->reply.errors != errors_before)
        feed_complain(words[0], "a command of the primary failed here");
}

/* ---- a thread ---- */

static void prefetch(const struct applier *applier, uint32_t begin, uint32_t end,
                     void (*stage)(struct keyspace *keyspace, const struct key *key))
{
    const struct gathered *gathered = &applier->apply->gathered;
    for (uint32_t i = begin; i < end; i++)
        stage(applier->worker->engine->keyspace, &gathered->effects[gathered->order[i]].key);
}

static void prefetch_table(struct keyspace *keyspace, const struct key *key)
{
    keyspace_prefetch_table(keyspace, key);
}

static void execute_piece(struct applier *applier, const struct piece *piece)
{
    for (uint32_t begin = piece->begin, end; begin < piece->end; begin = end) {
        end = begin + PIECE_EFFECTS < piece->end ? begin + PIECE_EFFECTS : piece->end;
        worker_begin_turn(applier->worker, applier->apply->now_ms);
        prefetch(applier, begin, end, prefetch_table);
        prefetch(applier, begin, end, keyspace_prefetch_segment);
        prefetch(applier, begin, end, keyspace_prefetch_entry);
        for (uint32_t i = begin; i < end; i++)
            execute(applier, i);
    }
}

/* Nothing of the batch is touched behind it. */
static void end_batch(struct feed_apply *apply)
{
    keyspace_batch_end(apply->engine->keyspace, apply->gate_number);
    pthread_mutex_lock(&apply->lock);
    apply->is_over = true;
    pthread_cond_signal(&apply->over);
    pthread_mutex_unlock(&apply->lock);
    mailbox_post(apply->home, &apply->letter); /* the next batch may begin */
}

static void work(struct applier *applier)
{
    struct feed_apply *apply = applier->apply;
    uint32_t next;
    while ((next = atomic_fetch_add(&apply->next_piece, 1)) < apply->piece_count)
        execute_piece(applier, &apply->pieces[next]);
    if (applier->worker->changed_keys.count > 0)
        tracking_broadcast(applier->worker);
    if (atomic_fetch_sub(&apply->at_work, 1) == 1)
        end_batch(apply);
}

static void run(void *argument)
{
    struct applier *applier = argument;
    while (!atomic_load(&applier->apply->must_end)) {
        while (sem_wait(&applier->wake) != 0)
            ;
        mailbox_drain(&applier->mailbox);
        if (atomic_exchange(&applier->is_wanted, false))
            work(applier);
    }
}

static void wake(void *applier)
{
    sem_post(&((struct applier *)applier)->wake);
}

struct applier *applier_start(struct feed_apply *apply, uint32_t index)
{
    char name[16];
    struct applier *applier = memory_allocate_zeroed(sizeof(*applier));
    applier->apply = apply;
    sem_init(&applier->wake, 0, 0);
    mailbox_init(&applier->mailbox, wake, applier);
    applier->worker = worker_create(apply->engine, apply->first_number - index, &applier->mailbox);
    applier->worker->loop = applier;
    applier->worker->retry_later = retry_later;
    applier->worker->wake_at = wake_at;
    feed_open(&applier->feed, applier->worker, &apply_transport, &applier->output, 0, 0);
    session_unlist(applier->feed.session);
    snprintf(name, sizeof(name), "apply-%u", index % APPLY_THREADS_MAX);
    thread_start(&applier->thread, name, run, applier);
    return applier;
}

void applier_want(struct applier *applier)
{
    atomic_store(&applier->is_wanted, true);
    sem_post(&applier->wake);
}

void applier_stop(struct applier **taken)
{
    struct applier *applier = *taken;
    *taken = NULL;
    sem_post(&applier->wake);
    thread_stop(&applier->thread);
    mailbox_drain(&applier->mailbox);
    feed_close(&applier->feed);
    worker_destroy(&applier->worker);
    output_deinit(&applier->output);
    sem_destroy(&applier->wake);
    memory_free(applier);
}
