/* SPDX-License-Identifier: BSD-3-Clause */
#include "command/met_keys.h"

#include "base/memory.h"

/* Each costs a start of the script: one that goes on to meet more reads them at once. */
#define MET_KEYS_MAX 16

struct met_keys {
    uint32_t count;
    struct key keys[MET_KEYS_MAX];
};

bool met_keys_add(struct session *session, const struct key *key)
{
    if (!session->met_keys)
        session->met_keys = memory_allocate_zeroed(sizeof(*session->met_keys));
    struct met_keys *met = session->met_keys;
    if (met->count == MET_KEYS_MAX)
        return false;
    char *name = memory_allocate(key->name.length + 1);
    memcpy(name, key->name.data, key->name.length);
    met->keys[met->count] = *key;
    met->keys[met->count++].name.data = name;
    return true;
}

void met_keys_collect(struct session *session, struct worker *worker)
{
    for (uint32_t i = 0; i < session->met_keys->count; i++)
        worker_add_key(worker, &session->met_keys->keys[i], 0, 0);
}

void met_keys_forget(struct session *session)
{
    for (uint32_t i = 0; i < session->met_keys->count; i++)
        memory_free((char *)session->met_keys->keys[i].name.data);
    memory_free(session->met_keys);
    session->met_keys = NULL;
}
