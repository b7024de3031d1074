/* SPDX-License-Identifier: BSD-3-Clause */
/* The way of a request: look-up, arity, gates, MULTI's queue, keys, locks, presence, run, effects, release. Whatever
 * cannot go on at once (a partition held elsewhere, a cold key, no memory) suspends the session before anything was
 * changed; the request then starts over from its first byte. New rules on requests are gates, not lines here. */
#include "command/dispatch.h"

#include "base/check.h"
#include "base/memory.h"
#include "base/metric.h"
#include "base/ticks.h"
#include "command/args.h"
#include "command/blocked.h"
#include "command/class.h"
#include "command/error_counts.h"
#include "command/latency_events.h"
#include "command/feed.h"
#include "command/lock_wait.h"
#include "command/monitor.h"
#include "command/notify.h"
#include "command/met_keys.h"
#include "command/reply_wait.h"
#include "command/scripting.h"
#include "command/slowlog.h"
#include "command/statistics.h"
#include "command/tracking.h"
#include "command/transaction.h"

#define GATES_MAX 16
/* Tries of a held partition that follow each other at once; later ones wait for the retry timer. */
#define LOCK_TRIES_AT_ONCE 3

/* Of the name and of the arguments of an unknown command, how many bytes the error shows. */
#define UNKNOWN_SHOWN_MAX ((size_t)128)

static const struct gate *gates[GATES_MAX];
static uint32_t gate_count;

void gate_register(const struct gate *gate)
{
    check(gate_count < GATES_MAX);
    gates[gate_count++] = gate;
}

enum gate_answer execution_ask_gates(struct execution *x)
{
    if (__builtin_expect(x->session->flags & SESSION_FEED, 0))
        return feed_gate(x);
    for (uint32_t i = 0; i < gate_count; i++) {
        if (gates[i]->only_flags && !(x->session->flags & gates[i]->only_flags))
            continue;
        enum gate_answer answer = gates[i]->ask(x);
        if (answer != GATE_PASS)
            return answer;
    }
    return GATE_PASS;
}

/* ---- suspending ---- */

void session_suspend(struct session *session, enum suspension why)
{
    if (!(session->flags & (SESSION_SUSPENDED | SESSION_HELD)))
        session->transport->suspend(session->connection);
    session->flags |= SESSION_SUSPENDED;
    if (session->suspension != why) {
        session->suspension = (uint8_t)why;
        session->suspended_at_ms = session->worker->now_ms;
    }
    resp_parser_reset(&session->parser);
}

void session_resume(struct session *session)
{
    if (!(session->flags & SESSION_SUSPENDED))
        return;
    session->flags &= ~(uint32_t)SESSION_SUSPENDED;
    if (!(session->flags & SESSION_HELD))
        session->transport->resume(session->connection);
}

void session_list_for_retry(struct session *session)
{
    if (session->wait_listed)
        session->retry_wanted = true;
    else
        list_append(&session->worker->retry, &session->worker_node);
}

/* Most locks are free again by the end of the turn. What is not is waited for; where it is not known what to wait for,
 * or the session is about to be held, time has to do. */
static void suspend_for_lock(struct session *session)
{
    struct worker *worker = session->worker;
    metric_add(METRIC_suspended_lock, 1);
    /* Nobody is kept out by the wish of one who will not come soon. */
    if (session->wait_listed)
        keyspace_abandon_all(worker->engine->keyspace, worker->number);
    if (session->retries < LOCK_TRIES_AT_ONCE) {
        session->retries++;
        session_list_for_retry(session);
        worker->retry_soon = true;
    } else if (worker->held_up_by != HELD_UP_UNKNOWN && !session->wait_listed) {
        lock_wait_start(session);
    } else {
        session_list_for_retry(session);
        worker->retry_later(worker->loop);
    }
}

void execution_suspend(struct execution *x, enum suspension why)
{
    struct session *session = x->session;
    struct worker *worker = x->worker;
    bool wished = session->suspension == SUSPENDED_LOCK;
    session_suspend(session, why);
    x->suspended = true;
    if (why == SUSPENDED_LOCK) {
        suspend_for_lock(session);
    } else if (why == SUSPENDED_MEMORY) {
        session_list_for_retry(session);
        worker->retry_later(worker->loop);
        metric_add(METRIC_suspended_memory, 1);
    }
    if (wished && (why == SUSPENDED_MEMORY || why == SUSPENDED_PAUSE))
        keyspace_abandon_all(worker->engine->keyspace, worker->number);
}

