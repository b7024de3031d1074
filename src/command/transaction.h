/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

/* Queues the request for EXEC and replies QUEUED. */
void transaction_queue(struct execution *x);
/* A command was refused while queueing: EXEC will abort. */
void transaction_fail(struct session *session);
/* Forgets queued commands and the MULTI state; watches stay. */
void transaction_discard(struct session *session);
/* Drops all watches; the session's thread, no lock held (each is taken in turn). */
void transaction_unwatch(struct session *session);
/* Number of queued commands, -1 outside MULTI. */
int transaction_length(const struct session *session);
size_t transaction_bytes(const struct session *session);
