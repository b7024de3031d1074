/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* One row a metric: INFO and the Prometheus text are printed from the rows. A counter has one cell per
 * thread on its own cache line, so that counting costs one plain add. */
struct metric {
    const char *name; /* as INFO prints it */
    const char *help;
};

#define METRIC_THREADS_MAX 256

/* Every counter of the server; a new one is one line here. */
/* clang-format off */
#define METRIC_COUNTERS(row)                                                                                          \
    row(total_connections_received, "connections accepted since start")                                              \
    row(total_commands_processed, "commands executed")                                                               \
    row(total_net_input_bytes, "bytes read from clients")                                                            \
    row(total_net_output_bytes, "bytes written to clients")                                                          \
    row(total_reads_processed, "read events processed")                                                              \
    row(total_writes_processed, "write events processed")                                                            \
    row(total_net_repl_input_bytes, "bytes read from replicas and from the primary")                                 \
    row(total_net_repl_output_bytes, "bytes written to them")                                                        \
    row(sync_full, "full syncs that replicas were given")                                                            \
    row(sync_full_passes, "walks over all keys that were made for full syncs; replicas may share one")               \
    row(sync_partial_ok, "partial syncs that replicas were given")                                                   \
    row(sync_partial_err, "partial syncs that replicas asked for in vain")                                           \
    row(rejected_connections, "connections refused because of maxclients")                                           \
    row(expired_keys, "keys that reached their time to live")                                                        \
    row(expired_subkeys, "fields of hashes that reached their time to live")                                         \
    row(evicted_keys, "keys deleted to stay within maxmemory")                                                       \
    row(keyspace_hits, "lookups that found a key")                                                                   \
    row(keyspace_misses, "lookups that found none")                                                                  \
    row(total_error_replies, "error replies sent")                                                                   \
    row(unexpected_error_replies, "errors of the server's own making")                                               \
    row(client_query_buffer_limit_disconnections, "clients closed for too large a query buffer")                     \
    row(client_output_buffer_limit_disconnections, "clients closed for too large an output buffer")                  \
    row(acl_access_denied_auth, "failed authentications")                                                            \
    row(tier_reads, "rows read from the tier for clients")                                                           \
    row(tier_read_misses, "tier reads that found no row")                                                            \
    row(tier_spilled_keys, "clean entries dropped from memory")                                                      \
    row(tier_rows_written, "rows written in runs")                                                                   \
    row(tier_bytes_written, "bytes written in runs")                                                                 \
    row(tier_runs, "runs ingested")                                                                                  \
    row(tier_run_failures, "runs that failed and were discarded")                                                    \
    row(tier_cycles, "flush cycles completed")                                                                       \
    row(log_bytes_written, "bytes written to the log")                                                               \
    row(log_syncs, "log syncs")                                                                                      \
    row(log_sync_errors, "log syncs that failed")                                                                    \
    row(suspended_cold, "requests suspended for a cold key")                                                         \
    row(suspended_lock, "requests parked because a partition was held")                                              \
    row(suspended_memory, "writes suspended for want of memory")                                                     \
    row(uncertain_replies, "replies given up because too few replicas have what they tell of")                       \
    row(script_restarts, "scripts started over for a cold key that they had not declared")                           \
    row(script_reads, "rows that scripts read at once, having written already")
/* clang-format on */

enum metric_counter {
#define METRIC_ID(name, help) METRIC_##name,
    METRIC_COUNTERS(METRIC_ID)
#undef METRIC_ID
        METRIC_COUNT,
};

extern const struct metric metric_rows[METRIC_COUNT];

struct metric_cells {
    _Alignas(64) _Atomic uint64_t values[METRIC_COUNT];
};
extern struct metric_cells *metric_thread_cells(void);
extern _Thread_local struct metric_cells *metric_cells_here;

/* Adds to this thread's cell; no lock prefix, since only this thread writes it. */
static inline void metric_add(enum metric_counter counter, uint64_t amount)
{
    struct metric_cells *cells = metric_cells_here ? metric_cells_here : metric_thread_cells();
    uint64_t value = atomic_load_explicit(&cells->values[counter], memory_order_relaxed);
    atomic_store_explicit(&cells->values[counter], value + amount, memory_order_relaxed);
}

/* The sum over threads since start or the last metric_reset. */
uint64_t metric_read(enum metric_counter counter);
/* CONFIG RESETSTAT: later reads count from here. */
void metric_reset(void);
