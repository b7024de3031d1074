/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

#define PAUSE_FOR_EVER INT64_MAX

/* Suspends the request, which starts over at the time, or before: it looks at the clock itself. */
void execution_pause(struct execution *x, int64_t until_ms);
/* Since when the request pauses: from now on if it does not yet. */
int64_t execution_paused_since_ms(const struct execution *x);

/* Resumes those whose time has come, and asks for the next time. The worker's thread. */
void pause_wake(struct worker *worker, int64_t now_ms);
/* All who pause look again, on all workers. Any thread. */
void pause_wake_everybody(struct engine *engine);
/* For CLIENT UNBLOCK, on any thread: whether that session waited for copies of its writes, and will not any longer. */
bool pause_end_wait(struct engine *engine, uint64_t session_id, bool with_error);
