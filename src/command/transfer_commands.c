/* SPDX-License-Identifier: BSD-3-Clause */
/* Values that go to another key, another db, or out of the server and back in: RENAME, COPY, MOVE, DUMP, RESTORE.
 *
 * To the stream a transfer is what it does to each key: a SET (or RESTORE) of the destination, a DEL of the source. A
 * time to live goes with its value. */
#include "command/dispatch.h"

#include "command/args.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/notify.h"
#include "object/codec.h"
#include "resp/error_text.h"

#include <limits.h>

/* What was at the destination is replaced, not changed: the key is a new one. */
static void note_replaced(struct execution *x, struct entry *old, const struct key *to)
{
    if (old)
        notify(x, NOTIFY_CREATED, "new", to);
}

static void transfer_away(struct execution *x, struct entry *source, struct entry *old, const char *from_event,
                          const char *to_event)
{
    move_value(x, &x->keys[0], source, &x->keys[1], old);
    note_replaced(x, old, &x->keys[1]);
    notify(x, NOTIFY_GENERIC, from_event, &x->keys[0]);
    notify(x, NOTIFY_GENERIC, to_event, &x->keys[1]);
}

/* ---- within a db ---- */

/* Looks both up; false (and replied) if there is no source. With both names the same, 'old' is the source. */
static bool rename_lookup(struct execution *x, struct entry **source, struct entry **old)
{
    *source = lookup_write(x, &x->keys[0]);
    if (!*source) {
        reply_error(x->reply, ERROR_NO_SUCH_KEY);
        return false;
    }
    *old = bytes_equal(x->keys[0].name, x->keys[1].name) ? *source : lookup_write(x, &x->keys[1]);
    return true;
}

static void rename_command(struct execution *x)
{
    struct entry *source, *old;
    if (!rename_lookup(x, &source, &old))
        return;
    if (old != source)
        transfer_away(x, source, old, "rename_from", "rename_to");
    reply_status(x->reply, "OK");
}

static void renamenx_command(struct execution *x)
{
    struct entry *source, *old;
    if (!rename_lookup(x, &source, &old))
        return;
    if (!old)
        transfer_away(x, source, NULL, "rename_from", "rename_to");
    reply_integer(x->reply, old ? 0 : 1);
}

/* ---- between dbs ---- */

static bool arg_db(struct execution *x, struct bytes word, int *db)
{
    int64_t value;
    if (!arg_int64(x, word, &value))
        return false;
    if (value < INT_MIN || value > INT_MAX) {
        reply_error_format(x->reply, "ERR value is out of range, value must between %d and %d", INT_MIN, INT_MAX);
        return false;
    }
    if (value < 0 || value >= DATABASE_COUNT) {
        reply_error(x->reply, ERROR_DB_RANGE);
        return false;
    }
    *db = (int)value;
    return true;
}

/* The db that the word names, -1 if it names none: the handler says what is wrong with it. */
static int db_of_word(struct bytes word)
{
    int64_t value;
    return bytes_to_int64(word, &value) && value >= 0 && value < DATABASE_COUNT ? (int)value : -1;
}

static int move_other_db(const struct bytes *argv, size_t argc)
{
    return argc > 2 ? db_of_word(argv[2]) : -1;
}

static int copy_other_db(const struct bytes *argv, size_t argc)
{
    int db = -1;
    for (size_t i = 3; i + 1 < argc; i++)
        if (arg_is(argv[i], "DB"))
            db = db_of_word(argv[++i]);
    return db;
}

static void move_command(struct execution *x)
{
    int db;
    if (!arg_db(x, x->argv[2], &db))
        return;
    if (db == x->db) {
        reply_error(x->reply, ERROR_SAME_OBJECT);
        return;
    }
    struct entry *source = lookup_write(x, &x->keys[0]);
    bool moves = source && !lookup_write(x, &x->keys[1]);
    if (moves)
        transfer_away(x, source, NULL, "move_from", "move_to");
    reply_integer(x->reply, moves);
}

