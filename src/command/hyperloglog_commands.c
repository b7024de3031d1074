/* SPDX-License-Identifier: BSD-3-Clause */
/* Hyperloglogs are strings, and what a user stored may be anything: every command looks at the header, and at all runs of
 * a sparse one, before it does anything else. A sparse one is changed in a copy and stored whole; of a dense one the bytes
 * with the raised registers are changed where they stand, and are the effect. PFCOUNT keeps its estimate in the value,
 * which is a change like others, as it is for Redis. */
#include <stdlib.h>

#include "command/args.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/notify.h"
#include "command/string_piece.h"
#include "keyspace/moment.h"
#include "object/hyperloglog.h"
#include "object/object_limits.h"

#define ERROR_NOT_HLL "WRONGTYPE Key is not a valid HyperLogLog string value."
#define ERROR_CORRUPT_HLL "INVALIDOBJ Corrupted HLL object detected"

/* ---- the value ---- */

/* The entry's bytes (none for no entry); false if they are no hyperloglog, and that is replied. */
static bool view_hyperloglog(struct execution *x, const struct entry *entry, struct string_view *view)
{
    if (!require_type(x, entry, OBJECT_STRING))
        return false;
    string_view_of(entry, view);
    if (!entry)
        return true;
    if (!hyperloglog_has_header(view->bytes))
        reply_error(x->reply, ERROR_NOT_HLL);
    else if (!hyperloglog_is_sound(view->bytes))
        reply_error(x->reply, ERROR_CORRUPT_HLL);
    else
        return true;
    return false;
}

static size_t sparse_bytes_max(void)
{
    return (size_t)object_limits.hll_sparse_max_bytes;
}

/* A copy of the value that can be edited, an empty hyperloglog if there is none. */
static struct buffer *edit_copy(struct execution *x, const struct entry *entry, const struct string_view *view)
{
    struct buffer *room = edit_room(x);
    if (entry)
        buffer_append_bytes(room, view->bytes);
    else
        hyperloglog_init(room);
    return room;
}

/* Stores an edited copy. False (an error is replied) when memory is out. */
static bool store_copy(struct execution *x, struct entry *old, const struct buffer *room)
{
    struct object value;
    if (!string_object_raw_from_bytes(buffer_bytes(room), &value)) {
        reply_error(x->reply, "OOM the value does not fit in memory");
        return false;
    }
    store(x, x->keys, old, &value, old ? entry_expire_at_ms(old) : ENTRY_NO_EXPIRE);
    return true;
}

/* ---- PFADD ---- */

enum outcome { UNCHANGED, CHANGED, FAILED };

static enum outcome add_to_copy(struct execution *x, struct entry *entry, const struct string_view *view)
{
    bool changed = entry == NULL;
    struct buffer *room = edit_copy(x, entry, view);
    execution_let_go(x, x->argc);
    for (size_t i = 2; i < x->argc; i++)
        changed |= hyperloglog_raise(room, hyperloglog_hit_of(x->argv[i]), sparse_bytes_max());
    execution_hold_again(x);
    if (!changed)
        return UNCHANGED;
    hyperloglog_forget_count(room);
    return store_copy(x, entry, room) ? CHANGED : FAILED;
}

/* Says in the header that the estimate is out of date, if it does not say so. */
static struct entry *forget_count_in_place(struct execution *x, struct entry *entry)
{
    uint64_t count;
    struct string_view view;
    string_view_of(entry, &view);
    if (!hyperloglog_cached(view.bytes, &count))
        return entry;
    size_t last = HYPERLOGLOG_CACHE_OFFSET + HYPERLOGLOG_CACHE_BYTES - 1;
    char byte = (char)(view.bytes.data[last] | 0x80);
    return string_write_piece(x, x->keys, entry, last, bytes_of(&byte, 1));
}

