/* SPDX-License-Identifier: BSD-3-Clause */
/* Following a primary. One attempt after the other is made to be connected; each goes
 *
 *     lookup -> dial -> talk (sync_state.c) -> [copy (copy_in.c)] -> stream, until the link is lost
 *
 * Copy and stream are both requests, which a worker of this thread executes (command/feed.h): follower_copy.c has what is
 * the copy's alone, follower_feed.c what both need, follower_view.c what others see of it. Here are the attempts, their
 * begin and end; follower_orders.c has the orders whom to follow.
 *
 *   F1  From the first key of a copy to its last one the node has no history (stream_history.c), nor does it answer.
 *   F2  From a Forebay the stream's bytes become our own, and what we ask for after any restart is what follows our own end.
 *       From others it is known in this process's memory alone how far we are; a restart copies everything again. One of them
 *       that hands over (PSYNC FAILOVER) goes on with our stream from its own end, which becomes the begin of our history.
 *   F3  The node's word ("following" of the engine) changes while nothing is executed for the feed. */
#define _GNU_SOURCE
#include "replication/follower.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "command/feed_apply.h"
#include "net/dial.h"
#include "replication/failover.h"
#include "replication/follower_private.h"
#include "replication/replication_private.h"
#include "replication/scrub.h"

#define RETRY_MS_MIN 50
#define RETRY_MS_MAX 1000
#define RETRY_MS_REFUSED 20000
#define TICK_MS 1000
#define LINE_BYTES_MAX 4096

struct follower follower;
struct follower_settings follower_settings;

/* ---- ends of an attempt ---- */

static void try_connect(struct loop_timer *timer);

void follower_drop_attempt(void)
{
    struct connection *lost = follower_connection();
    follower_feed_end();
    lookup_end(&follower.lookup);
    follower.attempt = NULL;
    if (lost)
        connection_close(lost);
}

static int64_t retry_delay_ms(void)
{
    int64_t delay_ms = (int64_t)RETRY_MS_MIN << (follower.failures < 8 ? follower.failures : 8);
    return delay_ms < RETRY_MS_MAX ? delay_ms : RETRY_MS_MAX;
}

/* The primary has not been told anything before it has accepted the connection. */
static const char *phase_word(const struct attempt *attempt)
{
    if (!attempt)
        return "connect";
    const struct connection *connection = attempt->link.connection;
    bool is_connected = connection ? connection->bytes_out > 0 : attempt->link.counted_out > 0;
    return is_connected ? sync_phase_name(attempt->sync.phase) : "connect";
}

static void give_up(const char *why, int64_t delay_ms)
{
    log_warning("the link to the primary is lost", "primary=%s:%d phase=%s error=\"%s\" retry_ms=%lld", follower.host,
                follower.port, phase_word(follower.attempt), why, (long long)delay_ms);
    snprintf(follower.down_reason, sizeof(follower.down_reason), "%s", why);
    follower_drop_attempt();
    follower.failures++;
    loop_timer_start(follower.loop, &follower.retry, (double)delay_ms, 0, try_connect);
    follower_show();
}

void follower_give_up(const char *why)
{
    give_up(why, retry_delay_ms());
}

void follower_refuse_data(const char *why)
{
    give_up(why, RETRY_MS_REFUSED);
}

void follower_connect_now(void)
{
    loop_timer_stop(&follower.retry);
    try_connect(NULL);
}

void follower_copy_again(void)
{
    follower.wants_copy = true;
    connection_close_after_send(follower_connection());
}

/* ---- the talk ---- */

void follower_follow_as(enum following following)
{
    if (following == FOLLOWS_BYTES)
        follower.has_own_history = follower.is_apart = false;
    atomic_store(&follower.engine->following, following);
}

/* What was our replica, and is no Forebay, goes on with our history in words that are not ours: they are executed, and our own
 * stream has another history from here on. */
static void continue_commands(const char *id)
{
    uint64_t offset = follower_offset(STREAM_APPENDED);
    int32_t db = stream_db(follower.engine->stream);
    if (stream_continue_history(follower.engine->stream, NULL) != STATUS_OK) {
        follower_give_up("the history cannot be written");
        return;
    }
    leader_drop_all("the history goes on under another id");
    snprintf(follower.known_id, sizeof(follower.known_id), "%s", id);
    follower.has_own_history = true;
    follower_follow_as(FOLLOWS_COMMANDS);
    follower_begin_streaming(offset, db);
}

