/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "command/engine.h"

/* The directives of the node itself. Modules' own rows (classes, limits) are registered beside these. */
struct config {
    int64_t port, tls_port, tcp_backlog, clients_max, idle_timeout_seconds, keepalive_seconds;
    char *bind;
    char *unix_path;
    int64_t unix_permission;
    bool protected_mode;
    char *directory;
    int64_t threads;
    bool tier;
    int durability;
    int64_t durability_interval_ms, durability_log_max;
    int64_t tier_read_threads, tier_cache_bytes, tier_free_bytes_min;
    int log_level, log_format;
    char *log_file;
    struct engine engine; /* its settings are option values, too */
};
extern struct config config;

/* Registers all tables with their defaults. */
void config_setup(void);
/* Reads [file] [--name value ...]; prints help or the version where asked for. On failure 'error' says why. */
bool config_read_arguments(int argc, char **argv, char *error, size_t error_size);
