/* SPDX-License-Identifier: BSD-3-Clause */
/* Work for a reader thread, or for a thread of its own. The offload belongs to the session while it is suspended for it and
 * until offload_end; if the client goes away first, the work is skipped or ends early, and the letter that brings it home
 * frees it. Inside EXEC, where everything is held, a reader's work runs at once and the session never knows of it.
 *
 * A thread apart has posted its letter before it ends, so whoever frees the offload joins it without a wait. */
#include "command/dispatch.h"

#include "base/memory.h"
#include "base/thread.h"

#include <unistd.h>

/* As many wait for others at one time; there is room for THREADS_MAX threads. */
#define APART_MAX 32

static _Atomic uint32_t apart_count;
static _Atomic bool apart_is_over;

static void apart_join(struct offload *offload)
{
    if (!offload->apart)
        return;
    thread_stop(offload->apart);
    memory_free(offload->apart);
    offload->apart = NULL;
}

static void offload_free(struct offload *offload)
{
    apart_join(offload);
    if (offload->destroy)
        offload->destroy(offload);
    memory_free(offload);
}

static void offload_came_home(struct mail *mail)
{
    struct offload *offload = list_entry(mail, struct offload, mail);
    offload->done = true;
    if (offload->session)
        session_resume(offload->session);
    else
        offload_free(offload);
}

static void offload_run_on_reader(struct job *job)
{
    struct offload *offload = list_entry(job, struct offload, job);
    if (!atomic_load_explicit(&offload->is_abandoned, memory_order_relaxed))
        offload->run(offload);
    mailbox_post(offload->home, &offload->mail);
}

struct offload *offload_finished(const struct execution *x, void (*run)(struct offload *offload))
{
    struct offload *offload = x->session->offload;
    return offload && offload->done && offload->run == run ? offload : NULL;
}

struct offload *offload_create(struct execution *x, size_t size, void (*run)(struct offload *offload),
                               void (*destroy)(struct offload *offload))
{
    struct offload *offload = memory_allocate_zeroed(size);
    offload->engine = x->engine;
    offload->session = x->session;
    offload->home = x->worker->mailbox;
    offload->run = run;
    offload->destroy = destroy;
    offload->holding_all = x->holding_all;
    offload->mail.deliver = offload_came_home;
    offload->job.run = offload_run_on_reader;
    if (!x->holding_all)
        x->session->offload = offload;
    return offload;
}

struct offload *execution_offload(struct execution *x, size_t size, void (*run)(struct offload *offload),
                                  void (*prepare)(struct execution *x, struct offload *offload),
                                  void (*destroy)(struct offload *offload))
{
    struct offload *offload = offload_finished(x, run);
    if (offload)
        return offload;
    offload = offload_create(x, size, run, destroy);
    prepare(x, offload);
    if (x->holding_all || !keyspace_walk_needs_reader(x->keyspace)) {
        run(offload);
        offload->done = true;
        return offload;
    }
    execution_suspend(x, SUSPENDED_JOB);
    keyspace_run_on_reader(x->keyspace, &offload->job);
    return NULL;
}

/* ---- apart ---- */

static void apart_run(void *argument)
{
    struct offload *offload = argument;
    offload->run(offload);
    mailbox_post(offload->home, &offload->mail);
    atomic_fetch_sub(&apart_count, 1);
}

bool offload_has_room_apart(void)
{
    return atomic_load(&apart_count) < APART_MAX && !atomic_load(&apart_is_over);
}

void offload_run_apart(struct execution *x, struct offload *offload)
{
    apart_join(offload);
    offload->done = false;
    offload->apart = memory_allocate(sizeof(*offload->apart));
    atomic_fetch_add(&apart_count, 1);
    execution_suspend(x, SUSPENDED_JOB);
    thread_start(offload->apart, "apart", apart_run, offload);
}

bool offload_must_end(const struct offload *offload)
{
    return atomic_load_explicit(&offload->is_abandoned, memory_order_relaxed) ||
           atomic_load_explicit(&apart_is_over, memory_order_relaxed);
}

void offload_stop_apart(void)
{
    atomic_store(&apart_is_over, true);
    while (atomic_load(&apart_count) > 0)
        usleep(1000);
}

void offload_end(struct execution *x, struct offload **taken)
{
    struct offload *offload = *taken;
    *taken = NULL;
    if (x->session->offload == offload)
        x->session->offload = NULL;
    offload_free(offload);
}

void offload_abandon(struct offload **taken)
{
    struct offload *offload = *taken;
    *taken = NULL;
    if (offload->done) {
        offload_free(offload);
        return;
    }
    offload->session = NULL;
    atomic_store_explicit(&offload->is_abandoned, true, memory_order_relaxed);
}
