/* SPDX-License-Identifier: BSD-3-Clause */
/* CONFIG. What there is to get and set are the rows of settings; nothing here knows any of them. */
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"
#include "command/args.h"
#include "command/error_counts.h"
#include "command/info.h"
#include "command/server_commands.h"
#include "command/settings.h"
#include "command/statistics.h"

/* ---- GET ---- */

struct getting {
    struct execution *x;
    size_t count;
};

static bool is_pattern(struct bytes word)
{
    for (size_t i = 0; i < word.length; i++)
        if (word.data[i] == '*' || word.data[i] == '?' || word.data[i] == '[')
            return true;
    return false;
}

/* The argument that asks for the directive, or NULL. */
static const struct bytes *wanting_argument(const struct execution *x, const struct option *option)
{
    struct bytes name = bytes_of_text(option->name);
    for (size_t i = 2; i < x->argc; i++) {
        struct bytes word = x->argv[i];
        bool matches = is_pattern(word) ? !(option->flags & OPTION_HIDDEN) && bytes_match(word, name, true)
                                        : bytes_equal_nocase(word, name);
        if (matches)
            return &x->argv[i];
    }
    return NULL;
}

static void get_if_wanted(void *context, const struct option *option)
{
    struct getting *getting = context;
    const struct bytes *word = wanting_argument(getting->x, option);
    if (!word)
        return;
    struct buffer value = {0};
    option_print(option, &value);
    /* A name comes back as it was asked for. */
    reply_bulk(getting->x->reply, is_pattern(*word) ? bytes_of_text(option->name) : *word);
    reply_bulk(getting->x->reply, buffer_bytes(&value));
    buffer_deinit(&value);
    getting->count++;
}

static void config_get_command(struct execution *x)
{
    struct getting getting = {.x = x};
    size_t handle = reply_deferred_begin(x->reply);
    settings_each(get_if_wanted, &getting);
    reply_deferred_map(x->reply, handle, getting.count);
}

/* ---- SET ---- */

static void redact_passwords(struct execution *x)
{
    for (size_t i = 2; i + 1 < x->argc; i++) {
        const struct option *option = settings_find(x->argv[i]);
        if (option && (option->flags & OPTION_SENSITIVE))
            arg_redact(x, i + 1);
    }
}

static void reply_set_error(struct execution *x, const char *name, const char *why)
{
    reply_error_format(x->reply, "ERR CONFIG SET failed (possibly related to argument '%s') - %s", name, why);
}

/* Finds the directives and refuses what is wrong before anything is changed. */
static bool config_set_parse(struct execution *x, struct setting *settings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct bytes name = x->argv[2 + 2 * i];
        const struct option *option = settings[i].option = settings_find(name);
        if (!option) {
            int shown = reply_quoted(name);
            reply_error_format(x->reply, "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'", shown,
                               name.data);
            return false;
        }
        if (option->flags & OPTION_STARTUP) {
            reply_set_error(x, option->name, "can't set immutable config");
            return false;
        }
        for (size_t j = 0; j < i; j++)
            if (settings[j].option == option) {
                reply_set_error(x, option->name, "duplicate parameter");
                return false;
            }
    }
    return true;
}

static bool config_set_all(struct execution *x, struct setting *settings, size_t count)
{
    char why[256] = "";
    size_t failed;
    if (settings_change(settings, count, &failed, why, sizeof(why)))
        return true;
    reply_set_error(x, settings[failed].option->name, why);
    return false;
}

static void config_set_command(struct execution *x)
{
    size_t count = (x->argc - 2) / 2;
    struct setting *settings = memory_allocate_zeroed(count * sizeof(*settings));
    for (size_t i = 0; i < count; i++)
        settings[i].value = x->argv[3 + 2 * i];
    redact_passwords(x);
    if (x->argc % 2 != 0)
        reply_syntax_error(x);
    else if (config_set_parse(x, settings, count) && config_set_all(x, settings, count)) {
        for (size_t i = 0; i < count; i++)
            log_notice("setting changed", "name=%s", settings[i].option->name);
        reply_status(x->reply, "OK");
    }
    for (size_t i = 0; i < count; i++)
        buffer_deinit(&settings[i].before);
    memory_free(settings);
}

