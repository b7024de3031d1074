/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "resp/reply.h"

/* How many error replies had which code ("ERR", "WRONGTYPE"), for INFO errorstats. A leaf lock guards it. */

/* After errors were replied: counts the one that stands in the output at 'place', where the reply began. A reply that
 * holds errors but is none (EXEC's array) is not counted: each of them has been. */
void error_counts_note(const struct reply *reply, size_t place);
void error_counts_print(struct buffer *out);
void error_counts_reset(void);
