/* SPDX-License-Identifier: BSD-3-Clause */
/* Accepted with the types and defaults they have in Redis, remembered and shown by CONFIG GET, without effect: there is no
 * fork, no append-only file of Redis's kind and no hash table to resize by hand. What would make a node less safe or less
 * durable than its owner believes (users, a cluster) is not here: an unknown directive stops the start. */
#include "server/compatibility.h"

#include "command/settings.h"
#include "keyspace/keyspace.h"

/* Values of rows, by the row's number; most are used by no row. */
#define ROWS_MAX 192
static char *texts[ROWS_MAX];
static bool switches[ROWS_MAX];
static int64_t numbers[ROWS_MAX];

/* Of what cannot be had: asking for it must not look as if it had been given. */
static int64_t databases;
static int only_no;
static const char *const only_no_names[] = {"no", NULL};

#define ROW(directive, kind, place, first, ...)                                                                        \
    {                                                                                                                  \
        .name = (directive), .type = (kind), .flags = OPTION_COMPAT, .value = (place), .initial = (first),             \
        .help = "accepted for compatibility; has no effect", __VA_ARGS__                                               \
    }
#define TEXT(directive, first) ROW(directive, OPTION_TEXT, &texts[__COUNTER__], first, )
#define SWITCH(directive, first) ROW(directive, OPTION_BOOL, &switches[__COUNTER__], first, )
#define NUMBER(directive, first) ROW(directive, OPTION_INTEGER, &numbers[__COUNTER__], first, )
#define SIZE(directive, first) ROW(directive, OPTION_BYTES, &numbers[__COUNTER__], first, )

