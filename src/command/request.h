/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/worker.h"

/* How many requests are parsed and prefetched before the first of them is executed: enough for memory to answer, few
 * enough for the entries to be still in the first-level cache. */
#define REQUESTS_PER_BATCH 32

/* One parsed request of a batch; its arguments point into its session's input. */
struct request {
    struct resp_args args;
    struct turn_item *item;
    size_t length;                       /* bytes of it in the input */
    const struct command_entry *command; /* NULL: unknown */
    const char *protocol_error;          /* the connection ends with it */
    struct key key;                      /* of a command with one simple key */
};
