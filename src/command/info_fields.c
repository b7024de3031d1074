/* SPDX-License-Identifier: BSD-3-Clause */
/* INFO's sections about the engine and its commands, with the names that dashboards read. A field that tells of a thing
 * which does not exist here (forks, an append-only file, copies on write) has the value it would have if that thing never
 * happened. */
#define _GNU_SOURCE /* RUSAGE_THREAD */
#include "command/info.h"

#include <sys/resource.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/metric.h"
#include "base/ticks.h"
#include "command/allocator.h"
#include "command/error_counts.h"
#include "command/saving.h"
#include "command/scripting.h"
#include "command/session.h"
#include "command/settings.h"
#include "command/statistics.h"

static size_t startup_bytes;

size_t info_memory_startup(void)
{
    return startup_bytes;
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static void print_clients(struct engine *engine, struct buffer *out)
{
    (void)engine;
    info_integer(out, "connected_clients", session_count());
    info_integer(out, "cluster_connections", 0);
    info_setting(out, "maxclients");
    info_integer(out, "client_recent_max_input_buffer", 0);
    info_integer(out, "client_recent_max_output_buffer", 0);
    info_gauge(out, GAUGE_blocked_clients);
    info_gauge(out, GAUGE_tracking_clients);
    info_gauge(out, GAUGE_pubsub_clients);
    info_gauge(out, GAUGE_watching_clients);
    info_integer(out, "clients_in_timeout_table", 0);
    info_gauge(out, GAUGE_total_watched_keys);
    info_gauge(out, GAUGE_total_blocking_keys);
    info_gauge(out, GAUGE_total_blocking_keys_on_nokey);
}

/* ---- memory ---- */

static void print_memory_use(struct engine *engine, struct buffer *out)
{
    size_t used = memory_allocated(), peak = info_memory_peak();
    size_t overhead = keyspace_overhead_bytes(engine->keyspace) + startup_bytes;
    size_t dataset = used > overhead ? used - overhead : 0;
    info_size(out, "used_memory", used);
    info_size(out, "used_memory_rss", memory_resident());
    info_size(out, "used_memory_peak", peak);
    info_format(out, "used_memory_peak_perc", "%.2f%%", ratio((double)used * 100, (double)peak));
    info_integer(out, "used_memory_overhead", (int64_t)overhead);
    info_integer(out, "used_memory_startup", (int64_t)startup_bytes);
    info_integer(out, "used_memory_dataset", (int64_t)dataset);
    double net = used > startup_bytes ? (double)(used - startup_bytes) : 0;
    info_format(out, "used_memory_dataset_perc", "%.2f%%", ratio((double)dataset * 100, net));
}

static void print_allocator(struct buffer *out)
{
    struct allocator_state allocator = allocator_read();
    double allocated = (double)allocator.allocated, active = (double)allocator.active;
    double resident = (double)allocator.resident, process = (double)memory_resident();
    info_integer(out, "allocator_allocated", (int64_t)allocator.allocated);
    info_integer(out, "allocator_active", (int64_t)allocator.active);
    info_integer(out, "allocator_resident", (int64_t)allocator.resident);
    info_format(out, "allocator_frag_ratio", "%.2f", ratio(active, allocated));
    info_integer(out, "allocator_frag_bytes", (int64_t)(active - allocated));
    info_format(out, "allocator_rss_ratio", "%.2f", ratio(resident, active));
    info_integer(out, "allocator_rss_bytes", (int64_t)(resident - active));
    info_format(out, "rss_overhead_ratio", "%.2f", ratio(process, resident));
    info_integer(out, "rss_overhead_bytes", (int64_t)(process - resident));
    double used = (double)memory_allocated();
    info_format(out, "mem_fragmentation_ratio", "%.2f", ratio(process, used));
    info_integer(out, "mem_fragmentation_bytes", (int64_t)(process - used));
}

/* One interpreter serves scripts and functions. */
static void print_scripts(struct buffer *out)
{
    size_t vm = scripting_bytes();
    info_size(out, "used_memory_lua", vm);
    info_integer(out, "used_memory_vm_eval", (int64_t)vm);
    info_integer(out, "used_memory_vm_functions", 0);
    info_size(out, "used_memory_vm_total", vm);
    info_integer(out, "used_memory_scripts_eval", info_gauges[GAUGE_used_memory_scripts]);
    info_gauge(out, GAUGE_used_memory_functions);
    info_size(out, "used_memory_scripts",
              (size_t)(info_gauges[GAUGE_used_memory_scripts] + info_gauges[GAUGE_used_memory_functions]));
    info_gauge(out, GAUGE_number_of_cached_scripts);
    info_gauge(out, GAUGE_number_of_functions);
    info_gauge(out, GAUGE_number_of_libraries);
}

static void print_memory(struct engine *engine, struct buffer *out)
{
    struct stream_info stream;
    stream_read_info(engine->stream, &stream);
    size_t machine = memory_of_machine();
    print_memory_use(engine, out);
    info_size(out, "total_system_memory", machine);
    print_scripts(out);
    /* The bound that holds, also where maxmemory is left to the server. */
    info_size(out, "maxmemory", engine->maxmemory > 0 ? (size_t)engine->maxmemory : machine / 4 * 3);
    const struct option *policy = settings_find(BYTES("maxmemory-policy"));
    buffer_append_text(out, "maxmemory_policy:");
    if (policy)
        option_print(policy, out);
    buffer_append_text(out, "\r\n");
    print_allocator(out);
    info_integer(out, "mem_not_counted_for_evict", 0);
    info_integer(out, "mem_replication_backlog", (int64_t)stream.ring_bytes);
    info_integer(out, "mem_total_replication_buffers", (int64_t)stream.ring_bytes);
    info_integer(out, "mem_clients_slaves", 0);
    info_integer(out, "mem_clients_normal", 0);
    info_integer(out, "mem_cluster_links", 0);
    info_integer(out, "mem_aof_buffer", 0);
    info_integer(out, "mem_tier", engine_hooks.tier_bytes ? (int64_t)engine_hooks.tier_bytes() : 0);
    info_text(out, "mem_allocator", allocator_name());
    info_integer(out, "active_defrag_running", 0);
    info_integer(out, "lazyfree_pending_objects", 0);
    info_integer(out, "lazyfreed_objects", 0);
}

/* ---- persistence: the file that BGSAVE writes; the log is what the append-only file would be ---- */

/* About when it will be over, as Redis estimates it. */
static int64_t loading_eta_seconds(const struct loading_state *state, int64_t now_ms)
{
    int64_t elapsed = (now_ms - state->since_ms) / 1000;
    uint64_t left = state->bytes_total > state->bytes ? state->bytes_total - state->bytes : 1;
    return elapsed <= 0 ? 1 : (int64_t)((double)elapsed * (double)left / (double)(state->bytes + 1));
}

static void print_loading(struct buffer *out, int64_t now_ms)
{
    struct loading_state state = {0};
    bool is_loading = engine_hooks.read_loading && engine_hooks.read_loading(&state);
    info_integer(out, "loading", is_loading);
    info_integer(out, "async_loading", 0);
    if (!is_loading)
        return;
    info_integer(out, "loading_start_time", state.since_ms / 1000);
    info_integer(out, "loading_total_bytes", (int64_t)state.bytes_total);
    info_integer(out, "loading_rdb_used_mem", 0);
    info_integer(out, "loading_loaded_bytes", (int64_t)state.bytes);
    info_format(out, "loading_loaded_perc", "%.2f", state.percent);
    info_integer(out, "loading_eta_seconds", loading_eta_seconds(&state, now_ms));
}

static void print_persistence(struct engine *engine, struct buffer *out)
{
    struct saving_state file = saving_read(SAVING_FILE), rewrite = saving_read(SAVING_CHECKPOINT);
    uint64_t written = 0, total = 0;
    int64_t now_ms = clock_now_ms();
    bool log = engine->durability != DURABILITY_NONE;
    struct stream_info stream;
    stream_read_info(engine->stream, &stream);
    if (engine_hooks.save_progress)
        engine_hooks.save_progress(&written, &total);
    print_loading(out, now_ms);
    info_integer(out, "current_cow_peak", 0);
    info_integer(out, "current_cow_size", 0);
    info_integer(out, "current_cow_size_age", 0);
    info_format(out, "current_fork_perc", "%.2f", 0.0);
    info_integer(out, "current_save_keys_processed", (int64_t)written);
    info_integer(out, "current_save_keys_total", (int64_t)total);
    info_integer(out, "rdb_changes_since_last_save", (int64_t)saving_changes(engine));
    info_integer(out, "rdb_bgsave_in_progress", file.running);
    info_integer(out, "rdb_last_save_time", saving_last_ms(engine) / 1000);
    info_text(out, "rdb_last_bgsave_status", file.failed ? "err" : "ok");
    info_integer(out, "rdb_last_bgsave_time_sec", file.last_seconds);
    info_integer(out, "rdb_current_bgsave_time_sec", file.running ? (now_ms - file.started_ms) / 1000 : -1);
    info_integer(out, "rdb_saves", (int64_t)file.count);
    info_integer(out, "rdb_last_cow_size", 0);
    info_integer(out, "rdb_last_load_keys_expired", 0);
    info_integer(out, "rdb_last_load_keys_loaded", 0);
    info_integer(out, "aof_enabled", log);
    info_integer(out, "aof_rewrite_in_progress", rewrite.running);
    info_integer(out, "aof_rewrite_scheduled", 0);
    info_integer(out, "aof_last_rewrite_time_sec", rewrite.last_seconds);
    info_integer(out, "aof_current_rewrite_time_sec", rewrite.running ? (now_ms - rewrite.started_ms) / 1000 : -1);
    info_text(out, "aof_last_bgrewrite_status", rewrite.failed ? "err" : "ok");
    info_integer(out, "aof_rewrites", (int64_t)rewrite.count);
    info_integer(out, "aof_rewrites_consecutive_failures", 0);
    info_text(out, "aof_last_write_status", log && engine_write_failure(engine) ? "err" : "ok");
    info_integer(out, "aof_last_cow_size", 0);
    info_integer(out, "module_fork_in_progress", 0);
    info_integer(out, "module_fork_last_cow_size", 0);
    if (!log)
        return;
    info_integer(out, "aof_current_size", (int64_t)stream.log_bytes);
    info_integer(out, "aof_base_size", 0);
    info_integer(out, "aof_pending_rewrite", 0);
    info_integer(out, "aof_buffer_length", (int64_t)(stream.end - stream.written));
    info_integer(out, "aof_pending_bio_fsync", 0);
    info_integer(out, "aof_delayed_fsync", 0);
}

/* ---- statistics ---- */

static void print_stats(struct engine *engine, struct buffer *out)
{
    static const char *const zero[] = {"expired_time_cap_reached_count",
                                       "expire_cycle_cpu_milliseconds",
                                       "evicted_clients",
                                       "total_eviction_exceeded_time",
                                       "current_eviction_exceeded_time",
                                       "latest_fork_usec",
                                       "total_forks",
                                       "migrate_cached_sockets",
                                       "slave_expires_tracked_keys",
                                       "active_defrag_hits",
                                       "active_defrag_misses",
                                       "active_defrag_key_hits",
                                       "active_defrag_key_misses",
                                       "total_active_defrag_time",
                                       "current_active_defrag_time",
                                       "dump_payload_sanitizations",
                                       "io_threaded_reads_processed",
                                       "io_threaded_writes_processed",
                                       "reply_buffer_shrinks",
                                       "reply_buffer_expands",
                                       "eventloop_cycles",
                                       "acl_access_denied_cmd",
                                       "acl_access_denied_key",
                                       "acl_access_denied_channel"};
    static const enum info_gauge gauges[] = {GAUGE_pubsub_channels,      GAUGE_pubsub_patterns,
                                             GAUGE_pubsubshard_channels, GAUGE_tracking_total_keys,
                                             GAUGE_tracking_total_items, GAUGE_tracking_total_prefixes};
    (void)engine;
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        info_integer(out, metric_rows[i].name, (int64_t)metric_read((enum metric_counter)i));
    info_integer(out, "instantaneous_ops_per_sec", (int64_t)(info_rate(RATE_COMMANDS) + 0.5));
    info_format(out, "instantaneous_input_kbps", "%.2f", info_rate(RATE_INPUT_BYTES) / 1024);
    info_format(out, "instantaneous_output_kbps", "%.2f", info_rate(RATE_OUTPUT_BYTES) / 1024);
    info_format(out, "instantaneous_input_repl_kbps", "%.2f", info_rate(RATE_REPL_INPUT_BYTES) / 1024);
    info_format(out, "instantaneous_output_repl_kbps", "%.2f", info_rate(RATE_REPL_OUTPUT_BYTES) / 1024);
    info_format(out, "expired_stale_perc", "%.2f", 0.0);
    for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
        info_gauge(out, gauges[i]);
    info_integer(out, "evicted_scripts", (int64_t)scripting_evicted());
    for (size_t i = 0; i < sizeof(zero) / sizeof(zero[0]); i++)
        info_integer(out, zero[i], 0);
}

static void print_times(struct buffer *out, const char *system_name, const char *user_name, int who)
{
    struct rusage usage;
    if (getrusage(who, &usage) != 0)
        return;
    info_format(out, system_name, "%ld.%06ld", (long)usage.ru_stime.tv_sec, (long)usage.ru_stime.tv_usec);
    info_format(out, user_name, "%ld.%06ld", (long)usage.ru_utime.tv_sec, (long)usage.ru_utime.tv_usec);
}

static void print_cpu(struct engine *engine, struct buffer *out)
{
    (void)engine;
    print_times(out, "used_cpu_sys", "used_cpu_user", RUSAGE_SELF);
    print_times(out, "used_cpu_sys_children", "used_cpu_user_children", RUSAGE_CHILDREN);
    /* There is no main thread; the one that answers is one of those that do the work. */
    print_times(out, "used_cpu_sys_main_thread", "used_cpu_user_main_thread", RUSAGE_THREAD);
}

static void print_nothing(struct engine *engine, struct buffer *out)
{
    (void)engine, (void)out;
}

/* ---- commands and their errors ---- */

static void print_errorstats(struct engine *engine, struct buffer *out)
{
    (void)engine;
    error_counts_print(out);
}

static void print_commandstats(struct engine *engine, struct buffer *out)
{
    for (uint32_t id = 0; id < command_count(); id++) {
        struct command_stats stats = statistics_of(engine, id, NULL);
        if (stats.calls == 0 && stats.rejected == 0)
            continue;
        double us = ticks_to_us(stats.ticks);
        buffer_append_format(
            out, "cmdstat_%s:calls=%llu,usec=%.0f,usec_per_call=%.2f,rejected_calls=%llu,failed_calls=%llu\r\n",
            command_by_id(id)->full_name, (unsigned long long)stats.calls, us, ratio(us, (double)stats.calls),
            (unsigned long long)stats.rejected, (unsigned long long)stats.failed);
    }
}

/* The time that 'part' of the calls did not exceed. */
static uint64_t percentile_us(const uint64_t *buckets, uint64_t calls, double part)
{
    uint64_t wanted = (uint64_t)(part * (double)calls + 0.999999), seen = 0;
    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++) {
        seen += buckets[i];
        if (seen >= wanted && seen > 0)
            return latency_bucket_limit(i);
    }
    return latency_bucket_limit(LATENCY_BUCKETS - 1);
}