/* ---- keys ---- */

struct key_collector {
    struct worker *worker;
    const struct bytes *argv;
    int db;
};

void worker_add_key(struct worker *worker, const struct key *key, uint32_t argument, uint16_t flags)
{
    if (worker->key_count == worker->key_capacity) {
        worker->key_capacity = worker->key_capacity ? worker->key_capacity * 2 : 64;
        worker->keys = memory_resize(worker->keys, worker->key_capacity * sizeof(struct key));
        worker->key_arguments = memory_resize(worker->key_arguments, worker->key_capacity * sizeof(uint32_t));
        worker->key_flags = memory_resize(worker->key_flags, worker->key_capacity * sizeof(uint16_t));
    }
    worker->keys[worker->key_count] = *key;
    worker->key_arguments[worker->key_count] = argument;
    worker->key_flags[worker->key_count++] = flags;
}

static void collect_key(void *context, size_t index, uint16_t flags)
{
    struct key_collector *collector = context;
    struct key key = keyspace_key(collector->worker->engine->keyspace, collector->argv[index], collector->db);
    worker_add_key(collector->worker, &key, (uint32_t)index, flags);
}

bool execution_add_keys(struct worker *worker, int db, const struct command_entry *command, const struct bytes *argv,
                        size_t argc)
{
    struct key_collector collector = {.worker = worker, .argv = argv, .db = db};
    size_t first = worker->key_count;
    if (!command_keys(command, argv, argc, collect_key, &collector))
        return false;
    int other_db = command->row->other_db ? command->row->other_db(argv, argc) : -1;
    if (other_db < 0)
        return true;
    if (worker->key_count - first == 1)
        collect_key(&collector, worker->key_arguments[first], worker->key_flags[first]);
    worker->keys[worker->key_count - 1].db = (int16_t)other_db;
    return true;
}

/* ---- holding ---- */

static void execution_unlock(struct execution *x, struct holding *holding)
{
    if (__builtin_expect(holding->has_more, 0))
        keyspace_release_more(x->keyspace, &holding->more);
    if (holding->kind == HOLD_ONE)
        keyspace_release_one(x->keyspace, holding->partition);
    else if (holding->kind == HOLD_SEVERAL)
        keyspace_release_several(x->keyspace, &holding->set, x->worker->number);
    else if (holding->kind == HOLD_ALL)
        keyspace_release_all(x->keyspace, x->worker->number);
    x->holding_all = false;
    if (holding->has_turn)
        scripting_leave();
}

static enum hold_kind hold_kind_of(const struct key *keys, size_t count, bool all)
{
    if (all)
        return HOLD_ALL;
    size_t same = 0;
    while (same < count && key_partition(&keys[same]) == key_partition(&keys[0]))
        same++;
    return count == 0 ? HOLD_NOTHING : same == count ? HOLD_ONE : HOLD_SEVERAL;
}

/* On failure worker->held_up_by says what it could not have. */
static bool execution_lock(struct execution *x, struct holding *holding, const struct key *keys, size_t count, bool all)
{
    uint32_t number = x->worker->number;
    bool held = true;
    x->worker->held_up_by = HELD_UP_UNKNOWN;
    holding->kind = hold_kind_of(keys, count, all);
    if (holding->kind == HOLD_ONE) {
        holding->partition = key_partition(&keys[0]);
        if (!(held = keyspace_try_one(x->keyspace, holding->partition)))
            x->worker->held_up_by = holding->partition;
        return held;
    }
    if (holding->kind == HOLD_SEVERAL) {
        holding->set = (struct partition_set){0};
        for (size_t i = 0; i < count; i++)
            partition_set_add(&holding->set, key_partition(&keys[i]));
        held = keyspace_try_several(x->keyspace, &holding->set, number);
    } else if (holding->kind == HOLD_ALL) {
        held = x->holding_all = keyspace_try_all(x->keyspace, number);
    }
    if (!held)
        x->worker->held_up_by = keyspace_held_up_by(x->keyspace, number);
    return held;
}

