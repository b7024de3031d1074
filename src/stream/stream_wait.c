/* SPDX-License-Identifier: BSD-3-Clause */
/* Who waits for which offset. A list a level, in the order of offsets; nearly every wait is for the newest offset, so
 * it is put at the tail. The one who raises a level stores it and then looks at 'lowest'; the one who waits stores
 * 'lowest' and then looks at the level: with sequentially consistent atomics one of the two sees the other. */
#include "stream/stream_private.h"

#include "base/check.h"

void stream_waits_init(struct stream_waits *waits)
{
    lock_init(&waits->lock, LOCK_LEAF, 0);
    for (int level = STREAM_WRITTEN; level < STREAM_LEVELS; level++)
        waits->lists[level] = (struct wait_list){.lowest = UINT64_MAX};
}

static struct wait_list *waits_of_level(struct stream_waits *waits, enum stream_level level)
{
    check(level > STREAM_APPENDED && level < STREAM_LEVELS);
    return &waits->lists[level];
}

void stream_waits_add(struct stream_waits *waits, struct stream_wait *wait)
{
    struct wait_list *list = waits_of_level(waits, wait->level);
    lock_acquire(&waits->lock);
    struct stream_wait **place = &list->head;
    if (list->tail && list->tail->offset <= wait->offset)
        place = &list->tail->next;
    while (*place && (*place)->offset <= wait->offset)
        place = &(*place)->next;
    wait->next = *place;
    *place = wait;
    if (!wait->next)
        list->tail = wait;
    atomic_store(&list->lowest, list->head->offset);
    atomic_fetch_add(&list->count, 1);
    lock_release(&waits->lock);
}

static struct stream_wait *list_take_locked(struct wait_list *list, uint64_t reached, unsigned *count)
{
    struct stream_wait *taken = list->head, **place = &taken;
    for (*count = 0; *place && (*place)->offset <= reached; ++*count)
        place = &(*place)->next;
    list->head = *place;
    *place = NULL;
    if (!list->head)
        list->tail = NULL;
    atomic_store(&list->lowest, list->head ? list->head->offset : UINT64_MAX);
    atomic_fetch_sub(&list->count, *count);
    return taken;
}

unsigned stream_waits_mail(struct stream_waits *waits, enum stream_level level, uint64_t reached)
{
    struct wait_list *list = waits_of_level(waits, level);
    unsigned count;
    if (atomic_load(&list->lowest) > reached)
        return 0;
    lock_acquire(&waits->lock);
    struct stream_wait *wait = list_take_locked(list, reached, &count);
    lock_release(&waits->lock);
    while (wait) {
        struct stream_wait *next = wait->next; /* the waiter may be gone once it is mailed */
        mailbox_post(wait->home, &wait->mail);
        wait = next;
    }
    return count;
}

void stream_waits_mail_all(struct stream_waits *waits)
{
    for (enum stream_level level = STREAM_WRITTEN; level < STREAM_LEVELS; level++)
        stream_waits_mail(waits, level, UINT64_MAX - 1);
}
