/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/channels.h"

/* A message on its way to its subscribers: the own thread's have it in their outputs when message_send returns, other
 * workers get one letter each. It is in memory once, however many receive it. */
struct message;

/* Says how many subscriptions it will reach, and makes it; NULL, and 0, if none. Worker's thread, any locks. */
struct message *message_create(enum channel_kind kind, struct bytes channel, struct bytes payload, uint64_t *receivers);
/* Worker's thread, without partition locks. Takes the message. */
void message_send(struct worker *worker, struct message **message);

/* Both at once. */
uint64_t message_publish(struct worker *worker, enum channel_kind kind, struct bytes channel, struct bytes payload);

/* Appends to the session's output, outside of its replies and whatever CLIENT REPLY says, and has it sent: a push of
 * RESP3, an array in RESP2, whichever type 'head' begins with. Session's thread. */
void session_push(struct session *session, struct bytes head, struct bytes rest);
