/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/option.h"
#include "command/dispatch.h"

/* Keyspace classes: keys under a prefix choose what their replies wait for, and whether the tier must take them. The
 * longest matching prefix decides; keys of no class follow the node's durability, and the tier takes them. */
struct keyspace_class {
    char *name;
    char *prefix;
    size_t prefix_length;
    bool through;  /* replies wait for the sync of the log */
    bool optional; /* may be deleted when memory is short, instead of being written to the tier */
    _Atomic uint64_t reads, writes, evicted;
};

extern const struct option class_options[];

/* The class of a name, or NULL. */
struct keyspace_class *class_find(struct bytes name);
/* Sets what the execution's reply must wait for, from the node's durability and the classes of its keys. */
void class_prepare(struct execution *x);
/* Counts a key that was deleted for want of memory. Any thread. */
void class_note_evicted(struct bytes name);
/* Whether a class is optional, once the directives are read. */
bool class_any_optional(void);
/* Visits the classes, for INFO. */
void class_each(void (*visit)(void *context, const struct keyspace_class *class), void *context);
