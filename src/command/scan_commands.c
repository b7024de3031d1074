/* SPDX-License-Identifier: BSD-3-Clause */
/* SCAN, KEYS and RANDOMKEY: walks over what RAM and rows hold. Where there are rows, a reader thread walks, and the handler
 * comes back to the names it found; else the loop walks by itself. A walk on the loop never waits for a partition, and never
 * takes long: it pauses when it meets one that is held or has seen enough for a turn, and goes on from its cursor when the
 * session is tried again. Should rows have come into being meanwhile, it starts over on a reader. */
#include "command/dispatch.h"

#include "base/memory.h"
#include "base/random.h"
#include "command/args.h"
#include "command/member_scan.h"
#include "resp/error_text.h"

#define SCAN_COUNT_DEFAULT 10
/* Keys that KEYS visits at a time. */
#define KEYS_STEP 8192
/* RANDOMKEY looks at so many keys from a random place on, and at so many places, for one that has not expired. */
#define RANDOM_WINDOW 16
#define RANDOM_TRIES 32

enum { TYPE_ANY = -1, TYPE_UNKNOWN = -2 };

struct key_walk {
    struct offload offload;
    /* the question */
    int db;
    int type; /* enum object_type, or one of the two above */
    int64_t now_ms;
    size_t count;
    struct bytes pattern; /* data NULL: any name; owned */
    struct random random;
    bool may_pause; /* it runs on the loop */
    /* the answer so far */
    uint64_t cursor;
    bool is_paused;
    uint64_t paused_at;
    size_t found;
    struct buffer names; /* 4 bytes of length before each */
};

static struct key_walk *key_walk_of(struct offload *offload)
{
    return list_entry(offload, struct key_walk, offload);
}

/* ---- walking: on a reader, or on the loop ---- */

static void collect_name(void *context, const struct walk_item *item)
{
    struct key_walk *walk = context;
    uint32_t length = (uint32_t)item->name.length;
    if (item->expire_at_ms != ENTRY_NO_EXPIRE && item->expire_at_ms <= walk->now_ms)
        return;
    if (walk->type != TYPE_ANY && item->type != walk->type)
        return;
    if (walk->pattern.data && !bytes_match(walk->pattern, item->name, false))
        return;
    buffer_append(&walk->names, &length, sizeof(length));
    buffer_append_bytes(&walk->names, item->name);
    walk->found++;
}

static void walk_step(struct key_walk *walk, size_t count)
{
    struct offload *offload = &walk->offload;
    walk->cursor = keyspace_walk(offload->engine->keyspace, walk->db, walk->cursor, count, offload->holding_all,
                                 collect_name, walk, &offload->status);
}

static void scan_run(struct offload *offload)
{
    struct key_walk *walk = key_walk_of(offload);
    uint64_t start = walk->cursor;
    walk_step(walk, walk->count);
    /* A shorter step is a step, too. */
    if (offload->status == STATUS_BUSY && walk->cursor != start)
        offload->status = STATUS_OK;
}

static void keys_run(struct offload *offload)
{
    struct key_walk *walk = key_walk_of(offload);
    do
        walk_step(walk, KEYS_STEP);
    while (offload->status == STATUS_OK && walk->cursor != 0 && !walk->may_pause &&
           !atomic_load_explicit(&offload->is_abandoned, memory_order_relaxed));
    if (offload->status == STATUS_OK && walk->cursor != 0)
        offload->status = STATUS_BUSY;
}

static void randomkey_run(struct offload *offload)
{
    struct key_walk *walk = key_walk_of(offload);
    struct keyspace *keyspace = offload->engine->keyspace;
    offload->status = STATUS_OK;
    for (int i = 0; i < RANDOM_TRIES && offload->status == STATUS_OK && walk->found == 0; i++) {
        walk->cursor = keyspace_random_cursor(keyspace, walk->db, random_next(&walk->random));
        if (walk->cursor == 0)
            return;
        walk_step(walk, RANDOM_WINDOW);
        if (walk->found == 0 && walk->cursor == 0 && offload->status == STATUS_OK)
            walk_step(walk, RANDOM_WINDOW); /* past the last key is before the first */
    }
}

