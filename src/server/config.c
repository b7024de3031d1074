/* SPDX-License-Identifier: BSD-3-Clause */
/* Every directive is a row; a flag --name takes the words up to the next flag. */
#include "server/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "command/class.h"
#include "command/command_markdown.h"
#include "command/latency_events.h"
#include "command/notify.h"
#include "command/scripting.h"
#include "command/settings.h"
#include "command/table.h"
#include "command/tracking.h"
#include "net/connection.h"
#include "net/tls.h"
#include "object/object_limits.h"
#include "replication/follower.h"
#include "replication/rdb_save.h"
#include "replication/replication.h"
#include "replication/scrub.h"
#include "server/compatibility.h"
#include "server/ticker.h"
#include "server/version.h"

struct config config;

static const char *const durability_names[] = {"none", "behind", "through", NULL};
static const char *const eviction_names[] = {
    "tier",         "noeviction",   "allkeys-lru",     "allkeys-lfu",  "allkeys-random",
    "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", NULL};
static const char *const log_level_names[] = {"debug", "verbose", "notice", "warning", "nothing", NULL};
static const char *const log_format_names[] = {"logfmt", "json", NULL};

static bool apply_log_level(const struct option *option, char *error, size_t error_size)
{
    (void)option, (void)error, (void)error_size;
    log_set_level((enum log_level)config.log_level);
    return true;
}

static bool apply_maxmemory(const struct option *option, char *error, size_t error_size)
{
    (void)option, (void)error, (void)error_size;
    ticker_limit_memory(&config.engine);
    return true;
}

#define GIGABYTES INT64_C(1073741824)

