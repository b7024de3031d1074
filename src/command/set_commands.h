/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"
#include "command/word_list.h"
#include "object/set_object.h"

/* What handlers of sets share: false if the key holds another type (an error is replied). 'set' is an empty one if the key is
 * missing. */
bool set_lookup_read(struct execution *x, const struct key *key, struct entry **entry, struct object *set);
bool set_lookup_write(struct execution *x, const struct key *key, struct entry **entry, struct object *set);
/* Stores what members were taken from, tells of them and of the event. */
void set_store_taken(struct execution *x, const struct key *key, struct entry *entry, const struct object *set,
                     const struct word_list *taken, const char *event);