static void print_latencystats(struct engine *engine, struct buffer *out)
{
    uint64_t buckets[LATENCY_BUCKETS];
    for (uint32_t id = 0; engine->latency_tracking && id < command_count(); id++) {
        uint64_t counted = 0;
        if (statistics_of(engine, id, buckets).calls == 0)
            continue;
        for (uint32_t i = 0; i < LATENCY_BUCKETS; i++)
            counted += buckets[i];
        if (counted == 0)
            continue;
        buffer_append_format(out, "latency_percentiles_usec_%s:p50=%.3f,p99=%.3f,p99.9=%.3f\r\n",
                             command_by_id(id)->full_name, (double)percentile_us(buckets, counted, 0.5),
                             (double)percentile_us(buckets, counted, 0.99),
                             (double)percentile_us(buckets, counted, 0.999));
    }
}

static void print_cluster(struct engine *engine, struct buffer *out)
{
    (void)engine;
    info_integer(out, "cluster_enabled", 0);
}

static void print_keyspace(struct engine *engine, struct buffer *out)
{
    for (int db = 0; db < DATABASE_COUNT; db++) {
        struct keyspace_counts counts = keyspace_counts(engine->keyspace, db);
        if (counts.keys > 0)
            buffer_append_format(out, "db%d:keys=%llu,expires=%llu,avg_ttl=0\r\n", db, (unsigned long long)counts.keys,
                                 (unsigned long long)counts.expires);
    }
}

void info_register_own(void)
{
    static const struct info_section own[] = {
        {"clients", "Clients", INFO_DEFAULT, print_clients},
        {"memory", "Memory", INFO_DEFAULT, print_memory},
        {"persistence", "Persistence", INFO_DEFAULT, print_persistence},
        {"stats", "Stats", INFO_DEFAULT, print_stats},
        {"cpu", "CPU", INFO_DEFAULT, print_cpu},
        {"modules", "Modules", INFO_DEFAULT, print_nothing},
        {"commandstats", "Commandstats", 0, print_commandstats},
        {"errorstats", "Errorstats", INFO_DEFAULT, print_errorstats},
        {"latencystats", "Latencystats", 0, print_latencystats},
        {"cluster", "Cluster", INFO_DEFAULT, print_cluster},
        {"keyspace", "Keyspace", INFO_DEFAULT, print_keyspace},
    };
    startup_bytes = memory_allocated();
    allocator_name();
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        info_register(&own[i]);
}
