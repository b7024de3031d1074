/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/option.h"
#include "command/dispatch.h"

/* Clients that cache values are told when a key changes (CLIENT TRACKING). In the default mode the server remembers who
 * read which key, in a table of bounded size; with BCAST a client hears of all keys under its prefixes. */

enum tracking_flags {
    TRACKING_BCAST = 1 << 0,
    TRACKING_OPTIN = 1 << 1,
    TRACKING_OPTOUT = 1 << 2,
    TRACKING_NOLOOP = 1 << 3,
    TRACKING_CACHING = 1 << 4, /* CLIENT CACHING was said for the next command */
    TRACKING_BROKEN = 1 << 5,  /* the client that it redirects to is gone */
};

/* A session's side; its thread only. */
struct tracking {
    unsigned flags;
    uint64_t redirect; /* id of the session that is told instead, 0: this one */
    struct buffer *prefixes;
    size_t prefix_count;
};

extern const struct option tracking_options[];
/* Once, before the first session. */
void tracking_setup(void);

/* Begins, or goes on with other flags and another redirection; prefixes are added. Session's thread. */
void tracking_start(struct session *session, unsigned flags, uint64_t redirect, const struct bytes *prefixes,
                    size_t prefix_count);
/* The session goes away, is reset, or wants no more. */
void tracking_stop(struct session *session);

/* After a command of a session that tracks, while its keys are still held: remembers what it read. */
void tracking_ran(struct execution *x);

/* A key changed, by a session ('writer') or by itself (0). Worker's thread, no partition lock held. Who read it is told at
 * once, in BCAST mode at the end of the turn, of all keys together. */
void tracking_changed(struct worker *worker, struct bytes key, uint64_t writer);
/* The key leaves the table; who read it is told as if it had changed. */
void tracking_forget(struct worker *worker, struct bytes key);
/* Everything may have changed: all are told to forget all. */
void tracking_flushed(struct worker *worker);
/* The end of a turn: tells BCAST clients what changed in it. */
void tracking_broadcast(struct worker *worker);
void tracking_batch_destroy(struct worker *worker);