static const struct option all[] = {
    /* snapshots and the append-only file */
    TEXT("save", ""),
    SWITCH("rdbcompression", "yes"),
    SWITCH("rdbchecksum", "yes"),
    SWITCH("rdb-del-sync-files", "no"),
    SWITCH("rdb-save-incremental-fsync", "yes"),
    SWITCH("stop-writes-on-bgsave-error", "yes"),
    SWITCH("appendonly", "no"),
    TEXT("appendfilename", "appendonly.aof"),
    TEXT("appenddirname", "appendonlydir"),
    TEXT("appendfsync", "everysec"),
    SWITCH("no-appendfsync-on-rewrite", "no"),
    NUMBER("auto-aof-rewrite-percentage", "100"),
    SIZE("auto-aof-rewrite-min-size", "67108864"),
    SWITCH("aof-load-truncated", "yes"),
    SWITCH("aof-use-rdb-preamble", "yes"),
    SWITCH("aof-timestamp-enabled", "no"),
    SWITCH("aof-disable-auto-gc", "no"),
    SWITCH("aof-rewrite-incremental-fsync", "yes"),

    /* the process */
    SWITCH("daemonize", "no"),
    TEXT("supervised", "no"),
    TEXT("pidfile", ""),
    {.name = "databases",
     .type = OPTION_INTEGER,
     .flags = OPTION_COMPAT | OPTION_STARTUP,
     .value = &databases,
     .initial = "16",
     .minimum = 1,
     .maximum = DATABASE_COUNT,
     .help = "accepted for compatibility; there are always 16"},
    NUMBER("hz", "10"),
    SWITCH("dynamic-hz", "yes"),
    SWITCH("always-show-logo", "no"),
    SWITCH("set-proc-title", "yes"),
    TEXT("proc-title-template", "{title} {listen-addr} {server-mode}"),
    TEXT("oom-score-adj", "no"),
    TEXT("oom-score-adj-values", "0 200 800"),
    SWITCH("disable-thp", "yes"),
    SWITCH("jemalloc-bg-thread", "yes"),
    SWITCH("crash-log-enabled", "yes"),
    SWITCH("crash-memcheck-enabled", "yes"),
    TEXT("shutdown-on-sigint", "default"),
    TEXT("shutdown-on-sigterm", "default"),
    NUMBER("shutdown-timeout", "10"),
    SWITCH("syslog-enabled", "no"),
    TEXT("syslog-ident", "redis"),
    TEXT("syslog-facility", "local0"),
    TEXT("server_cpulist", ""),
    TEXT("bio_cpulist", ""),
    TEXT("aof_rewrite_cpulist", ""),
    TEXT("bgsave_cpulist", ""),
    NUMBER("io-threads", "1"),
    SWITCH("io-threads-do-reads", "no"),
    TEXT("enable-debug-command", "yes"),
    TEXT("enable-module-command", "no"),
    TEXT("enable-protected-configs", "no"),
    TEXT("ignore-warnings", ""),

    /* memory and expiry */
    NUMBER("maxmemory-samples", "5"),
    NUMBER("maxmemory-eviction-tenacity", "10"),
    TEXT("maxmemory-clients", "0"),
    NUMBER("lfu-log-factor", "10"),
    NUMBER("lfu-decay-time", "1"),
    NUMBER("active-expire-effort", "1"),
    SWITCH("activerehashing", "yes"),
    SWITCH("activedefrag", "no"),
    SIZE("active-defrag-ignore-bytes", "104857600"),
    NUMBER("active-defrag-threshold-lower", "10"),
    NUMBER("active-defrag-threshold-upper", "100"),
    NUMBER("active-defrag-cycle-min", "1"),
    NUMBER("active-defrag-cycle-max", "25"),
    NUMBER("active-defrag-max-scan-fields", "1000"),
    SWITCH("lazyfree-lazy-eviction", "yes"),
    SWITCH("lazyfree-lazy-expire", "yes"),
    SWITCH("lazyfree-lazy-server-del", "yes"),
    SWITCH("lazyfree-lazy-user-del", "yes"),
    SWITCH("lazyfree-lazy-user-flush", "yes"),

    /* encodings */
    NUMBER("hash-max-ziplist-entries", "512"),
    NUMBER("hash-max-ziplist-value", "64"),
    NUMBER("list-max-ziplist-size", "-2"),
    NUMBER("list-compress-depth", "0"),
    NUMBER("zset-max-ziplist-entries", "128"),
    NUMBER("zset-max-ziplist-value", "64"),

    /* clients, scripts, channels */
    NUMBER("lua-time-limit", "5000"),
    NUMBER("busy-reply-threshold", "5000"),
    TEXT("latency-tracking-info-percentiles", "50 99 99.9"),
    TEXT("acl-pubsub-default", "resetchannels"),
    NUMBER("acllog-max-len", "128"),
    TEXT("sanitize-dump-payload", "no"),
    TEXT("bind-source-addr", ""),
    NUMBER("socket-mark-id", "0"),

    /* replication and cluster */
    NUMBER("repl-backlog-ttl", "3600"),
    SWITCH("repl-disable-tcp-nodelay", "no"),
    TEXT("repl-diskless-load", "disabled"),
    SWITCH("repl-diskless-sync", "yes"),
    NUMBER("repl-diskless-sync-max-replicas", "0"),
    SWITCH("replica-serve-stale-data", "yes"),
    SWITCH("replica-read-only", "yes"),
    SWITCH("replica-ignore-maxmemory", "yes"),
    SWITCH("replica-lazy-flush", "no"),
    NUMBER("replica-priority", "100"),
    ROW("cluster-enabled", OPTION_ENUM, &only_no, "no", .names = only_no_names),
    NUMBER("cluster-node-timeout", "15000"),
};

void compatibility_register(void)
{
    static struct option rows[sizeof(all) / sizeof(all[0]) + 1];
    size_t count = 0;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (!settings_find(bytes_of_text(all[i].name)))
            rows[count++] = all[i];
    settings_register(rows);
}

_Static_assert(__COUNTER__ < ROWS_MAX, "every row has its place");
