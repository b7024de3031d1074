/* SPDX-License-Identifier: BSD-3-Clause */
/* A blocked client has one claim word. Who changes it from WAITING by compare-and-swap decides how the wait ends:
 *
 *   WAITING -> SERVING   the filler of a key; on to SERVED, or back if there was nothing for this client after all
 *           -> AGAIN     the filler, who does not hold all keys of the command or finds one cold, or whoever lets a key
 *                        expire: the client runs it again by itself
 *           -> TIMED_OUT, GONE   the client's own thread
 *           -> UNBLOCKED, UNBLOCKED_ERROR   CLIENT UNBLOCK, on any thread
 *
 * B1 awaits are changed under their partition's lock. Those that cannot be removed at once (their partition is held
 *    elsewhere) stay listed, and are removed by the next who looks there: they are counted as references.
 * B2 the winner of a claim posts the one letter that there is, unless it is on the client's own thread.
 * B3 what a served command changed stands in the filler's bracket; the client's reply waits for that bracket's end. */
#include "command/blocked.h"

#include "base/check.h"
#include "base/memory.h"
#include "base/metric.h"
#include "command/class.h"
#include "command/info.h"
#include "command/reply_wait.h"
#include "command/statistics.h"
#include "resp/error_text.h"

#include <math.h>

enum claim { WAITING, SERVING, SERVED, AGAIN, TIMED_OUT, GONE, UNBLOCKED, UNBLOCKED_ERROR, ROLE_CHANGED };

/* A SERVING claim is looked at again after so long when the time is over. */
#define CLAIM_LOOK_MS 1

struct blocked {
    /* immutable */
    struct mailbox *home;
    const struct command_entry *command;
    struct bytes *argv;
    size_t argc;
    struct key *keys;
    size_t key_count;
    void (*give_up)(struct reply *reply);
    int64_t deadline_ms; /* INT64_MAX: never */
    int16_t db;
    uint8_t type, protocol;
    bool all_keys;

    _Atomic int claim;
    _Atomic uint32_t references; /* the session, listed awaits, a letter */
    struct mail mail;
    struct list served_node; /* of the filler's worker, between serving and the letter */

    /* home thread only */
    struct session *session; /* NULL: the client is gone */
    struct list node;        /* in its worker's list, by deadline */

    /* the filler's until the letter is posted, then the home thread's */
    struct output output;
    uint64_t offset;
    uint8_t needs;

    struct await awaits[]; /* under the partitions' locks */
};

static void blocked_unref(struct blocked *blocked)
{
    if (atomic_fetch_sub_explicit(&blocked->references, 1, memory_order_acq_rel) > 1)
        return;
    output_deinit(&blocked->output);
    for (size_t i = 0; i < blocked->argc; i++)
        memory_free((char *)blocked->argv[i].data);
    memory_free(blocked->argv);
    memory_free(blocked->keys);
    memory_free(blocked);
}

static bool claim_win(struct blocked *blocked, int claim)
{
    int waiting = WAITING;
    return atomic_compare_exchange_strong(&blocked->claim, &waiting, claim);
}

static bool claim_is_over(const struct blocked *blocked)
{
    return atomic_load(&blocked->claim) > SERVING;
}

/* (lock) */
static void await_drop(struct keyspace *keyspace, struct await *await)
{
    keyspace_unawait(keyspace, await);
    blocked_unref(await->owner);
}

/* The session is no longer this one's. What is listed stays so. */
static void detach(struct session *session)
{
    struct blocked *blocked = session->blocked;
    blocked->session = NULL;
    list_remove(&blocked->node);
    session_set_blocked(session, NULL);
    info_gauge_add(GAUGE_blocked_clients, -1);
    blocked_unref(blocked);
}

/* ---- blocking ---- */

