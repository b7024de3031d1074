/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

/* Queues the request for EXEC and replies QUEUED. */
void transaction_queue(struct execution *x);
/* The request was refused: EXEC's own refusal ends the transaction, that of another command makes EXEC abort. */
void transaction_refuse(struct execution *x);
/* Whether the request is the EXEC of a transaction that is to run; then the flags of all its commands, else 0. */
bool transaction_is_executed(const struct execution *x);
uint32_t transaction_flags(const struct execution *x);
/* Forgets queued commands and the MULTI state; watches stay. */
void transaction_discard(struct session *session);
/* Drops all watches; the session's thread, no partition held. Those that cannot be taken out now become the worker's. */
void transaction_unwatch(struct session *session);
/* Takes those out, or asks for another retry. */
void transaction_end_unwatched(struct worker *worker);
/* Whether a watched key was changed. */
bool transaction_is_touched(const struct session *session);
/* Number of queued commands, -1 outside MULTI. */
int transaction_length(const struct session *session);
size_t transaction_bytes(const struct session *session);
