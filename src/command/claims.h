/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

/* A command with much work on large values lets go of its partitions for it, and stays atomic: its keys are claimed then
 * (keyspace.h), so that who writes to them waits. What it has found of them before (entries, values, that they are absent)
 * stays as it is, and may be read; it changes its keys only when it holds them again. */

/* Work that takes less than it costs to let go, or not much more. */
#define CLAIMS_WORK_MIN 2000

/* Lets go if so many elements (or about as much work) are worth it, and 'hold_again' takes back what was let go, as does the
 * end of the handler. In between no key is looked up, and nothing is staged but a large batch that was begun for it
 * (stage_large_begin, stage_changed_begin). For a command of a transaction the keys of all of its commands are claimed, for the
 * transaction alone, until its end; of a script those that it has declared, as long as it has looked at no others. A command that
 * holds everything does not let go, nor does one that is run for a client that was blocked: then these do nothing. */
void execution_let_go_now(struct execution *x);
static inline void execution_let_go(struct execution *x, size_t elements)
{
    if (__builtin_expect(elements >= CLAIMS_WORK_MIN, 0))
        execution_let_go_now(x);
}
void execution_hold_again(struct execution *x);

/* The same when the values have been changed, but what comes of it is not staged yet, or not appended: nobody else looks at
 * the keys, nor writes them to rows. */
void execution_let_go_changed(struct execution *x);

/* For a command that holds everything, since its keys lead to others: lets go of all, while its keys are claimed and whatever
 * has names of these kinds. Between execution_look_begin and _end, which hold the key's partition, it may look at one of
 * them, but not change it: an expired one is to be passed over. */
void execution_let_go_of_all(struct execution *x, const struct name_claim *names, size_t count);
void execution_look_begin(struct execution *x, const struct key *key);
void execution_look_end(struct execution *x, const struct key *key);

/* Between two steps of a long change of the keys' values, or of a long reply about what was changed: once the partitions have
 * been held for long, others get them for a moment. The values are the claimant's alone from the first time on: who reads
 * their keys waits as well, as do those who would write them to rows, so that nobody sees a half. What is staged goes out in
 * one piece at the end. Nothing is done about the keys but this change. */
void execution_breathe_out(struct execution *x);
static inline void execution_breathe(struct execution *x)
{
    if (__builtin_expect((++x->breaths & 63) == 0, 0))
        execution_breathe_out(x);
}

/* The same for a transaction between two of its commands, and for a script there or in the middle of its own work. */
void execution_breathe_between(struct execution *whole);
/* A part of it is through: what is held is held since then if it has let go on the way. */
static inline void execution_part_ends(struct execution *whole, struct execution *part)
{
    execution_hold_again(part);
    whole->held_since = part->held_since;
    execution_breathe_between(whole);
}

/* As much work as there is with a value. */
size_t claims_work_of(const struct object *value);

/* ---- for holding.c ---- */

/* Whether others' claims keep the command out of the partitions that it has just taken, or wishes, or a copy that it would
 * disturb. */
bool execution_is_kept_out(struct execution *x, const struct holding *holding, const struct key *keys, size_t count);
/* Takes back its claims, and what it has let go. */
void execution_unclaim(struct execution *x);
