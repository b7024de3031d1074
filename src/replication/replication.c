/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread and its loop. What a connection means is its link's to know: a replica's (leader_link.c), or that of the primary
 * that is followed. */
#include "replication/replication.h"

#include <stdatomic.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/metric.h"
#include "base/thread.h"
#include "command/feed_apply.h"
#include "command/info.h"
#include "replication/quorum.h"
#include "replication/failover.h"
#include "replication/follower.h"
#include "replication/replication_private.h"
#include "replication/scrub.h"

#define RING_PART_OF_MEMORY 16
#define TICK_MS 100
#define TURN_ACTS_MAX 4

struct replication_settings replication_settings;

static struct {
    struct engine *engine;
    int port;
    struct loop *closed_loop; /* between stop and teardown */
    int64_t ring_bytes_max;   /* read by the stream */
    _Atomic(struct loop *) loop;
    struct thread thread;
    struct loop_timer tick;
    void (*acts[TURN_ACTS_MAX])(void);
    unsigned act_count;
} replication;

struct loop *replication_loop(void)
{
    return atomic_load_explicit(&replication.loop, memory_order_acquire);
}

struct engine *replication_engine(void)
{
    return replication.engine;
}

bool replication_is_leading(void)
{
    return atomic_load_explicit(&replication.engine->following, memory_order_relaxed) != FOLLOWS_BYTES;
}

void replication_at_turn(void (*act)(void))
{
    check(replication.act_count < TURN_ACTS_MAX);
    replication.acts[replication.act_count++] = act;
}

/* ---- the loop's events ---- */

/* The loop's connections are links, all of them. */
static void count_bytes(void *context, struct connection *connection)
{
    (void)context;
    struct link *link = connection->owner;
    metric_add(METRIC_total_net_repl_input_bytes, connection->bytes_in - link->counted_in);
    metric_add(METRIC_total_net_repl_output_bytes, connection->bytes_out - link->counted_out);
    link->counted_in = connection->bytes_in;
    link->counted_out = connection->bytes_out;
}

static void link_opened(void *context, struct connection *connection)
{
    (void)context;
    struct link *link = connection->owner;
    link->connection = connection;
    connection->trusted = true;
    link->opened(link);
}

static void links_turn(void *context, struct connection **ready, size_t count)
{
    (void)context;
    for (size_t i = 0; i < count; i++) {
        struct link *link = ready[i]->owner;
        if (!ready[i]->closing)
            link->received(link);
    }
    for (unsigned i = 0; i < replication.act_count; i++)
        replication.acts[i]();
}

static void link_closed(void *context, struct connection *connection)
{
    (void)context;
    struct link *link = connection->owner;
    count_bytes(NULL, connection);
    link->error = connection->error;
    link->connection = NULL;
    link->closed(link);
}

/* With a log older bytes are there as well: then the memory of a small node goes to keys, or nothing would be left for them. */
static void bound_ring(void)
{
    const struct engine *engine = replication.engine;
    int64_t bytes_max = __atomic_load_n(&replication_settings.backlog_bytes, __ATOMIC_RELAXED);
    int64_t part = __atomic_load_n(&engine->maxmemory, __ATOMIC_RELAXED) / RING_PART_OF_MEMORY;
    if (engine->durability != DURABILITY_NONE && part > 0 && bytes_max > part)
        bytes_max = part;
    __atomic_store_n(&replication.ring_bytes_max, bytes_max, __ATOMIC_RELAXED);
}

static void on_tick(struct loop_timer *timer)
{
    bound_ring();
    loop_check_limits(timer->loop);
    loop_each_connection(timer->loop, count_bytes, NULL);
    leader_tick(loop_now_ms(timer->loop));
    scrub_tick(replication.engine, loop_now_ms(timer->loop));
}

/* ---- INFO ---- */

struct listing {
    struct buffer *out;
    unsigned number;
};

static void print_replica(void *context, const struct replica_view *view)
{
    struct listing *listing = context;
    buffer_append_format(listing->out, "slave%u:ip=%s,port=%u,state=%s,offset=%llu,lag=%lld,in_sync=%d",
                         listing->number++, view->address, view->port, view->state, (unsigned long long)view->acked,
                         (long long)view->lag_seconds, view->is_in_sync);
    if (view->is_copying)
        buffer_append_format(listing->out, ",sync_keys=%llu,sync_sent_bytes=%llu,sync_perc=%.2f",
                             (unsigned long long)view->copy.keys, (unsigned long long)view->copy.bytes,
                             copy_progress_percent(&view->copy));
    buffer_append_text(listing->out, "\r\n");
}

static void print_replication(struct engine *engine, struct buffer *out)
{
    struct stream_info stream;
    struct listing listing = {.out = out};
    stream_read_info(engine->stream, &stream);
    uint64_t end = keyspace_settled(engine->keyspace, stream.end);
    bool has_second = stream.id2_offset > 0;
    struct follower_view follower;
    follower_read(&follower);
    info_text(out, "role", follower.host[0] ? "slave" : "master");
    follower_print(&follower, clock_now_ms(), out);
    info_integer(out, "connected_slaves", leader_count());
    if (replication_settings.min_replicas > 0)
        info_integer(out, "min_slaves_good_slaves", leader_count_good());
    leader_each(print_replica, &listing);
    info_integer(out, "replication_members", replication_settings.members);
    info_integer(out, "in_sync_members", follower.host[0] ? 0 : quorum_in_sync_count());
    info_integer(out, "batches_applied", (int64_t)feed_apply_counts().batches);
    info_integer(out, "effects_applied_in_batches", (int64_t)feed_apply_counts().effects);
    scrub_print(out);
    info_text(out, "master_failover_state", failover_state_word());
    info_text(out, "master_replid", stream.replication_id);
    info_text(out, "master_replid2", has_second ? stream.replication_id2 : "0000000000000000000000000000000000000000");
    info_integer(out, "master_repl_offset", (int64_t)end + stream.bias);
    info_integer(out, "second_repl_offset", has_second ? (int64_t)stream.id2_offset + stream.bias + 1 : -1);
    info_integer(out, "repl_backlog_active", stream.is_feeding);
    info_integer(out, "repl_backlog_size", replication_settings.backlog_bytes);
    info_integer(out, "repl_backlog_first_byte_offset", (int64_t)stream.backlog_first + stream.bias + 1);
    info_integer(out, "repl_backlog_histlen", (int64_t)(stream.end - stream.backlog_first));
}

