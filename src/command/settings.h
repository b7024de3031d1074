/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/option.h"

/* All directives of the process: modules register their tables at start; flags, the configuration file and the CONFIG
 * commands find them here. After start-up only CONFIG SET changes values, one at a time (leaf lock inside). */
void settings_register(const struct option *table);
const struct option *settings_find(struct bytes name);
void settings_each(void (*visit)(void *context, const struct option *option), void *context);

/* Sets one value at start-up or while running ('running': start-up directives are refused, apply is called). On failure
 * nothing has changed and 'error' says why. */
bool settings_set(const struct option *option, struct bytes text, bool running, char *error, size_t error_size);

/* Sets all or none while running: first all values, then each is applied, so that what fits together may change together.
 * 'before' is filled in, and the caller's to free. On failure *failed is the index of the one that 'error' is about. */
struct setting {
    const struct option *option;
    struct bytes value;
    struct buffer before;
};
bool settings_change(struct setting *settings, size_t count, size_t *failed, char *error, size_t error_size);

/* The configuration file given at start, "" if none; what CONFIG REWRITE writes. */
void settings_set_file(const char *path);
const char *settings_file(void);
/* Reads a file of "name value" lines in redis.conf syntax (# comments, quotes, include). On failure 'error' says which
 * line and why. */
bool settings_load(const char *path, char *error, size_t error_size);
/* Rewrites the file: comments and order stay, changed values replace theirs, new ones go to the end; atomically. */
bool settings_rewrite(char *error, size_t error_size);