static void load_delivered(void *owner, int status)
{
    struct session *session = owner;
    session->load_status = (uint8_t)status;
    session_resume(session);
}

/* Makes the keys present: true if RAM decides about all of them now. */
static bool execution_warm(struct execution *x, struct holding *holding, const struct key *keys, size_t count)
{
    struct session *session = x->session;
    struct load *load = load_begin(x->keyspace, keys, count, x->worker->mailbox, load_delivered, session);
    if (!load)
        return true;
    execution_unlock(x, holding);
    if (session->load)
        load_end(&session->load);
    session->load = load;
    session_suspend(session, SUSPENDED_COLD);
    x->suspended = true;
    metric_add(METRIC_suspended_cold, 1);
    load_submit(load);
    return false;
}

/* The turn of scripts comes first. EXEC holds twice, and has it from the first time on. */
static bool execution_take_turn(struct execution *x, struct holding *holding)
{
    bool has_it = x->holding && x->holding->has_turn;
    uint32_t flags = x->command->flags;
    if (__builtin_expect(x->session->flags & SESSION_MULTI, 0))
        flags |= transaction_flags(x);
    holding->has_more = holding->has_turn = false;
    x->holding = holding;
    if (__builtin_expect(!(flags & COMMAND_SCRIPT), 1) || has_it)
        return true;
    x->worker->held_up_by = HELD_UP_UNKNOWN;
    return holding->has_turn = scripting_try(x->worker->number);
}

bool execution_hold(struct execution *x, struct holding *holding, const struct key *keys, size_t count, bool all)
{
    if (!execution_take_turn(x, holding)) {
        execution_suspend(x, SUSPENDED_LOCK);
        return false;
    }
    if (!execution_lock(x, holding, keys, count, all)) {
        if (holding->has_turn)
            scripting_leave();
        execution_suspend(x, SUSPENDED_LOCK);
        return false;
    }
    x->recording = stream_is_recording(x->engine->stream); /* that begins may be missed without a lock */
    if (x->engine->tier && count > 0 && !execution_warm(x, holding, keys, count))
        return false;
    if (holding->kind != HOLD_NOTHING)
        x->session->retries = 0;
    return true;
}

static inline bool set_has(const struct partition_set *set, uint32_t partition)
{
    return set->bits[partition / 64] >> (partition % 64) & 1;
}

static bool holding_has(const struct holding *holding, uint32_t partition)
{
    if (holding->kind == HOLD_ONE && holding->partition == partition)
        return true;
    return holding->kind == HOLD_ALL || (holding->kind == HOLD_SEVERAL && set_has(&holding->set, partition)) ||
           (holding->has_more && set_has(&holding->more, partition));
}

void execution_hold_more(struct execution *x, uint32_t partition)
{
    struct holding *holding = x->holding;
    if (holding_has(holding, partition))
        return;
    keyspace_acquire_more(x->keyspace, partition);
    x->recording = stream_is_recording(x->engine->stream);
    if (!holding->has_more)
        holding->more = (struct partition_set){0};
    holding->has_more = true;
    partition_set_add(&holding->more, partition);
}

void execution_hold_rest(struct execution *x)
{
    for (uint32_t partition = 0; partition < PARTITION_COUNT && !x->holding_all; partition++)
        execution_hold_more(x, partition);
    x->holding_all = true;
}

bool execution_note_met(struct execution *x, const struct key *key)
{
    return !(x->session->flags & SESSION_EXECUTING_MULTI) && met_keys_add(x->session, key);
}

void execution_start_over(struct execution *x)
{
    x->worker->held_up_by = HELD_UP_UNKNOWN;
    x->session->retries = 0;
    execution_suspend(x, SUSPENDED_LOCK);
}

