/* SPDX-License-Identifier: BSD-3-Clause */
/* INFO's sections about the process and about the parts that commands do not know. */
#include "server/info_sections.h"

#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "command/class.h"
#include "command/info.h"
#include "command/settings.h"
#include "replication/replication.h"
#include "server/config.h"
#include "server/version.h"
#include "tier/tier.h"

static struct tier *const *tier_place;

/* ---- Server ---- */

static void print_versions(struct buffer *out)
{
    struct utsname host;
    uname(&host);
    info_text(out, "redis_version", REDIS_VERSION);
    info_text(out, "forebay_version", FOREBAY_VERSION);
    info_text(out, "redis_git_sha1", "00000000");
    info_integer(out, "redis_git_dirty", 0);
    info_text(out, "redis_build_id", "0");
    info_text(out, "redis_mode", "standalone");
    info_format(out, "os", "%s %s %s", host.sysname, host.release, host.machine);
    info_integer(out, "arch_bits", (int64_t)sizeof(void *) * 8);
    info_text(out, "monotonic_clock", "POSIX clock_gettime");
    info_text(out, "multiplexing_api", "epoll");
    info_text(out, "atomicvar_api", "c11-builtin");
    info_text(out, "gcc_version", __VERSION__);
}

static void print_executable(struct buffer *out)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[length > 0 ? length : 0] = '\0';
    info_text(out, "executable", path);
}

static void print_listener(struct buffer *out, int *number, const char *name, int64_t port)
{
    if (port == 0)
        return;
    buffer_append_format(out, "listener%d:name=%s", (*number)++, name);
    const char *word = config.bind;
    while (*word) {
        int length = (int)strcspn(word, " ");
        if (length > 0)
            buffer_append_format(out, ",bind=%.*s", length, word);
        word += length + (word[length] == ' ');
    }
    buffer_append_format(out, ",port=%lld\r\n", (long long)port);
}

static void print_listeners(struct buffer *out)
{
    int number = 0;
    print_listener(out, &number, "tcp", config.port);
    print_listener(out, &number, "tls", config.tls_port);
    if (config.unix_path[0])
        buffer_append_format(out, "listener%d:name=unix,bind=%s\r\n", number, config.unix_path);
}

static void print_server(struct engine *engine, struct buffer *out)
{
    int64_t now_ms = clock_now_ms(), uptime = (now_ms - engine->started_at_ms) / 1000;
    print_versions(out);
    info_integer(out, "process_id", getpid());
    info_text(out, "process_supervised", "no");
    info_text(out, "run_id", engine->run_id);
    info_integer(out, "tcp_port", config.port);
    info_integer(out, "server_time_usec", clock_now_us());
    info_integer(out, "uptime_in_seconds", uptime);
    info_integer(out, "uptime_in_days", uptime / 86400);
    info_setting(out, "hz");
    const struct option *hz = settings_find(BYTES("hz"));
    buffer_append_text(out, "configured_hz:");
    if (hz)
        option_print(hz, out);
    buffer_append_text(out, "\r\n");
    info_integer(out, "lru_clock", now_ms / 1000 & 0xffffff);
    print_executable(out);
    info_text(out, "config_file", settings_file());
    info_integer(out, "io_threads_active", engine->worker_count > 1);
    info_integer(out, "worker_threads", engine->worker_count);
    print_listeners(out);
}

/* ---- Tier ---- */

static void print_levels(const struct tier_info *tier, struct buffer *out)
{
    buffer_append_text(out, "tier_level_files:");
    for (int i = 0; i < TIER_LEVELS; i++)
        buffer_append_format(out, "%s%u", i ? "," : "", tier->level_files[i]);
    buffer_append_text(out, "\r\n");
}

/* The time within which 'part' of the loads ended: the upper edge of its bucket. */
static uint64_t load_percentile_us(const struct tier_info *tier, double part)
{
    uint64_t sum = 0, seen = 0;
    for (int i = 0; i < TIER_LATENCY_BUCKETS; i++)
        sum += tier->read_us_buckets[i];
    for (int i = 0; i < TIER_LATENCY_BUCKETS && sum > 0; i++) {
        seen += tier->read_us_buckets[i];
        if ((double)seen >= part * (double)sum)
            return UINT64_C(1) << i;
    }
    return 0;
}

static void print_tier_reads(const struct tier_info *tier, struct buffer *out)
{
    info_integer(out, "tier_loads", (int64_t)tier->loads);
    info_integer(out, "tier_load_keys", (int64_t)tier->reads);
    info_integer(out, "tier_load_misses", (int64_t)tier->read_misses);
    info_integer(out, "tier_load_errors", (int64_t)tier->read_errors);
    info_format(out, "tier_load_usec", "sum=%llu,max=%llu,p50=%llu,p99=%llu,p99.9=%llu",
                (unsigned long long)tier->read_us_sum, (unsigned long long)tier->read_us_max,
                (unsigned long long)load_percentile_us(tier, 0.5), (unsigned long long)load_percentile_us(tier, 0.99),
                (unsigned long long)load_percentile_us(tier, 0.999));
    info_integer(out, "tier_queued_loads", (int64_t)tier->queued_loads);
    info_integer(out, "tier_queued_jobs", (int64_t)tier->queued_jobs);
}

