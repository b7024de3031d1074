/* SPDX-License-Identifier: BSD-3-Clause */
/* A replica's connection, once it gets the stream. */
#define _GNU_SOURCE
#include <string.h>

#include "base/log.h"
#include "replication/leader_private.h"

void replica_online(struct replica *replica)
{
    atomic_store(&replica->state, REPLICA_ONLINE);
    quorum_join(&replica->in_sync, replica->whole_from);
    log_notice("replica online", "replica=%s:%u offset=%llu", replica->about.address, replica->about.port,
               (unsigned long long)stream_reader_offset(replica->reader));
    leader_count_in_time(leader.now_ms);
}

static void replica_opened(struct link *link)
{
    struct replica *replica = (struct replica *)link;
    link->connection->class = CONNECTION_REPLICA;
    atomic_store(&replica->heard_at_ms, loop_now_ms(leader.loop));
    if (replica->is_failed) {
        connection_close(link->connection);
        return;
    }
    if (replica->about.wants_rdb_only) {
        atomic_store(&replica->state, REPLICA_FILE_SENT);
        return;
    }
    if (replica->copy && replica->copy->knows_eof)
        atomic_store(&replica->state, REPLICA_WAITING);
    else
        replica_online(replica);
}

static void replica_received(struct link *link)
{
    static const struct resp_limits limits = {.bulk_bytes_max = 65536, .args_max = 64, .inline_bytes_max = 65536};
    struct replica *replica = (struct replica *)link;
    struct connection *connection = link->connection;
    atomic_store(&replica->heard_at_ms, loop_now_ms(leader.loop));
    while (connection->input.length > 0 && !connection->closing) {
        size_t consumed;
        const char *error;
        enum resp_result result =
            resp_parse(&replica->parser, &limits, buffer_bytes(&connection->input), &leader.args, &consumed, &error);
        if (result == RESP_INCOMPLETE)
            return;
        if (result == RESP_ERROR) {
            /* Of the parser's words only one has something of the replica's in it. */
            replica_fail(replica, strchr(error, '$') ? "a bulk string was expected of it" : error);
            return;
        }
        replica_said(replica, &leader.args);
        connection_consume(connection, consumed);
    }
}

static void replica_closed(struct link *link)
{
    struct replica *replica = (struct replica *)link;
    const char *why = replica->failure ? replica->failure
                      : link->error    ? strerrordesc_np(link->error)
                                       : "it has closed the link";
    log_notice("replica gone", "replica=%s:%u acked=%llu reason=\"%s\"", replica->about.address, replica->about.port,
               (unsigned long long)atomic_load(&replica->acked), why);
    replica_destroy(replica);
    leader_hold_needed();
}

struct link replica_link(void)
{
    return (struct link){.opened = replica_opened, .received = replica_received, .closed = replica_closed};
}
