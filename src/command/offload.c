/* SPDX-License-Identifier: BSD-3-Clause */
/* Work for a reader thread. The offload belongs to the session while it is suspended for it and until offload_end; if
 * the client goes away first, the work is skipped or ends early, and the letter that brings it home frees it. Inside
 * EXEC, where everything is held, the work runs at once and the session never knows of it. */
#include "command/dispatch.h"

#include "base/memory.h"

static void offload_free(struct offload *offload)
{
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

struct offload *execution_offload(struct execution *x, size_t size, void (*run)(struct offload *offload),
                                  void (*prepare)(struct execution *x, struct offload *offload),
                                  void (*destroy)(struct offload *offload))
{
    struct session *session = x->session;
    if (session->offload && session->offload->done && session->offload->run == run)
        return session->offload;
    struct offload *offload = memory_allocate_zeroed(size);
    offload->engine = x->engine;
    offload->session = session;
    offload->home = x->worker->mailbox;
    offload->run = run;
    offload->destroy = destroy;
    offload->holding_all = x->holding_all;
    offload->mail.deliver = offload_came_home;
    offload->job.run = offload_run_on_reader;
    if (!x->holding_all)
        session->offload = offload;
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
