/* SPDX-License-Identifier: BSD-3-Clause */
/* A script is killed by its number, so that a wish that comes too late does not end the next one. That a script has
 * written and that somebody wants to kill it are decided by one compare-and-swap each way on 'state': what was told to be
 * killed has not written, and does not any more. */
#include "command/script_running.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "command/gate.h"
#include "command/scripting.h"

#define NAME_MAX_LENGTH 64
/* A library only registers functions when it is loaded. */
#define LOAD_MAX_US 500000
/* What has written may end by itself for so long when the process stops. */
#define STOP_WAIT_US 1000000

enum running_state { RUNNING_NOTHING, RUNNING_CLEAN, RUNNING_WROTE, RUNNING_KILLED };

_Atomic uint32_t scripting_owner;

static _Atomic int state;
static _Atomic bool is_function_running;
static _Atomic bool is_busy;
static _Atomic int64_t stopping_since_us; /* 0: the process goes on */
static int64_t busy_threshold_ms, memory_max;

/* What FUNCTION STATS shows of a slow script. */
static struct {
    struct lock lock;
    char name[NAME_MAX_LENGTH];
    struct buffer *words;
    size_t count;
    int64_t started_us;
} shown = {.lock = {.rank = LOCK_LEAF}};

const struct option scripting_options[] = {
    {.name = "busy-reply-threshold",
     .type = OPTION_INTEGER,
     .value = &busy_threshold_ms,
     .initial = "5000",
     .minimum = 0,
     .maximum = INT64_MAX,
     .help = "milliseconds after which a script that still runs makes other clients get -BUSY; 0: never"},
    {.name = "lua-time-limit",
     .type = OPTION_INTEGER,
     .value = &busy_threshold_ms,
     .initial = "5000",
     .minimum = 0,
     .maximum = INT64_MAX,
     .help = "another name of busy-reply-threshold"},
    {.name = "script-memory-max",
     .type = OPTION_BYTES,
     .flags = OPTION_STARTUP,
     .value = &memory_max,
     .initial = "256mb",
     .minimum = 4 << 20,
     .maximum = INT64_MAX,
     .help = "memory of the script interpreter, beyond which a script fails"},
    {.name = NULL},
};

int64_t script_memory_max(void)
{
    return memory_max;
}

/* ---- the running script's side ---- */

void script_running_begin(const struct script_run *run)
{
    atomic_store_explicit(&is_function_running, run->call->is_function, memory_order_relaxed);
    atomic_store_explicit(&state, RUNNING_CLEAN, memory_order_release);
}

bool script_running_wrote(void)
{
    int clean = RUNNING_CLEAN;
    return atomic_load_explicit(&state, memory_order_relaxed) == RUNNING_WROTE ||
           atomic_compare_exchange_strong(&state, &clean, RUNNING_WROTE);
}

static void shown_clear_locked(void)
{
    for (size_t i = 0; i < shown.count; i++)
        buffer_deinit(&shown.words[i]);
    memory_free(shown.words);
    shown.words = NULL;
    shown.count = 0;
}

void script_running_end(void)
{
    atomic_store_explicit(&state, RUNNING_NOTHING, memory_order_release);
    if (!atomic_load_explicit(&is_busy, memory_order_relaxed))
        return;
    atomic_store(&is_busy, false);
    lock_acquire(&shown.lock);
    shown_clear_locked();
    lock_release(&shown.lock);
}

static void become_busy(const struct script_run *run)
{
    lock_acquire(&shown.lock);
    size_t length = strlen(run->call->name);
    length = length < NAME_MAX_LENGTH ? length : NAME_MAX_LENGTH - 1;
    memcpy(shown.name, run->call->name, length);
    shown.name[length] = '\0';
    shown.started_us = run->started_us;
    shown.count = run->x->argc;
    shown.words = memory_allocate_zeroed(shown.count * sizeof(*shown.words));
    for (size_t i = 0; i < shown.count; i++)
        buffer_append_bytes(&shown.words[i], run->x->argv[i]);
    lock_release(&shown.lock);
    atomic_store(&is_busy, true);
    log_warning("slow script", "name=%s ms=%ld", shown.name, (long)busy_threshold_ms);
    /* Those who wait for what it holds are to be told as well. */
    keyspace_wake_parked(run->x->keyspace);
}

/* Half of what a script has written must not be seen, so one that does not end in time takes the process with it: nothing
 * of it is in the log yet, and all that was acknowledged is. */
