/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

/* Clients that wait for a key to be filled (BLPOP and its kin). Whoever fills a key serves those who wait for it, first
 * come first served, before it lets go of the key; so nobody else can take what they waited for. */

/* False inside MULTI, where a command that would block answers as if its time were over. */
bool execution_may_block(const struct execution *x);
/* For handlers, which return at once: blocks the session until one of the execution's keys is filled with an object of
 * this type, or until the time has passed (0: never). Then the handler runs again with 'serving' set and, unless
 * 'all_keys', with that key alone, on the thread of whoever filled it; if it calls this again, the client waits on. When
 * the time is over 'give_up' makes the reply. */
#define BLOCK_ON_ANY_CHANGE OBJECT_TYPE_COUNT /* for 'type': whatever happens to a key, its end too */
void execution_block(struct execution *x, enum object_type type, bool all_keys, int64_t timeout_ms,
                     void (*give_up)(struct reply *reply));

/* Seconds with a fraction, as milliseconds; 0: for ever. False, and replied, if they are none. */
bool arg_block_timeout(struct execution *x, struct bytes word, int64_t *timeout_ms);

/* (lock) The key has just been given something, or was deleted; for effects.c. */
void blocked_note_key(struct execution *x, const struct key *key);
static inline void blocked_note(struct execution *x, const struct key *key)
{
    if (__builtin_expect(keyspace_is_awaited(x->keyspace, key), 0))
        blocked_note_key(x, key);
}
/* (all locks) Any key may have been given something, or be gone: a database was flushed or swapped. */
void blocked_note_all(struct execution *x);
/* (lock) The key is gone by itself, outside of any execution. Who waits for that runs its command again. */
void blocked_note_gone(struct keyspace *keyspace, const struct key *key);
/* At the end of an execution that holds its locks still: serves those who wait for what was noted. */
void blocked_serve(struct execution *x, const struct holding *holding);
/* After its effects are appended and its locks released: tells the clients who were served. 'offset': the stream's end. */
void blocked_send(struct worker *worker, uint64_t offset);

/* A session that was blocked is dispatched again: true if that was its request's end, and the reply is made. */
bool blocked_finish(struct session *session, const struct command_entry *command);
/* The session goes away, or has gone on by itself. */
void blocked_abandon(struct session *session);
/* Ends the waits of the worker whose time has passed; called as worker->wake_at asked for. */
void blocked_time_out(struct worker *worker, int64_t now_ms);
/* CLIENT UNBLOCK: as if the time were over, or with an error. False if there is no such blocked client. */
bool blocked_unblock(uint64_t session_id, bool with_error);
/* The node follows another one from now on: what they wait for is no longer theirs to take. Any thread. */
void blocked_end_all(void);