bool arg_block_timeout(struct execution *x, struct bytes word, int64_t *timeout_ms)
{
    long double seconds;
    const char *error = NULL;
    if (!bytes_to_long_double(word, &seconds) || isnan(seconds))
        error = ERROR_TIMEOUT_NOT_FLOAT;
    else if (seconds < 0)
        error = ERROR_TIMEOUT_NEGATIVE;
    else if (seconds * 1000 > (long double)(INT64_MAX - x->now_ms))
        error = ERROR_TIMEOUT_RANGE;
    if (error) {
        reply_error(x->reply, error);
        return false;
    }
    *timeout_ms = (int64_t)ceill(seconds * 1000);
    return true;
}

bool execution_may_block(const struct execution *x)
{
    return x->serving || !(x->session->flags & (SESSION_EXECUTING_MULTI | SESSION_FEED));
}

static struct blocked *blocked_create(struct execution *x)
{
    struct blocked *blocked = memory_allocate_zeroed(sizeof(*blocked) + x->key_count * sizeof(blocked->awaits[0]));
    blocked->argv = memory_allocate((x->argc ? x->argc : 1) * sizeof(*blocked->argv));
    blocked->argc = x->argc;
    for (size_t i = 0; i < x->argc; i++) {
        char *copy = memory_allocate(x->argv[i].length + 1);
        memcpy(copy, x->argv[i].data, x->argv[i].length);
        blocked->argv[i] = bytes_of(copy, x->argv[i].length);
    }
    blocked->keys = memory_allocate(x->key_count * sizeof(*blocked->keys));
    blocked->key_count = x->key_count;
    /* Keys stand in the order of their words, so each is looked for from where the one before was found. */
    for (size_t i = 0, at = 0; i < x->key_count; i++) {
        blocked->keys[i] = x->keys[i];
        for (size_t left = x->argc; left > 0 && x->argv[at].data != x->keys[i].name.data; left--)
            at = (at + 1) % x->argc;
        if (x->argc > 0 && x->argv[at].data == x->keys[i].name.data)
            blocked->keys[i].name = blocked->argv[at];
    }
    blocked->home = x->worker->mailbox;
    blocked->command = x->command;
    blocked->session = x->session;
    blocked->db = x->db;
    blocked->protocol = x->reply->protocol;
    atomic_store(&blocked->references, 1);
    list_init(&blocked->node);
    list_init(&blocked->served_node);
    return blocked;
}

/* (lock) Those of the partition whose wait is over, and who could not leave it themselves. */
static void drop_finished(struct keyspace *keyspace, const struct key *key)
{
    struct await *await = keyspace_next_await(keyspace, key, NULL), *next;
    for (; await; await = next) {
        next = keyspace_next_await(keyspace, key, await);
        if (claim_is_over(await->owner))
            await_drop(keyspace, await);
    }
}

/* In order of time; most have the same, and go to the end. */
static void list_by_deadline(struct worker *worker, struct blocked *blocked)
{
    if (blocked->deadline_ms == INT64_MAX)
        return;
    struct list *before = worker->blocked.previous;
    while (before != &worker->blocked && list_entry(before, struct blocked, node)->deadline_ms > blocked->deadline_ms)
        before = before->previous;
    list_prepend(before, &blocked->node);
    if (worker->blocked.next == &blocked->node)
        worker->wake_at(worker->loop, blocked->deadline_ms);
}

/* A command that ran again by itself waits on until the time that was said first. */
static int64_t deadline_of(struct execution *x, int64_t timeout_ms)
{
    if (x->session->blocked)
        return x->session->blocked->deadline_ms;
    int64_t deadline_ms;
    if (timeout_ms <= 0 || __builtin_add_overflow(x->now_ms, timeout_ms, &deadline_ms))
        return INT64_MAX;
    return deadline_ms;
}

