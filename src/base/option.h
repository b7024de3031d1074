/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* One row a directive: from it come the flag --name, the line in the configuration file, CONFIG GET/SET,
 * CONFIG REWRITE and conf/forebay.conf's checks. Modules declare their rows; server/config.c collects them. */
enum option_type {
    OPTION_INTEGER, /* int64_t */
    OPTION_BYTES,   /* int64_t; accepts 64mb, 1k, 2GB */
    OPTION_BOOL,    /* bool; yes or no */
    OPTION_TEXT,    /* char * owned by the option, never NULL */
    OPTION_ENUM,    /* int; one of names */
    OPTION_SPECIAL, /* parse and print do all */
};

enum option_flags {
    OPTION_STARTUP = 1 << 0,   /* cannot be changed while running */
    OPTION_HIDDEN = 1 << 1,    /* not printed by CONFIG GET * */
    OPTION_REPEATED = 1 << 2,  /* may stand on several lines, which add up */
    OPTION_SENSITIVE = 1 << 3, /* a password */
    OPTION_COMPAT = 1 << 4,    /* accepted because clients set it; has no effect here */
};

struct option {
    const char *name;
    enum option_type type;
    unsigned flags;
    void *value;         /* points to the variable of the type above; workers read it without a lock */
    const char *initial; /* the default, as it would be written in the file */
    int64_t minimum, maximum;
    const char *const *names; /* OPTION_ENUM: texts in value order, NULL at the end */
    const char *help;         /* one sentence */
    /* May be NULL. Called after the value changed by CONFIG SET (not at start-up): makes it effective.
     * On failure writes why to 'error' and returns false; the old value is then put back. */
    bool (*apply)(const struct option *option, char *error, size_t error_size);
    /* OPTION_SPECIAL: parses text (words joined by blanks), or prints the present value. */
    bool (*parse)(const struct option *option, struct bytes text, char *error, size_t error_size);
    void (*print)(const struct option *option, struct buffer *out);
};

/* Sets the value from text with type and bounds checked; on failure changes nothing and says why. */
bool option_set(const struct option *option, struct bytes text, char *error, size_t error_size);
/* Prints the value as CONFIG GET shows it. */
void option_print(const struct option *option, struct buffer *out);
/* Sets every row of the table (ends with a NULL name) to its initial text. */
void option_reset(const struct option *table);