static void print_tier_cycles(const struct tier_info *tier, struct buffer *out)
{
    info_integer(out, "tier_cycle_running", tier->cycle_running);
    info_integer(out, "tier_last_cycle_usec", tier->last_cycle_us);
    info_integer(out, "tier_longest_hold_usec", tier->longest_hold_us);
    info_integer(out, "tier_deletes_written", (int64_t)tier->deletes_written);
    info_integer(out, "tier_checkpoint_offset", (int64_t)tier->checkpoint_offset);
    info_integer(out, "tier_checkpoint_time", tier->checkpoint_ms / 1000);
    info_integer(out, "tier_expired_reported", (int64_t)tier->expired_reported);
    info_integer(out, "tier_expired_dropped", (int64_t)tier->expired_dropped);
    info_integer(out, "tier_filter_partitions_left", tier->filter_partitions_left);
}

/* The counters of the tier that are metrics, too, stand in Stats. */
static void print_tier(struct engine *engine, struct buffer *out)
{
    struct tier_info tier = {0};
    info_integer(out, "tier_enabled", engine->tier);
    info_integer(out, "tier_spill", engine->spill);
    if (!*tier_place)
        return;
    tier_read_info(*tier_place, &tier);
    info_integer(out, "tier_rows", (int64_t)tier.rows);
    info_size(out, "tier_file_bytes", tier.file_bytes);
    print_levels(&tier, out);
    info_integer(out, "tier_pending_compaction_bytes", (int64_t)tier.pending_compaction_bytes);
    print_tier_cycles(&tier, out);
    print_tier_reads(&tier, out);
    info_integer(out, "tier_cold_keys", (int64_t)keyspace_cold_count(engine->keyspace));
    info_integer(out, "tier_filter_bytes", (int64_t)keyspace_filter_bytes());
    info_integer(out, "tier_cache_bytes", (int64_t)tier.cache_bytes);
    info_integer(out, "tier_cache_bytes_max", (int64_t)tier.cache_bytes_max);
    info_integer(out, "tier_table_reader_bytes", (int64_t)tier.table_reader_bytes);
    info_integer(out, "tier_run_bytes", (int64_t)tier.run_bytes);
    info_integer(out, "tier_free_bytes", (int64_t)tier.free_bytes);
    info_integer(out, "tier_reopened", (int64_t)tier.reopened);
    info_text(out, "tier_stalled", tier.stalled ? tier.stalled : "");
    info_text(out, "tier_failure", tier.failure ? tier.failure : "");
    info_text(out, "tier_last_error", tier.last_error);
}

/* ---- Log ---- */

static void print_log(struct engine *engine, struct buffer *out)
{
    struct stream_info stream;
    const char *failure = engine_write_failure(engine);
    stream_read_info(engine->stream, &stream);
    info_setting(out, "durability");
    info_integer(out, "log_end_offset", (int64_t)stream.end);
    info_integer(out, "log_written_offset", (int64_t)stream.written);
    info_integer(out, "log_synced_offset", (int64_t)stream.synced);
    info_integer(out, "log_first_offset", (int64_t)stream.first);
    info_size(out, "log_bytes", stream.log_bytes);
    info_integer(out, "log_needed_bytes", (int64_t)stream.needed_bytes);
    info_integer(out, "log_needed_bytes_max", (int64_t)stream.needed_bytes_max);
    info_integer(out, "log_ring_bytes", (int64_t)stream.ring_bytes);
    info_integer(out, "log_last_sync_usec", stream.last_sync_us);
    info_integer(out, "log_sync_max_usec", stream.sync_us_max);
    info_text(out, "log_failure", failure ? failure : "");
}

/* ---- Classes ---- */

static void print_class(void *context, const struct keyspace_class *class)
{
    buffer_append_format(context,
                         "class_%s:prefix=%s,durability=%s,ack=%s,admission=%s,reads=%llu,writes=%llu,evicted=%llu\r\n",
                         class->name, class->prefix, class->through ? "through" : "behind", class_ack_word(class),
                         class->optional ? "optional" : "always",
                         (unsigned long long)atomic_load_explicit(&class->reads, memory_order_relaxed),
                         (unsigned long long)atomic_load_explicit(&class->writes, memory_order_relaxed),
                         (unsigned long long)atomic_load_explicit(&class->evicted, memory_order_relaxed));
}

static void print_classes(struct engine *engine, struct buffer *out)
{
    (void)engine;
    class_each(print_class, out);
}

void info_sections_register(struct tier *const *tier)
{
    static const struct info_section process = {"server", "Server", INFO_DEFAULT, print_server};
    static const struct info_section parts[] = {
        {"tier", "Tier", INFO_DEFAULT, print_tier},
        {"log", "Log", INFO_DEFAULT, print_log},
        {"classes", "Classes", INFO_DEFAULT, print_classes},
    };
    tier_place = tier;
    info_register(&process);
    info_register_own();
    info_register(&replication_info);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        info_register(&parts[i]);
}