static const struct option node_options[] = {
    {.name = "port",
     .type = OPTION_INTEGER,
     .flags = OPTION_STARTUP,
     .value = &config.port,
     .initial = "6379",
     .minimum = 0,
     .maximum = 65535,
     .help = "TCP port; 0: no TCP"},
    {.name = "tls-port",
     .type = OPTION_INTEGER,
     .flags = OPTION_STARTUP,
     .value = &config.tls_port,
     .initial = "0",
     .minimum = 0,
     .maximum = 65535,
     .help = "TCP port of connections with TLS; 0: none"},
    {.name = "bind",
     .type = OPTION_TEXT,
     .flags = OPTION_STARTUP,
     .value = &config.bind,
     .initial = "127.0.0.1 -::1",
     .help = "addresses to listen on; '-' before one: it may be missing"},
    {.name = "unixsocket",
     .type = OPTION_TEXT,
     .flags = OPTION_STARTUP,
     .value = &config.unix_path,
     .initial = "",
     .help = "path of a unix socket"},
    {.name = "unixsocketperm",
     .type = OPTION_INTEGER,
     .flags = OPTION_STARTUP,
     .value = &config.unix_permission,
     .initial = "700",
     .minimum = 0,
     .maximum = 777,
     .help = "its permission, in octal digits"},
    {.name = "tcp-backlog",
     .type = OPTION_INTEGER,
     .flags = OPTION_STARTUP,
     .value = &config.tcp_backlog,
     .initial = "511",
     .minimum = 0,
     .maximum = INT32_MAX,
     .help = "length of the queue of connections not yet accepted"},
    {.name = "maxclients",
     .type = OPTION_INTEGER,
     .value = &config.clients_max,
     .initial = "10000",
     .minimum = 1,
     .maximum = UINT32_MAX,
     .help = "connections at most"},
    {.name = "timeout",
     .type = OPTION_INTEGER,
     .value = &config.idle_timeout_seconds,
     .initial = "0",
     .minimum = 0,
     .maximum = INT32_MAX,
     .help = "seconds after which an idle client is closed; 0: never"},
    {.name = "tcp-keepalive",
     .type = OPTION_INTEGER,
     .value = &config.keepalive_seconds,
     .initial = "300",
     .minimum = 0,
     .maximum = INT32_MAX,
     .help = "seconds between keepalive probes; 0: none"},
    {.name = "protected-mode",
     .type = OPTION_BOOL,
     .value = &config.protected_mode,
     .initial = "yes",
     .help = "without a password, refuse clients from other machines"},
    {.name = "requirepass",
     .type = OPTION_TEXT,
     .flags = OPTION_SENSITIVE,
     .value = &config.engine.requirepass,
     .initial = "",
     .help = "password of the default user"},
    {.name = "dir",
     .type = OPTION_TEXT,
     .flags = OPTION_STARTUP,
     .value = &config.directory,
     .initial = ".",
     .help = "directory of the log and the rows; made if missing"},
    {.name = "threads",
     .type = OPTION_INTEGER,
     .flags = OPTION_STARTUP,
     .value = &config.threads,
     .initial = "0",
     .minimum = 0,
     .maximum = 128,
     .help = "worker threads; 0: one a core"},
    {.name = "tier",
     .type = OPTION_BOOL,
     .flags = OPTION_STARTUP,
     .value = &config.tier,
     .initial = "yes",
     .help = "let cold keys leave memory for the rows on disk; with 'no' eviction deletes, as maxmemory-policy says"},
    {.name = "durability",
     .type = OPTION_ENUM,
     .flags = OPTION_STARTUP,
     .value = &config.durability,
     .initial = "behind",
     .names = durability_names,
     .help = "a reply waits until its effects are written to the log (behind), synced (through), or not at all (none: "
             "nothing survives a stop)"},
    {.name = "durability-interval-ms",
     .type = OPTION_INTEGER,
     .value = &config.durability_interval_ms,
     .initial = "1000",
     .minimum = 1,
     .maximum = 3600000,
     .help = "time between syncs of the log with 'behind'"},
    {.name = "durability-log-max",
     .type = OPTION_BYTES,
     .value = &config.durability_log_max,
     .initial = "1gb",
     .minimum = 1048576,
     .maximum = INT64_MAX,
     .help = "bytes of log that a restart may have to replay; half of maxmemory if that is less"},
    {.name = "tier-read-threads",
     .type = OPTION_INTEGER,
     .flags = OPTION_STARTUP,
     .value = &config.tier_read_threads,
     .initial = "2",
     .minimum = 1,
     .maximum = 64,
     .help = "threads that fetch cold keys"},
    {.name = "tier-cache",
     .type = OPTION_BYTES,
     .flags = OPTION_STARTUP,
     .value = &config.tier_cache_bytes,
     .initial = "0",
     .minimum = 0,
     .maximum = INT64_MAX,
     .help = "bytes of row blocks and indexes kept in memory, a part of maxmemory; 0: an eighth of it"},
    {.name = "tier-free-space-min",
     .type = OPTION_BYTES,
     .value = &config.tier_free_bytes_min,
     .initial = "256mb",
     .minimum = 0,
     .maximum = INT64_MAX,
     .help = "spilling stops while the disk has less free space"},
    {.name = "maxmemory",
     .type = OPTION_BYTES,
     .value = &config.engine.maxmemory,
     .initial = "0",
     .minimum = 0,
     .maximum = INT64_MAX,
     .apply = apply_maxmemory,
     .help = "bound of the process's resident memory; 0: three quarters of what the machine or its cgroup has"},
    {.name = "maxmemory-policy",
     .type = OPTION_ENUM,
     .value = &config.engine.eviction,
     .initial = "tier",
     .names = eviction_names,
     .help = "which keys leave memory first, or are deleted with tier no"},
    {.name = "maxmemory-wait-ms",
     .type = OPTION_INTEGER,
     .value = &config.engine.memory_wait_ms,
     .initial = "10000",
     .minimum = 0,
     .maximum = 3600000,
     .help = "how long a write waits for room before it is refused with OOM"},
    {.name = "import-mode",
     .type = OPTION_BOOL,
     .value = &config.engine.import_mode,
     .initial = "no",
     .help = "while data is brought from another server: nothing expires by itself, and CLIENT IMPORT-SOURCE sees all"},
    {.name = "proto-max-bulk-len",
     .type = OPTION_BYTES,
     .value = &config.engine.bulk_bytes_max,
     .initial = "512mb",
     .minimum = 1048576,
     .maximum = 4 * GIGABYTES,
     .help = "length of one argument or string at most"},
    {.name = "reply-bytes-max",
     .type = OPTION_BYTES,
     .value = &config.engine.reply_bytes_max,
     .initial = "512mb",
     .minimum = 1048576,
     .maximum = 1024 * GIGABYTES,
     .help = "memory that one reply may take; a longer one is an error, unless it tells what was taken out of a key"},
    {.name = "slowlog-log-slower-than",
     .type = OPTION_INTEGER,
     .value = &config.engine.slowlog_slower_than_us,
     .initial = "10000",
     .minimum = -1,
     .maximum = INT64_MAX,
     .help = "microseconds from which a command is logged as slow; -1: none is"},
    {.name = "slowlog-max-len",
     .type = OPTION_INTEGER,
     .value = &config.engine.slowlog_length_max,
     .initial = "128",
     .minimum = 0,
     .maximum = INT32_MAX,
     .help = "entries of the slow log"},
    {.name = "latency-tracking",
     .type = OPTION_BOOL,
     .value = &config.engine.latency_tracking,
     .initial = "yes",
     .help = "keep a latency histogram of every command"},
    {.name = "loglevel",
     .type = OPTION_ENUM,
     .value = &config.log_level,
     .initial = "notice",
     .names = log_level_names,
     .apply = apply_log_level,
     .help = "debug, verbose, notice, warning or nothing"},
    {.name = "logfile",
     .type = OPTION_TEXT,
     .flags = OPTION_STARTUP,
     .value = &config.log_file,
     .initial = "",
     .help = "path of the log of events; standard output if empty"},
    {.name = "log-format",
     .type = OPTION_ENUM,
     .flags = OPTION_STARTUP,
     .value = &config.log_format,
     .initial = "logfmt",
     .names = log_format_names,
     .help = "logfmt or json"},
    {.name = "client-query-buffer-limit",
     .type = OPTION_BYTES,
     .value = &connection_limits.query_bytes_max,
     .initial = "1gb",
     .minimum = 1048576,
     .maximum = INT64_MAX,
     .help = "bytes of an unfinished request at most"},
    {.name = NULL},
};