void execution_release(struct execution *x, struct holding *holding)
{
    struct effect_batch *effects = &x->worker->effects;
    uint64_t offset = 0;
    enum stream_level level = x->wait_level;
    if (__builtin_expect(x->worker->filled.length > 0, 0))
        blocked_serve(x, holding);
    if (__builtin_expect(x->session->flags & SESSION_FEED, 0)) {
        feed_append(x);
    } else if (effects->count > 0) {
        if (__builtin_expect(!engine_follows_bytes(x->engine), 1))
            offset = stream_append(x->engine->stream, effects);
        effect_batch_clear(effects);
    } else if (x->waits_for_reads)
        offset = stream_end(x->engine->stream);
    execution_unlock(x, holding);
    if (offset && level > STREAM_APPENDED)
        reply_wait_note(x->session, offset, level);
    else if (offset > x->session->wait_offset)
        x->session->wait_offset = offset; /* for WAIT */
    if (__builtin_expect(x->worker->notices.length > 0, 0))
        notify_flush(x->worker);
    if (__builtin_expect(!list_is_empty(&x->worker->served), 0))
        blocked_send(x->worker, offset);
}

/* ---- running ---- */

/* Slower than the lower one of the two thresholds. */
static void execution_was_slow(struct execution *x, int64_t duration_us)
{
    int64_t slowlog_us = __atomic_load_n(&x->engine->slowlog_slower_than_us, __ATOMIC_RELAXED);
    int64_t threshold_ms = __atomic_load_n(&latency_threshold_ms, __ATOMIC_RELAXED);
    if (slowlog_us >= 0 && duration_us >= slowlog_us && !(x->command->flags & COMMAND_SKIP_SLOWLOG))
        slowlog_push(x, duration_us);
    if (threshold_ms > 0 && duration_us / 1000 >= threshold_ms)
        latency_note(x->command->flags & COMMAND_FAST ? LATENCY_FAST_COMMAND : LATENCY_COMMAND, x->now_ms,
                     duration_us / 1000);
}

/* 'place': where in the output the reply begins. */
static void execution_account(struct execution *x, uint64_t started, uint32_t errors_before, size_t place)
{
    struct worker *worker = x->worker;
    uint64_t now = ticks_now(), ticks = now - started;
    struct command_stats *stats = &worker->stats[x->command->id];
    worker->now_ticks = now;
    STATISTIC_ADD(stats->calls, 1);
    STATISTIC_ADD(stats->ticks, ticks);
    if (__builtin_expect(x->reply->errors != errors_before, 0)) {
        STATISTIC_ADD(stats->failed, 1);
        error_counts_note(x->reply, place);
    }
    if (__atomic_load_n(&x->engine->latency_tracking, __ATOMIC_RELAXED)) {
        if (!stats->buckets)
            __atomic_store_n(&stats->buckets, memory_allocate_zeroed(LATENCY_BUCKETS * sizeof(*stats->buckets)),
                             __ATOMIC_RELEASE);
        STATISTIC_ADD(stats->buckets[latency_bucket((uint64_t)ticks_to_us(ticks))], 1);
    }
    if (__builtin_expect(ticks > worker->slow_ticks, 0))
        execution_was_slow(x, (int64_t)ticks_to_us(ticks));
}

void execution_run(struct execution *x)
{
    uint64_t started = x->worker->now_ticks;
    uint32_t errors_before = x->reply->errors;
    size_t place = x->reply->output->bytes.length;
    if (__builtin_expect(atomic_load_explicit(&monitor_count, memory_order_relaxed) > 0, 0) &&
        !(x->command->flags & (COMMAND_SKIP_MONITOR | COMMAND_ADMIN)))
        monitor_feed(x);
    x->command->row->run(x);
    if (x->suspended)
        return;
    if (__builtin_expect(x->session->flags & SESSION_TRACKING, 0))
        tracking_ran(x);
    metric_add(METRIC_total_commands_processed, 1);
    execution_account(x, started, errors_before, place);
}

/* A web page can make a browser send an HTTP request here; its first line must not be followed by its body as commands. */
static bool is_http(struct bytes name)
{
    return bytes_equal_text(name, "post") || bytes_equal_text(name, "host:");
}