void execution_block(struct execution *x, enum object_type type, bool all_keys, int64_t timeout_ms,
                     void (*give_up)(struct reply *reply))
{
    x->suspended = true;
    if (x->serving)
        return;
    x->blocked = true;
    struct blocked *blocked = blocked_create(x);
    blocked->deadline_ms = deadline_of(x, timeout_ms);
    blocked->type = (uint8_t)type;
    blocked->all_keys = all_keys;
    blocked->give_up = give_up;
    if (x->session->blocked)
        detach(x->session);
    for (size_t i = 0; i < blocked->key_count; i++) {
        struct await *await = &blocked->awaits[i];
        drop_finished(x->keyspace, &blocked->keys[i]);
        *await = (struct await){.key = blocked->keys[i], .owner = blocked};
        atomic_fetch_add(&blocked->references, 1);
        keyspace_await(x->keyspace, await);
    }
    session_set_blocked(x->session, blocked);
    info_gauge_add(GAUGE_blocked_clients, 1);
    list_by_deadline(x->worker, blocked);
    execution_suspend(x, SUSPENDED_BLOCKED);
    x->session->transport->block(x->session->connection);
}

/* ---- serving ---- */

void blocked_note_key(struct execution *x, const struct key *key)
{
    struct buffer *filled = &x->worker->filled;
    uint32_t length = (uint32_t)key->name.length;
    buffer_append(filled, &key->db, sizeof(key->db));
    buffer_append(filled, &length, sizeof(length));
    buffer_append_bytes(filled, key->name);
}

void blocked_note_all(struct execution *x)
{
    for (uint16_t slot = 0; slot < PARTITION_COUNT; slot++) {
        struct key any = {.slot = slot};
        struct await *await = keyspace_next_await(x->keyspace, &any, NULL);
        for (; await; await = keyspace_next_await(x->keyspace, &any, await))
            blocked_note_key(x, &await->key);
    }
}

static bool holds_all(const struct holding *holding, const struct blocked *blocked)
{
    for (size_t i = 0; i < blocked->key_count; i++) {
        uint32_t partition = key_partition(&blocked->keys[i]);
        if (holding->kind == HOLD_ONE && partition != holding->partition)
            return false;
        if (holding->kind == HOLD_SEVERAL && !(holding->set.bits[partition / 64] >> (partition % 64) & 1))
            return false;
    }
    return true;
}

/* Whether this thread may run the whole command: it holds its keys, and they are in RAM. */
static bool can_serve(struct execution *x, const struct holding *holding, const struct blocked *blocked)
{
    if (!blocked->all_keys)
        return true;
    if (!holds_all(holding, blocked))
        return false;
    for (size_t i = 0; keyspace_any_claims() && i < blocked->key_count; i++)
        if (keyspace_claim_of(x->keyspace, &blocked->keys[i]) != CLAIM_NONE)
            return false;
    for (size_t i = 0; i < blocked->key_count; i++)
        if (!keyspace_is_decided(x->keyspace, &blocked->keys[i]))
            return false;
    return true;
}

/* Runs the client's command; true if it replied. */
static bool serve_by(struct execution *x, struct blocked *blocked, struct await *await)
{
    struct reply reply = {.output = &blocked->output, .protocol = blocked->protocol};
    struct execution y = *x;
    y.reply = &reply;
    y.command = blocked->command;
    y.argv = blocked->argv;
    y.argc = blocked->argc;
    y.keys = blocked->all_keys ? blocked->keys : &await->key;
    y.key_count = blocked->all_keys ? blocked->key_count : 1;
    y.db = blocked->db;
    y.serving = true;
    y.suspended = false;
    class_prepare(&y);
    execution_keep_keys(&y);
    y.command->row->run(&y);
    blocked->needs = y.needs;
    x->waits_for_reads |= y.waits_for_reads;
    x->needs |= y.needs & NEEDS_COPIES; /* what fills the key waits as what takes it */
    if (y.suspended)
        output_rewind(&blocked->output, (struct output_mark){0, 0});
    return !y.suspended;
}

/* Whether the key may be what the client waits for. One that is not in RAM is left to the client, unless it is a reader of
 * streams, whose request may mean something else when it is read again. */
static bool suits(struct execution *x, const struct blocked *blocked, const struct key *key, bool *cold)
{
    struct entry *entry = keyspace_find(x->keyspace, key);
    *cold = !entry && !keyspace_is_decided(x->keyspace, key);
    if (*cold)
        return blocked->type != OBJECT_STREAM;
    return blocked->type == BLOCK_ON_ANY_CHANGE || (entry && entry_type(entry) == blocked->type);
}

