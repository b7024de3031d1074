/* SPDX-License-Identifier: BSD-3-Clause */
/* Following a primary. One attempt after the other is made to be connected; each goes
 *
 *     dial -> talk (sync_state.c) -> [copy (copy_in.c)] -> stream, until the link is lost
 *
 * Copy and stream are both requests, which a worker of this thread executes (command/feed.h). While one of them is
 * suspended, for a cold key or a lock or since the log is behind, nothing more is read from the primary.
 *
 *   F1  From the first key of a copy to its last one the node has no history (stream_history.c), nor does it answer.
 *   F2  From a Forebay the stream's bytes become our own, and what we ask for after any restart is what follows our own end.
 *       From others it is known in this process's memory alone how far we are; a restart copies everything again.
 *   F3  The node's word ("following" of the engine) changes while nothing is executed for the feed. */
#define _GNU_SOURCE
#include "replication/follower.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "command/blocked.h"
#include "command/feed.h"
#include "net/dial.h"
#include "replication/copy_in.h"
#include "replication/follower_private.h"
#include "replication/replication_private.h"
#include "replication/sync_state.h"

/* Beside the numbers of workers and of recovery. */
#define FEED_WORKER (THREADS_MAX - 2)
#define RETRY_MS_MIN 50
#define RETRY_MS_MAX 1000
#define FEED_RETRY_MS 1
#define TICK_MS 1000
#define LINE_BYTES_MAX 4096
/* So much of a copy is turned into requests at a time. */
#define COPY_STEP_BYTES ((size_t)128 * 1024)

/* One connection, from dialing to its end; freed when net is done with it. */
struct attempt {
    struct link link;
    struct sync_state sync;
    bool asks_as_stream; /* for what follows our own stream, not what follower.known says */
};

static struct {
    struct engine *engine;
    struct loop *loop;
    struct worker *worker;
    int own_port;
    char host[256]; /* empty: nobody is followed */
    int port;
    struct attempt *attempt; /* the present one, or NULL */
    unsigned failures;       /* since the link was last up */
    bool is_copying, is_streaming;
    bool copy_is_read; /* all of it, and what is left of it is to be executed */
    struct feed feed;
    struct copy_in copy;
    char known_id[41]; /* the history of a primary that is no Forebay, up to the feed's offset; empty: none */
    struct loop_timer tick, retry, feed_retry;
} follower;

struct follower_settings follower_settings;

/* ---- what others see ---- */

static struct {
    pthread_mutex_t lock;
    struct follower_view view;
} shown = {.lock = PTHREAD_MUTEX_INITIALIZER};

_Atomic unsigned follower_refusals;

static const char *state_word(void)
{
    if (follower.is_streaming)
        return "connected";
    if (follower.is_copying)
        return "sync";
    if (!follower.attempt)
        return "connect";
    return follower.attempt->link.connection ? "handshake" : "connecting";
}

static bool has_part_of_a_copy(void)
{
    struct stream_info info;
    stream_read_info(follower.engine->stream, &info);
    return info.is_partial;
}

/* After anything has changed. */
static void show(void)
{
    bool is_part = has_part_of_a_copy();
    pthread_mutex_lock(&shown.lock);
    struct follower_view *view = &shown.view;
    bool was_up = view->is_up;
    memcpy(view->host, follower.host, sizeof(view->host));
    view->port = follower.port;
    view->state = state_word();
    view->is_up = follower.is_streaming;
    view->is_copying = follower.is_copying;
    view->is_empty_handed = is_part && follower.host[0];
    if ((was_up || view->down_since_ms == 0) && !view->is_up)
        view->down_since_ms = loop_now_ms(follower.loop);
    pthread_mutex_unlock(&shown.lock);
    unsigned refusals = 0;
    if (view->is_empty_handed)
        refusals |= REFUSE_LOADING;
    if (follower.host[0] && !follower.is_streaming)
        refusals |= REFUSE_STALE;
    atomic_store(&follower_refusals, refusals);
}

void follower_announce(const char *host, int port)
{
    pthread_mutex_lock(&shown.lock);
    snprintf(shown.view.host, sizeof(shown.view.host), "%s", host);
    shown.view.port = port;
    shown.view.state = "connect";
    shown.view.is_up = false;
    pthread_mutex_unlock(&shown.lock);
}

