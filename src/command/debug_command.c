/* SPDX-License-Identifier: BSD-3-Clause */
/* DEBUG, as far as tests of clients use it. Nothing here stops a thread: DEBUG SLEEP keeps its own client waiting, by
 * trying again every millisecond, while all others are served. */
#include "base/log.h"
#include "base/memory.h"
#include "command/args.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/pause.h"
#include "command/saving.h"
#include "command/server_commands.h"
#include "object/codec.h"
#include "resp/error_text.h"

#define SLEEP_SECONDS_MAX 1000000

static void debug_sleep(struct execution *x)
{
    double seconds;
    if (!bytes_to_double(x->argv[2], &seconds) || seconds < 0)
        seconds = 0;
    int64_t wanted_ms = (int64_t)((seconds < SLEEP_SECONDS_MAX ? seconds : SLEEP_SECONDS_MAX) * 1000);
    int64_t until_ms = execution_paused_since_ms(x) + wanted_ms;
    if (x->holding_all && wanted_ms > 0)
        reply_error(x->reply, "ERR DEBUG SLEEP is not possible inside a transaction");
    else if (wanted_ms > 0 && x->now_ms <= until_ms)
        execution_pause(x, until_ms + 1);
    else
        reply_status(x->reply, "OK");
}

static void debug_set_active_expire(struct execution *x)
{
    atomic_store_explicit(&x->engine->active_expire, !bytes_equal(x->argv[2], BYTES("0")), memory_order_relaxed);
    reply_status(x->reply, "OK");
}

/* ---- OBJECT ---- */

static void describe_object(struct execution *x, const struct key *key)
{
    const struct entry *entry = lookup_peek(x, key);
    if (!entry) {
        reply_error(x->reply, ERROR_NO_SUCH_KEY);
        return;
    }
    struct object object = entry_object(entry);
    struct buffer payload = {0}, text = {0};
    int64_t idle = keyspace_idle_seconds(x->keyspace, entry);
    execution_let_go(x, claims_work_of(&object));
    codec_encode(&object, &payload);
    size_t length = payload.length - 1;
    buffer_deinit(&payload);
    execution_hold_again(x);
    buffer_append_format(&text,
                         "Value at:%p refcount:1 encoding:%s serializedlength:%zu lru:%lld lru_seconds_idle:%lld",
                         (const void *)entry, object_encoding_name(&object), length,
                         (long long)((x->now_ms / 1000 - idle) & 0xffffff), (long long)idle);
    reply_status_bytes(x->reply, buffer_bytes(&text));
    buffer_deinit(&text);
}

/* The row of DEBUG names no keys, since only this one has one: it takes its partition by itself. */
static void debug_object(struct execution *x)
{
    struct key key = keyspace_key(x->keyspace, x->argv[2], x->db);
    struct holding holding;
    if (x->holding_all) {
        describe_object(x, &key);
    } else if (execution_hold(x, &holding, &key, 1, false)) {
        x->keys = &key;
        x->key_count = 1;
        describe_object(x, &key);
        execution_release(x, &holding);
        x->keys = NULL;
        x->key_count = 0;
    }
}

/* ---- RELOAD: what is in RAM goes to rows and is forgotten, so that whoever asks next reads rows ---- */

#define FORGET_STEP_BYTES (1024 * 1024)
#define FORGET_STEPS_MAX 64

static void forget_clean_entries(struct execution *x)
{
    for (uint32_t partition = 0; partition < PARTITION_COUNT; partition++) {
        size_t dirty = 0;
        for (int step = 0; step < FORGET_STEPS_MAX; step++)
            if (keyspace_evict_step(x->keyspace, partition, FORGET_STEP_BYTES, EVICT_ALLKEYS_RANDOM, EVICT_CLEAN,
                                    x->now_ms, &dirty) == 0)
                break;
    }
}

static void debug_reload(struct execution *x)
{
    enum status status;
    if (x->engine->durability == DURABILITY_NONE || x->holding_all)
        reply_status(x->reply, "OK");
    else if (saving_wait(x, SAVING_CHECKPOINT, &status)) {
        forget_clean_entries(x);
        saving_reply(x, status);
    }
}

/* ---- PROTOCOL: a reply of each type ---- */

static void protocol_map(struct reply *reply)
{
    reply_map(reply, 3);
    for (int i = 0; i < 3; i++) {
        reply_integer(reply, i);
        reply_bool(reply, i == 1);
    }
}

static void protocol_attribute(struct reply *reply)
{
    if (reply->protocol > 2)
        reply_raw(reply, BYTES("|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n"));
    reply_bulk_text(reply, "Some real reply following the attribute");
}

static void protocol_push(struct reply *reply)
{
    if (reply->protocol < 3) {
        reply_error(reply, "ERR RESP2 is not supported by this command");
        return;
    }
    reply_push(reply, 2);
    reply_bulk_text(reply, "server-cpu-usage");
    reply_integer(reply, 42);
    reply_bulk_text(reply, "Some real reply following the push reply");
}

