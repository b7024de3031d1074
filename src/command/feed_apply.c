/* SPDX-License-Identifier: BSD-3-Clause */
/* The feed's thread gathers a batch, appends its bytes, and hands it to threads "apply-N", which take pieces of it (one or more
 * whole partitions) until there are none. Who is last ends it and mails the feed. So
 *
 *   A1  effects of one key, and of one partition, are executed in the stream's order; nothing else of the stream is executed
 *       meanwhile, so transactions and whole databases' changes come before or after all of a batch.
 *   A2  an effect that cannot go on (a cold key, a claim, a partition that is held) is waited for by its thread, which holds
 *       nothing then; its partition's later effects wait behind it, other partitions go on with other threads.
 *   A3  what has been appended is executed, whatever becomes of the link: who closes the feed waits for that. Neither the feed's
 *       thread nor the gate (batch.c, B2 and B4) is needed for it.
 *   A4  the feed's offset moves when the batch is over, and so does what others are told (keyspace_settled). */
#include "command/feed_apply_private.h"

#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/thread.h"

#define PIECES_A_THREAD 4
#define THREADS_BY_ITSELF_MAX 4
/* The shortest effect, "del" of a key of one byte. */
#define EFFECT_BYTES_MIN 22

static _Atomic uint64_t batch_count, effect_count;

struct feed_apply_counts feed_apply_counts(void)
{
    return (struct feed_apply_counts){.batches = atomic_load_explicit(&batch_count, memory_order_relaxed),
                                      .effects = atomic_load_explicit(&effect_count, memory_order_relaxed)};
}

/* ---- the feed's thread ---- */

static uint32_t threads_wanted(void)
{
    int64_t threads = __atomic_load_n(&following_settings.apply_threads, __ATOMIC_RELAXED);
    if (threads > 0)
        return threads < APPLY_THREADS_MAX ? (uint32_t)threads : APPLY_THREADS_MAX;
    uint32_t half = thread_processors() / 2;
    return half < 1 ? 1 : half > THREADS_BY_ITSELF_MAX ? THREADS_BY_ITSELF_MAX : half;
}

static void cut_into_pieces(struct feed_apply *apply, uint32_t threads)
{
    const struct gathered *gathered = &apply->gathered;
    uint32_t share = gathered->count / (threads * PIECES_A_THREAD);
    uint32_t least = share < PIECE_EFFECTS ? share : PIECE_EFFECTS;
    uint16_t begin = 0;
    apply->piece_count = 0;
    for (uint32_t i = 0; i < PARTITION_COUNT; i++) {
        uint16_t end = gathered->begins[i + 1];
        if (end == begin || (end - begin < (int)least && end < gathered->count))
            continue;
        apply->pieces[apply->piece_count++] = (struct piece){begin, end};
        begin = end;
    }
}

static void hand_over(struct feed_apply *apply, uint32_t threads)
{
    uint32_t count = threads < apply->piece_count ? threads : apply->piece_count;
    while (apply->started < count) {
        apply->appliers[apply->started] = applier_start(apply, apply->started);
        apply->started++;
    }
    apply->is_over = false;
    apply->is_under_way = apply->letter_is_out = true;
    atomic_store(&apply->next_piece, 0);
    atomic_store(&apply->at_work, count);
    for (uint32_t i = 0; i < count; i++)
        applier_want(apply->appliers[i]);
}

static bool may_begin(const struct feed_apply *apply)
{
    const struct session *session = apply->feed->session;
    return engine_follows_bytes(apply->engine) && !(session->flags & (SESSION_STOPPED | SESSION_MULTI)) &&
           !apply->letter_is_out && !stream_must_wait(apply->engine->stream);
}

static void append(struct feed_apply *apply)
{
    uint64_t end =
        stream_append_verbatim(apply->engine->stream, buffer_bytes(&apply->gathered.bytes), apply->gathered.db);
    check(end == apply->floor + apply->gathered.bytes.length);
}

size_t feed_apply_begin(struct feed_apply *apply, struct bytes input, int64_t now_ms, size_t *ahead)
{
    struct session *session = apply->feed->session;
    struct gathered *gathered = &apply->gathered;
    uint32_t threads = threads_wanted();
    uint32_t least = (uint32_t)__atomic_load_n(&following_settings.apply_min_effects, __ATOMIC_RELAXED);
    *ahead = input.length;
    if (threads < 2 || input.length / EFFECT_BYTES_MIN < least || !may_begin(apply))
        return 0;
    if (!gather_effects(gathered, apply->engine->keyspace, input, session->db, least)) {
        *ahead = gather_begin(input, least);
        return 0;
    }
    uint64_t floor = stream_end(apply->engine->stream);
    if (!keyspace_batch_begin(apply->engine->keyspace, apply->gate_number, floor)) {
        *ahead = gathered->bytes.length;
        return 0;
    }
    apply->floor = floor;
    apply->now_ms = now_ms;
    atomic_fetch_add_explicit(&batch_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&effect_count, gathered->count, memory_order_relaxed);
    append(apply);
    cut_into_pieces(apply, threads);
    session_suspend(session, SUSPENDED_JOB);
    hand_over(apply, threads);
    return gathered->bytes.length;
}

bool feed_apply_is_under_way(const struct feed_apply *apply)
{
    return apply->is_under_way;
}

/* True if it was under way till now. */
static bool note_end(struct feed_apply *apply)
{
    struct feed *feed = apply->feed;
    if (!apply->is_under_way)
        return false;
    apply->is_under_way = false;
    feed->db = feed->session->db = (int16_t)apply->gathered.db;
    atomic_store(&feed->offset, atomic_load(&feed->offset) + apply->gathered.bytes.length);
    return true;
}

void feed_apply_wait(struct feed_apply *apply)
{
    if (!apply->is_under_way)
        return;
    pthread_mutex_lock(&apply->lock);
    while (!apply->is_over)
        pthread_cond_wait(&apply->over, &apply->lock);
    pthread_mutex_unlock(&apply->lock);
    note_end(apply);
    session_resume(apply->feed->session);
}

static void delivered(struct mail *mail)
{
    struct feed_apply *apply = list_entry(mail, struct feed_apply, letter);
    apply->letter_is_out = false;
    if (note_end(apply))
        session_resume(apply->feed->session);
}

/* ---- life ---- */

struct feed_apply *feed_apply_create(struct feed *feed, struct engine *engine, struct mailbox *home,
                                     uint32_t first_number)
{
    struct feed_apply *apply = memory_allocate_zeroed(sizeof(*apply));
    apply->feed = feed;
    apply->engine = engine;
    apply->home = home;
    apply->gate_number = first_number;
    apply->first_number = first_number - 1;
    apply->letter.deliver = delivered;
    pthread_mutex_init(&apply->lock, NULL);
    pthread_cond_init(&apply->over, NULL);
    return apply;
}

void feed_apply_destroy(struct feed_apply **taken)
{
    struct feed_apply *apply = *taken;
    *taken = NULL;
    check(!apply->is_under_way);
    atomic_store(&apply->must_end, true);
    for (uint32_t i = 0; i < apply->started; i++)
        applier_stop(&apply->appliers[i]);
    while (apply->letter_is_out)
        if (mailbox_drain(apply->home) == 0)
            usleep(1000);
    gathered_deinit(&apply->gathered);
    pthread_mutex_destroy(&apply->lock);
    pthread_cond_destroy(&apply->over);
    memory_free(apply);
}
