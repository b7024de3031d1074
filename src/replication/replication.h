/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/option.h"

struct engine;
struct loop;
struct connection;
struct loose_connection;
struct info_section;

/* The node's part in replication. One thread, "replication", with a loop of its own, holds the connections to replicas and
 * to the primary that is followed. */

/* Directives, read whenever they matter. */
struct replication_settings {
    int64_t backlog_bytes;        /* repl-backlog-size */
    int64_t ping_period_seconds;  /* repl-ping-replica-period */
    int64_t timeout_seconds;      /* repl-timeout */
    int64_t copy_rate;            /* repl-copy-rate, bytes a second; 0: as fast as it goes */
    bool compresses_links;        /* repl-link-compression */
    int64_t copy_delay_seconds;   /* repl-diskless-sync-delay */
    int64_t copy_wait_seconds;    /* repl-copy-wait */
    int64_t min_replicas;         /* min-replicas-to-write */
    int64_t min_replicas_max_lag; /* min-replicas-max-lag, seconds */
    int64_t members;              /* replication-members */
};
extern struct replication_settings replication_settings;
extern const struct option replication_options[];

/* INFO's section. */
extern const struct info_section replication_info;

/* Registers commands and gates; before the table of commands is made. */
void replication_setup(void);
/* Starts the thread, when the engine is whole; others reach this node at the port. */
void replication_start(struct engine *engine, int port);
/* Ends the thread and all links; when no worker's loop runs any more. */
void replication_stop(void);
/* Frees what letters may still have come to: what it had asked the tier for. When nobody posts any more, and before the
 * keyspace is freed. */
void replication_teardown(void);

/* Any thread. NULL while it does not run. */
struct loop *replication_loop(void);
struct engine *replication_engine(void);

/* Whether the node makes the bytes of its stream by itself, though it may follow another's commands; any thread. */
bool replication_is_leading(void);

/* Whether writes are to be refused, for min-replicas-to-write; any thread. */
bool replication_lacks_replicas(void);

/* A connection of the loop and who it belongs to; embedded in the owner, and given to connection_join as its owner. All calls
 * come on the loop's thread. */
struct link {
    struct connection *connection;    /* NULL before opened and after closed */
    uint64_t counted_in, counted_out; /* of its bytes, in total_net_repl_*; replication.c's */
    int error;                        /* in closed: errno of what ended it; 0: the peer, or the owner */
    void (*opened)(struct link *link);
    /* Bytes stand in the connection's input; what is done with is consumed. */
    void (*received)(struct link *link);
    /* The connection is about to be freed. The link may be freed here. */
    void (*closed)(struct link *link);
};

/* Called at the end of each of the loop's turns, before bytes are sent; loop thread, before replication_start. */
void replication_at_turn(void (*act)(void));

/* For engine_hooks; leader_clients.c. Replication's thread only. A link is good until its visit returns; false: there is none of
 * that id. */
struct replica_link;
void leader_each_link(void (*visit)(void *context, const struct replica_link *link), void *context);
bool leader_close_link(uint64_t id);

/* A client's connection after PSYNC or SYNC, and what it has told of itself (a struct introduction, taken). Any thread; a taker
 * for connection_leave. */
void leader_take(void *introduction, struct loose_connection *loose);