static void show_heard(void)
{
    pthread_mutex_lock(&shown.lock);
    shown.view.io_at_ms = loop_now_ms(follower.loop);
    shown.view.copied_bytes = follower.is_copying ? follower.copy.reader.offset : 0;
    pthread_mutex_unlock(&shown.lock);
}

static uint64_t replication_offset(enum stream_level level)
{
    struct stream_info info;
    stream_read_info(follower.engine->stream, &info);
    uint64_t offset = level == STREAM_APPENDED ? info.end : info.written;
    return offset + (uint64_t)info.bias;
}

void follower_read(struct follower_view *view)
{
    pthread_mutex_lock(&shown.lock);
    *view = shown.view;
    pthread_mutex_unlock(&shown.lock);
    view->offset = follower.engine && engine_follows_bytes(follower.engine) ? replication_offset(STREAM_APPENDED)
                                                                            : atomic_load(&follower.feed.offset);
}

/* ---- the connection ---- */

static struct connection *connection(void)
{
    return follower.attempt ? follower.attempt->link.connection : NULL;
}

static void feed_suspended(void *feed)
{
    (void)feed;
    if (connection())
        connection_suspend(connection());
}

static void feed_resumed(void *feed)
{
    (void)feed;
    if (connection())
        connection_resume(connection());
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
    if (connection())
        connection_close(connection());
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
    *measures = (struct session_measures){.fd = connection() ? connection()->fd : -1};
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

static void send_text(const char *text, size_t length)
{
    buffer_append(&connection()->output.bytes, text, length);
    connection_wants_send(connection());
}

/* How far we are: with a log, what a killed process would still have. */
static void acknowledge(struct feed *feed)
{
    uint64_t offset =
        engine_follows_bytes(follower.engine) ? replication_offset(STREAM_WRITTEN) : atomic_load(&feed->offset);
    char digits[BYTES_INTEGER_MAX + 1], text[96];
    digits[bytes_from_uint64(digits, offset)] = '\0';
    int length =
        snprintf(text, sizeof(text), "*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$%zu\r\n%s\r\n", strlen(digits), digits);
    if (connection())
        send_text(text, (size_t)length);
}

/* ---- ends of an attempt ---- */

static void try_connect(struct loop_timer *timer);

static void end_feed(void)
{
    if (follower.is_copying)
        copy_in_end(&follower.copy);
    feed_close(&follower.feed);
    follower.is_copying = follower.is_streaming = false;
}

static void drop_attempt(void)
{
    struct connection *lost = connection();
    end_feed();
    follower.attempt = NULL;
    if (lost)
        connection_close(lost);
}

static void retry_later(void)
{
    int64_t delay_ms = (int64_t)RETRY_MS_MIN << (follower.failures < 8 ? follower.failures : 8);
    follower.failures++;
    loop_timer_start(follower.loop, &follower.retry, (double)(delay_ms < RETRY_MS_MAX ? delay_ms : RETRY_MS_MAX), 0,
                     try_connect);
}

/* The present attempt has failed; the next one follows. */
static void give_up(const char *why)
{
    log_warning("the link to the primary is lost", "primary=%s:%d phase=%s error=\"%s\"", follower.host, follower.port,
                follower.attempt ? sync_phase_name(follower.attempt->sync.phase) : "connect", why);
    drop_attempt();
    retry_later();
    show();
}

/* ---- what follows the talk ---- */

static void open_feed(uint64_t offset, int32_t db)
{
    follower.feed.acknowledge = acknowledge;
    feed_open(&follower.feed, follower.worker, &feed_transport, &connection()->output, offset, db);
}

static void begin_streaming(uint64_t offset, int32_t db)
{
    open_feed(offset, db);
    follower.is_streaming = true;
    follower.failures = 0;
    acknowledge(&follower.feed);
    log_notice("following", "primary=%s:%d offset=%llu as=%s", follower.host, follower.port, (unsigned long long)offset,
               engine_follows_bytes(follower.engine) ? "stream" : "commands");
    show();
}

static void follow_as(enum following following)
{
    atomic_store(&follower.engine->following, following);
}

static void continue_stream(struct attempt *attempt)
{
    const char *id = attempt->sync.id[0] ? attempt->sync.id : attempt->sync.asked_id;
    if (!attempt->asks_as_stream) {
        snprintf(follower.known_id, sizeof(follower.known_id), "%s", id);
        begin_streaming(atomic_load(&follower.feed.offset), follower.feed.db);
    } else if (stream_continue_history(follower.engine->stream, id) != STATUS_OK) {
        give_up("the history cannot be written");
    } else {
        follow_as(FOLLOWS_BYTES);
        begin_streaming(replication_offset(STREAM_APPENDED), stream_db(follower.engine->stream));
    }
}

/* F1 */
static void begin_copy(struct attempt *attempt)
{
    follow_as(FOLLOWS_COMMANDS);
    follower.known_id[0] = '\0';
    leader_drop_all("the node is copied from another one");
    if (stream_forget_history(follower.engine->stream) != STATUS_OK) {
        give_up("the history cannot be written");
        return;
    }
    log_notice("copying the primary's data", "primary=%s:%d bytes=%lld", follower.host, follower.port,
               attempt->sync.has_mark ? -1LL : (long long)attempt->sync.copy_bytes);
    copy_in_begin(&follower.copy);
    follower.copy_is_read = false;
    follower.is_copying = true;
    open_feed(0, 0);
    show();
}

static void end_copy(struct attempt *attempt)
{
    struct stream *stream = follower.engine->stream;
    bool from_forebay = follower.copy.from_forebay;
    int32_t db = follower.copy.stream_db;
    uint64_t keys = follower.copy.keys;
    uint32_t errors = follower.feed.session->reply.errors;
    if (errors > 0) {
        give_up("some of the primary's data cannot be taken");
        return;
    }
    end_feed();
    enum status status = from_forebay ? stream_begin_history(stream, attempt->sync.id, attempt->sync.offset, db)
                                      : stream_continue_history(stream, NULL);
    if (status != STATUS_OK) {
        give_up("the history cannot be written");
        return;
    }
    log_notice("copied the primary's data", "keys=%llu", (unsigned long long)keys);
    attempt->sync.phase = SYNC_STREAM;
    follow_as(from_forebay ? FOLLOWS_BYTES : FOLLOWS_COMMANDS);
    if (!from_forebay)
        memcpy(follower.known_id, attempt->sync.id, sizeof(follower.known_id));
    begin_streaming(attempt->sync.offset, db);
}

/* ---- what comes ---- */

/* Each returns whether there may be more to do with what has been received. */

static bool talk(struct attempt *attempt)
{
    struct connection *from = attempt->link.connection;
    const char *end = from->input.length > 0 ? memchr(from->input.data, '\n', from->input.length) : NULL;
    if (!end && from->input.length > LINE_BYTES_MAX)
        give_up("a line without an end");
    if (!end)
        return false;
    size_t length = (size_t)(end - from->input.data) + 1;
    struct bytes line = bytes_of(from->input.data, length - 1);
    if (line.length > 0 && line.data[line.length - 1] == '\r')
        line.length--;
    struct sync_settings settings = {
        .user = follower_settings.user, .password = follower_settings.password, .port = follower.own_port};
    enum sync_action action = sync_line(&attempt->sync, &settings, line, &from->output.bytes);
    connection_consume(from, length);
    connection_wants_send(from);
    if (action == SYNC_RECEIVE)
        begin_copy(attempt);
    else if (action == SYNC_CONTINUE)
        continue_stream(attempt);
    else if (action >= SYNC_RETRY)
        give_up(attempt->sync.error);
    return follower.attempt == attempt;
}

/* False: not all of it could be executed now. */
static bool execute(struct bytes requests, size_t *consumed)
{
    struct turn_item item = {.session = follower.feed.session, .input = requests};
    worker_turn(follower.worker, &item, 1, loop_now_ms(follower.loop));
    stream_write(follower.engine->stream);
    *consumed = item.consumed;
    return item.consumed == requests.length;
}

/* What of the input is the file's; *ends: nothing of it comes after that. Of what may be the beginning of the mark it cannot
 * be said yet. */
static struct bytes next_of_copy(const struct attempt *attempt, bool *ends)
{
    const struct sync_state *sync = &attempt->sync;
    struct bytes next = buffer_bytes(&attempt->link.connection->input);
    if (next.length > COPY_STEP_BYTES)
        next.length = COPY_STEP_BYTES;
    if (!sync->has_mark) {
        if (next.length > sync->copy_bytes)
            next.length = sync->copy_bytes;
        *ends = next.length == sync->copy_bytes;
        return next;
    }
    const char *mark = next.length > 0 ? memmem(next.data, next.length, sync->mark, SYNC_MARK_LENGTH) : NULL;
    *ends = mark != NULL;
    if (mark)
        next.length = (size_t)(mark - next.data);
    else
        next.length -= next.length < SYNC_MARK_LENGTH ? next.length : SYNC_MARK_LENGTH - 1;
    return next;
}

/* Turns what has come of the file into requests. True: there are some, or it is over. */
static bool read_copy(struct attempt *attempt)
{
    struct copy_in *copy = &follower.copy;
    bool ends;
    size_t taken;
    struct bytes next = next_of_copy(attempt, &ends);
    enum status status = copy_in_read(copy, next, &taken);
    if (status == STATUS_OK && ends)
        status = copy_in_finish(copy);
    attempt->sync.copy_bytes -= attempt->sync.has_mark ? 0 : taken;
    if (status != STATUS_OK || taken < next.length) {
        give_up(status != STATUS_OK ? copy->reader.error : "bytes behind the end of the copy");
        return false;
    }
    connection_consume(attempt->link.connection, taken + (ends && attempt->sync.has_mark ? SYNC_MARK_LENGTH : 0));
    follower.copy_is_read = ends;
    return taken > 0 || ends;
}

static bool take_copy(struct attempt *attempt)
{
    struct copy_in *copy = &follower.copy;
    size_t done = 0;
    if (copy->requests.length > 0) {
        bool all = execute(buffer_bytes(&copy->requests), &done);
        buffer_consume(&copy->requests, done);
        if (!all)
            return false;
    }
    if (!follower.copy_is_read)
        return read_copy(attempt);
    end_copy(attempt);
    return follower.attempt == attempt;
}

static bool take_stream(struct attempt *attempt)
{
    struct connection *from = attempt->link.connection;
    size_t done = 0;
    if (from->input.length > 0)
        execute(bytes_of(from->input.data, from->input.length), &done);
    connection_consume(from, done);
    return false;
}

static void received(struct link *link)
{
    struct attempt *attempt = (struct attempt *)link;
    bool more = follower.attempt == attempt;
    if (more)
        show_heard();
    while (more && !link->connection->closing && !link->connection->suspended)
        more = follower.is_copying ? take_copy(attempt) : follower.is_streaming ? take_stream(attempt) : talk(attempt);
}

/* ---- connecting ---- */

/* What follows what we have, if it is known whose that is. */
static void greet(struct attempt *attempt)
{
    struct buffer *send = &attempt->link.connection->output.bytes;
    struct stream_info info;
    stream_read_info(follower.engine->stream, &info);
    attempt->asks_as_stream = !follower.known_id[0];
    if (follower.known_id[0])
        sync_begin(&attempt->sync, follower.known_id, atomic_load(&follower.feed.offset), send);
    else if (info.is_partial)
        sync_begin(&attempt->sync, NULL, 0, send);
    else /* nobody knows the id that an unclean end has brought */
        sync_begin(&attempt->sync,
                   info.id2_offset == info.end && info.end > 0 ? info.replication_id2 : info.replication_id,
                   info.end + (uint64_t)info.bias, send);
    connection_wants_send(attempt->link.connection);
}

static void opened(struct link *link)
{
    struct attempt *attempt = (struct attempt *)link;
    if (follower.attempt != attempt) {
        connection_close(link->connection);
        return;
    }
    greet(attempt);
    show_heard();
    show();
}

static void closed(struct link *link)
{
    struct attempt *attempt = (struct attempt *)link;
    if (follower.attempt == attempt)
        give_up("closed");
    memory_free(attempt);
}

static void try_connect(struct loop_timer *timer)
{
    (void)timer;
    char error[256];
    if (follower.attempt || !follower.host[0])
        return;
    struct attempt *attempt = memory_allocate_zeroed(sizeof(*attempt));
    attempt->link = (struct link){.opened = opened, .received = received, .closed = closed};
    follower.attempt = attempt;
    show_heard();
    if (dial(follower.loop, follower.host, follower.port, follower.failures, attempt, error, sizeof(error))) {
        show();
        return;
    }
    follower.attempt = NULL;
    memory_free(attempt);
    give_up(error);
}

static void on_tick(struct loop_timer *timer)
{
    int64_t now_ms = loop_now_ms(timer->loop);
    if (!connection() || connection()->closing)
        return;
    if (now_ms - shown.view.io_at_ms > replication_settings.timeout_seconds * 1000 && !connection()->suspended)
        give_up("nothing was heard for repl-timeout");
    else if (follower.is_streaming)
        acknowledge(&follower.feed);
    else if (follower.is_copying)
        send_text("\n", 1);
}

/* ---- orders, on replication's thread ---- */

/* What is here is a part of another node's data: nobody's. */
static void empty_everything(void)
{
    struct keyspace *keyspace = follower.engine->keyspace;
    struct effect_batch batch = {0};
    effect_begin(&batch, 0, 1);
    effect_word(&batch, BYTES("FLUSHALL"));
    keyspace_acquire_all(keyspace, FEED_WORKER);
    for (int db = 0; db < DATABASE_COUNT; db++)
        keyspace_flush(keyspace, db, stream_end(follower.engine->stream) + 1);
    stream_append(follower.engine->stream, &batch);
    keyspace_release_all(keyspace, FEED_WORKER);
    effect_batch_deinit(&batch);
}

void follower_follow(const char *host, int port)
{
    bool is_new = strcmp(host, follower.host) != 0 || port != follower.port;
    if (!is_new)
        return;
    drop_attempt();
    follower.known_id[0] = '\0';
    snprintf(follower.host, sizeof(follower.host), "%s", host);
    follower.port = port;
    follower.failures = 0;
    if (!engine_is_following(follower.engine))
        follow_as(FOLLOWS_COMMANDS);
    blocked_end_all();
    try_connect(NULL);
    show();
}

void follower_lead(void)
{
    if (!engine_is_following(follower.engine))
        return;
    drop_attempt();
    loop_timer_stop(&follower.retry);
    follower.host[0] = '\0';
    follower.known_id[0] = '\0';
    if (has_part_of_a_copy())
        empty_everything();
    if (stream_continue_history(follower.engine->stream, NULL) != STATUS_OK)
        log_warning("the new history could not be written", "error=\"see the log's\"");
    follow_as(FOLLOWS_NOBODY);
    log_notice("following nobody", "offset=%llu", (unsigned long long)replication_offset(STREAM_APPENDED));
    show();
}

/* ---- life ---- */

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

static void begin_on_thread(struct mail *mail)
{
    (void)mail;
    loop_timer_start(follower.loop, &follower.tick, TICK_MS, TICK_MS, on_tick);
    try_connect(NULL);
    show();
}

void follower_start(struct engine *engine, struct loop *loop, int port)
{
    static struct mail begin = {.deliver = begin_on_thread};
    follower.engine = engine;
    follower.loop = loop;
    follower.own_port = port;
    follower.worker = worker_create(engine, FEED_WORKER, loop_mailbox(loop));
    follower.worker->loop = loop;
    follower.worker->retry_later = retry_feed_later;
    follower.worker->wake_at = wake_feed_at;
    snprintf(follower.host, sizeof(follower.host), "%s", follower_settings.host);
    follower.port = follower_settings.port;
    if (follower.host[0])
        follow_as(FOLLOWS_COMMANDS);
    else if (has_part_of_a_copy()) {
        log_warning("a copy of another node was not finished", "action=\"what there is of it is dropped\"");
        empty_everything();
        if (stream_continue_history(engine->stream, NULL) != STATUS_OK)
            log_warning("the new history could not be written", "error=\"see the log's\"");
    }
    show();
    mailbox_post(loop_mailbox(loop), &begin);
}

void follower_stop(void)
{
    if (!follower.worker)
        return;
    end_feed();
    follower.attempt = NULL;
    worker_destroy(&follower.worker);
}
