/* SPDX-License-Identifier: BSD-3-Clause */
/* Start: directory, keyspace, rows, log, replay, threads, and the listener last: whoever can connect finds everything.
 * Stop: the same backwards. */
#include "server/lifecycle.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "base/ticks.h"
#include "command/apply.h"
#include "command/channels.h"
#include "keyspace/backing.h"
#include "command/effects.h"
#include "command/function_durable.h"
#include "command/gates.h"
#include "command/notify.h"
#include "command/scripting.h"
#include "command/tracking.h"
#include "net/listener.h"
#include "net/tls.h"
#include "object/member_table.h"
#include "replication/follower.h"
#include "replication/rdb_save.h"
#include "replication/replication.h"
#include "server/config.h"
#include "server/identity.h"
#include "server/info_sections.h"
#include "server/save.h"
#include "server/ticker.h"
#include "server/version.h"
#include "server/wiring.h"
#include "tier/tier.h"

#define LANES_MAX 128
#define ADDRESSES_MAX 16
#define SEGMENT_BYTES_MAX (64 * 1024 * 1024)
/* One sorted run being made, and what is kept of the log until it is synced. */
#define RUN_BYTES_MIN (512 * 1024)
#define RUN_BYTES_MAX (8 * 1024 * 1024)
#define UNWRITTEN_BYTES_MIN (2 * 1024 * 1024)
#define UNWRITTEN_BYTES_MAX (64 * 1024 * 1024)
/* Beside the workers' own numbers, for recovery. */
#define RECOVERY_WORKER (THREADS_MAX - 1)
/* Descriptors for files, beside the clients. */
#define DESCRIPTORS_RESERVED 512
/* A stop writes dirty entries as rows if they are fewer than this; the log has them all the same. */
#define STOP_SAVE_BYTES_MAX (INT64_C(1) << 30)

static struct {
    struct identity identity;
    struct tier *tier;
    struct lane *lanes[LANES_MAX];
    struct worker *workers[LANES_MAX];
    struct loop *loops[LANES_MAX];
    uint32_t lane_count;
    struct listener *listener;
    char *addresses_text;
    const char *addresses[ADDRESSES_MAX + 1];
    int64_t log_bytes_max, cache_bytes, run_bytes, unwritten_bytes_max;
    _Atomic bool save_at_stop;
} node;

static int64_t memory_bound(void)
{
    return config.engine.maxmemory > 0 ? config.engine.maxmemory : (int64_t)(memory_of_machine() / 4 * 3);
}

static int64_t clamp(int64_t value, int64_t minimum, int64_t maximum)
{
    return value < minimum ? minimum : value > maximum ? maximum : value;
}

/* What stands in memory beside the entries follows maxmemory, so that a small node is left with room for entries. A log much
 * longer than memory would, replayed, not fit in memory. */
static void derive_sizes(void)
{
    int64_t bound = memory_bound();
    node.log_bytes_max = config.durability_log_max < bound / 2 ? config.durability_log_max : bound / 2;
    node.cache_bytes = config.tier_cache_bytes > 0 ? config.tier_cache_bytes : bound / 8;
    if (config.tier_cache_bytes == 0 && node.cache_bytes > (INT64_C(512) << 20))
        node.cache_bytes = INT64_C(512) << 20;
    node.run_bytes = clamp(bound / 24, RUN_BYTES_MIN, RUN_BYTES_MAX);
    node.unwritten_bytes_max = clamp(bound / 12, UNWRITTEN_BYTES_MIN, UNWRITTEN_BYTES_MAX);
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    rlim_t wanted = (rlim_t)config.clients_max + DESCRIPTORS_RESERVED;
    if (limit.rlim_cur >= wanted)
        return;
    struct rlimit raised = {.rlim_cur = wanted, .rlim_max = wanted > limit.rlim_max ? wanted : limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        return;
    raised.rlim_cur = raised.rlim_max = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &raised);
    if (limit.rlim_max < wanted) {
        config.clients_max = limit.rlim_max > DESCRIPTORS_RESERVED ? (int64_t)limit.rlim_max - DESCRIPTORS_RESERVED : 1;
        log_warning("the limit of open files lowers maxclients", "maxclients=%ld limit=%lu", (long)config.clients_max,
                    (unsigned long)limit.rlim_max);
    }
}

