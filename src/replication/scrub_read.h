/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "replication/scrub_mark.h"

/* What some slots hold between two executions, while others go on. */
struct scrub_reading {
    /* the caller's */
    struct keyspace *keyspace;
    struct slot_group group; /* of one slot or more */
    void *context;
    bool (*begin)(void *context);                                 /* under the partition's lock: of now */
    void (*end)(void *context, const struct scrub_reading *read); /* under it again; may be NULL */

    /* what is found */
    struct scrub_sum held;
    bool is_exact; /* else the slots have changed while they were read, or something could not be */

    /* private */
    struct scrub_sum marked;
    bool is_unreadable;
};

/* STATUS_BUSY: 'begin' was not called, or was false. Background threads only. */
enum status scrub_read(struct scrub_reading *reading) MUST_USE;
