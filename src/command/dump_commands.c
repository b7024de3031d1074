/* SPDX-License-Identifier: BSD-3-Clause */
/* Values that go out of the server and back in: DUMP and RESTORE. */
#include "command/dispatch.h"

#include "command/args.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/notify.h"
#include "object/codec.h"
#include "resp/error_text.h"

static void dump_command(struct execution *x)
{
    struct entry *entry = lookup_read(x, x->keys);
    if (!entry) {
        reply_null(x->reply);
        return;
    }
    struct object value = entry_object(entry);
    struct buffer dump = {0};
    execution_let_go(x, claims_work_of(&value));
    codec_dump(&value, &dump);
    reply_bulk(x->reply, buffer_bytes(&dump));
    buffer_deinit(&dump);
    execution_hold_again(x);
}

struct restore_options {
    bool replace, absolute;
    int64_t idle_seconds, frequency; /* -1: not given */
};

static bool restore_parse_options(struct execution *x, struct restore_options *options)
{
    *options = (struct restore_options){.idle_seconds = -1, .frequency = -1};
    for (size_t i = 4; i < x->argc; i++) {
        bool has_value = i + 1 < x->argc;
        if (arg_is(x->argv[i], "REPLACE")) {
            options->replace = true;
        } else if (arg_is(x->argv[i], "ABSTTL")) {
            options->absolute = true;
        } else if (arg_is(x->argv[i], "IDLETIME") && has_value && options->frequency < 0) {
            if (!arg_int64(x, x->argv[++i], &options->idle_seconds))
                return false;
            if (options->idle_seconds < 0) {
                reply_error(x->reply, "ERR Invalid IDLETIME value, must be >= 0");
                return false;
            }
        } else if (arg_is(x->argv[i], "FREQ") && has_value && options->idle_seconds < 0) {
            if (!arg_int64(x, x->argv[++i], &options->frequency))
                return false;
            if (options->frequency < 0 || options->frequency > 255) {
                reply_error(x->reply, "ERR Invalid FREQ value, must be >= 0 and <= 255");
                return false;
            }
        } else {
            reply_syntax_error(x);
            return false;
        }
    }
    return true;
}

/* A time to live of 0 is none. One that goes beyond the end of time wraps around in Redis, and so has passed. */
static bool restore_parse_expiry(struct execution *x, bool absolute, int64_t *expire_at_ms)
{
    int64_t ttl_ms;
    if (!arg_int64(x, x->argv[2], &ttl_ms))
        return false;
    *expire_at_ms = ENTRY_NO_EXPIRE;
    if (ttl_ms < 0) {
        reply_error(x->reply, "ERR Invalid TTL value, must be >= 0");
        return false;
    }
    if (ttl_ms > 0 && __builtin_add_overflow(ttl_ms, absolute ? 0 : x->now_ms, expire_at_ms))
        *expire_at_ms = x->now_ms;
    return true;
}

#define RESTORE_BYTES_AN_ELEMENT 16

static bool restore_decode(struct execution *x, struct buffer *scratch, struct object *value)
{
    struct bytes payload;
    const char *error = NULL;
    execution_let_go(x, x->argv[3].length / RESTORE_BYTES_AN_ELEMENT);
    if (codec_dump_payload(x->argv[3], &payload) != STATUS_OK)
        error = ERROR_PAYLOAD_CHECKSUM;
    else if (codec_decode(payload, scratch, value) != STATUS_OK)
        error = ERROR_PAYLOAD_FORMAT;
    execution_hold_again(x);
    if (error)
        reply_error(x->reply, error);
    return !error;
}

/* What the eviction policy does not keep is not set. */
static void restore_access(struct execution *x, struct entry *entry, const struct restore_options *options)
{
    bool counts_uses = x->engine->eviction == EVICT_ALLKEYS_LFU || x->engine->eviction == EVICT_VOLATILE_LFU;
    if (options->frequency >= 0 && counts_uses)
        keyspace_set_frequency(x->keyspace, entry, (uint32_t)options->frequency);
    if (options->idle_seconds >= 0 && !counts_uses)
        keyspace_set_idle(x->keyspace, entry, options->idle_seconds);
}