/* ---- rows and log ---- */

static bool open_tier(char *error, size_t error_size)
{
    char directory[4200];
    snprintf(directory, sizeof(directory), "%s/tier", config.directory);
    config.engine.tier = config.tier || config.durability != DURABILITY_NONE;
    config.engine.spill = config.tier;
    if (!config.engine.tier)
        return true;
    struct tier_options options = {.directory = directory,
                                   .keyspace = config.engine.keyspace,
                                   .keep = config.durability != DURABILITY_NONE,
                                   .cache_bytes = &node.cache_bytes,
                                   .log_bytes_max = &node.log_bytes_max,
                                   .free_bytes_min = &config.tier_free_bytes_min,
                                   .before_checkpoint = functions_save,
                                   .read_threads = config.tier_read_threads,
                                   .run_bytes = node.run_bytes};
    if (tier_open(&node.tier, &options, error, error_size) != STATUS_OK)
        return false;
    keyspace_set_backing(config.engine.keyspace, tier_backing(node.tier));
    return true;
}

static bool open_stream(char *error, size_t error_size)
{
    char directory[4200];
    bool durable = false;
    snprintf(directory, sizeof(directory), "%s/log", config.directory);
    if (config.durability == DURABILITY_NONE) {
        if (stream_directory_has_log(directory, &durable) == STATUS_OK && durable) {
            snprintf(error, error_size,
                     "'%s' holds durable data, and --durability none would lose it: use another --dir, or remove '%s' "
                     "if the data is not needed",
                     config.directory, directory);
            return false;
        }
    } else {
        mkdir(directory, 0700);
    }
    struct stream_options options = {
        .directory = directory,
        .durability = (enum durability)config.durability,
        .interval_ms = &config.durability_interval_ms,
        .segment_bytes = node.log_bytes_max / 8 < SEGMENT_BYTES_MAX ? node.log_bytes_max / 8 : SEGMENT_BYTES_MAX,
        .unwritten_bytes_max = node.unwritten_bytes_max,
        .log_bytes_max = &node.log_bytes_max};
    uint64_t row_offset_max = node.tier ? tier_row_offset_max(node.tier) : 0;
    return stream_open(&config.engine.stream, &options, row_offset_max, error, error_size) == STATUS_OK;
}

static void apply_one(void *context, const struct effect *effect, uint64_t end_offset)
{
    apply_effect(context, effect, end_offset);
}

static bool replay(char *error, size_t error_size)
{
    if (config.durability == DURABILITY_NONE)
        return true;
    if (functions_open(config.directory, error, error_size) != STATUS_OK)
        return false;
    struct keyspace *keyspace = config.engine.keyspace;
    struct apply apply = {.engine = &config.engine, .backing = node.tier ? tier_backing(node.tier) : NULL};
    int64_t started_us = clock_monotonic_us();
    keyspace_acquire_all(keyspace, RECOVERY_WORKER);
    keyspace_set_replaying(keyspace, true);
    enum status status = stream_replay(config.engine.stream, node.tier ? tier_checkpoint_offset(node.tier) : 0,
                                       apply_one, &apply, error, error_size);
    keyspace_set_replaying(keyspace, false);
    keyspace_release_all(keyspace, RECOVERY_WORKER);
    apply_deinit(&apply);
    if (status == STATUS_OK && apply.applied + apply.skipped > 0)
        log_notice("log replayed", "effects=%lu skipped=%lu ms=%ld", (unsigned long)apply.applied,
                   (unsigned long)apply.skipped, (long)((clock_monotonic_us() - started_us) / 1000));
    return status == STATUS_OK;
}

