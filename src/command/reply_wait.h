/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/worker.h"

/* Replies that must not leave before the stream has come far enough. */

/* Notes that the session's replies so far may leave only when the stream has reached offset at level. */
void reply_wait_note(struct session *session, uint64_t offset, enum stream_level level);
/* The log pass: writes what is pending, and holds the noted sessions whose level is not reached. */
void reply_wait_pass(struct worker *worker);
/* Tries again the waits that a failing stream sent back; called by the retry timer. */
void reply_wait_retry(struct worker *worker);
/* The session goes away: its wait frees itself when it is mailed. */
void reply_wait_abandon(struct session *session);
