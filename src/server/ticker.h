/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/engine.h"

/* The control thread's periodic work: memory's measure, the clock of eviction, active expiry. */
void ticker_start(struct engine *engine);
void ticker_stop(void);
/* One look at memory, before the first command. */
void ticker_measure_memory(struct engine *engine);
/* Makes a new maxmemory effective with what was measured last; any thread. */
void ticker_limit_memory(struct engine *engine);