const struct info_section replication_info = {"replication", "Replication", INFO_DEFAULT, print_replication};

/* ---- life ---- */

void replication_setup(void)
{
    command_family_register(replication_commands);
    command_family_register(migrate_commands);
    command_family_register(follower_commands);
    command_family_register(scrub_commands);
}

static void replication_run(void *argument)
{
    struct loop *loop = argument;
    loop_timer_start(loop, &replication.tick, TICK_MS, TICK_MS, on_tick);
    loop_run(loop);
    loop_timer_stop(&replication.tick);
}

const int64_t *replication_ring_bytes_max(void)
{
    return &replication.ring_bytes_max;
}

int replication_port(void)
{
    return replication.port;
}

void replication_start(struct engine *engine, int port)
{
    struct loop_handlers handlers = {.opened = link_opened, .turn = links_turn, .closed = link_closed};
    struct loop *loop = loop_create(&handlers);
    replication.engine = engine;
    replication.port = port;
    bound_ring();
    stream_keep_recent(engine->stream, &replication_settings.backlog_bytes);
    leader_setup(engine, loop);
    quorum_setup(engine, loop);
    failover_setup(engine, loop);
    follower_start(engine, loop, port);
    gate_register(&replicas_gate);
    atomic_store_explicit(&replication.loop, loop, memory_order_release);
    thread_start(&replication.thread, "replication", replication_run, loop);
}

void replication_stop(void)
{
    struct loop *loop = replication_loop();
    if (!loop)
        return;
    leader_stop();
    loop_stop(loop);
    thread_stop(&replication.thread);
    scrub_stop();
    follower_stop();
    leader_end();
    atomic_store_explicit(&replication.loop, NULL, memory_order_release);
    loop_close_all(loop);
    replication.closed_loop = loop;
}

void replication_teardown(void)
{
    loop_destroy(&replication.closed_loop);
}

const struct option replication_options[] = {
    {.name = "repl-backlog-size",
     .type = OPTION_BYTES,
     .value = &replication_settings.backlog_bytes,
     .initial = "1mb",
     .minimum = 1,
     .maximum = INT64_MAX,
     .help = "bytes of the stream kept for replicas that come back; with a log, of a node's memory no more than a "
             "sixteenth"},
    {.name = "repl-ping-replica-period",
     .type = OPTION_INTEGER,
     .value = &replication_settings.ping_period_seconds,
     .initial = "10",
     .minimum = 1,
     .maximum = INT32_MAX,
     .help = "seconds between the pings that replicas get"},
    {.name = "repl-copy-rate",
     .type = OPTION_BYTES,
     .value = &replication_settings.copy_rate,
     .initial = "0",
     .minimum = 0,
     .maximum = INT64_MAX,
     .help = "bytes a second that each full sync of a replica may send; 0: any number"},
    {.name = "repl-link-compression",
     .type = OPTION_BOOL,
     .value = &replication_settings.compresses_links,
     .initial = "no",
     .help = "full syncs between two Forebays that both say yes are compressed by LZ4"},
    {.name = "repl-diskless-sync-delay",
     .type = OPTION_INTEGER,
     .value = &replication_settings.copy_delay_seconds,
     .initial = "0",
     .minimum = 0,
     .maximum = INT32_MAX,
     .help = "seconds that a full sync waits for other replicas that may share it; those that come while it has just "
             "begun share it anyway"},
    {.name = "repl-copy-wait",
     .type = OPTION_INTEGER,
     .value = &replication_settings.copy_wait_seconds,
     .initial = "10",
     .minimum = 0,
     .maximum = INT32_MAX,
     .help =
         "seconds, in all, that replicas which share a full sync wait for a slower one, before it has to begin again "
         "by itself"},
    {.name = "repl-timeout",
     .type = OPTION_INTEGER,
     .value = &replication_settings.timeout_seconds,
     .initial = "60",
     .minimum = 1,
     .maximum = INT32_MAX,
     .help = "seconds of silence after which a link between primary and replica is closed"},
    {.name = "min-replicas-to-write",
     .type = OPTION_INTEGER,
     .value = &replication_settings.min_replicas,
     .initial = "0",
     .minimum = 0,
     .maximum = INT32_MAX,
     .help = "writes are refused while fewer replicas are connected and in time; 0: never"},
    {.name = "min-replicas-max-lag",
     .type = OPTION_INTEGER,
     .value = &replication_settings.min_replicas_max_lag,
     .initial = "10",
     .minimum = 0,
     .maximum = INT32_MAX,
     .help = "seconds since a replica's last word up to which it counts for min-replicas-to-write"},
    {.name = "replication-members",
     .type = OPTION_INTEGER,
     .value = &replication_settings.members,
     .initial = "0",
     .minimum = 0,
     .maximum = 1000,
     .help =
         "nodes that hold these data, this one included, for classes with ack; 0: not known, their writes are refused"},
    {.name = NULL},
};
