/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stddef.h>

#include "base/random.h"
#include "command/dispatch.h"

/* Random choices among the elements of a collection: SRANDMEMBER, HRANDFIELD, ZRANDMEMBER. */

/* Writes 'count' different ranks below 'total' (at least as many) to 'ranks', each choice equally likely, in any order. */
void sample_ranks(struct random *random, size_t total, size_t count, size_t *ranks);

/* Whether so many elements of the value, repeated, make a reply of a bearable size; else an error is replied. */
bool sample_fits(struct execution *x, const struct object *value, uint64_t repeats);
