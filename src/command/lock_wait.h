/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/session.h"

/* Resumes the suspended session when what its worker was held up by (worker->held_up_by) may be had. */
void lock_wait_start(struct session *session);
/* The session goes away. */
void lock_wait_abandon(struct session *session);
