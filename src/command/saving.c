/* SPDX-License-Identifier: BSD-3-Clause */
/* SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE. All of them move the checkpoint: everything written before is in rows then. SAVE
 * keeps its client waiting, not the loop. A checkpoint whose offset is old enough already may be reported done without a new
 * one being made; that is a save all the same to whoever polls LASTSAVE, so the time of the report is remembered. */
#include "command/saving.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/memory.h"
#include "command/args.h"
#include "command/server_commands.h"
#include "keyspace/backing.h"

static struct {
    struct lock lock;
    struct saving_state state;
    int64_t last_ms; /* of a success */
} saving = {.lock = {.rank = LOCK_LEAF}, .state = {.last_seconds = -1}};

struct saving_state saving_read(void)
{
    lock_acquire(&saving.lock);
    struct saving_state state = saving.state;
    lock_release(&saving.lock);
    return state;
}

int64_t saving_last_ms(const struct engine *engine)
{
    lock_acquire(&saving.lock);
    int64_t last_ms = saving.last_ms;
    lock_release(&saving.lock);
    int64_t checkpoint_ms = engine_hooks.last_save_ms ? engine_hooks.last_save_ms() : 0;
    if (checkpoint_ms > last_ms)
        last_ms = checkpoint_ms;
    return last_ms > 0 ? last_ms : engine->started_at_ms;
}

uint64_t saving_changes(const struct engine *engine)
{
    return keyspace_dirty_count(engine->keyspace);
}

/* ---- one at a time ---- */

static bool saving_begin(int64_t now_ms)
{
    lock_acquire(&saving.lock);
    bool begun = !saving.state.running;
    if (begun) {
        saving.state.running = true;
        saving.state.started_ms = now_ms;
    }
    lock_release(&saving.lock);
    return begun;
}

static void saving_cancel(void)
{
    lock_acquire(&saving.lock);
    saving.state.running = false;
    lock_release(&saving.lock);
}

static void saving_end(int status)
{
    int64_t now_ms = clock_now_ms();
    lock_acquire(&saving.lock);
    saving.state.running = false;
    saving.state.failed = status != STATUS_OK;
    saving.state.last_seconds = (now_ms - saving.state.started_ms) / 1000;
    if (status == STATUS_OK) {
        saving.state.count++;
        saving.last_ms = now_ms;
    }
    lock_release(&saving.lock);
}

/* Starts a save whose end is told to 'done'. False: the error has been replied. */
static bool start_save(struct execution *x, void (*done)(void *owner, int status), void *owner)
{
    if (x->engine->durability == DURABILITY_NONE)
        reply_error(x->reply, "ERR this node keeps nothing on disk (durability none)");
    else if (!saving_begin(x->now_ms))
        reply_error(x->reply, "ERR Background save already in progress");
    else if (engine_hooks.save_start && engine_hooks.save_start(x->worker->mailbox, done, owner))
        return true;
    else {
        saving_cancel();
        reply_error(x->reply, "ERR this node has no rows to save to");
    }
    return false;
}

/* ---- SAVE: an offload that the tier works for ---- */

static void save_done(void *owner, int status)
{
    struct offload *save = owner;
    saving_end(status);
    save->status = status;
    save->done = true;
    if (save->session)
        session_resume(save->session);
    else
        memory_free(save);
}

static void save_begin(struct execution *x)
{
    struct offload *save = memory_allocate_zeroed(sizeof(*save));
    save->session = x->session;
    if (!start_save(x, save_done, save)) {
        memory_free(save);
        return;
    }
    x->session->offload = save;
    execution_suspend(x, SUSPENDED_JOB);
}

bool saving_wait(struct execution *x, enum status *status)
{
    struct offload *save = x->session->offload;
    if (!save || !save->done) {
        save_begin(x);
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
    if (saving_wait(x, &status))
        saving_reply(x, status);
}

/* ---- in the background ---- */

static void background_done(void *owner, int status)
{
    (void)owner;
    saving_end(status);
}

void bgsave_command(struct execution *x)
{
    if (x->argc > 2 || (x->argc == 2 && !arg_is(x->argv[1], "SCHEDULE")))
        reply_syntax_error(x);
    else if (start_save(x, background_done, NULL))
        reply_status(x->reply, "Background saving started");
}

/* The log has no garbage to rewrite once the checkpoint has passed it. */
void bgrewriteaof_command(struct execution *x)
{
    if (start_save(x, background_done, NULL))
        reply_status(x->reply, "Background append only file rewriting started");
}

void lastsave_command(struct execution *x)
{
    reply_integer(x->reply, saving_last_ms(x->engine) / 1000);
}
