/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/bytes.h"

/* How many error replies had which code ("ERR", "WRONGTYPE"), for INFO errorstats. A leaf lock guards it. */

/* Counts the code that an error reply begins with. */
void error_counts_add(struct bytes reply);
void error_counts_print(struct buffer *out);
void error_counts_reset(void);