/* Its time has passed: all that happens is that it replaces what was there. */
static void restore_dead(struct execution *x, struct entry *old, struct object *value)
{
    if (old) {
        delete_key(x, x->keys, old);
        notify(x, NOTIFY_GENERIC, "del", x->keys);
    }
    object_release(value);
}

static struct entry *restore_store(struct execution *x, struct entry *old, const struct object *value,
                                   int64_t expire_at_ms)
{
    struct entry *entry = store(x, x->keys, old, value, expire_at_ms);
    if (old)
        notify(x, NOTIFY_CREATED, "new", x->keys);
    notify(x, NOTIFY_GENERIC, "restore", x->keys);
    return entry;
}

static void restore_command(struct execution *x)
{
    struct restore_options options;
    struct buffer scratch = {0};
    struct object value;
    int64_t expire_at_ms;
    if (!restore_parse_options(x, &options))
        return;
    struct entry *old = lookup_write(x, x->keys);
    if (old && !options.replace) {
        reply_error(x->reply, ERROR_BUSY_KEY);
        return;
    }
    if (restore_parse_expiry(x, options.absolute, &expire_at_ms) && restore_decode(x, &scratch, &value)) {
        if (expire_at_ms != ENTRY_NO_EXPIRE && expire_at_ms <= x->expiry_ms)
            restore_dead(x, old, &value);
        else
            restore_access(x, restore_store(x, old, &value, expire_at_ms), &options);
        reply_status(x->reply, "OK");
    }
    buffer_deinit(&scratch);
}

/* ---- the table ---- */

#define ARG_FLAG_SINCE(n, t, v) ARG_OPTION(n, t, ARGUMENT_PURE_TOKEN, v)

#define RESTORE_COMPLEXITY "O(N), when N is the size of the value; O(N*log(N)) for sorted sets of N members"
#define RESTORE_ARGUMENTS                                                                                              \
    ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("ttl"), ARG_STRING("serialized-value"),                                      \
              ARG_FLAG_SINCE("replace", "REPLACE", "3.0.0"), ARG_FLAG_SINCE("absttl", "ABSTTL", "5.0.0"),              \
              ARG_OPTION("seconds", "IDLETIME", ARGUMENT_INTEGER, "5.0.0"),                                            \
              ARG_OPTION("frequency", "FREQ", ARGUMENT_INTEGER, "5.0.0"))
#define RESTORE_HISTORY                                                                                                \
    HISTORY({"3.0.0", "Option `REPLACE`."}, {"5.0.0", "Option `ABSTTL`."}, {"5.0.0", "Options `IDLETIME` and `FREQ`."})

const struct command dump_commands[] = {
    {
        .name = "DUMP",
        .run = dump_command,
        .arity = 2,
        .flags = COMMAND_READONLY,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "generic",
        .since = "2.6.0",
        .complexity = "O(N), when N is the size of the value",
        .summary = "Returns the value at a key in the form that RESTORE takes.",
        .arguments = ARGUMENTS(ARG_KEY("key")),
    },
    {
        .name = "RESTORE",
        .run = restore_command,
        .arity = -4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_DANGEROUS,
        .keys = {KEY_ONE(1, KEY_OW | KEY_UPDATE)},
        .group = "generic",
        .since = "2.6.0",
        .complexity = RESTORE_COMPLEXITY,
        .summary = "Creates a key from what DUMP returned.",
        .arguments = RESTORE_ARGUMENTS,
        .history = RESTORE_HISTORY,
    },
    {
        .name = "RESTORE-ASKING",
        .run = restore_command,
        .arity = -4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_DANGEROUS | COMMAND_ASKING,
        .keys = {KEY_ONE(1, KEY_OW | KEY_UPDATE)},
        .group = "server",
        .since = "3.0.0",
        .complexity = RESTORE_COMPLEXITY,
        .summary = "RESTORE, of a key whose slot is on its way to this node.",
        .arguments = RESTORE_ARGUMENTS,
        .history = RESTORE_HISTORY,
    },
    {.name = NULL},
};