static void reply_unknown_command(struct execution *x)
{
    if (is_http(x->argv[0])) {
        x->session->flags |= SESSION_CLOSING;
        x->session->transport->close(x->session->connection);
        return;
    }
    struct buffer arguments = {0};
    buffer_reserve(&arguments, UNKNOWN_SHOWN_MAX);
    for (size_t i = 1; i < x->argc && arguments.length < UNKNOWN_SHOWN_MAX; i++) {
        size_t room = UNKNOWN_SHOWN_MAX - arguments.length;
        struct bytes word = x->argv[i];
        buffer_append_format(&arguments, "'%.*s' ", (int)(word.length < room ? word.length : room), word.data);
    }
    struct bytes name = x->argv[0];
    reply_error_format(x->reply, "ERR unknown command '%.*s', with args beginning with: %.*s",
                       (int)(name.length < UNKNOWN_SHOWN_MAX ? name.length : UNKNOWN_SHOWN_MAX), name.data,
                       (int)arguments.length, arguments.data);
    buffer_deinit(&arguments);
}

/* Refusals before a command runs: they abort a transaction that is being queued. */
static enum gate_answer execution_admit(struct execution *x)
{
    enum gate_answer answer = GATE_REFUSE;
    size_t place = x->reply->output->bytes.length;
    if (!x->command)
        reply_unknown_command(x);
    else if ((x->command->arity > 0 && x->argc != (size_t)x->command->arity) ||
             x->argc < (size_t)(x->command->arity < 0 ? -x->command->arity : x->command->arity))
        reply_arity_error(x);
    else if (x->command->subcommands && x->argc > 1)
        reply_subcommand_error(x);
    else if ((x->command->flags & (COMMAND_NO_MULTI | COMMAND_IMMEDIATE)) == COMMAND_NO_MULTI &&
             (x->session->flags & SESSION_MULTI))
        reply_error(x->reply, "ERR Command not allowed inside a transaction");
    else
        answer = execution_ask_gates(x);
    if (answer == GATE_REFUSE) {
        error_counts_note(x->reply, place);
        if (x->command)
            STATISTIC_ADD(x->worker->stats[x->command->id].rejected, 1);
        transaction_refuse(x);
    }
    return answer;
}

/* Many keys of one request: their places in memory are asked for together, as those of a batch are. */
static void prefetch_keys(struct execution *x)
{
    for (size_t i = 0; i < x->key_count; i++)
        keyspace_prefetch_table(x->keyspace, &x->keys[i]);
    for (size_t i = 0; i < x->key_count; i++)
        keyspace_prefetch_segment(x->keyspace, &x->keys[i]);
    for (size_t i = 0; i < x->key_count; i++)
        keyspace_prefetch_entry(x->keyspace, &x->keys[i]);
}

static void execution_find_keys(struct execution *x, const struct key *simple_key, struct key *own_key)
{
    if (x->command->simple_key) {
        *own_key = *simple_key;
        own_key->db = x->db;
        x->keys = own_key;
        x->key_count = 1;
        return;
    }
    x->worker->key_count = 0;
    if ((x->command->first_key || (x->command->flags & COMMAND_MOVABLEKEYS)) &&
        !execution_add_keys(x->worker, x->db, x->command, x->argv, x->argc))
        x->worker->key_count = 0; /* malformed: the handler says how */
    if (__builtin_expect(x->session->met_keys != NULL, 0))
        met_keys_collect(x->session, x->worker);
    x->keys = x->worker->keys;
    x->key_count = x->worker->key_count;
    if (x->key_count > 1)
        prefetch_keys(x);
}

static void execution_take_load(struct execution *x)
{
    struct session *session = x->session;
    if (session->load)
        load_end(&session->load);
    session->load_status = 0;
}

/* A request that comes back from a suspension and is refused leaves what it had waited for. */
static void execution_forget(struct execution *x)
{
    if (x->session->load)
        execution_take_load(x);
    if (x->session->offload)
        offload_abandon(&x->session->offload);
    if (x->session->met_keys)
        met_keys_forget(x->session);
    if (x->session->suspension == SUSPENDED_LOCK)
        keyspace_abandon_all(x->keyspace, x->worker->number);
}

