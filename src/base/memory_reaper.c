/* SPDX-License-Identifier: BSD-3-Clause */
/* The reaper: a thread that frees what takes long. Orders are letters to it, so that whoever frees never waits. */
#include "base/memory.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/check.h"
#include "base/mailbox.h"
#include "base/thread.h"

struct reaper_mail {
    struct mail mail;
    void *block;
    void (*destroy)(void *block);
};

static struct {
    struct mailbox box;
    sem_t posted;
    struct thread thread;
    _Atomic bool running;
} reaper;

static void reaper_wake(void *context)
{
    (void)context;
    sem_post(&reaper.posted);
}

static void reaper_deliver(struct mail *mail)
{
    struct reaper_mail *order = (struct reaper_mail *)mail;
    order->destroy(order->block);
    memory_free(order);
}

static void reaper_run(void *argument)
{
    (void)argument;
    while (atomic_load(&reaper.running)) {
        if (sem_wait(&reaper.posted) != 0)
            check(errno == EINTR);
        mailbox_drain(&reaper.box);
    }
}

void memory_free_later(void *block, void (*destroy)(void *block))
{
    if (!atomic_load_explicit(&reaper.running, memory_order_relaxed)) {
        destroy(block);
        return;
    }
    struct reaper_mail *order = memory_allocate(sizeof(*order));
    order->mail.deliver = reaper_deliver;
    order->block = block;
    order->destroy = destroy;
    mailbox_post(&reaper.box, &order->mail);
}

void memory_reaper_start(void)
{
    check(sem_init(&reaper.posted, 0, 0) == 0);
    mailbox_init(&reaper.box, reaper_wake, NULL);
    atomic_store(&reaper.running, true);
    thread_start(&reaper.thread, "reaper", reaper_run, NULL);
}

void memory_reaper_stop(void)
{
    if (!atomic_exchange(&reaper.running, false))
        return;
    sem_post(&reaper.posted);
    thread_stop(&reaper.thread);
    /* A destroyer may itself order a free; those come at once now. */
    mailbox_drain(&reaper.box);
    sem_destroy(&reaper.posted);
}
