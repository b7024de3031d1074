/* SPDX-License-Identifier: BSD-3-Clause */
/* SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE. SAVE keeps its client waiting, not the loop. A checkpoint whose offset is old enough
 * already may be reported done without a new one being made; that is a save all the same to whoever polls LASTSAVE, so the time
 * of the report is remembered. */
#include "command/saving.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/memory.h"
#include "command/args.h"
#include "command/server_commands.h"
#include "keyspace/backing.h"

static struct {
    struct lock lock;
    struct saving_state states[2]; /* by kind */
    int64_t last_ms;               /* of a success of SAVING_FILE */
    uint64_t changes_begun;        /* keyspace_change_count at the begin of the last one of SAVING_FILE */
    uint64_t changes_saved;        /* ... of the last that succeeded */
} saving = {.lock = {.rank = LOCK_LEAF}, .states = {{.last_seconds = -1}, {.last_seconds = -1}}};

struct saving_state saving_read(enum saving_kind kind)
{
    lock_acquire(&saving.lock);
    struct saving_state state = saving.states[kind];
    lock_release(&saving.lock);
    return state;
}

static bool has_file(void)
{
    return engine_hooks.save_has_file && engine_hooks.save_has_file();
}

int64_t saving_last_ms(const struct engine *engine)
{
    lock_acquire(&saving.lock);
    int64_t last_ms = saving.last_ms;
    lock_release(&saving.lock);
    int64_t checkpoint_ms = engine_hooks.last_save_ms && !has_file() ? engine_hooks.last_save_ms() : 0;
    if (checkpoint_ms > last_ms)
        last_ms = checkpoint_ms;
    return last_ms > 0 ? last_ms : engine->started_at_ms;
}

uint64_t saving_changes(const struct engine *engine)
{
    lock_acquire(&saving.lock);
    uint64_t saved = saving.changes_saved;
    lock_release(&saving.lock);
    return keyspace_change_count(engine->keyspace) - saved;
}

/* ---- one at a time ---- */

static bool saving_begin(enum saving_kind kind, const struct execution *x)
{
    uint64_t changes = keyspace_change_count(x->keyspace);
    lock_acquire(&saving.lock);
    struct saving_state *state = &saving.states[kind];
    bool begun = !state->running;
    if (begun) {
        state->running = true;
        state->started_ms = x->now_ms;
        if (kind == SAVING_FILE)
            saving.changes_begun = changes;
    }
    lock_release(&saving.lock);
    return begun;
}

static void saving_cancel(enum saving_kind kind)
{
    lock_acquire(&saving.lock);
    saving.states[kind].running = false;
    lock_release(&saving.lock);
}

static void saving_end(enum saving_kind kind, int status)
{
    int64_t now_ms = clock_now_ms();
    lock_acquire(&saving.lock);
    struct saving_state *state = &saving.states[kind];
    state->running = false;
    state->failed = status != STATUS_OK;
    state->last_seconds = (now_ms - state->started_ms) / 1000;
    state->count += status == STATUS_OK;
    if (kind == SAVING_FILE && status == STATUS_OK) {
        saving.last_ms = now_ms;
        saving.changes_saved = saving.changes_begun;
    }
    lock_release(&saving.lock);
}

static void file_done(void *owner, int status);
static void checkpoint_done(void *owner, int status);
static void (*const done_of[])(void *owner, int status) = {file_done, checkpoint_done};

/* Starts a save; 'waiting' is told of its end, if there is one. False: the error has been replied. */
static bool start_save(struct execution *x, enum saving_kind kind, struct offload *waiting)
{
    if (x->engine->durability == DURABILITY_NONE && (kind == SAVING_CHECKPOINT || !has_file()))
        reply_error(x->reply, "ERR this node keeps nothing on disk (durability none)");
    else if (!saving_begin(kind, x))
        reply_error(x->reply, kind == SAVING_FILE ? "ERR Background save already in progress"
                                                  : "ERR Background append only file rewriting already in progress");
    else if (engine_hooks.save_start &&
             engine_hooks.save_start(kind == SAVING_FILE, x->worker->mailbox, done_of[kind], waiting))
        return true;
    else {
        saving_cancel(kind);
        reply_error(x->reply, "ERR this node has no rows to save to");
    }
    return false;
}

static void tell_waiting(struct offload *waiting, int status)
{
    if (!waiting)
        return;
    waiting->status = status;
    waiting->done = true;
    if (waiting->session)
        session_resume(waiting->session);
    else
        memory_free(waiting);
}

static void file_done(void *owner, int status)
{
    saving_end(SAVING_FILE, status);
    tell_waiting(owner, status);
}

static void checkpoint_done(void *owner, int status)
{
    saving_end(SAVING_CHECKPOINT, status);
    tell_waiting(owner, status);
}

/* ---- SAVE: an offload that others work for ---- */

static void save_begin(struct execution *x, enum saving_kind kind)
{
    struct offload *save = memory_allocate_zeroed(sizeof(*save));
    save->session = x->session;
    if (!start_save(x, kind, save)) {
        memory_free(save);
        return;
    }
    x->session->offload = save;
    execution_suspend(x, SUSPENDED_JOB);
}

bool saving_wait(struct execution *x, enum saving_kind kind, enum status *status)
{
    struct offload *save = x->session->offload;
    if (!save || !save->done) {
        save_begin(x, kind);
        return false;
    }
    *status = (enum status)save->status;
    offload_end(x, &save);
    return true;
}

void saving_reply(struct execution *x, enum status status)
{
    if (status == STATUS_OK)
        reply_status(x->reply, "OK");
    else
        reply_error_format(x->reply, "ERR the save failed: %s", status_text(status));
}

void save_command(struct execution *x)
{
    enum status status;
    if (saving_wait(x, SAVING_FILE, &status))
        saving_reply(x, status);
}

/* ---- in the background ---- */

/* Nothing that a save would have to wait for goes on here: SCHEDULE is taken and changes nothing. */
void bgsave_command(struct execution *x)
{
    if (x->argc > 2 || (x->argc == 2 && !arg_is(x->argv[1], "SCHEDULE")))
        reply_syntax_error(x);
    else if (start_save(x, SAVING_FILE, NULL))
        reply_status(x->reply, "Background saving started");
}

/* The log has no garbage to rewrite once the checkpoint has passed it. */
void bgrewriteaof_command(struct execution *x)
{
    if (start_save(x, SAVING_CHECKPOINT, NULL))
        reply_status(x->reply, "Background append only file rewriting started");
}

void lastsave_command(struct execution *x)
{
    reply_integer(x->reply, saving_last_ms(x->engine) / 1000);
}