/* Replicas of ours that know the history by another name ask again and are told, as long as the old one is known. */
static void tell_replicas(const char *id)
{
    struct stream_info info;
    stream_read_info(follower.engine->stream, &info);
    if (strcmp(info.replication_id, id) != 0)
        leader_drop_all("the history goes on under another id");
}

static void continue_stream(struct attempt *attempt)
{
    const char *id = attempt->sync.id[0] ? attempt->sync.id : attempt->sync.asked_id;
    if (attempt->asks_as_stream && follower_offset(STREAM_APPENDED) + 1 != (uint64_t)attempt->sync.asked_offset) {
        follower_give_up("something was written here meanwhile");
        return;
    }
    if (attempt->asks_as_stream)
        tell_replicas(id);
    if (!attempt->asks_as_stream) {
        snprintf(follower.known_id, sizeof(follower.known_id), "%s", id);
        follower_begin_streaming(atomic_load(&follower.feed.offset), follower.feed.db);
    } else if (!attempt->sync.is_forebay) {
        continue_commands(id);
    } else if (stream_continue_history(follower.engine->stream, id) != STATUS_OK) {
        follower_give_up("the history cannot be written");
    } else {
        follower_follow_as(FOLLOWS_BYTES);
        follower_begin_streaming(follower_offset(STREAM_APPENDED), stream_db(follower.engine->stream));
    }
}

/* Who was asked to take over before may lead since then, and the answer was lost: then it is asked as any primary is. */
static void hear_refusal(struct attempt *attempt, enum sync_action action)
{
    follower.primary_has_lost = action == SYNC_LOST;
    bool was_asked = attempt->sync.takes_over;
    if (was_asked && follower.take_over_tries == 1) {
        failover_refused(attempt->sync.error);
        return;
    }
    if (was_asked && follower.take_over_tries > 1)
        follower.asks_to_take_over = false;
    give_up(attempt->sync.error, action == SYNC_LOST ? RETRY_MS_REFUSED : retry_delay_ms());
}

static bool talk(struct attempt *attempt)
{
    struct connection *from = attempt->link.connection;
    const char *end = from->input.length > 0 ? memchr(from->input.data, '\n', from->input.length) : NULL;
    if (!end && from->input.length > LINE_BYTES_MAX)
        follower_give_up("a line without an end");
    if (!end)
        return false;
    size_t length = (size_t)(end - from->input.data) + 1;
    struct bytes line = bytes_of(from->input.data, length - 1);
    if (line.length > 0 && line.data[line.length - 1] == '\r')
        line.length--;
    struct sync_settings settings = {.user = follower_settings.user,
                                     .password = follower_settings.password,
                                     .port = follower.own_port,
                                     .takes_frames =
                                         __atomic_load_n(&replication_settings.compresses_links, __ATOMIC_RELAXED)};
    enum sync_action action = sync_line(&attempt->sync, &settings, line, &from->output.bytes);
    connection_consume(from, length);
    connection_wants_send(from);
    if (action == SYNC_EMPTY || action == SYNC_CONTINUE) {
        follower.primary_has_lost = false;
        failover_accepted();
    }
    if (action == SYNC_RECEIVE)
        follower_begin_copy(attempt);
    else if (action == SYNC_CONTINUE)
        continue_stream(attempt);
    else if (action >= SYNC_RETRY)
        hear_refusal(attempt, action);
    return follower.attempt == attempt;
}

static void received(struct link *link)
{
    struct attempt *attempt = (struct attempt *)link;
    bool more = follower.attempt == attempt;
    if (more)
        follower_show_heard();
    while (more && !link->connection->closing && !link->connection->suspended)
        more = follower.is_copying     ? follower_take_copy(attempt)
               : follower.is_streaming ? follower_take_stream(attempt)
                                       : talk(attempt);
}

/* ---- connecting ---- */

/* The primary has lost some of what we have, and that is to be so. */
static bool discards_own(void)
{
    return follower.primary_has_lost && __atomic_load_n(&follower_settings.discards_longer_history, __ATOMIC_RELAXED);
}

