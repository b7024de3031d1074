/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/status.h"
#include "command/engine.h"

struct execution;

/* Checkpoints that clients ask for (SAVE, BGSAVE, BGREWRITEAOF), as INFO tells of them. */
struct saving_state {
    bool running;         /* one that a client asked for; those the node makes by itself do not count */
    bool failed;          /* the last one */
    int64_t started_ms;   /* of the running one */
    int64_t last_seconds; /* how long the last one took, -1: there was none */
    uint64_t count;
};
struct saving_state saving_read(void);

/* When all that had been written before was last known to be in rows; the start of the process if never. */
int64_t saving_last_ms(const struct engine *engine);
/* Keys whose rows are not up to date. */
uint64_t saving_changes(const struct engine *engine);

/* For handlers: makes a checkpoint while the session is suspended. True when it has come to its end; on false the
 * handler returns at once, either to be called again or because the error has been replied. */
bool saving_wait(struct execution *x, enum status *status);
/* OK, or the error that goes with the status. */
void saving_reply(struct execution *x, enum status status);
