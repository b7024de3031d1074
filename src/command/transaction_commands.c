/* SPDX-License-Identifier: BSD-3-Clause */
/* MULTI, EXEC, DISCARD, WATCH, UNWATCH. A queued command keeps a copy of its words. EXEC takes the partitions of all keys
 * of all queued commands and of the watched ones at once, makes the keys present, and only then looks whether a watched
 * key was touched: nobody can touch one between that look and the last command. The effects of the whole go to the stream
 * in one bracket.
 *
 * A watch may outlive its session: while its partition is held elsewhere it cannot be taken out, and a worker does not
 * wait. It is then the worker's, which tries again later; so what a change touches is in the watch itself. */
#include "command/transaction.h"

#include "base/memory.h"
#include "command/claims.h"
#include "command/class.h"
#include "command/client_list.h"
#include "command/effects.h"
#include "command/queued_dbs.h"

#define WATCHES_LOOKED_AT 256

struct queued {
    const struct command_entry *command;
    size_t argc;
    struct bytes *argv; /* one allocation with the words behind it */
};

struct session_watch {
    struct watch watch;
    struct list node;     /* in its transaction, or in worker->unwatched */
    _Atomic bool touched; /* a change of the key sets it, under the key's partition */
    bool was_expired;     /* at WATCH: its removal later is then no change */
};

struct transaction {
    struct queued *queue;
    size_t count, capacity, bytes;
    uint32_t flags; /* of all queued commands together */
    struct list watches;
};

static struct transaction *transaction_of(struct session *session)
{
    if (!session->transaction) {
        session->transaction = memory_allocate_zeroed(sizeof(struct transaction));
        list_init(&session->transaction->watches);
    }
    return session->transaction;
}

static void transaction_free_if_idle(struct session *session)
{
    struct transaction *transaction = session->transaction;
    if (!transaction || (session->flags & SESSION_MULTI) || transaction->count > 0 ||
        !list_is_empty(&transaction->watches))
        return;
    memory_free(transaction->queue);
    memory_free(transaction);
    session->transaction = NULL;
}

static struct bytes *copy_words(const struct bytes *argv, size_t argc, size_t *size)
{
    *size = argc * sizeof(struct bytes);
    for (size_t i = 0; i < argc; i++)
        *size += argv[i].length;
    struct bytes *copy = memory_allocate(*size);
    char *place = (char *)(copy + argc);
    for (size_t i = 0; i < argc; i++) {
        memcpy(place, argv[i].data, argv[i].length);
        copy[i] = bytes_of(place, argv[i].length);
        place += argv[i].length;
    }
    return copy;
}

void transaction_queue(struct execution *x)
{
    struct transaction *transaction = transaction_of(x->session);
    if (transaction->count == transaction->capacity) {
        transaction->capacity = transaction->capacity ? transaction->capacity * 2 : 8;
        transaction->queue = memory_resize(transaction->queue, transaction->capacity * sizeof(struct queued));
    }
    size_t size;
    struct bytes *words = copy_words(x->argv, x->argc, &size);
    transaction->bytes += size;
    transaction->flags |= x->command->flags;
    transaction->queue[transaction->count++] = (struct queued){.command = x->command, .argc = x->argc, .argv = words};
    reply_status(x->reply, "QUEUED");
}

static void transaction_clear(struct session *session)
{
    struct transaction *transaction = session->transaction;
    session->flags &= ~(uint32_t)(SESSION_MULTI | SESSION_MULTI_FAILED);
    if (!transaction)
        return;
    for (size_t i = 0; i < transaction->count; i++)
        memory_free(transaction->queue[i].argv);
    transaction->count = 0;
    transaction->bytes = 0;
    transaction->flags = 0;
    transaction_free_if_idle(session);
}

void transaction_discard(struct session *session)
{
    transaction_clear(session);
}

int transaction_length(const struct session *session)
{
    if (!(session->flags & SESSION_MULTI))
        return -1;
    return session->transaction ? (int)session->transaction->count : 0;
}

size_t transaction_bytes(const struct session *session)
{
    return session->transaction ? session->transaction->bytes : 0;
}

static void watch_free(struct session_watch *watch)
{
    list_remove(&watch->node);
    memory_free((char *)watch->watch.key.name.data);
    memory_free(watch);
}

