/* SPDX-License-Identifier: BSD-3-Clause */
/* A session that waits for a partition or the gate is parked there by an allocation of its own, which may outlive it:
 * who releases may be about to mail it. */
#include "command/lock_wait.h"

#include "base/memory.h"
#include "command/dispatch.h"

struct lock_wait {
    struct parked parked;
    struct session *session; /* NULL once it is gone */
};

static void lock_wait_delivered(struct mail *mail)
{
    struct lock_wait *wait = list_entry(mail, struct lock_wait, parked.mail);
    struct session *session = wait->session;
    memory_free(wait);
    if (!session)
        return;
    session->parked = NULL;
    session_resume(session);
}

void lock_wait_abandon(struct session *session)
{
    if (session->parked)
        list_entry(session->parked, struct lock_wait, parked)->session = NULL;
    session->parked = NULL;
}

void lock_wait_start(struct session *session)
{
    struct worker *worker = session->worker;
    struct lock_wait *wait = memory_allocate_zeroed(sizeof(*wait));
    lock_wait_abandon(session);
    *wait = (struct lock_wait){.parked = {.home = worker->mailbox, .mail.deliver = lock_wait_delivered},
                               .session = session};
    session->parked = &wait->parked;
    keyspace_park(worker->engine->keyspace, worker->number, worker->held_up_by, &wait->parked);
}
