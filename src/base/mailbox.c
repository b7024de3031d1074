/* SPDX-License-Identifier: BSD-3-Clause */
/* A stack that writers push to and the reader takes whole and turns round: order of posting is kept per box,
 * and the reader touches the shared word once a drain. Since only the one that finds the box empty wakes, and
 * the reader empties it at once, no letter waits without a wake-up on its way. */
#include "base/mailbox.h"

#include <stddef.h>

void mailbox_init(struct mailbox *mailbox, void (*wake)(void *context), void *context)
{
    atomic_init(&mailbox->head, NULL);
    mailbox->kept = NULL;
    mailbox->wake = wake;
    mailbox->context = context;
}

void mailbox_post(struct mailbox *mailbox, struct mail *mail)
{
    struct mail *head = atomic_load_explicit(&mailbox->head, memory_order_relaxed);
    do {
        mail->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->head, &head, mail, memory_order_release,
                                                    memory_order_relaxed));
    /* 'mail' may be delivered and gone from here on. */
    if (head == NULL)
        mailbox->wake(mailbox->context);
}

/* What was posted since the last time, oldest first. */
static struct mail *mailbox_take(struct mailbox *mailbox)
{
    struct mail *newest = atomic_exchange_explicit(&mailbox->head, NULL, memory_order_acquire), *oldest = NULL;
    while (newest) {
        struct mail *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

static unsigned deliver_all(struct mail *oldest)
{
    unsigned count = 0;
    while (oldest) {
        struct mail *mail = oldest;
        oldest = mail->next;
        mail->deliver(mail);
        count++;
    }
    return count;
}

unsigned mailbox_drain(struct mailbox *mailbox)
{
    struct mail *kept = mailbox->kept;
    mailbox->kept = NULL;
    unsigned count = deliver_all(kept);
    return count + deliver_all(mailbox_take(mailbox));
}

void mailbox_pick(struct mailbox *mailbox, bool (*wanted)(const struct mail *mail))
{
    struct mail **end = &mailbox->kept, *mail = mailbox_take(mailbox);
    while (*end)
        end = &(*end)->next;
    while (mail) {
        struct mail *next = mail->next;
        mail->next = NULL;
        if (wanted(mail)) {
            mail->deliver(mail);
        } else {
            *end = mail;
            end = &mail->next;
        }
        mail = next;
    }
}