/* False if its partition is held elsewhere. */
static bool watch_try_end(struct keyspace *keyspace, struct session_watch *watch)
{
    uint32_t partition = key_partition(&watch->watch.key);
    if (!keyspace_try_one(keyspace, partition))
        return false;
    keyspace_unwatch(keyspace, &watch->watch);
    keyspace_release_one(keyspace, partition);
    watch_free(watch);
    return true;
}

/* The caller holds the watched partitions. The keys' names are good until watches_free. */
static void unwatch_held(struct session *session, struct list *ended)
{
    struct transaction *transaction = session->transaction;
    list_init(ended);
    while (!list_is_empty(&transaction->watches)) {
        struct session_watch *watch = list_entry(transaction->watches.next, struct session_watch, node);
        keyspace_unwatch(session->worker->engine->keyspace, &watch->watch);
        list_remove(&watch->node);
        list_append(ended, &watch->node);
    }
}

static void watches_free(struct list *ended)
{
    while (!list_is_empty(ended))
        watch_free(list_entry(ended->next, struct session_watch, node));
}

void transaction_unwatch(struct session *session)
{
    struct transaction *transaction = session->transaction;
    struct worker *worker = session->worker;
    if (!transaction)
        return;
    while (!list_is_empty(&transaction->watches)) {
        struct session_watch *watch = list_entry(transaction->watches.next, struct session_watch, node);
        /* In a turn inside of a script's this thread holds what it likes. */
        if (!worker->turn_is_cut && watch_try_end(worker->engine->keyspace, watch))
            continue;
        list_remove(&watch->node);
        list_append(&worker->unwatched, &watch->node);
        worker->retry_later(worker->loop);
    }
    transaction_free_if_idle(session);
}

void transaction_end_unwatched(struct worker *worker)
{
    for (struct list *next, *node = worker->unwatched.next; node != &worker->unwatched; node = next) {
        next = node->next;
        if (!watch_try_end(worker->engine->keyspace, list_entry(node, struct session_watch, node)))
            worker->retry_later(worker->loop);
    }
}

bool transaction_is_touched(const struct session *session)
{
    struct transaction *transaction = session->transaction;
    if (!transaction)
        return false;
    for (struct list *node = transaction->watches.next; node != &transaction->watches; node = node->next)
        if (atomic_load_explicit(&list_entry(node, struct session_watch, node)->touched, memory_order_acquire))
            return true;
    return false;
}

static void exec_command(struct execution *x);

bool transaction_is_executed(const struct execution *x)
{
    return x->command->row->run == exec_command && (x->session->flags & SESSION_MULTI) &&
           !(x->session->flags & SESSION_MULTI_FAILED);
}

uint32_t transaction_flags(const struct execution *x)
{
    return transaction_is_executed(x) && x->session->transaction ? x->session->transaction->flags : 0;
}

void transaction_refuse(struct execution *x)
{
    struct session *session = x->session;
    if (x->command && transaction_is_executed(x)) {
        transaction_clear(session);
        transaction_unwatch(session);
    } else if (session->flags & SESSION_MULTI) {
        session->flags |= SESSION_MULTI_FAILED;
    }
}

static void multi_command(struct execution *x)
{
    if (x->session->flags & SESSION_MULTI) {
        reply_error(x->reply, "ERR MULTI calls can not be nested");
        return;
    }
    x->session->flags |= SESSION_MULTI;
    reply_status(x->reply, "OK");
}

static void discard_command(struct execution *x)
{
    if (!(x->session->flags & SESSION_MULTI)) {
        reply_error(x->reply, "ERR DISCARD without MULTI");
        return;
    }
    transaction_clear(x->session);
    transaction_unwatch(x->session);
    reply_status(x->reply, "OK");
}

/* Looks at the latest ones only: to watch a key twice does no harm, to look at all for each of very many keys would. */
static bool is_watched(const struct transaction *transaction, const struct key *key)
{
    int left = WATCHES_LOOKED_AT;
    for (struct list *node = transaction->watches.previous; node != &transaction->watches && left > 0;
         node = node->previous, left--) {
        const struct key *other = &list_entry(node, struct session_watch, node)->watch.key;
        if (other->hash == key->hash && other->db == key->db && bytes_equal(other->name, key->name))
            return true;
    }
    return false;
}