static enum outcome add_in_place(struct execution *x, struct entry *entry)
{
    bool changed = false;
    for (size_t i = 2; entry && i < x->argc; i++) {
        struct string_view view;
        size_t offset;
        uint8_t piece[2];
        string_view_of(entry, &view);
        size_t length = hyperloglog_dense_piece(view.bytes, hyperloglog_hit_of(x->argv[i]), &offset, piece);
        if (length == 0)
            continue;
        entry = string_write_piece(x, x->keys, entry, offset, bytes_of(piece, length));
        changed = true;
        execution_breathe(x);
    }
    if (entry && changed)
        entry = forget_count_in_place(x, entry);
    return !entry ? FAILED : changed ? CHANGED : UNCHANGED;
}

static void pfadd_command(struct execution *x)
{
    struct string_view view;
    struct entry *entry = lookup_write(x, x->keys);
    if (!view_hyperloglog(x, entry, &view))
        return;
    bool in_place = entry && !hyperloglog_is_sparse(view.bytes);
    enum outcome outcome = in_place ? add_in_place(x, entry) : add_to_copy(x, entry, &view);
    if (outcome == CHANGED)
        notify(x, NOTIFY_STRING, "pfadd", x->keys);
    if (outcome != FAILED)
        reply_integer(x->reply, outcome == CHANGED);
}

/* ---- PFCOUNT ---- */

/* Who follows has its primary's values, byte by byte; and who has claimed the key may be reading it now. */
static bool may_keep_count(const struct execution *x)
{
    return !engine_is_following(x->engine) &&
           !(keyspace_any_claims() && keyspace_claim_of(x->keyspace, x->keys) != CLAIM_NONE);
}

/* A reader's change, of which nobody else has told those who look at the key's slot. */
static bool keep_count(struct execution *x, struct entry *entry, struct bytes cache)
{
    moment_keep(x->keyspace, x->keys);
    return string_write_piece(x, x->keys, entry, HYPERLOGLOG_CACHE_OFFSET, cache);
}

static void count_one(struct execution *x)
{
    struct string_view view;
    uint64_t count = 0;
    struct entry *entry = lookup_read(x, x->keys);
    if (!view_hyperloglog(x, entry, &view))
        return;
    if (entry && !hyperloglog_cached(view.bytes, &count)) {
        uint8_t registers[HYPERLOGLOG_REGISTERS] = {0};
        char cache[HYPERLOGLOG_CACHE_BYTES];
        hyperloglog_merge(view.bytes, registers);
        count = hyperloglog_estimate(registers);
        hyperloglog_cache_bytes(count, cache);
        if (may_keep_count(x) && !keep_count(x, entry, bytes_of(cache, sizeof(cache))))
            return;
    }
    reply_integer(x->reply, (int64_t)count);
}

/* Raises the registers to those of all keys; *dense is set if one of them is dense. */
static bool merge_keys(struct execution *x, uint8_t *registers, bool *dense)
{
    for (size_t i = 0; i < x->key_count; i++) {
        struct string_view view;
        struct entry *entry = lookup_read(x, &x->keys[i]);
        if (!view_hyperloglog(x, entry, &view))
            return false;
        if (!entry)
            continue;
        *dense |= !hyperloglog_is_sparse(view.bytes);
        hyperloglog_merge(view.bytes, registers);
    }
    return true;
}

static void pfcount_command(struct execution *x)
{
    uint8_t registers[HYPERLOGLOG_REGISTERS];
    bool dense = false;
    if (x->key_count == 1) {
        count_one(x);
        return;
    }
    memset(registers, 0, sizeof(registers));
    if (merge_keys(x, registers, &dense))
        reply_integer(x->reply, (int64_t)hyperloglog_estimate(registers));
}

/* ---- PFMERGE ---- */

