/* SPDX-License-Identifier: BSD-3-Clause */
/* The replicas of this node: who they are and how far they have come. */
#include <unistd.h>

#include "base/memory.h"
#include "replication/replication_private.h"

void leader_setup(struct engine *engine, struct loop *loop)
{
    (void)engine, (void)loop;
}

void leader_tick(int64_t now_ms)
{
    (void)now_ms;
}

void leader_stop(void)
{
}

unsigned leader_count_acked(uint64_t offset)
{
    (void)offset;
    return 0;
}

unsigned leader_count_good(void)
{
    return 0;
}

unsigned leader_count(void)
{
    return 0;
}

void leader_want_acks(void)
{
}

void leader_each(void (*visit)(void *context, const struct replica_view *view), void *context)
{
    (void)visit, (void)context;
}

void leader_take(void *introduction, struct loose_connection *loose)
{
    close(loose->fd);
    buffer_deinit(&loose->input);
    buffer_deinit(&loose->output);
    memory_free(introduction);
}
