/* SPDX-License-Identifier: BSD-3-Clause */
/* Accepted, remembered and shown by CONFIG GET, without effect: there is no fork, no append-only file of Redis's kind and
 * no hash table to resize by hand. */
#include "server/compatibility.h"

#define COMPATIBLE(directive, default_text)                                                                            \
    {.name = directive,                                                                                                \
     .type = OPTION_TEXT,                                                                                              \
     .flags = OPTION_COMPAT,                                                                                           \
     .value = &(static_texts[__COUNTER__]),                                                                            \
     .initial = default_text,                                                                                          \
     .help = "accepted for compatibility; has no effect"}

static char *static_texts[64];

const struct option compatibility_options[] = {
    COMPATIBLE("save", ""),
    COMPATIBLE("appendonly", "no"),
    COMPATIBLE("appendfsync", "everysec"),
    COMPATIBLE("no-appendfsync-on-rewrite", "no"),
    COMPATIBLE("auto-aof-rewrite-percentage", "100"),
    COMPATIBLE("auto-aof-rewrite-min-size", "67108864"),
    COMPATIBLE("rdbcompression", "yes"),
    COMPATIBLE("rdbchecksum", "yes"),
    COMPATIBLE("dbfilename", "dump.rdb"),
    COMPATIBLE("stop-writes-on-bgsave-error", "yes"),
    COMPATIBLE("databases", "16"),
    COMPATIBLE("daemonize", "no"),
    COMPATIBLE("supervised", "no"),
    COMPATIBLE("hz", "10"),
    COMPATIBLE("dynamic-hz", "yes"),
    COMPATIBLE("maxmemory-samples", "5"),
    COMPATIBLE("maxmemory-clients", "0"),
    COMPATIBLE("lfu-log-factor", "10"),
    COMPATIBLE("lfu-decay-time", "1"),
    COMPATIBLE("activedefrag", "no"),
    COMPATIBLE("activerehashing", "yes"),
    COMPATIBLE("lazyfree-lazy-eviction", "yes"),
    COMPATIBLE("lazyfree-lazy-expire", "yes"),
    COMPATIBLE("lazyfree-lazy-server-del", "yes"),
    COMPATIBLE("lazyfree-lazy-user-del", "yes"),
    COMPATIBLE("lazyfree-lazy-user-flush", "yes"),
    COMPATIBLE("io-threads", "1"),
    COMPATIBLE("io-threads-do-reads", "no"),
    COMPATIBLE("latency-monitor-threshold", "0"),
    COMPATIBLE("notify-keyspace-events", ""),
    COMPATIBLE("cluster-enabled", "no"),
    COMPATIBLE("always-show-logo", "no"),
    COMPATIBLE("set-proc-title", "yes"),
    COMPATIBLE("enable-debug-command", "yes"),
    COMPATIBLE("client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
    {.name = NULL},
};