static void pfmerge_command(struct execution *x)
{
    uint8_t registers[HYPERLOGLOG_REGISTERS] = {0};
    struct string_view view;
    bool dense = false;
    if (!merge_keys(x, registers, &dense))
        return;
    struct entry *entry = lookup_write(x, x->keys);
    string_view_of(entry, &view);
    struct buffer *room = edit_copy(x, entry, &view);
    if (dense)
        hyperloglog_make_dense(room);
    for (uint32_t i = 0; i < HYPERLOGLOG_REGISTERS; i++)
        if (registers[i] > 0)
            hyperloglog_raise(room, (struct hyperloglog_hit){i, registers[i]}, sparse_bytes_max());
    hyperloglog_forget_count(room);
    if (!store_copy(x, entry, room))
        return;
    notify(x, NOTIFY_STRING, "pfadd", x->keys);
    reply_status(x->reply, "OK");
}

/* ---- PFDEBUG and PFSELFTEST ---- */

/* Makes a sparse value dense in its key. */
static bool make_dense(struct execution *x, struct entry *entry, const struct string_view *view)
{
    struct buffer *room = edit_copy(x, entry, view);
    hyperloglog_make_dense(room);
    return store_copy(x, entry, room);
}

static void debug_registers(struct execution *x, struct entry *entry, const struct string_view *view)
{
    uint8_t registers[HYPERLOGLOG_REGISTERS] = {0};
    hyperloglog_merge(view->bytes, registers);
    if (hyperloglog_is_sparse(view->bytes) && !make_dense(x, entry, view))
        return;
    reply_array(x->reply, HYPERLOGLOG_REGISTERS);
    for (uint32_t i = 0; i < HYPERLOGLOG_REGISTERS; i++)
        reply_integer(x->reply, registers[i]);
}

static void debug_runs(struct execution *x, const struct string_view *view)
{
    struct buffer text = {0};
    if (!hyperloglog_is_sparse(view->bytes)) {
        reply_error(x->reply, "ERR HLL encoding is not sparse");
        return;
    }
    hyperloglog_describe(view->bytes, &text);
    reply_bulk(x->reply, buffer_bytes(&text));
    buffer_deinit(&text);
}

static void pfdebug_command(struct execution *x)
{
    struct string_view view;
    struct entry *entry = lookup_write(x, x->keys);
    struct bytes name = x->argv[1];
    if (!entry) {
        reply_error(x->reply, "ERR The specified key does not exist");
        return;
    }
    if (!view_hyperloglog(x, entry, &view))
        return;
    bool sparse = hyperloglog_is_sparse(view.bytes);
    if (arg_is(name, "GETREG"))
        debug_registers(x, entry, &view);
    else if (arg_is(name, "DECODE"))
        debug_runs(x, &view);
    else if (arg_is(name, "ENCODING"))
        reply_status(x->reply, sparse ? "sparse" : "dense");
    else if (!arg_is(name, "TODENSE"))
        reply_error_format(x->reply, "ERR Unknown PFDEBUG subcommand '%.*s'",
                           (int)(name.length < 1024 ? name.length : 1024), name.data);
    else if (!sparse || make_dense(x, entry, &view))
        reply_integer(x->reply, sparse);
}

#define SELFTEST_ELEMENTS 20000

/* Adds numbers to a sparse one that may grow and to one that is dense from the start: their registers must be equal at
 * the end, and estimates on the way within four standard errors (of 0.81 % each). NULL, or what is wrong. */