/* What follows what we have, if it is known whose that is. */
static void greet(struct attempt *attempt)
{
    struct buffer *send = &attempt->link.connection->output.bytes;
    struct stream_info info;
    stream_read_info(follower.engine->stream, &info);
    attempt->asks_as_stream = !follower.known_id[0];
    follower.feed.is_broken = false;
    if (follower.wants_copy || discards_own())
        sync_begin(&attempt->sync, NULL, 0, send);
    else if (follower.known_id[0])
        sync_begin(&attempt->sync, follower.known_id, atomic_load(&follower.feed.offset), send);
    else if (info.is_partial || info.end < info.history_first)
        sync_begin(&attempt->sync, NULL, 0, send);
    else /* nobody knows the id that an unclean end has brought */
        sync_begin(&attempt->sync,
                   info.id2_offset == info.end && info.end > 0 ? info.replication_id2 : info.replication_id,
                   info.end + (uint64_t)info.bias, send);
    attempt->sync.takes_over = follower.asks_to_take_over;
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
    follower_show_heard();
    follower_show();
}

static void closed(struct link *link)
{
    struct attempt *attempt = (struct attempt *)link;
    if (follower.attempt == attempt && follower.feed.is_broken)
        follower_refuse_data("what it sends is no stream of a primary's"); /* nor will it be, from there on */
    else if (follower.attempt == attempt)
        follower_give_up(link->error ? strerrordesc_np(link->error) : "the primary has closed it");
    memory_free(attempt);
}

static void host_found(void *context, struct lookup *lookup)
{
    (void)context;
    const char *unknown;
    char error[256];
    const struct addrinfo *addresses = lookup_addresses(lookup, &unknown);
    if (!addresses) {
        follower_give_up(unknown);
        return;
    }
    struct attempt *attempt = memory_allocate_zeroed(sizeof(*attempt));
    attempt->link = (struct link){.opened = opened, .received = received, .closed = closed};
    follower.attempt = attempt;
    follower_show_heard();
    if (dial(follower.loop, addresses, follower.failures, attempt, error, sizeof(error))) {
        lookup_end(&follower.lookup);
        follower_show();
        return;
    }
    follower.attempt = NULL;
    memory_free(attempt);
    follower_give_up(error);
}

static void try_connect(struct loop_timer *timer)
{
    (void)timer;
    if (follower.attempt || follower.lookup || !follower.host[0])
        return;
    follower.lookup = lookup_start(follower.host, follower.port, loop_mailbox(follower.loop), host_found, NULL);
    follower_show();
}

static void on_tick(struct loop_timer *timer)
{
    int64_t now_ms = loop_now_ms(timer->loop);
    if (!follower_connection() || follower_connection()->closing)
        return;
    if (now_ms - follower_heard_at_ms() > replication_settings.timeout_seconds * 1000 &&
        !follower_connection()->suspended)
        follower_give_up("nothing was heard for repl-timeout");
    else if (follower.is_streaming)
        follower_acknowledge();
    else if (follower.is_copying)
        follower_send("\n", 1);
}

/* ---- life ---- */

static void begin_on_thread(struct mail *mail)
{
    (void)mail;
    loop_timer_start(follower.loop, &follower.tick, TICK_MS, TICK_MS, on_tick);
    try_connect(NULL);
    follower_show();
}

void follower_start(struct engine *engine, struct loop *loop, int port)
{
    static struct mail begin = {.deliver = begin_on_thread};
    follower.engine = engine;
    follower.loop = loop;
    follower.own_port = port;
    follower_feed_setup();
    snprintf(follower.host, sizeof(follower.host), "%s", follower_settings.host);
    follower.port = follower_settings.port;
    if (follower.host[0])
        follower_follow_as(FOLLOWS_COMMANDS);
    else if (follower_has_part_of_a_copy()) {
        log_warning("a copy of another node was not finished", "action=\"what there is of it is dropped\"");
        follower_empty_everything();
        if (stream_continue_history(engine->stream, NULL) != STATUS_OK)
            log_warning("the new history could not be written", "error=\"see the log's\"");
    }
    follower_show();
    mailbox_post(loop_mailbox(loop), &begin);
}

void follower_stop(void)
{
    if (!follower.worker)
        return;
    follower_feed_end();
    lookup_end(&follower.lookup);
    follower_acks_end();
    follower_scrub_stop();
    follower.attempt = NULL;
    follower.engine->link_worker = NULL;
    feed_apply_destroy(&follower.feed.apply);
    worker_destroy(&follower.worker);
}