/* ---- the handlers' side ---- */

static void key_walk_destroy(struct offload *offload)
{
    struct key_walk *walk = key_walk_of(offload);
    memory_free((char *)walk->pattern.data);
    buffer_deinit(&walk->names);
}

/* A reader must not look at the request's own bytes. "*" is no pattern at all. */
static void key_walk_set_pattern(struct key_walk *walk, struct bytes pattern)
{
    walk->pattern = (struct bytes){0};
    if (pattern.data == NULL || bytes_equal(pattern, BYTES("*")))
        return;
    char *copy = memory_allocate(pattern.length + 1);
    memcpy(copy, pattern.data, pattern.length);
    walk->pattern = bytes_of(copy, pattern.length);
}

static void key_walk_prepare(struct execution *x, struct key_walk *walk)
{
    walk->db = x->db;
    walk->now_ms = x->now_ms;
    walk->type = TYPE_ANY;
    walk->may_pause = !x->holding_all && !keyspace_walk_needs_reader(x->keyspace);
}

/* The finished walk, for offload_end; NULL if it goes on or an error has been replied: the handler returns. */
static struct offload *key_walk(struct execution *x, void (*run)(struct offload *offload),
                                void (*prepare)(struct execution *x, struct offload *offload))
{
    struct offload *offload = execution_offload(x, sizeof(struct key_walk), run, prepare, key_walk_destroy);
    if (!offload)
        return NULL;
    struct key_walk *walk = key_walk_of(offload);
    if (walk->is_paused) {
        if (keyspace_walk_needs_reader(x->keyspace)) {
            offload_end(x, &offload);
            return key_walk(x, run, prepare);
        }
        walk->is_paused = false;
        run(offload);
    }
    if (offload->status == STATUS_OK)
        return offload;
    if (offload->status == STATUS_BUSY) {
        walk->is_paused = true;
        if (walk->cursor != walk->paused_at)
            x->session->retries = 0; /* it has come on, so it goes on in the next turn */
        walk->paused_at = walk->cursor;
        x->session->offload = offload; /* though it ran at once, the session comes back to it */
        execution_suspend(x, SUSPENDED_LOCK);
    } else {
        reply_error(x->reply, "ERR the keys could not be read from disk; see the server's log, then try again");
        offload_end(x, &offload);
    }
    return NULL;
}

/* The name at 'position', which is moved behind it. */
static struct bytes next_name(const struct key_walk *walk, size_t *position)
{
    uint32_t length;
    memcpy(&length, walk->names.data + *position, sizeof(length));
    struct bytes name = bytes_of(walk->names.data + *position + sizeof(length), length);
    *position += sizeof(length) + length;
    return name;
}

static void reply_names(struct reply *reply, const struct key_walk *walk)
{
    size_t position = 0;
    reply_array(reply, walk->found);
    for (size_t i = 0; i < walk->found; i++)
        reply_bulk(reply, next_name(walk, &position));
}

/* ---- SCAN ---- */

struct scan_options {
    uint64_t cursor;
    int64_t count;
    struct bytes pattern;
    int type;
};

static int type_of_name(struct bytes name)
{
    for (int type = 0; type < OBJECT_TYPE_COUNT; type++)
        if (arg_is(name, object_type_name((uint8_t)type)))
            return type;
    return TYPE_UNKNOWN;
}

/* SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]. A type that does not exist has no keys. */
static bool scan_parse(struct execution *x, struct scan_options *options)
{
    *options = (struct scan_options){.count = SCAN_COUNT_DEFAULT, .type = TYPE_ANY};
    if (!scan_parse_cursor(x->argv[1], &options->cursor)) {
        reply_error(x->reply, ERROR_CURSOR);
        return false;
    }
    for (size_t i = 2; i < x->argc; i += 2) {
        struct bytes word = x->argv[i];
        bool known = i + 1 < x->argc;
        if (known && arg_is(word, "COUNT")) {
            if (!arg_int64(x, x->argv[i + 1], &options->count))
                return false;
            known = options->count >= 1;
        } else if (known && arg_is(word, "MATCH")) {
            options->pattern = x->argv[i + 1];
        } else if (known && arg_is(word, "TYPE")) {
            options->type = type_of_name(x->argv[i + 1]);
        } else {
            known = false;
        }
        if (!known) {
            reply_syntax_error(x);
            return false;
        }
    }
    return true;
}

