/* SPDX-License-Identifier: BSD-3-Clause */
/* Nobody waits for what is fetched ahead, and nothing is pinned: it is a hint. When the requests start over they find their
 * keys in RAM, or join the fetch that is under way. A partition that is held is passed over. */
#include "command/lookahead.h"

#include "command/engine.h"

#define LOOKAHEAD_MAX 32

void lookahead_fetch_key(struct keyspace *keyspace, const struct key *key)
{
    if (!keyspace_try_one(keyspace, key_partition(key)))
        return;
    struct load *load = load_ahead(keyspace, key);
    keyspace_release_one(keyspace, key_partition(key));
    if (load)
        load_submit(load);
}

void lookahead_fetch(struct worker *worker, size_t index, size_t filled)
{
    const struct turn_item *item = worker->requests[index].item;
    size_t fetched = 0;
    for (size_t i = index + 1; i < filled && worker->requests[i].item == item && fetched < LOOKAHEAD_MAX; i++) {
        const struct request *request = &worker->requests[i];
        if (!request->command || !request->command->simple_key || request->args.count < 2)
            continue;
        lookahead_fetch_key(worker->engine->keyspace, &request->key);
        fetched++;
    }
}
