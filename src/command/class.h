/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/option.h"
#include "command/dispatch.h"

/* Keyspace classes: keys under a prefix choose what their replies wait for, and whether the tier must take them. The
 * longest matching prefix decides; keys of no class follow the node's durability, and the tier takes them. */
enum class_ack { ACK_NONE, ACK_QUORUM, ACK_ALL };
struct keyspace_class {
    char *name;
    char *prefix;
    size_t prefix_length;
    uint8_t through;  /* replies wait for the sync of the log */
    uint8_t ack;      /* enum class_ack: for replicas as well */
    uint8_t optional; /* may be deleted when memory is short, instead of being written to the tier */
    _Atomic uint64_t reads, writes, evicted;
};

extern const struct option class_options[];
/* ack-means: when a replica "has" a write, and this node as well. */
enum ack_meaning { ACK_MEANS_RECEIVED, ACK_MEANS_SYNCED };
extern int ack_meaning;

/* The class of a name, or NULL. */
struct keyspace_class *class_find(struct bytes name);
/* Sets what the execution's reply must wait for, from the node's durability and the classes of its keys. */
void class_prepare(struct execution *x);
/* Of one whose reply would wait for copies: whether it writes, and they are too few. Then an error was replied, and it waits
 * for nothing. */
bool class_refuses(struct execution *x);
/* Counts a key that was deleted for want of memory. Any thread. */
void class_note_evicted(struct bytes name);
/* Whether a class is optional, or waits for replicas, once the directives are read. */
bool class_any_optional(void);
bool class_any_ack(void);
/* "none", "quorum", "all". */
const char *class_ack_word(const struct keyspace_class *class);
/* Visits the classes, for INFO. */
void class_each(void (*visit)(void *context, const struct keyspace_class *class), void *context);
