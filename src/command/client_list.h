/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"

/* What every client of the node looks like at a moment. A session's state may be read on its own thread only, so each
 * worker describes its own sessions when a letter asks it to, and the command that asked starts over with the result:
 * nothing is published, and no lock taken, while nobody asks. */

enum client_type { CLIENT_NORMAL, CLIENT_MASTER, CLIENT_REPLICA, CLIENT_PUBSUB, CLIENT_TYPE_COUNT };
/* Accepts "slave" for a replica; CLIENT_TYPE_COUNT if there is no such type. */
enum client_type client_type_of(struct bytes name);

struct client_line {
    uint64_t id;
    int64_t created_at_ms;
    enum client_type type;
    bool blocked;             /* in a blocking command */
    struct bytes text;        /* as in CLIENT LIST, with its newline */
    struct bytes peer, local; /* of the text: addr and laddr */
};

struct client_gather;

/* The first call asks all workers, suspends the session and returns NULL: the handler returns at once and is called
 * again when all have answered. Inside EXEC, where nothing can be suspended, it gives what EXEC prepared. */
struct client_gather *client_gather(struct execution *x);
/* By ascending id. */
const struct client_line *client_gather_lines(const struct client_gather *gather, size_t *count);
void client_gather_end(struct execution *x, struct client_gather **gather);

/* For EXEC, before it takes locks: does the queued command need what client_gather gives? Then client_gather_prepare
 * is called until it returns true (false: the session is suspended), and client_gather_finish when EXEC is through. */
bool client_gather_is_needed(const struct command_entry *command);
bool client_gather_prepare(struct execution *x);
void client_gather_finish(struct execution *x);