static void watch_command(struct execution *x)
{
    if (x->session->flags & SESSION_MULTI) {
        reply_error(x->reply, "ERR WATCH inside MULTI is not allowed");
        return;
    }
    struct transaction *transaction = transaction_of(x->session);
    for (size_t i = 0; i < x->key_count; i++) {
        const struct key *key = &x->keys[i];
        if (is_watched(transaction, key))
            continue;
        struct entry *entry = keyspace_find(x->keyspace, key);
        struct session_watch *watch = memory_allocate_zeroed(sizeof(*watch));
        char *name = memory_allocate(key->name.length + 1);
        memcpy(name, key->name.data, key->name.length);
        watch->watch.key = *key;
        watch->watch.key.name.data = name;
        watch->watch.touched = &watch->touched;
        watch->was_expired = entry && entry_is_expired(entry, x->now_ms);
        list_append(&transaction->watches, &watch->node);
        keyspace_watch(x->keyspace, &watch->watch);
    }
    reply_status(x->reply, "OK");
}

static void unwatch_command(struct execution *x)
{
    transaction_unwatch(x->session);
    reply_status(x->reply, "OK");
}

/* The keys of everything queued and watched, where they are now, since they are made present before the first command runs;
 * *all if a command cannot know its keys. */
static void exec_collect(struct execution *x, struct transaction *transaction, bool *all)
{
    struct worker *worker = x->worker;
    struct queued_dbs dbs;
    queued_dbs_begin(&dbs, x->session->db);
    worker->key_count = 0;
    for (size_t i = 0; i < transaction->count; i++) {
        struct queued *queued = &transaction->queue[i];
        size_t first = worker->key_count;
        if (queued->command->flags & COMMAND_WALKS || command_needs_all(queued->command, queued->argv, queued->argc))
            *all = true;
        queued_dbs_follow(&dbs, queued->command, queued->argv, queued->argc);
        execution_add_keys(worker, dbs.selected, queued->command, queued->argv, queued->argc);
        for (size_t key = first; key < worker->key_count; key++)
            worker->keys[key].db = dbs.before[worker->keys[key].db];
    }
}

static void exec_collect_watched(struct execution *x, struct transaction *transaction)
{
    struct worker *worker = x->worker;
    if (list_is_empty(&transaction->watches))
        return;
    const struct command_entry *touch = command_lookup(BYTES("TOUCH"));
    for (struct list *node = transaction->watches.next; node != &transaction->watches; node = node->next) {
        const struct key *key = &list_entry(node, struct session_watch, node)->watch.key;
        struct bytes words[2] = {BYTES("TOUCH"), key->name};
        execution_add_keys(worker, key->db, touch, words, 2);
    }
}

static bool exec_watches_hold(struct execution *x, struct transaction *transaction)
{
    if (transaction_is_touched(x->session))
        return false;
    for (struct list *node = transaction->watches.next; node != &transaction->watches; node = node->next) {
        struct session_watch *watch = list_entry(node, struct session_watch, node);
        struct entry *entry = keyspace_find(x->keyspace, &watch->watch.key);
        if (entry && entry_is_expired(entry, x->now_ms) && !watch->was_expired)
            return false;
    }
    return true;
}

/* Runs one queued command with its own view of arguments and keys, which stand behind those of all. */
static void exec_run_one(struct execution *x, struct queued *queued)
{
    struct execution inner = *x;
    struct worker *worker = x->worker;
    inner.whole = x;
    inner.command = queued->command;
    inner.argv = queued->argv;
    inner.argc = queued->argc;
    inner.db = x->session->db;
    worker->key_count = x->key_count;
    execution_add_keys(worker, inner.db, queued->command, queued->argv, queued->argc);
    x->keys = worker->keys;
    inner.keys = worker->keys + x->key_count;
    inner.key_count = worker->key_count - x->key_count;
    x->session->last_command = (int16_t)queued->command->id;
    execution_run(&inner);
    execution_part_ends(x, &inner);
    x->needs |= inner.needs; /* a script's keys are known by now */
    x->waits_for_reads |= inner.waits_for_reads;
}