/* Between taking the request and its end: locks, presence, the handler, its effects. */
static void execution_perform(struct execution *x)
{
    struct holding holding;
    bool all = x->command->flags & COMMAND_ALL_KEYS;
    if (__builtin_expect(x->session->load_status != 0, 0)) {
        execution_take_load(x);
        transaction_refuse(x);
        reply_error(x->reply, "ERR the value could not be read from disk; see the server's log, then try again");
        return;
    }
    if (!execution_hold(x, &holding, x->keys, x->key_count, all))
        return;
    class_prepare(x);
    execution_run(x);
    if (x->suspended && !x->blocked) {
        effect_batch_clear(&x->worker->effects);
        notify_forget(x->worker);
    }
    execution_release(x, &holding);
    if (__builtin_expect(x->session->met_keys != NULL, 0) && !x->suspended)
        met_keys_forget(x->session);
    /* EXEC's keys may just have become what the session waits for. */
    if (__builtin_expect(x->session->load != NULL, 0) && !x->suspended)
        execution_take_load(x);
}

static void session_update_reply_mode(struct session *session)
{
    session->reply.silent = session->flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP);
}

static struct execution execution_of(struct worker *worker, struct session *session, const struct bytes *argv,
                                     size_t argc, const struct command_entry *command)
{
    return (struct execution){.engine = worker->engine,
                              .keyspace = worker->engine->keyspace,
                              .worker = worker,
                              .session = session,
                              .reply = &session->reply,
                              .command = command,
                              .argv = argv,
                              .argc = argc,
                              .now_ms = worker->now_ms,
                              .expiry_ms = session->flags & SESSION_FEED ? 0 : worker->now_ms,
                              .db = session->db,
                              .recording =
                                  stream_is_recording(worker->engine->stream) && !engine_follows_bytes(worker->engine),
                              .touch = !(session->flags & SESSION_NO_TOUCH)};
}

static void session_next_reply_mode(struct session *session)
{
    if (session->flags & SESSION_REPLY_SKIP_NEXT)
        session->flags = (session->flags & ~(uint32_t)SESSION_REPLY_SKIP_NEXT) | SESSION_REPLY_SKIP;
    else
        session->flags &= ~(uint32_t)SESSION_REPLY_SKIP;
}

bool dispatch(struct worker *worker, struct session *session, const struct bytes *argv, size_t argc,
              const struct command_entry *command, const struct key *simple_key)
{
    struct key own_key;
    struct execution x = execution_of(worker, session, argv, argc, command);
    struct output_mark mark = output_mark(session->reply.output);
    session_update_reply_mode(session);
    if (__builtin_expect(session->blocked != NULL, 0) && blocked_finish(session, command))
        return true;
    enum gate_answer answer = execution_admit(&x);
    if (answer == GATE_PASS) {
        session->last_command = (int16_t)command->id;
        if ((session->flags & SESSION_MULTI) && !(command->flags & COMMAND_IMMEDIATE))
            transaction_queue(&x);
        else {
            execution_find_keys(&x, simple_key, &own_key);
            execution_perform(&x);
        }
    }
    if (answer == GATE_REFUSE)
        execution_forget(&x);
    if (x.suspended || answer == GATE_SUSPEND) {
        output_rewind(session->reply.output, mark);
        return false;
    }
    session->suspension = SUSPENDED_NOT;
    if (__builtin_expect(session->blocked != NULL, 0))
        blocked_abandon(session);
    session_next_reply_mode(session);
    return true;
}

bool dispatch_within(struct worker *worker, struct session *session, const struct bytes *argv, size_t argc,
                     const struct command_entry *command, const struct key *simple_key)
{
    (void)simple_key;
    struct execution x = execution_of(worker, session, argv, argc, command);
    struct output_mark mark = output_mark(session->reply.output);
    session_update_reply_mode(session);
    enum gate_answer answer = execution_admit(&x);
    if (answer == GATE_PASS && (!(command->flags & COMMAND_ALLOW_BUSY) || command->first_key)) {
        worker->held_up_by = HELD_UP_UNKNOWN;
        execution_suspend(&x, SUSPENDED_LOCK);
    } else if (answer == GATE_PASS) {
        session->last_command = (int16_t)command->id;
        if ((session->flags & SESSION_MULTI) && !(command->flags & COMMAND_IMMEDIATE))
            transaction_queue(&x);
        else
            execution_run(&x);
    }
    if (x.suspended || answer == GATE_SUSPEND) {
        output_rewind(session->reply.output, mark);
        return false;
    }
    session->suspension = SUSPENDED_NOT;
    session_next_reply_mode(session);
    return true;
}