void config_setup(void)
{
    settings_register(node_options);
    settings_register(class_options);
    settings_register(object_limit_options);
    settings_register(latency_options);
    settings_register(notify_options);
    settings_register(tracking_options);
    settings_register(connection_options);
    settings_register(tls_options);
    settings_register(scripting_options);
    settings_register(replication_options);
    settings_register(scrub_options);
    settings_register(rdb_save_options);
    settings_register(follower_options);
    compatibility_register();
}

static void print_option(void *context, const struct option *option)
{
    (void)context;
    if (!(option->flags & (OPTION_COMPAT | OPTION_HIDDEN)))
        printf("  --%-28s %s (default: %s)\n", option->name, option->help,
               option->initial[0] ? option->initial : "none");
}

static void print_help(void)
{
    printf("Usage: forebay-server [/path/to/forebay.conf] [--directive value ...]\n\n"
           "Serves the Redis protocol. Every directive of the configuration file is also a flag:\n\n");
    settings_each(print_option, NULL);
    printf("\nExample: forebay-server --port 7000 --dir ./data --maxmemory 64mb\n");
}

static void print_commands(void)
{
    struct buffer page = {0};
    replication_setup();
    command_table_setup();
    command_markdown(&page);
    fwrite(page.data, 1, page.length, stdout);
    buffer_deinit(&page);
}

/* The words after a flag up to the next flag, joined by blanks; returns how many. */
static int join_words(char **argv, int count, struct buffer *value)
{
    int taken = 0;
    while (taken < count && (strncmp(argv[taken], "--", 2) != 0 || taken == 0)) {
        if (taken > 0)
            buffer_append(value, " ", 1);
        buffer_append_text(value, argv[taken++]);
    }
    return taken;
}

static bool read_flags(int argc, char **argv, int first, char *error, size_t error_size)
{
    for (int i = first; i < argc;) {
        const struct option *option = strncmp(argv[i], "--", 2) == 0 ? settings_find(bytes_of_text(argv[i] + 2)) : NULL;
        if (!option) {
            snprintf(error, error_size, "unknown argument '%s': use --help for the list of directives", argv[i]);
            return false;
        }
        struct buffer value = {0};
        char why[256];
        int taken = join_words(argv + i + 1, argc - i - 1, &value);
        bool set = taken > 0 && settings_set(option, buffer_bytes(&value), false, why, sizeof(why));
        buffer_deinit(&value);
        if (!set) {
            snprintf(error, error_size, "--%s: %s", option->name, taken > 0 ? why : "needs a value");
            return false;
        }
        i += 1 + taken;
    }
    return true;
}

bool config_read_arguments(int argc, char **argv, char *error, size_t error_size)
{
    int first = 1;
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        print_help();
        exit(0);
    }
    if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-v") == 0)) {
        printf("forebay-server %s (Redis protocol of %s)\n", FOREBAY_VERSION, REDIS_VERSION);
        exit(0);
    }
    if (argc > 1 && strcmp(argv[1], "--commands-markdown") == 0) {
        print_commands();
        exit(0);
    }
    if (argc > 1 && argv[1][0] != '-') {
        settings_set_file(argv[1]);
        if (!settings_load(argv[1], error, error_size))
            return false;
        first = 2;
    }
    return read_flags(argc, argv, first, error, error_size);
}
