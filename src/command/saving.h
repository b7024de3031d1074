/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/status.h"
#include "command/engine.h"

struct execution;

/* What clients ask for: SAVE and BGSAVE write the RDB file and move the checkpoint, BGREWRITEAOF moves the checkpoint alone.
 * One of each kind at a time. */
enum saving_kind { SAVING_FILE, SAVING_CHECKPOINT };

/* As INFO tells of them. */
struct saving_state {
    bool running;         /* one that a client asked for; those the node makes by itself do not count */
    bool failed;          /* the last one */
    int64_t started_ms;   /* of the running one */
    int64_t last_seconds; /* how long the last one took, -1: there was none */
    uint64_t count;       /* of successes */
};
struct saving_state saving_read(enum saving_kind kind);

/* When the file was last saved; where none is wanted, when all that had been written before was last known to be in rows. The
 * start of the process if never. */
int64_t saving_last_ms(const struct engine *engine);
/* Changes since the begin of the last file that was saved. */
uint64_t saving_changes(const struct engine *engine);

/* For handlers: saves while the session is suspended. True when it has come to its end; on false the handler returns at once,
 * either to be called again or because the error has been replied. */
bool saving_wait(struct execution *x, enum saving_kind kind, enum status *status);
/* OK, or the error that goes with the status. */
void saving_reply(struct execution *x, enum status status);