static void serve_one(struct execution *x, const struct holding *holding, struct await *await)
{
    struct blocked *blocked = await->owner;
    bool cold;
    if (!suits(x, blocked, &await->key, &cold) || !claim_win(blocked, SERVING))
        return;
    int claim = AGAIN;
    if (!cold && can_serve(x, holding, blocked))
        claim = serve_by(x, blocked, await) ? SERVED : WAITING;
    if (claim != WAITING) {
        atomic_fetch_add(&blocked->references, 1);
        list_append(&x->worker->served, &blocked->served_node);
    }
    atomic_store(&blocked->claim, claim);
}

static bool is_same_key(const struct key *a, const struct key *b)
{
    return a->hash == b->hash && a->db == b->db && bytes_equal(a->name, b->name);
}

static void serve_key(struct execution *x, const struct holding *holding, const struct key *key)
{
    struct await *await = keyspace_next_await(x->keyspace, key, NULL), *next;
    for (; await; await = next) {
        if (is_same_key(&await->key, key))
            serve_one(x, holding, await);
        next = keyspace_next_await(x->keyspace, key, await);
        if (claim_is_over(await->owner))
            await_drop(x->keyspace, await);
    }
}

/* Serving may fill other keys, which are noted behind. */
void blocked_serve(struct execution *x, const struct holding *holding)
{
    struct buffer *filled = &x->worker->filled;
    struct buffer name = {0};
    int16_t db;
    uint32_t length;
    for (size_t at = 0; at < filled->length; at += length) {
        memcpy(&db, filled->data + at, sizeof(db));
        memcpy(&length, filled->data + at + sizeof(db), sizeof(length));
        at += sizeof(db) + sizeof(length);
        name.length = 0;
        buffer_append(&name, filled->data + at, length);
        struct key key = keyspace_key(x->keyspace, buffer_bytes(&name), db);
        serve_key(x, holding, &key);
    }
    filled->length = 0;
    buffer_deinit(&name);
}

static void came_home(struct mail *mail)
{
    struct blocked *blocked = list_entry(mail, struct blocked, mail);
    if (blocked->session)
        session_resume(blocked->session);
    blocked_unref(blocked);
}

/* The caller has won the claim, and counted a reference for the letter. */
static void post_home(struct blocked *blocked)
{
    blocked->mail.deliver = came_home;
    mailbox_post(blocked->home, &blocked->mail);
}

void blocked_send(struct worker *worker, uint64_t offset)
{
    while (!list_is_empty(&worker->served)) {
        struct blocked *blocked = list_entry(worker->served.next, struct blocked, served_node);
        list_remove(&blocked->served_node);
        blocked->offset = offset;
        post_home(blocked);
    }
}

void blocked_note_gone(struct keyspace *keyspace, const struct key *key)
{
    struct await *await = keyspace_next_await(keyspace, key, NULL);
    for (; await; await = keyspace_next_await(keyspace, key, await)) {
        struct blocked *blocked = await->owner;
        if (blocked->type != BLOCK_ON_ANY_CHANGE || !is_same_key(&await->key, key) || !claim_win(blocked, AGAIN))
            continue;
        atomic_fetch_add(&blocked->references, 1);
        post_home(blocked);
    }
}

/* ---- the end of a wait ---- */

/* Takes what is still listed out of the partitions that are free now. */
static void unlist(struct keyspace *keyspace, struct blocked *blocked)
{
    for (size_t i = 0; i < blocked->key_count; i++) {
        uint32_t partition = key_partition(&blocked->keys[i]);
        if (!keyspace_try_one(keyspace, partition))
            continue;
        if (blocked->awaits[i].is_listed)
            await_drop(keyspace, &blocked->awaits[i]);
        keyspace_release_one(keyspace, partition);
    }
}

void blocked_abandon(struct session *session)
{
    struct blocked *blocked = session->blocked;
    claim_win(blocked, GONE);
    unlist(session->worker->engine->keyspace, blocked);
    detach(session);
}

