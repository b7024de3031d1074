/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Who is to be told of which key: sessions by key, and sessions by prefix. Any thread; leaf locks inside. */

/* Ids of sessions, as a look-up gives them; the caller frees with memory_free(list.ids). */
struct id_list {
    uint64_t *ids;
    size_t count, capacity;
};
void id_list_add(struct id_list *list, uint64_t id);

void tracking_table_setup(void);

/* The session has read the key. True if the table now holds more than 'keys_max' keys: then 'victim' is one of them, that
 * somebody should invalidate. */
bool tracking_table_add(struct bytes key, uint64_t id, int64_t keys_max, struct buffer *victim);
/* Takes the key out; gives those who read it. */
void tracking_table_take(struct bytes key, struct id_list *readers);
void tracking_table_clear(void);

void tracking_prefix_add(struct bytes prefix, uint64_t id);
void tracking_prefix_remove(struct bytes prefix, uint64_t id);
/* Visits every prefix with those who want to hear of it, under the lock: 'visit' copies. */
void tracking_each_prefix(void (*visit)(void *context, struct bytes prefix, const struct id_list *listeners),
                          void *context);
