/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>

#include "command/dispatch.h"

/* How many sessions monitor; dispatch asks before it formats anything. */
extern _Atomic uint32_t monitor_count;
/* Sends the command line to every monitoring session, on its own thread by mailbox. */
void monitor_feed(const struct execution *x);
/* The session monitors no more (it closes or resets). */
void monitor_stop(struct session *session);
/* The handler of MONITOR. */
void monitor_command(struct execution *x);
