/* SPDX-License-Identifier: BSD-3-Clause */
/* What must hold whenever a write is acknowledged: each replica of the set has it, so that any of them may take over. So the
 * set's lowest offset is what may be acknowledged, and who has less than what was acknowledged already does not come in.
 *
 * A replica keeps up as long as it reaches, within the lag, the end that the stream had when it was last looked at: it may
 * answer in time and still fall behind more and more. */
#include "replication/in_sync.h"

#include <stdatomic.h>

void in_sync_set_init(struct in_sync_set *set, uint64_t threshold)
{
    list_init(&set->replicas);
    set->threshold = threshold;
    set->count = 1;
    set->lowest = UINT64_MAX;
}

void in_sync_join(struct in_sync_set *set, struct in_sync_replica *replica, uint64_t whole_from, uint64_t end,
                  int64_t now_ms)
{
    replica->has = 0;
    replica->whole_from = whole_from;
    replica->sampled_end = end;
    replica->sampled_at_ms = replica->kept_up_at_ms = now_ms;
    atomic_store(&replica->is_in, false);
    list_append(&set->replicas, &replica->node);
}

static void look(struct in_sync_replica *replica, uint64_t end, int64_t now_ms)
{
    if (replica->has < replica->sampled_end)
        return;
    replica->kept_up_at_ms = replica->has >= end ? now_ms : replica->sampled_at_ms;
    replica->sampled_end = end;
    replica->sampled_at_ms = now_ms;
}

void in_sync_heard(struct in_sync_replica *replica, uint64_t has, uint64_t end, int64_t now_ms)
{
    if (has > replica->has)
        replica->has = has;
    look(replica, end, now_ms);
}

void in_sync_leave(struct in_sync_replica *replica)
{
    if (!replica->node.next)
        return;
    list_remove(&replica->node);
    replica->node = (struct list){0};
    atomic_store(&replica->is_in, false);
}

void in_sync_decide(struct in_sync_set *set, int64_t now_ms, int64_t lag_ms_max)
{
    set->count = 1;
    set->lowest = UINT64_MAX;
    for (struct list *node = set->replicas.next; node != &set->replicas; node = node->next) {
        struct in_sync_replica *replica = list_entry(node, struct in_sync_replica, node);
        bool is_able = replica->has >= replica->whole_from && replica->has >= set->threshold;
        bool is_in = is_able && now_ms - replica->kept_up_at_ms <= lag_ms_max;
        atomic_store(&replica->is_in, is_in);
        if (!is_in)
            continue;
        set->count++;
        if (replica->has < set->lowest)
            set->lowest = replica->has;
    }
}