static void want_clean(void *context)
{
    const struct backing *backing = context;
    backing->want_clean(backing->context);
}

/* ---- hooks of commands ---- */

static void hook_shutdown(bool save)
{
    node.save_at_stop = save;
    kill(getpid(), SIGTERM);
}

static size_t hook_tier_bytes(void)
{
    return node.tier ? tier_memory_bytes(node.tier) : 0;
}

static const char *hook_failure(void)
{
    const char *failure = stream_failure(config.engine.stream);
    return failure || !node.tier ? failure : tier_failure(node.tier);
}

static void set_hooks(void)
{
    engine_hooks = (struct engine_hooks){.shutdown = hook_shutdown,
                                         .tier_bytes = hook_tier_bytes,
                                         .failure = hook_failure,
                                         .replicas_each = leader_each_link,
                                         .replica_close = leader_close_link,
                                         .read_loading = follower_read_loading,
                                         .replicas_are_few = replication_lacks_replicas};
    save_set_hooks(node.tier);
    if (!node.tier)
        return;
    config.engine.want_clean = want_clean;
    config.engine.want_clean_context = (void *)tier_backing(node.tier);
}

/* ---- lanes and listener ---- */

static void start_lanes(void)
{
    node.lane_count = config.threads > 0 ? (uint32_t)config.threads : thread_processors();
    if (node.lane_count > LANES_MAX)
        node.lane_count = LANES_MAX;
    channels_setup(node.lane_count);
    config.engine.worker_count = node.lane_count;
    config.engine.workers = node.workers;
    for (uint32_t i = 0; i < node.lane_count; i++) {
        node.lanes[i] = lane_create(&config.engine, i + 1);
        node.workers[i] = lane_worker(node.lanes[i]);
        node.loops[i] = lane_loop(node.lanes[i]);
    }
    notify_setup(&config.engine);
    for (uint32_t i = 0; i < node.lane_count; i++)
        lane_start(node.lanes[i]);
}

static const char *refuse_stranger(bool is_loopback_or_unix)
{
    if (is_loopback_or_unix || !config.protected_mode || engine_password(&config.engine)[0] != '\0')
        return NULL;
    return "DENIED Forebay is running in protected mode: there is no password, so only clients of this machine may "
           "connect. Set a password (requirepass), or bind to loopback only, or set protected-mode no if every peer "
           "that can reach this port may do everything.";
}

static void split_addresses(void)
{
    node.addresses_text = strdup(config.bind);
    char *rest = node.addresses_text;
    uint32_t count = 0;
    for (char *word; count < ADDRESSES_MAX && (word = strsep(&rest, " ")) != NULL;)
        if (*word)
            node.addresses[count++] = word;
    node.addresses[count] = NULL;
}

static uint32_t octal_permission(int64_t digits)
{
    return (uint32_t)((digits / 100 % 10) << 6 | (digits / 10 % 10) << 3 | digits % 10);
}

static bool start_listener(char *error, size_t error_size)
{
    split_addresses();
    struct listener_options options = {.addresses = node.addresses,
                                       .port = (int)config.port,
                                       .tls_port = (int)config.tls_port,
                                       .unix_path = config.unix_path,
                                       .unix_permission = octal_permission(config.unix_permission),
                                       .backlog = (int)config.tcp_backlog,
                                       .loops = node.loops,
                                       .loop_count = node.lane_count,
                                       .clients_max = &config.clients_max,
                                       .keepalive_seconds = &config.keepalive_seconds,
                                       .refuse = refuse_stranger};
    return listener_start(&node.listener, &options, error, error_size) == STATUS_OK;
}

/* ---- the order ---- */

static void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