/* After a change of role the client is closed as well, so that it looks for the node that it wants. */
static void reply_of_claim(struct session *session, struct blocked *blocked, int claim)
{
    if (claim == SERVED) {
        output_move(session->reply.output, &blocked->output);
    } else if (claim == UNBLOCKED_ERROR) {
        reply_error(&session->reply, ERROR_UNBLOCKED);
    } else if (claim == ROLE_CHANGED) {
        reply_error(&session->reply, ERROR_ROLE_CHANGED);
        session->flags |= SESSION_CLOSING;
        session->transport->close_after_send(session->connection);
    } else {
        blocked->give_up(&session->reply);
    }
}

bool blocked_finish(struct session *session, const struct command_entry *command)
{
    struct blocked *blocked = session->blocked;
    struct worker *worker = session->worker;
    int claim = atomic_load(&blocked->claim);
    /* It runs again by itself, until it has a reply or blocks anew. */
    if (claim == AGAIN)
        return false;
    check(claim > SERVING);
    struct output_mark mark = output_mark(session->reply.output);
    if (!session->reply.silent)
        reply_of_claim(session, blocked, claim);
    if (claim == SERVED && blocked->offset && blocked->needs) {
        reply_wait_note(session, blocked->offset, blocked->needs);
        reply_wait_note_reply(session, mark, blocked->needs);
    }
    STATISTIC_ADD(worker->stats[command->id].calls, 1);
    metric_add(METRIC_total_commands_processed, 1);
    session->suspension = SUSPENDED_NOT;
    session->last_command = (int16_t)command->id;
    session->flags &= ~(uint32_t)SESSION_REPLY_SKIP;
    unlist(worker->engine->keyspace, blocked);
    detach(session);
    return true;
}

void blocked_time_out(struct worker *worker, int64_t now_ms)
{
    while (!list_is_empty(&worker->blocked)) {
        struct blocked *blocked = list_entry(worker->blocked.next, struct blocked, node);
        if (blocked->deadline_ms > now_ms) {
            worker->wake_at(worker->loop, blocked->deadline_ms);
            return;
        }
        if (claim_win(blocked, TIMED_OUT)) {
            session_resume(blocked->session);
        } else if (atomic_load(&blocked->claim) == SERVING) {
            worker->wake_at(worker->loop, now_ms + CLAIM_LOOK_MS);
            return;
        }
        list_remove(&blocked->node);
    }
}

struct unblocking {
    uint64_t session_id;
    int claim;
    struct blocked *blocked;
};

static void unblock_visit(void *context, struct session *session)
{
    struct unblocking *unblocking = context;
    if (session->id != unblocking->session_id || !session->blocked)
        return;
    if (claim_win(session->blocked, unblocking->claim)) {
        unblocking->blocked = session->blocked;
        atomic_fetch_add(&session->blocked->references, 1);
    }
}

bool blocked_unblock(uint64_t session_id, bool with_error)
{
    struct unblocking unblocking = {session_id, with_error ? UNBLOCKED_ERROR : UNBLOCKED, NULL};
    session_each(unblock_visit, &unblocking);
    if (unblocking.blocked)
        post_home(unblocking.blocked);
    return unblocking.blocked != NULL;
}

struct ending {
    struct blocked **found;
    size_t count, capacity;
};

static void end_visit(void *context, struct session *session)
{
    struct ending *ending = context;
    if (!session->blocked || !claim_win(session->blocked, ROLE_CHANGED))
        return;
    atomic_fetch_add(&session->blocked->references, 1);
    if (ending->count == ending->capacity) {
        ending->capacity = ending->capacity ? ending->capacity * 2 : 16;
        ending->found = memory_resize(ending->found, ending->capacity * sizeof(*ending->found));
    }
    ending->found[ending->count++] = session->blocked;
}

void blocked_end_all(void)
{
    struct ending ending = {0};
    session_each(end_visit, &ending);
    for (size_t i = 0; i < ending.count; i++)
        post_home(ending.found[i]);
    memory_free(ending.found);
}
