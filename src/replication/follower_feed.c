/* SPDX-License-Identifier: BSD-3-Clause */
/* The session whose requests come over the link: copy and stream alike. While one of them is suspended, for a cold key or a
 * lock or since the log is behind, nothing more is read from the primary. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/thread.h"
#include "command/feed_apply.h"
#include "command/function_durable.h"
#include "net/connection.h"
#include "replication/follower_private.h"
#include "replication/scrub.h"

/* Beside the numbers of workers and of recovery. */
#define FEED_WORKER (THREADS_MAX - 2)
/* And so on downwards; a copy to others has the number between. */
#define APPLY_WORKERS (THREADS_MAX - 4)
#define FEED_RETRY_MS 1

/* ---- the link as a transport ---- */

struct connection *follower_connection(void)
{
    return follower.attempt ? follower.attempt->link.connection : NULL;
}

static void feed_suspended(void *feed)
{
    (void)feed;
    if (follower_connection())
        connection_suspend(follower_connection());
}

static void feed_resumed(void *feed)
{
    (void)feed;
    if (follower_connection())
        connection_resume(follower_connection());
}

static void feed_ignored(void *feed)
{
    (void)feed;
}

static void feed_trusted(void *feed, bool trusted)
{
    (void)feed, (void)trusted;
}

static void feed_closed(void *feed)
{
    (void)feed;
    if (follower_connection())
        connection_close(follower_connection());
}

static void feed_described(void *feed, char *peer, char *local, size_t size)
{
    (void)feed;
    snprintf(peer, size, "%s:%d", follower.host, follower.port);
    snprintf(local, size, "127.0.0.1:%d", follower.own_port);
}

static void feed_measured(void *feed, struct session_measures *measures)
{
    (void)feed;
    *measures = (struct session_measures){.fd = follower_connection() ? follower_connection()->fd : -1,
                                          .active_at_ms = follower_heard_at_ms()};
}

static const struct transport feed_transport = {
    .suspend = feed_suspended,
    .resume = feed_resumed,
    .block = feed_ignored,
    .hold = feed_suspended,
    .release = feed_resumed,
    .wants_send = feed_ignored,
    .close_after_send = feed_closed,
    .close = feed_closed,
    .set_trusted = feed_trusted,
    .set_subscriber = feed_trusted,
    .describe = feed_described,
    .measure = feed_measured,
};

void follower_send(const char *text, size_t length)
{
    buffer_append(&follower_connection()->output.bytes, text, length);
    connection_wants_send(follower_connection());
}

/* ---- the session ---- */

void follower_feed_open(uint64_t offset, int32_t db)
{
    feed_open(&follower.feed, follower.worker, &feed_transport, &follower_connection()->output, offset, db);
}

void follower_feed_end(void)
{
    if (follower.is_copying)
        copy_in_end(&follower.copy);
    buffer_deinit(&follower.copy_unpacked);
    feed_close(&follower.feed);
    follower_scrub_forget();
    follower.is_copying = follower.is_streaming = false;
}

void follower_begin_streaming(uint64_t offset, int32_t db)
{
    follower_feed_open(offset, db);
    follower.is_streaming = true;
    follower.lacks_copied = !follower_is_whole();
    follower.failures = 0;
    follower.cannot_part = false;
    follower.down_reason[0] = '\0';
    follower_acknowledge();
    log_notice("following", "primary=%s:%d offset=%llu as=%s", follower.host, follower.port, (unsigned long long)offset,
               engine_follows_bytes(follower.engine) ? "stream" : "commands");
    follower_show();
}

bool follower_execute(struct bytes requests, size_t *consumed)
{
    struct turn_item item = {.session = follower.feed.session, .input = requests};
    worker_turn(follower.worker, &item, 1, loop_now_ms(follower.loop));
    stream_write(follower.engine->stream);
    follower_answer();
    *consumed = item.consumed;
    return item.consumed == requests.length;
}

static bool execute_stream(struct attempt *attempt)
{
    struct connection *from = attempt->link.connection;
    struct bytes input = bytes_of(from->input.data, from->input.length);
    size_t done = 0, ahead;
    if (feed_apply_is_under_way(follower.feed.apply)) {
        connection_suspend(from);
        return false;
    }
    if (input.length == 0)
        return false;
    done = feed_apply_begin(follower.feed.apply, input, loop_now_ms(follower.loop), &ahead);
    if (done > 0)
        stream_write(follower.engine->stream);
    else
        follower_execute(bytes_of(input.data, ahead), &done);
    connection_consume(from, done);
    return done == ahead && ahead < input.length;
}

/* A batch that has brought the last of it is over when the connection is resumed. */
bool follower_take_stream(struct attempt *attempt)
{
    bool more = execute_stream(attempt);
    if (follower.lacks_copied && follower_is_whole()) {
        follower.lacks_copied = false;
        log_notice("the copy is whole", "offset=%llu", (unsigned long long)follower_offset(STREAM_APPENDED));
        follower_show();
    }
    return more;
}

void follower_wait_for_writers(void)
{
    keyspace_acquire_unclaimed(follower.engine->keyspace, FEED_WORKER);
    keyspace_release_all(follower.engine->keyspace, FEED_WORKER);
}

void follower_empty_everything(void)
{
    struct keyspace *keyspace = follower.engine->keyspace;
    struct effect_batch batch = {0};
    effect_begin(&batch, 0, 1);
    effect_word(&batch, BYTES("FLUSHALL"));
    effect_begin(&batch, 0, 2);
    effect_word(&batch, BYTES("FUNCTION"));
    effect_word(&batch, BYTES("FLUSH"));
    keyspace_acquire_unclaimed(keyspace, FEED_WORKER);
    for (int db = 0; db < DATABASE_COUNT; db++)
        keyspace_flush(keyspace, db, stream_end(follower.engine->stream) + 1);
    functions_forget();
    stream_append(follower.engine->stream, &batch);
    keyspace_release_all(keyspace, FEED_WORKER);
    effect_batch_deinit(&batch);
}

/* ---- its worker ---- */

static void retry_feed(struct loop_timer *timer)
{
    (void)timer;
    worker_retry(follower.worker);
}

static void retry_feed_later(void *loop)
{
    loop_timer_start(loop, &follower.feed_retry, FEED_RETRY_MS, 0, retry_feed);
}

static void wake_feed_at(void *loop, int64_t at_ms)
{
    (void)loop, (void)at_ms;
}

void follower_feed_setup(void)
{
    follower.worker = worker_create(follower.engine, FEED_WORKER, loop_mailbox(follower.loop));
    follower.worker->loop = follower.loop;
    follower.worker->retry_later = retry_feed_later;
    follower.worker->wake_at = wake_feed_at;
    follower.feed.hear = follower_scrub_hear;
    follower.feed.apply =
        feed_apply_create(&follower.feed, follower.engine, loop_mailbox(follower.loop), APPLY_WORKERS);
    follower.engine->link_worker = follower.worker;
}