static const char *selftest(struct buffer *sparse, struct buffer *dense)
{
    uint8_t registers[2][HYPERLOGLOG_REGISTERS] = {{0}};
    hyperloglog_init(sparse);
    hyperloglog_init(dense);
    hyperloglog_make_dense(dense);
    for (int64_t i = 1; i <= SELFTEST_ELEMENTS; i++) {
        struct hyperloglog_hit hit = hyperloglog_hit_of(bytes_of(&i, sizeof(i)));
        if (hyperloglog_raise(sparse, hit, 3000) != hyperloglog_raise(dense, hit, 3000))
            return "sparse and dense differ";
        if (!hyperloglog_is_sound(buffer_bytes(sparse)))
            return "sparse is not sound";
        if (i % 1000 != 0)
            continue;
        hyperloglog_merge(buffer_bytes(sparse), registers[0]);
        hyperloglog_merge(buffer_bytes(dense), registers[1]);
        if (memcmp(registers[0], registers[1], sizeof(registers[0])) != 0)
            return "registers differ";
        if (llabs((int64_t)hyperloglog_estimate(registers[1]) - i) > i * 4 * 81 / 10000)
            return "too much error";
    }
    return NULL;
}

static void pfselftest_command(struct execution *x)
{
    struct buffer sparse = {0}, dense = {0};
    const char *failure = selftest(&sparse, &dense);
    if (failure)
        reply_error_format(x->reply, "ERR TESTFAILED %s", failure);
    else
        reply_status(x->reply, "OK");
    buffer_deinit(&sparse);
    buffer_deinit(&dense);
}

/* ---- the table ---- */

const struct command hyperloglog_commands[] = {
    {
        .name = "PFADD",
        .run = pfadd_command,
        .arity = -2,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .keys = {KEY_ONE(1, KEY_RW | KEY_INSERT)},
        .group = "hyperloglog",
        .since = "2.8.9",
        .complexity = "O(1) for each element",
        .summary = "Adds elements to a HyperLogLog; creates the key if it is missing.",
        .arguments =
            ARGUMENTS(ARG_KEY("key"),
                      {.name = "element", .type = ARGUMENT_STRING, .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE}),
    },
    {
        .name = "PFCOUNT",
        .run = pfcount_command,
        .arity = -2,
        .flags = COMMAND_READONLY | COMMAND_MAY_REPLICATE,
        .keys = {{.flags = KEY_RW | KEY_ACCESS,
                  .first = 1,
                  .last = -1,
                  .step = 1,
                  .notes =
                      "RW because it may change the internal representation of the key, and propagate to replicas"}},
        .group = "hyperloglog",
        .since = "2.8.9",
        .complexity = "O(1) for one key, whose last estimate is kept; O(N) for N keys, with a large constant",
        .summary = "Estimates how many different elements one or several HyperLogLogs were given.",
        .arguments = ARGUMENTS({.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE}),
    },
    {
        .name = "PFDEBUG",
        .run = pfdebug_command,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_ADMIN,
        .keys = {KEY_ONE(2, KEY_RW | KEY_ACCESS)},
        .group = "hyperloglog",
        .since = "2.8.9",
        .complexity = "O(N), with N the number of registers",
        .summary = "Shows and changes how a HyperLogLog is kept.",
        .arguments = ARGUMENTS(ARG_STRING("subcommand"), ARG_KEY("key")),
    },
    {
        .name = "PFMERGE",
        .run = pfmerge_command,
        .arity = -2,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .keys = {KEY_ONE(1, KEY_RW | KEY_ACCESS | KEY_INSERT), KEY_RANGE(2, -1, 1, KEY_RO | KEY_ACCESS)},
        .group = "hyperloglog",
        .since = "2.8.9",
        .complexity = "O(N) for N HyperLogLogs, with a large constant",
        .summary = "Merges HyperLogLogs into one, which may be one of them.",
        .arguments = ARGUMENTS(
            ARG_KEY("destkey"),
            {.name = "sourcekey", .type = ARGUMENT_KEY, .key_spec = 1, .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE}),
    },
    {
        .name = "PFSELFTEST",
        .run = pfselftest_command,
        .arity = 1,
        .flags = COMMAND_ADMIN,
        .group = "hyperloglog",
        .since = "2.8.9",
        .complexity = "O(1)",
        .summary = "Tests whether HyperLogLogs are kept and estimated as they should be.",
    },
    {.name = NULL},
};
