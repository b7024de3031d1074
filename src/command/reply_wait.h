/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/worker.h"

/* Replies that must not leave before the stream has come far enough. */

/* Notes that the session's replies so far may leave only when the stream has reached offset at the levels of 'needs'. */
void reply_wait_note(struct session *session, uint64_t offset, uint8_t needs);
/* What was noted last is the reply from the mark to here: should there be too few copies of what it tells of, it gives way to
 * an error. Does nothing if it needs none. */
void reply_wait_note_reply(struct session *session, struct output_mark mark, uint8_t needs);
/* The log pass: writes what is pending, and holds the noted sessions whose level is not reached. */
void reply_wait_pass(struct worker *worker);
/* Tries again the waits that a failing stream sent back; called by the retry timer. */
void reply_wait_retry(struct worker *worker);
/* The session goes away: its wait frees itself when it is mailed. */
void reply_wait_abandon(struct session *session);