/* ---- REWRITE: writes and syncs a file, so it is not a loop's work ---- */

struct rewrite {
    struct offload offload;
    char error[512];
    bool done;
};

static void rewrite_run(struct offload *offload)
{
    struct rewrite *rewrite = list_entry(offload, struct rewrite, offload);
    rewrite->done = settings_rewrite(rewrite->error, sizeof(rewrite->error));
}

static void rewrite_prepare(struct execution *x, struct offload *offload)
{
    (void)x, (void)offload;
}

static void config_rewrite_command(struct execution *x)
{
    struct offload *offload = execution_offload(x, sizeof(struct rewrite), rewrite_run, rewrite_prepare, NULL);
    if (!offload)
        return;
    struct rewrite *rewrite = list_entry(offload, struct rewrite, offload);
    if (rewrite->done)
        reply_status(x->reply, "OK");
    else
        reply_error_format(x->reply, "ERR %s", rewrite->error);
    offload_end(x, &offload);
}

/* ---- RESETSTAT, HELP ---- */

static void config_resetstat_command(struct execution *x)
{
    metric_reset();
    statistics_reset(x->engine);
    error_counts_reset();
    info_reset();
    reply_status(x->reply, "OK");
}

static void config_help_command(struct execution *x)
{
    static const char *const lines[] = {
        "GET <pattern>",
        "    Return parameters matching the glob-like <pattern> and their values.",
        "SET <directive> <value>",
        "    Set the configuration <directive> to <value>.",
        "RESETSTAT",
        "    Reset statistics reported by the INFO command.",
        "REWRITE",
        "    Rewrite the configuration file.",
        NULL,
    };
    reply_help(x, lines);
}

#define CONFIG_FLAGS (COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE)

const struct command config_subcommands[] = {
    {
        .name = "GET",
        .run = config_get_command,
        .arity = -3,
        .flags = CONFIG_FLAGS,
        .group = "server",
        .since = "2.0.0",
        .complexity = "O(N) when N is the number of configuration parameters provided",
        .summary = "Returns the values of the directives that match.",
        .arguments = ARGUMENTS({.name = "parameter", .type = ARGUMENT_STRING, .flags = ARGUMENT_MULTIPLE}),
        .history = HISTORY({"7.0.0", "Added the ability to pass multiple pattern parameters in one call"}),
    },
    {
        .name = "HELP",
        .run = config_help_command,
        .arity = 2,
        .flags = COMMAND_LOADING | COMMAND_STALE,
        .group = "server",
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Returns a text about the subcommands.",
    },
    {
        .name = "RESETSTAT",
        .run = config_resetstat_command,
        .arity = 2,
        .flags = CONFIG_FLAGS,
        .group = "server",
        .since = "2.0.0",
        .complexity = "O(1)",
        .summary = "Sets the statistics to zero.",
    },
    {
        .name = "REWRITE",
        .run = config_rewrite_command,
        .arity = 2,
        .flags = CONFIG_FLAGS | COMMAND_WALKS, /* it is offloaded, except where everything is held */
        .group = "server",
        .since = "2.8.0",
        .complexity = "O(1)",
        .summary = "Writes the present settings to the configuration file.",
    },
    {
        .name = "SET",
        .run = config_set_command,
        .arity = -4,
        .flags = CONFIG_FLAGS,
        .group = "server",
        .since = "2.0.0",
        .complexity = "O(N) when N is the number of configuration parameters provided",
        .summary = "Changes settings while the server runs, all of those named or none.",
        .arguments = ARGUMENTS({.name = "data",
                                .type = ARGUMENT_BLOCK,
                                .flags = ARGUMENT_MULTIPLE,
                                .children = ARGUMENTS(ARG_STRING("parameter"), ARG_STRING("value"))}),
        .history = HISTORY({"7.0.0", "Added the ability to set multiple parameters in one call."}),
    },
    {.name = NULL},
};