static void scan_prepare(struct execution *x, struct offload *offload)
{
    struct key_walk *walk = key_walk_of(offload);
    struct scan_options options;
    key_walk_prepare(x, walk);
    if (!scan_parse(x, &options))
        return;
    walk->cursor = options.cursor;
    walk->count = (size_t)options.count;
    walk->type = options.type;
    key_walk_set_pattern(walk, options.pattern);
}

static void scan_command(struct execution *x)
{
    struct scan_options options;
    if (!scan_parse(x, &options))
        return;
    struct offload *offload = key_walk(x, scan_run, scan_prepare);
    if (!offload)
        return;
    char cursor[BYTES_INTEGER_MAX + 1];
    size_t length = bytes_from_int64(cursor, (int64_t)key_walk_of(offload)->cursor);
    reply_array(x->reply, 2);
    reply_bulk(x->reply, bytes_of(cursor, length));
    reply_names(x->reply, key_walk_of(offload));
    offload_end(x, &offload);
}

/* ---- KEYS and RANDOMKEY ---- */

static void keys_prepare(struct execution *x, struct offload *offload)
{
    key_walk_prepare(x, key_walk_of(offload));
    key_walk_set_pattern(key_walk_of(offload), x->argv[1]);
}

static void keys_command(struct execution *x)
{
    struct offload *offload = key_walk(x, keys_run, keys_prepare);
    if (!offload)
        return;
    reply_names(x->reply, key_walk_of(offload));
    offload_end(x, &offload);
}

static void randomkey_prepare(struct execution *x, struct offload *offload)
{
    key_walk_prepare(x, key_walk_of(offload));
    random_init(&key_walk_of(offload)->random, random_next(&x->worker->random));
}

static void randomkey_command(struct execution *x)
{
    struct offload *offload = key_walk(x, randomkey_run, randomkey_prepare);
    if (!offload)
        return;
    size_t first = 0;
    if (key_walk_of(offload)->found > 0)
        reply_bulk(x->reply, next_name(key_walk_of(offload), &first));
    else
        reply_null(x->reply);
    offload_end(x, &offload);
}

/* ---- the table ---- */

const struct command scan_commands[] = {
    {
        .name = "KEYS",
        .run = keys_command,
        .arity = 2,
        .flags = COMMAND_READONLY | COMMAND_DANGEROUS | COMMAND_WALKS,
        .group = "generic",
        .since = "1.0.0",
        .complexity = "O(N), when N is the number of keys in the database",
        .summary = "Returns all keys whose names match a pattern.",
        .arguments = ARGUMENTS({.name = "pattern", .type = ARGUMENT_PATTERN}),
    },
    {
        .name = "RANDOMKEY",
        .run = randomkey_command,
        .arity = 1,
        .flags = COMMAND_READONLY | COMMAND_WALKS,
        .group = "generic",
        .since = "1.0.0",
        .complexity = "O(1)",
        .summary = "Returns the name of some key.",
    },
    {
        .name = "SCAN",
        .run = scan_command,
        .arity = -2,
        .flags = COMMAND_READONLY | COMMAND_WALKS,
        .group = "generic",
        .since = "2.8.0",
        .complexity = "O(1) for every call; O(N) for all the calls of a walk over N keys",
        .summary = "Walks through the names of all keys, some at a time.",
        .arguments = ARGUMENTS(ARG_INTEGER("cursor"), ARG_OPTION("pattern", "MATCH", ARGUMENT_PATTERN, NULL),
                               ARG_OPTION("count", "COUNT", ARGUMENT_INTEGER, NULL),
                               ARG_OPTION("type", "TYPE", ARGUMENT_STRING, "6.0.0")),
        .history = HISTORY({"6.0.0", "Option `TYPE`."}),
    },
    {.name = NULL},
};