static void protocol_numbers(struct reply *reply)
{
    for (int i = 0; i < 3; i++)
        reply_integer(reply, i);
}

static void debug_protocol(struct execution *x)
{
    struct bytes type = x->argv[2];
    struct reply *reply = x->reply;
    if (arg_is(type, "string"))
        reply_bulk_text(reply, "Hello World");
    else if (arg_is(type, "integer"))
        reply_integer(reply, 12345);
    else if (arg_is(type, "double"))
        reply_double(reply, 3.141);
    else if (arg_is(type, "null"))
        reply_null(reply);
    else if (arg_is(type, "array"))
        reply_array(reply, 3), protocol_numbers(reply);
    else if (arg_is(type, "set"))
        reply_set(reply, 3), protocol_numbers(reply);
    else if (arg_is(type, "map"))
        protocol_map(reply);
    else if (arg_is(type, "attrib"))
        protocol_attribute(reply);
    else if (arg_is(type, "push"))
        protocol_push(reply);
    else if (arg_is(type, "bignum"))
        reply_big_number(reply, BYTES("1234567999999999999999999999999999999"));
    else if (arg_is(type, "true") || arg_is(type, "false"))
        reply_bool(reply, arg_is(type, "true"));
    else if (arg_is(type, "verbatim"))
        reply_verbatim(reply, "txt", BYTES("This is a verbatim\nstring"));
    else
        reply_error(reply, "ERR Wrong protocol type name. Please use one of the following: "
                           "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false");
}

/* ---- small ones ---- */

static void debug_error(struct execution *x)
{
    reply_error_format(x->reply, "%.*s", (int)(x->argv[2].length > 512 ? 512 : x->argv[2].length), x->argv[2].data);
}

/* Where it is not measured, -1. */
static void debug_longest_hold(struct execution *x)
{
    struct lock_hold hold = lock_longest_hold();
    reply_array(x->reply, 4);
    reply_integer(x->reply, hold.ns < 0 ? -1 : hold.ns / 1000);
    reply_bulk_text(x->reply, hold.thread);
    reply_integer(x->reply, (int64_t)hold.steps);
    reply_integer(x->reply, (int64_t)hold.steps_most);
}

static void debug_log(struct execution *x)
{
    int shown = x->argv[2].length > 512 ? 512 : (int)x->argv[2].length;
    log_warning("DEBUG LOG", "text=\"%.*s\"", shown, x->argv[2].data);
    reply_status(x->reply, "OK");
}

/* Of a thing that does not exist here and that tests of others tune. */
static void debug_accepted(struct execution *x)
{
    reply_status(x->reply, "OK");
}

static void debug_help(struct execution *x)
{
    static const char *const lines[] = {
        "CHANGE-REPL-ID",
        "    Accepted without effect.",
        "ERROR <string>",
        "    Return a Redis protocol error with <string> as message. Useful for clients",
        "    unit tests to simulate Redis errors.",
        "LOG <message>",
        "    Write <message> to the server log.",
        "LONGEST-HOLD",
        "    The microseconds for which a partition was held without a break, at most since",
        "    this was asked last, the thread, how many basic blocks it executed meanwhile, and",
        "    the most that any hold executed. Builds with HOLDS=1 alone measure it.",
        "OBJECT <key>",
        "    Show low level info about `key` and associated value.",
        "PROTOCOL <type>",
        "    Reply with a test value of the specified type. <type> can be: string,",
        "    integer, double, bignum, null, array, set, map, attrib, push, verbatim,",
        "    true, false.",
        "QUICKLIST-PACKED-THRESHOLD <size>",
        "    Accepted without effect.",
        "RELOAD [option ...]",
        "    Write all changes as rows and forget what is in memory, so that it is read",
        "    again. Options are accepted without effect.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Setting it to 0 disables expiring keys in background when they are not",
        "    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the",
        "    default.",
        "SLEEP <seconds>",
        "    Answer after <seconds>. Decimals allowed. Other clients do not wait.",
        NULL,
    };
    reply_help(x, lines);
}

void debug_command(struct execution *x)
{
    static const struct {
        const char *name;
        size_t argc; /* 0: any */
        void (*run)(struct execution *x);
    } rows[] = {
        {"CHANGE-REPL-ID", 2, debug_accepted},
        {"ERROR", 3, debug_error},
        {"HELP", 2, debug_help},
        {"LOG", 3, debug_log},
        {"LONGEST-HOLD", 2, debug_longest_hold},
        {"OBJECT", 3, debug_object},
        {"PROTOCOL", 3, debug_protocol},
        {"QUICKLIST-PACKED-THRESHOLD", 3, debug_accepted},
        {"RELOAD", 0, debug_reload},
        {"SET-ACTIVE-EXPIRE", 3, debug_set_active_expire},
        {"SLEEP", 3, debug_sleep},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (arg_is(x->argv[1], rows[i].name) && (rows[i].argc == 0 || rows[i].argc == x->argc)) {
            rows[i].run(x);
            return;
        }
    reply_usage(x);
}