bool lifecycle_start(char *error, size_t error_size)
{
    struct engine *engine = &config.engine;
    block_signals();
    memory_thread_enter();
    memory_reaper_start();
    ticks_setup();
    replication_setup();
    command_table_setup();
    session_registry_setup();
    tracking_setup();
    gates_register_own();
    follower_register_gate();
    scripting_setup();
    info_sections_register(&node.tier);
    raise_descriptor_limit();
    derive_sizes();
    node.save_at_stop = true;
    engine->durability = (enum durability)config.durability;
    engine->started_at_ms = clock_now_ms();
    atomic_store(&engine->active_expire, true);
    random_hex(engine->run_id, 40);
    if (!identity_open(&node.identity, config.directory, error, error_size))
        return false;
    rdb_save_setup();
    member_table_set_seed(node.identity.hash_seed);
    if (!tls_start(config.tls_port > 0, error, error_size))
        return false;
    engine->keyspace = keyspace_create(node.identity.hash_seed);
    keyspace_set_clock(engine->keyspace, clock_now_ms(), (enum eviction_policy)engine->eviction);
    if (!open_tier(error, error_size) || !open_stream(error, error_size))
        return false;
    keyspace_set_sink(engine->keyspace, effects_sink(engine));
    if (!replay(error, error_size))
        return false;
    ticker_measure_memory(engine);
    stream_start(engine->stream);
    if (node.tier)
        tier_start(node.tier, engine->stream);
    set_hooks();
    start_lanes();
    replication_start(engine, (int)(tls_is_for_links() ? config.tls_port : config.port));
    ticker_start(engine); /* which expires nothing on a node that knows that it follows */
    if (!start_listener(error, error_size))
        return false;
    log_notice("ready to accept connections", "port=%ld tls_port=%ld threads=%u durability=%d dir=\"%s\" version=%s",
               (long)config.port, (long)config.tls_port, node.lane_count, config.durability, config.directory,
               FOREBAY_VERSION);
    return true;
}

void lifecycle_wait(void)
{
    sigset_t set;
    int number;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigwait(&set, &number);
    log_notice("stopping", "signal=%d", number);
}

/* Letters on their way may belong to what is about to be freed, and be answered by further ones. */
static void deliver_all_mail(void)
{
    unsigned delivered;
    do {
        delivered = 0;
        for (uint32_t i = 0; i < node.lane_count; i++)
            delivered += mailbox_drain(loop_mailbox(node.loops[i]));
    } while (delivered > 0);
}

void lifecycle_stop(void)
{
    listener_stop(&node.listener);
    scripting_stop();
    for (uint32_t i = 0; i < node.lane_count; i++)
        lane_stop(node.lanes[i]);
    rdb_save_stop();
    replication_stop();
    offload_stop_apart();
    /* A client may be waiting for all partitions and never come to it; the last cycle wants them, too. */
    for (uint32_t i = 0; i < node.lane_count; i++)
        keyspace_abandon_all(config.engine.keyspace, node.workers[i]->number);
    ticker_stop();
    /* Loads that wait in turn for each other are all given up while there are readers. */
    for (uint32_t i = 0; i < node.lane_count; i++)
        lane_drop_sessions(node.lanes[i]);
    bool save = node.save_at_stop && keyspace_dirty_bytes(config.engine.keyspace) < STOP_SAVE_BYTES_MAX;
    if (node.tier)
        tier_close(&node.tier, save);
    keyspace_set_backing(config.engine.keyspace, NULL);
    stream_close(&config.engine.stream);
    keyspace_wake_parked(config.engine.keyspace);
    deliver_all_mail();
    for (uint32_t i = 0; i < node.lane_count; i++)
        lane_destroy(&node.lanes[i]);
    replication_teardown();
    scripting_teardown();
    keyspace_destroy(&config.engine.keyspace);
    memory_reaper_stop();
    identity_close(&node.identity);
    log_notice("stopped", "saved=%s", save ? "yes" : "no");
}
