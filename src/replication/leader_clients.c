/* SPDX-License-Identifier: BSD-3-Clause */
/* Replicas as CLIENT LIST and CLIENT KILL have them: clients with the ids that they had before they asked for the stream. */
#include "replication/leader_private.h"

static struct replica_link link_of(const struct replica *replica)
{
    const struct connection *connection = replica->link.connection;
    struct replica_link link = {.id = replica->about.client_id,
                                .created_at_ms = replica->about.created_at_ms,
                                .active_at_ms = atomic_load(&replica->heard_at_ms),
                                .fd = connection              ? connection->fd
                                      : replica->is_receiving ? replica->receiver.fd
                                                              : -1,
                                .peer = replica->about.peer,
                                .local = replica->about.local,
                                .is_unix = replica->is_unix};
    if (connection) {
        link.query_bytes = connection->input.length;
        link.output_bytes = output_length(&connection->output);
    }
    return link;
}

void leader_each_link(void (*visit)(void *context, const struct replica_link *link), void *context)
{
    for (struct list *node = leader.replicas.next; node != &leader.replicas; node = node->next) {
        const struct replica_link link = link_of(replica_of(node));
        visit(context, &link);
    }
}

bool leader_close_link(uint64_t id)
{
    for (struct list *node = leader.replicas.next; node != &leader.replicas; node = node->next) {
        struct replica *replica = replica_of(node);
        if (replica->about.client_id != id)
            continue;
        replica_fail(replica, "a client has ended its link");
        return true;
    }
    return false;
}