static bool copy_parse_options(struct execution *x, int *db, bool *replace)
{
    for (size_t i = 3; i < x->argc; i++) {
        if (arg_is(x->argv[i], "REPLACE")) {
            *replace = true;
        } else if (arg_is(x->argv[i], "DB") && i + 1 < x->argc) {
            if (!arg_db(x, x->argv[++i], db))
                return false;
        } else {
            reply_syntax_error(x);
            return false;
        }
    }
    return true;
}

static void copy_command(struct execution *x)
{
    int db = x->db;
    bool replace = false;
    if (!copy_parse_options(x, &db, &replace))
        return;
    if (db == x->db && bytes_equal(x->keys[0].name, x->keys[1].name)) {
        reply_error(x->reply, ERROR_SAME_OBJECT);
        return;
    }
    struct entry *source = lookup_read(x, &x->keys[0]);
    struct entry *old = source ? lookup_write(x, &x->keys[1]) : NULL;
    bool copies = source && (!old || replace);
    if (copies) {
        struct object value = entry_object(source);
        execution_let_go(x, claims_work_of(&value));
        struct object copy = object_copy(&value);
        execution_hold_again(x);
        store(x, &x->keys[1], old, &copy, entry_expire_at_ms(source));
        note_replaced(x, old, &x->keys[1]);
        notify(x, NOTIFY_GENERIC, "copy_to", &x->keys[1]);
    }
    reply_integer(x->reply, copies);
}

/* ---- out and in ---- */

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

#define ARG_SECOND_KEY(n)                                                                                              \
    {                                                                                                                  \
        .name = (n), .type = ARGUMENT_KEY, .key_spec = 1                                                               \
    }
#define ARG_FLAG_SINCE(n, t, v) ARG_OPTION(n, t, ARGUMENT_PURE_TOKEN, v)
#define RENAME_HISTORY HISTORY({"3.2.0", "Source and destination may be the same."})

#define RESTORE_COMPLEXITY "O(N), when N is the size of the value; O(N*log(N)) for sorted sets of N members"
#define RESTORE_ARGUMENTS                                                                                              \
    ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("ttl"), ARG_STRING("serialized-value"),                                      \
              ARG_FLAG_SINCE("replace", "REPLACE", "3.0.0"), ARG_FLAG_SINCE("absttl", "ABSTTL", "5.0.0"),              \
              ARG_OPTION("seconds", "IDLETIME", ARGUMENT_INTEGER, "5.0.0"),                                            \
              ARG_OPTION("frequency", "FREQ", ARGUMENT_INTEGER, "5.0.0"))
#define RESTORE_HISTORY                                                                                                \
    HISTORY({"3.0.0", "Option `REPLACE`."}, {"5.0.0", "Option `ABSTTL`."}, {"5.0.0", "Options `IDLETIME` and `FREQ`."})

const struct command transfer_commands[] = {
    {
        .name = "COPY",
        .run = copy_command,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS), KEY_ONE(2, KEY_OW | KEY_UPDATE)},
        .group = "generic",
        .since = "6.2.0",
        .complexity = "O(1) for strings, O(N) for collections of N elements",
        .summary = "Copies a value and its time to live to another key.",
        .arguments =
            ARGUMENTS(ARG_KEY("source"), ARG_SECOND_KEY("destination"),
                      ARG_OPTION("destination-db", "DB", ARGUMENT_INTEGER, NULL), ARG_FLAG("replace", "REPLACE")),
        .other_db = copy_other_db,
    },
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
        .name = "MOVE",
        .run = move_command,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)},
        .group = "generic",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Moves a key to another database, unless it exists there.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_INTEGER("db")),
        .other_db = move_other_db,
    },
    {
        .name = "RENAME",
        .run = rename_command,
        .arity = 3,
        .flags = COMMAND_WRITE,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_DELETE), KEY_ONE(2, KEY_OW | KEY_UPDATE)},
        .group = "generic",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Gives a key another name; what had that name is replaced.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_SECOND_KEY("newkey")),
        .history = RENAME_HISTORY,
    },
    {
        .name = "RENAMENX",
        .run = renamenx_command,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_DELETE), KEY_ONE(2, KEY_OW | KEY_INSERT)},
        .group = "generic",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Gives a key another name, unless something has that name.",
        .arguments = ARGUMENTS(ARG_KEY("key"), ARG_SECOND_KEY("newkey")),
        .history = RENAME_HISTORY,
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
