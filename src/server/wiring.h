/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/worker.h"
#include "net/loop.h"

/* The one place that knows both connections and sessions: a loop with its worker. */
struct lane;

struct lane *lane_create(struct engine *engine, uint32_t number);
void lane_destroy(struct lane **lane);
/* Of a stopped lane: its sessions end and give up what they wait for; their connections stay until it is destroyed. */
void lane_drop_sessions(struct lane *lane);
struct loop *lane_loop(struct lane *lane);
struct worker *lane_worker(struct lane *lane);
void lane_start(struct lane *lane);
/* Asks the loop to end, and waits for its thread. */
void lane_stop(struct lane *lane);