static bool stop(const struct script_run *run, int64_t stopping_us)
{
    if (!run->wrote)
        return true;
    if (clock_monotonic_us() - stopping_us > STOP_WAIT_US) {
        log_warning("stopped in the middle of a script", "name=%s", run->call->name);
        _exit(0);
    }
    return false;
}

bool script_running_look(const struct script_run *run)
{
    if (run->loads_library)
        return clock_monotonic_us() - run->started_us > LOAD_MAX_US;
    int64_t stopping_us = atomic_load_explicit(&stopping_since_us, memory_order_relaxed);
    if (stopping_us > 0)
        return stop(run, stopping_us);
    int64_t threshold_ms = __atomic_load_n(&busy_threshold_ms, __ATOMIC_RELAXED);
    if (threshold_ms > 0 && !atomic_load_explicit(&is_busy, memory_order_relaxed) &&
        clock_monotonic_us() - run->started_us > threshold_ms * 1000)
        become_busy(run);
    return atomic_load_explicit(&state, memory_order_relaxed) == RUNNING_KILLED;
}

bool script_running_is_busy(void)
{
    return atomic_load_explicit(&is_busy, memory_order_relaxed);
}

/* ---- the others' side ---- */

static const char *busy_error(void)
{
    return atomic_load_explicit(&is_function_running, memory_order_relaxed)
               ? "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
               : "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
}

void script_running_kill(struct execution *x, bool is_function)
{
    int now = atomic_load_explicit(&state, memory_order_acquire);
    if (now == RUNNING_CLEAN && is_function == atomic_load_explicit(&is_function_running, memory_order_relaxed))
        atomic_compare_exchange_strong(&state, &now, RUNNING_KILLED);
    if (now == RUNNING_NOTHING)
        reply_error(x->reply, "NOTBUSY No scripts in execution right now.");
    else if (is_function != atomic_load_explicit(&is_function_running, memory_order_relaxed))
        reply_error(x->reply, busy_error());
    else if (now == RUNNING_WROTE)
        reply_error(x->reply,
                    "UNKILLABLE Sorry the script already executed write commands against the dataset. You can "
                    "either wait the script termination or kill the server in a hard way using the SHUTDOWN "
                    "NOSAVE command.");
    else
        reply_status(x->reply, "OK");
}

void script_running_reply(struct execution *x)
{
    lock_acquire(&shown.lock);
    if (shown.count == 0) {
        reply_null(x->reply);
    } else {
        reply_map(x->reply, 3);
        reply_bulk_text(x->reply, "name");
        reply_bulk_text(x->reply, shown.name);
        reply_bulk_text(x->reply, "command");
        reply_array(x->reply, shown.count);
        for (size_t i = 0; i < shown.count; i++)
            reply_bulk(x->reply, buffer_bytes(&shown.words[i]));
        reply_bulk_text(x->reply, "duration_ms");
        reply_integer(x->reply, (clock_monotonic_us() - shown.started_us) / 1000);
    }
    lock_release(&shown.lock);
}

static enum gate_answer check_busy(struct execution *x)
{
    if (__builtin_expect(!atomic_load_explicit(&is_busy, memory_order_relaxed), 1))
        return GATE_PASS;
    bool ends_all = strcmp(x->command->full_name, "shutdown") == 0;
    if (ends_all ? x->argc == 2 && bytes_equal_text(x->argv[1], "nosave") : x->command->flags & COMMAND_ALLOW_BUSY)
        return GATE_PASS;
    bool aborts = strcmp(x->command->full_name, "exec") == 0;
    reply_error_format(x->reply, "%s%s", aborts ? "EXECABORT Transaction discarded because of: " : "", busy_error());
    return GATE_REFUSE;
}

void scripting_setup(void)
{
    static const struct gate busy = {"busy", 0, check_busy};
    gate_register(&busy);
}

void scripting_stop(void)
{
    atomic_store_explicit(&stopping_since_us, clock_monotonic_us(), memory_order_relaxed);
}

size_t scripting_bytes(void)
{
    struct sandbox *sandbox = scripting.sandbox;
    return sandbox ? atomic_load_explicit(&sandbox->used, memory_order_relaxed) : 0;
}

void scripting_teardown(void)
{
    if (scripting.sandbox)
        sandbox_destroy(&scripting.sandbox);
    output_deinit(&scripting.output);
    buffer_deinit(&scripting.flat);
    memory_free(scripting.argv);
    memory_free(scripting.numbers);
}
