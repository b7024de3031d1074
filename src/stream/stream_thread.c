/* SPDX-License-Identifier: BSD-3-Clause */
/* The log thread: when it sleeps and what wakes it. What it does when awake is stream_log_turn.
 *
 * After a sync that clients waited for it gathers: it waits for as many waits as there were last time, those just
 * mailed and those that came meanwhile, but no longer than two syncs take. So the clients of one sync do not fall into
 * parts that are synced one after the other, each at the full price; a client that is alone is never kept waiting; and
 * clients that stay away cost the others little, once.
 *
 * Who adds a wait counts it, and then looks at group_target; the thread sets group_target, and then looks at the
 * count and at what is wanted. With sequentially consistent atomics one of the two sees the other, so a wait that
 * wakes nobody is seen by the thread at the latest when it has gathered. */
#include "stream/stream_private.h"

#include <sys/prctl.h>

#include "base/clock.h"
#include "base/futex.h"

#define GATHER_SYNCS 2
#define GATHER_US_MAX 5000
/* As exact as the thread's short sleeps have to be. */
#define TIMER_SLACK_NS 1000

/* Waking. */

void stream_log_kick(struct stream *stream)
{
    if (atomic_load(&stream->kicked) || atomic_exchange(&stream->kicked, 1) || !atomic_load(&stream->asleep))
        return;
    futex_wake(&stream->kicked);
}

static unsigned group_count(struct stream *stream)
{
    return atomic_load(&stream->waits.lists[STREAM_SYNCED].count);
}

void stream_log_kick_for_group(struct stream *stream)
{
    if (group_count(stream) >= atomic_load(&stream->group_target))
        stream_log_kick(stream);
}

void stream_log_group_hold(struct stream *stream)
{
    if (stream->started)
        atomic_store(&stream->group_target, UINT32_MAX);
}

static void want_sync(struct stream *stream, uint64_t offset)
{
    uint64_t wanted = atomic_load(&stream->sync_wanted);
    while (wanted < offset && !atomic_compare_exchange_weak(&stream->sync_wanted, &wanted, offset))
        ;
}

void stream_log_want_sync(struct stream *stream, uint64_t offset)
{
    want_sync(stream, offset);
    if (atomic_load(&stream->synced) < offset)
        stream_log_kick(stream);
}

void stream_log_want_group_sync(struct stream *stream, uint64_t offset)
{
    want_sync(stream, offset);
    if (atomic_load(&stream->synced) < offset)
        stream_log_kick_for_group(stream);
}

/* Sleeping. */

static struct timespec deadline_after(int64_t pause_us)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    int64_t nanoseconds = deadline.tv_nsec + pause_us % 1000000 * 1000;
    deadline.tv_sec += pause_us / 1000000 + nanoseconds / 1000000000;
    deadline.tv_nsec = nanoseconds % 1000000000;
    return deadline;
}

/* Until kicked, or so many wait (0: does not matter), or so much time has passed. */
static void log_sleep(struct stream *stream, unsigned target, int64_t pause_us)
{
    if (pause_us > 0) {
        struct timespec deadline = deadline_after(pause_us);
        atomic_store(&stream->asleep, true);
        while (!atomic_load(&stream->kicked) && (target == 0 || group_count(stream) < target))
            if (!futex_wait(&stream->kicked, 0, &deadline))
                break;
        atomic_store(&stream->asleep, false);
    }
    atomic_store(&stream->kicked, 0);
}

/* How long until something is due by itself. */
static int64_t pause_until_due(const struct stream *stream, int64_t now_us)
{
    int64_t interval_us = stream_log_interval_us(stream);
    int64_t pause_us = stream->synced_at_us + interval_us - now_us;
    if (pause_us <= 0)
        pause_us = interval_us;
    if (atomic_load(&stream->state) != LOG_GOOD && pause_us > stream_io.retry_us)
        pause_us = stream_io.retry_us;
    return stream_log_sync_is_due(stream, now_us) ? 0 : pause_us;
}

static void log_rest(struct stream *stream)
{
    unsigned target = stream->mailed > 0 ? stream->mailed + group_count(stream) : 0;
    int64_t gather_us = GATHER_SYNCS * atomic_load(&stream->last_sync_us);
    if (gather_us > GATHER_US_MAX)
        gather_us = GATHER_US_MAX;
    stream->mailed = 0;
    if (target < 2)
        target = 0;
    atomic_store(&stream->group_target, target);
    int64_t now_us = clock_monotonic_us();
    if (target > 0)
        log_sleep(stream, target, stream->synced_at_us + gather_us - now_us);
    else
        log_sleep(stream, 0, pause_until_due(stream, now_us));
}

static void log_run(void *argument)
{
    struct stream *stream = argument;
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
    while (!atomic_load(&stream->stopping)) {
        stream_log_turn(stream, clock_monotonic_us());
        log_rest(stream);
    }
}

/* Life. */

void stream_log_init(struct stream *stream)
{
    pthread_cond_init(&stream->progress, NULL);
    pthread_mutex_init(&stream->mutex, NULL);
    lock_init(&stream->log_lock, LOCK_LEAF, 1);
    list_init(&stream->segments);
}

void stream_log_start(struct stream *stream)
{
    stream->started = true;
    stream->synced_at_us = clock_monotonic_us();
    thread_start(&stream->thread, "log", log_run, stream);
}

void stream_log_stop(struct stream *stream)
{
    if (!stream->started)
        return;
    atomic_store(&stream->stopping, true);
    stream_log_kick(stream);
    thread_stop(&stream->thread);
    stream->started = false;
}
