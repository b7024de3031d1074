/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/script_private.h"

/* What other threads may know of the script that runs, and how they end it. */

/* By who has the turn. */
void script_running_begin(const struct script_run *run);
/* False: it was killed before, and must not write. */
bool script_running_wrote(void);
void script_running_end(void);
/* From the hook, now and then: notices that the script has become a slow one; true if somebody wants to end it. */
bool script_running_look(const struct script_run *run);

/* Whether others are told that the script is a slow one. */
bool script_running_is_busy(void);

/* Any thread: SCRIPT KILL and FUNCTION KILL; replies. */
void script_running_kill(struct execution *x, bool is_function);
/* Any thread: FUNCTION STATS's first value. */
void script_running_reply(struct execution *x);

int64_t script_memory_max(void);
