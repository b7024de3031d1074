/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

/* What a request that others' claims keep out may do about it. */

/* It was kept out of this: once it has waited for long, it wishes that nobody new claims anything there. */
void claim_wish_consider(struct execution *x, const struct holding *holding);
/* It has had its turn, waits for something else, or is gone. */
void claim_wish_end_now(struct session *session);
static inline void claim_wish_end(struct session *session)
{
    if (__builtin_expect(session->flags & SESSION_WISHES, 0))
        claim_wish_end_now(session);
}
