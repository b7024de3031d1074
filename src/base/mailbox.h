/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

/* A letter to another thread, embedded in the thing it is about. It belongs to the mailbox from post until
 * deliver is called, on the reader's thread; deliver may free it or post it again. */
struct mail {
    struct mail *next;
    void (*deliver)(struct mail *mail);
};

/* Many writers, one reader. 'wake' is called by the writer that finds the box empty; it must be safe from
 * any thread (for a loop: ev_async_send; for a plain thread: a futex or condition). */
struct mailbox {
    _Atomic(struct mail *) head; /* newest first */
    struct mail *kept;           /* reader only: taken already, to be delivered first; oldest first */
    void (*wake)(void *context);
    void *context;
};

/* Empty. It holds nothing that would have to be freed. */
void mailbox_init(struct mailbox *mailbox, void (*wake)(void *context), void *context);

/* Any thread. Everything written before is visible to deliver. */
void mailbox_post(struct mailbox *mailbox, struct mail *mail);

/* Reader only: delivers everything posted so far in the order of posting; returns how many. */
unsigned mailbox_drain(struct mailbox *mailbox);
/* Reader only: delivers those of the letters that are wanted now, and keeps the others for mailbox_drain. */
void mailbox_pick(struct mailbox *mailbox, bool (*wanted)(const struct mail *mail));

/* Reader only. */
static inline bool mailbox_has_mail(const struct mailbox *mailbox)
{
    return mailbox->kept || atomic_load_explicit(&mailbox->head, memory_order_relaxed);
}
