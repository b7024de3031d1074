/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/request.h"

/* Has the key fetched, if it is cold. */
void lookahead_fetch_key(struct keyspace *keyspace, const struct key *key);
/* The request of a batch at 'index' was suspended for a cold key: has the cold keys of the requests that follow it on the
 * same connection fetched, too, so that a pipeline of N cold keys waits about once, not N times. */
void lookahead_fetch(struct worker *worker, size_t index, size_t filled);
