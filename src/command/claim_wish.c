/* SPDX-License-Identifier: BSD-3-Clause */
/* Long commands of several clients may claim keys in turns, so that there never is a moment without claims: who needs one
 * (EXEC in a partition, who writes to the key, who wants everything) would wait for ever. So who has waited for a while
 * wishes for it (keyspace.h). Wishes are few, and stand in a list of the worker's. */
#include "command/claim_wish.h"

#include "base/memory.h"

#define WISH_AFTER_MS 100

struct claim_wish {
    struct list node; /* in worker->claim_wishes */
    struct session *session;
    struct partition_set where;
};

static struct partition_set held_partitions(const struct holding *holding)
{
    struct partition_set one = {0};
    if (holding->kind == HOLD_ALL)
        return every_partition;
    if (holding->kind == HOLD_SEVERAL)
        return holding->set;
    partition_set_add(&one, holding->partition);
    return one;
}

void claim_wish_consider(struct execution *x, const struct holding *holding)
{
    struct session *session = x->session;
    if (holding->kind == HOLD_NOTHING || (session->flags & SESSION_WISHES) || !keyspace_any_claims() ||
        session->suspension != SUSPENDED_LOCK || x->worker->now_ms - session->suspended_at_ms < WISH_AFTER_MS)
        return;
    struct claim_wish *wish = memory_allocate_zeroed(sizeof(*wish));
    *wish = (struct claim_wish){.session = session, .where = held_partitions(holding)};
    list_append(&x->worker->claim_wishes, &wish->node);
    session->flags |= SESSION_WISHES;
    keyspace_wish_unclaimed(x->keyspace, &wish->where);
}

void claim_wish_end_now(struct session *session)
{
    struct worker *worker = session->worker;
    struct list *node = worker->claim_wishes.next;
    while (list_entry(node, struct claim_wish, node)->session != session)
        node = node->next;
    struct claim_wish *wish = list_entry(node, struct claim_wish, node);
    session->flags &= ~(uint32_t)SESSION_WISHES;
    keyspace_end_wish(worker->engine->keyspace, &wish->where);
    list_remove(&wish->node);
    memory_free(wish);
}
