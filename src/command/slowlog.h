/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

/* The log of slow commands; a leaf lock guards it. Called only for commands beyond slowlog-log-slower-than. */
void slowlog_push(const struct execution *x, int64_t duration_us);

/* The handlers of SLOWLOG; their rows stand with the server's commands. */
void slowlog_get_command(struct execution *x);
void slowlog_len_command(struct execution *x);
void slowlog_reset_command(struct execution *x);