static void exec_run(struct execution *x, struct transaction *transaction)
{
    reply_array(x->reply, transaction->count);
    x->session->flags |= SESSION_EXECUTING_MULTI;
    x->held_since = x->worker->now_ticks;
    x->parts_let_go = !(transaction->flags & COMMAND_SCRIPT); /* scripts look at what they like */
    for (size_t i = 0; i < transaction->count; i++)
        exec_run_one(x, &transaction->queue[i]);
    stage_parts_end(x);
    x->session->flags &= ~(uint32_t)SESSION_EXECUTING_MULTI;
}

/* Commands that ask other threads' sessions must have their answers before anything is held. */
static bool exec_gathers(const struct transaction *transaction)
{
    for (size_t i = 0; i < transaction->count; i++)
        if (client_gather_is_needed(transaction->queue[i].command))
            return true;
    return false;
}

static void exec_command(struct execution *x)
{
    struct session *session = x->session;
    if (!(session->flags & SESSION_MULTI)) {
        reply_error(x->reply, "ERR EXEC without MULTI");
        return;
    }
    if (session->flags & SESSION_MULTI_FAILED) {
        transaction_clear(session);
        transaction_unwatch(session);
        reply_error(x->reply, "EXECABORT Transaction discarded because of previous errors.");
        return;
    }
    struct transaction *transaction = transaction_of(session);
    struct holding holding;
    struct list ended;
    bool all = false, gathers = exec_gathers(transaction);
    if (gathers && !client_gather_prepare(x))
        return;
    exec_collect(x, transaction, &all);
    exec_collect_watched(x, transaction);
    x->keys = x->worker->keys;
    x->key_count = x->worker->key_count;
    if (!execution_hold(x, &holding, x->keys, x->key_count, all))
        return;
    class_prepare(x);
    bool unchanged = exec_watches_hold(x, transaction);
    unwatch_held(session, &ended); /* before an UNWATCH in the queue, which would ask for locks that are held */
    if (!unchanged)
        reply_null_array(x->reply);
    else if (!(x->needs & NEEDS_COPIES) || !class_refuses(x))
        exec_run(x, transaction);
    execution_release(x, &holding);
    watches_free(&ended);
    if (gathers)
        client_gather_finish(x);
    transaction_clear(session);
}

const struct command transaction_commands[] = {
    {
        .name = "MULTI",
        .run = multi_command,
        .arity = 1,
        .flags = COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST | COMMAND_ALLOW_BUSY |
                 COMMAND_NO_MULTI | COMMAND_IMMEDIATE,
        .group = "transactions",
        .since = "1.2.0",
        .complexity = "O(1)",
        .summary = "Begins a transaction: the commands that follow are queued.",
    },
    {
        .name = "EXEC",
        .run = exec_command,
        .arity = 1,
        .flags = COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_SKIP_SLOWLOG | COMMAND_IMMEDIATE,
        .group = "transactions",
        .since = "1.2.0",
        .complexity = "Depends on the commands in the transaction",
        .summary = "Executes all queued commands as one.",
    },
    {
        .name = "DISCARD",
        .run = discard_command,
        .arity = 1,
        .flags =
            COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST | COMMAND_ALLOW_BUSY | COMMAND_IMMEDIATE,
        .group = "transactions",
        .since = "2.0.0",
        .complexity = "O(N), when N is the number of queued commands",
        .summary = "Forgets the queued commands and ends the transaction.",
    },
    {
        .name = "WATCH",
        .run = watch_command,
        .arity = -2,
        .flags = COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST | COMMAND_ALLOW_BUSY |
                 COMMAND_NO_MULTI | COMMAND_IMMEDIATE,
        .keys = {KEY_RANGE(1, -1, 1, KEY_RO)},
        .group = "transactions",
        .since = "2.2.0",
        .complexity = "O(1) for every key.",
        .summary = "Makes the next EXEC depend on these keys staying as they are.",
        .arguments = ARGUMENTS({.name = "key", .type = ARGUMENT_KEY, .flags = ARGUMENT_MULTIPLE}),
    },
    {
        .name = "UNWATCH",
        .run = unwatch_command,
        .arity = 1,
        .flags = COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST | COMMAND_ALLOW_BUSY,
        .group = "transactions",
        .since = "2.2.0",
        .complexity = "O(1)",
        .summary = "Forgets all watched keys.",
    },
    {.name = NULL},
};
