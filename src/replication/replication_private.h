/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"
#include "net/connection.h"
#include "net/loop.h"
#include "replication/copy_progress.h"
#include "replication/replication.h"
#include "stream/stream.h"

/* What a client has told by REPLCONF and PSYNC; one block. */
struct introduction {
    bool knows_eof, knows_psync2, knows_all_types, knows_frames, wants_rdb_only, wants_functions_only;
    bool has_asked; /* by PSYNC, and not by SYNC: it understands more replies than the file */
    uint16_t port;
    char address[46]; /* of ip-address, or empty; then the peer's */
    char id[41];      /* "?": none */
    int64_t offset;   /* the first byte that it lacks; -1: all */
    uint64_t client_id;
    int64_t created_at_ms;
    char peer[160], local[160]; /* as CLIENT LIST has them */
};

/* ---- leader.c, leader_acks.c ---- */

void leader_setup(struct engine *engine, struct loop *loop);
/* Every tenth of a second. */
void leader_tick(int64_t now_ms);
/* Nobody arrives any more. Then, when the loop has ended: ends copies under way and waits for them. */
void leader_stop(void);
void leader_end(void);

/* Ends all links, since the history they follow is another one now; loop thread. */
void leader_drop_all(const char *reason);

/* Any thread. */
unsigned leader_count_acked(uint64_t offset);
unsigned leader_count_good(void);
unsigned leader_count(void);
unsigned leader_count_synced(uint64_t offset);
/* Who pauses from now on is woken when a replica tells of its progress. */
void leader_await_acks(void);
/* Has replicas tell of it soon. */
void leader_want_acks(void);

/* Why a scrub would find nobody to compare with, as an error; NULL: it may find somebody. Any thread, as the following. */
const char *leader_scrub_refusal(void);
/* A pass begins; replicas are told about functions under this id. */
void leader_scrub_begin(uint64_t functions_id);
/* How many replicas have said by now that their functions differ. */
unsigned leader_scrub_functions_differ(void);
/* A scrub's question is about to be put to the replicas that can answer it; returns how many there are. Who has passed over
 * everything that it was asked for long in this pass is not asked any more; *pass_over: there are such. */
unsigned leader_scrub_ask(uint64_t id, bool *pass_over);
/* What they have answered by now. True: some are still there that have not. */
struct scrub_findings {
    unsigned same, differs, skipped;
};
bool leader_scrub_hear(struct scrub_findings *found);

/* One replica as others see it; a copy. */
struct replica_view {
    char address[46];
    uint16_t port;
    const char *state; /* INFO's word */
    bool is_online, is_in_sync;
    uint64_t acked;
    int64_t lag_seconds;
    bool is_copying;
    struct copy_progress copy; /* while it is */
};
/* Calls visit for each, under a leaf lock. */
void leader_each(void (*visit)(void *context, const struct replica_view *view), void *context);

/* ---- replication.c ---- */

/* Where this node listens. */
int replication_port(void);
/* What the stream may keep in memory for replicas; changes with the directives. For stream_feed. */
const int64_t *replication_ring_bytes_max(void);

/* ---- host_name.c ---- */

#define HOST_NAME_MAX_BYTES 255
/* Whether this can be a host's name or address: nothing that would be more than a word in INFO, in ROLE or in the log. */
bool is_host_name(struct bytes word);
/* The same for a port: 1 to 65535, or 0 where that means something. */
bool is_port(struct bytes word, int64_t minimum, int64_t *port);

/* ---- replication_commands.c, wait_commands.c, migrate_command.c, scrub_commands.c ---- */

extern const struct gate replicas_gate;
extern const struct command replication_commands[];
extern const struct command migrate_commands[];
extern const struct command scrub_commands[];
void wait_command(struct execution *x);
void waitaof_command(struct execution *x);
