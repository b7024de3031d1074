/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stddef.h>

#include "base/mailbox.h"

/* Those who wait for something without sleeping, and are told by mail that it is worth another look. Who parks must
 * look again after it has parked, and who lets go must look for the parked after that: one of the two sees the other. */

/* Embedded in what waits. It belongs to the parking until its mail is delivered. */
struct parked {
    struct parked *next;
    struct mailbox *home;
    struct mail mail;
};

struct parking {
    _Atomic(struct parked *) newest;
};

void parking_init(struct parking *parking);

/* Any thread, as the next. */
void parking_add(struct parking *parking, struct parked *parked);
/* Mails everybody, those first who came first. Costs one load when nobody is parked. */
void parking_wake_slow(struct parking *parking);
static inline void parking_wake(struct parking *parking)
{
    if (__builtin_expect(atomic_load(&parking->newest) != NULL, 0))
        parking_wake_slow(parking);
}
