/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/parking.h"

void parking_init(struct parking *parking)
{
    atomic_init(&parking->newest, NULL);
}

void parking_add(struct parking *parking, struct parked *parked)
{
    parked->next = atomic_load_explicit(&parking->newest, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&parking->newest, &parked->next, parked))
        ;
}

void parking_wake_slow(struct parking *parking)
{
    struct parked *newest = atomic_exchange(&parking->newest, NULL), *oldest = NULL;
    while (newest) {
        struct parked *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct parked *next = oldest->next; /* 'oldest' may be gone once it is mailed */
        mailbox_post(oldest->home, &oldest->mail);
        oldest = next;
    }
}
