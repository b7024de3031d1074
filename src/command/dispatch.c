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
#include "command/claim_wish.h"
#include "command/class.h"
#include "command/error_counts.h"
#include "command/latency_events.h"
#include "command/feed.h"
#include "command/monitor.h"
#include "command/notify.h"
#include "command/reply_wait.h"
#include "command/met_keys.h"
#include "command/slowlog.h"
#include "command/statistics.h"
#include "command/tracking.h"
#include "command/transaction.h"
#include "keyspace/moment.h"

#define GATES_MAX 16

/* Of the name and of the arguments of an unknown command, how many bytes the error shows. */
#define UNKNOWN_SHOWN_MAX ((size_t)128)
/* What stands around a reply's longest value. */
#define REPLY_FRAME_KB 64
/* What every command of a transaction may answer. */
#define REPLY_SMALL_KB 2

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
static void execution_account(struct execution *x, uint64_t started, uint16_t errors_before, size_t place)
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

/* A small request must not end the node by what it asks for: one field a million times, GET of SORT. What EXEC runs
 * shares its bound, behind which small replies still fit. What is taken out of a key is told however long it is. */
static uint32_t reply_end_max_kb(const struct execution *x, size_t place)
{
    uint64_t bytes_max = (uint64_t)__atomic_load_n(&x->engine->reply_bytes_max, __ATOMIC_RELAXED);
    uint32_t outer_kb = x->reply->end_max_kb, place_kb = (uint32_t)(place >> 10);
    if (bytes_max == 0 || x->command->takes_out)
        return 0;
    if (outer_kb == 0)
        return place_kb + (uint32_t)(bytes_max >> 10) + REPLY_FRAME_KB;
    return outer_kb > place_kb + REPLY_SMALL_KB ? outer_kb : place_kb + REPLY_SMALL_KB;
}

static void reply_end(struct execution *x, struct output_mark mark, uint32_t outer_kb)
{
    struct reply *reply = x->reply;
    reply->end_max_kb = 0;
    if (__builtin_expect(reply->is_cut, 0)) {
        reply->is_cut = reply->silent = false;
        output_rewind(reply->output, mark);
        reply_error(reply, "ERR the reply would be longer than reply-bytes-max allows");
    }
    reply->end_max_kb = outer_kb;
}

void execution_keep_keys(const struct execution *x)
{
    for (size_t i = 0; i < x->key_count; i++)
        moment_keep(x->keyspace, &x->keys[i]);
}

void execution_run(struct execution *x)
{
    uint64_t started = x->worker->now_ticks;
    uint16_t errors_before = x->reply->errors;
    struct output_mark mark = output_mark(x->reply->output);
    uint32_t outer_kb = x->reply->end_max_kb;
    if (__builtin_expect(atomic_load_explicit(&monitor_count, memory_order_relaxed) > 0, 0) &&
        !(x->command->flags & (COMMAND_SKIP_MONITOR | COMMAND_ADMIN)))
        monitor_feed(x);
    x->reply->end_max_kb = reply_end_max_kb(x, mark.length);
    if (__builtin_expect(moment_is_there(), 0) && (x->command->flags & COMMAND_WRITE))
        execution_keep_keys(x);
    x->command->row->run(x);
    reply_end(x, mark, outer_kb);
    if (x->suspended)
        return;
    if (__builtin_expect(x->session->flags & SESSION_TRACKING, 0))
        tracking_ran(x);
    metric_add(METRIC_total_commands_processed, 1);
    execution_account(x, started, errors_before, mark.length);
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
    claim_wish_end(x->session);
    if (x->session->suspension == SUSPENDED_LOCK)
        keyspace_abandon_all(x->keyspace, x->worker->number);
}

bool command_needs_all(const struct command_entry *command, const struct bytes *argv, size_t argc)
{
    const struct command *row = command->row;
    return command->flags & COMMAND_ALL_KEYS && (!row->holds_all || row->holds_all(argv, argc));
}

/* Between taking the request and its end: locks, presence, the handler, its effects. */
static void execution_perform(struct execution *x)
{
    struct holding holding;
    bool all = command_needs_all(x->command, x->argv, x->argc);
    if (__builtin_expect(x->session->load_status != 0, 0)) {
        execution_take_load(x);
        transaction_refuse(x);
        reply_error(x->reply, "ERR the value could not be read from disk; see the server's log, then try again");
        return;
    }
    if (!execution_hold(x, &holding, x->keys, x->key_count, all))
        return;
    class_prepare(x);
    if (!__builtin_expect(x->needs & NEEDS_COPIES, 0) || !class_refuses(x))
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

/* Nothing has expired for who is told of facts, or brings them from another server. */
static int64_t session_expiry_ms(const struct session *session, const struct worker *worker)
{
    if (__builtin_expect(session->flags & (SESSION_FEED | SESSION_IMPORT_SOURCE), 0) &&
        (session->flags & SESSION_FEED || __atomic_load_n(&worker->engine->import_mode, __ATOMIC_RELAXED)))
        return 0;
    return worker->now_ms;
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
                              .expiry_ms = session_expiry_ms(session, worker),
                              .db = session->db,
                              .recording = engine_stages_effects(worker->engine),
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
    if (__builtin_expect(x.needs & NEEDS_COPIES, 0) && !x.suspended)
        reply_wait_note_reply(session, mark, x.needs);
    if (answer == GATE_REFUSE)
        execution_forget(&x);
    if (x.suspended || answer == GATE_SUSPEND) {
        output_rewind(session->reply.output, mark);
        return false;
    }
    debug_check(!(session->flags & SESSION_WISHES));
    session->suspension = SUSPENDED_NOT;
    if (__builtin_expect(session->blocked != NULL, 0))
        blocked_abandon(session);
    session_next_reply_mode(session);
    return true;
}

/* Nothing that is half done comes here: there would be something to give up, with others' partitions held. */
bool dispatch_within(struct worker *worker, struct session *session, const struct bytes *argv, size_t argc,
                     const struct command_entry *command, const struct key *simple_key)
{
    (void)simple_key;
    struct execution x = execution_of(worker, session, argv, argc, command);
    struct output_mark mark = output_mark(session->reply.output);
    debug_check(session->suspension == SUSPENDED_NOT && !session->blocked);
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
