/* SPDX-License-Identifier: BSD-3-Clause */
#include "replication/migrate_options.h"

#include "command/args.h"

#include <limits.h>

#define TIMEOUT_DEFAULT_MS 1000

/* Where the word KEYS stands as an option, 0: nowhere. Options with words of their own are stepped over. */
static size_t find_keys(const struct bytes *argv, size_t argc)
{
    for (size_t i = 6; i < argc; i++) {
        if (arg_is(argv[i], "KEYS"))
            return i;
        i += arg_is(argv[i], "AUTH") ? 1 : arg_is(argv[i], "AUTH2") ? 2 : 0;
    }
    return 0;
}

bool migrate_more_keys(const struct bytes *argv, size_t argc, void (*add)(void *context, size_t index, uint16_t flags),
                       void *context)
{
    size_t at = find_keys(argv, argc);
    uint16_t flags = KEY_RW | KEY_ACCESS | KEY_DELETE;
    if (at == 0 || argv[3].length > 0)
        add(context, 3, flags);
    for (size_t i = at + 1; at > 0 && i < argc; i++)
        add(context, i, flags);
    return true;
}

static bool take_option(struct execution *x, size_t *at, struct migrate_options *options)
{
    size_t left = x->argc - *at - 1;
    struct bytes word = x->argv[*at];
    if (arg_is(word, "COPY")) {
        options->copy = true;
    } else if (arg_is(word, "REPLACE")) {
        options->replace = true;
    } else if (arg_is(word, "AUTH") && left >= 1) {
        options->password = x->argv[++*at];
        arg_redact(x, *at);
    } else if (arg_is(word, "AUTH2") && left >= 2) {
        options->user = x->argv[++*at];
        arg_redact(x, *at);
        options->password = x->argv[++*at];
        arg_redact(x, *at);
    } else if (arg_is(word, "KEYS") && x->argv[3].length > 0) {
        reply_error(x->reply, "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string");
        return false;
    } else if (arg_is(word, "KEYS") && left >= 1) {
        options->keys_at = *at + 1;
        *at = x->argc;
    } else {
        reply_syntax_error(x);
        return false;
    }
    return true;
}

bool migrate_read_options(struct execution *x, struct migrate_options *options)
{
    *options = (struct migrate_options){0};
    for (size_t i = 6; i < x->argc; i++)
        if (!take_option(x, &i, options))
            return false;
    if (!arg_int64(x, x->argv[5], &options->timeout_ms) || !arg_int64(x, x->argv[4], &options->db) ||
        !arg_int64_in(x, x->argv[2], 1, UINT16_MAX, "ERR Invalid port", &options->port))
        return false;
    if (options->timeout_ms <= 0)
        options->timeout_ms = TIMEOUT_DEFAULT_MS;
    if (options->timeout_ms > INT_MAX)
        options->timeout_ms = INT_MAX;
    return true;
}
