/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "replication/in_sync.h"

struct engine;
struct loop;

/* What classes with "ack" wait for: tells the stream how far all replicas that are in sync have come, and whether they are
 * enough. On replication's thread, but for what says otherwise. */
void quorum_setup(struct engine *engine, struct loop *loop);
/* Clients are let in, or may write from now on: what is here now was acknowledged by somebody, or may have been. */
void quorum_begin(void);
/* A replica begins to be fed; what it holds is whole from an offset on. */
void quorum_join(struct in_sync_replica *replica, uint64_t whole_from);
/* It has told how far its log is written, and how far synced. */
void quorum_heard(struct in_sync_replica *replica, uint64_t received, uint64_t synced);
/* It is gone; does nothing if it never joined. */
void quorum_leave(struct in_sync_replica *replica);
/* Every tenth of a second. */
void quorum_tick(int64_t now_ms);

/* How many members are in sync, with this node; any thread. */
unsigned quorum_in_sync_count(void);
/* What replicas are asked with, to tell how far they are; a whole command. */
const char *quorum_question(void);
