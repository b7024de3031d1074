/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct execution;
struct loop;

/* A planned hand-over: this primary stops its writes until a replica has all of them, has it take over, and follows it. */

void failover_setup(struct engine *engine, struct loop *loop);
/* FAILOVER; any worker. */
void failover_command(struct execution *x);
/* INFO's word; any thread. */
const char *failover_state_word(void);
/* Whether one is under way, and nothing is to be appended that replicas need not have; any thread. */
bool failover_is_on(void);

/* All of the following: replication's thread. */

/* A replica has told of its progress, or time has passed. */
void failover_step(void);
/* The target has answered: it takes over, or does not want to. */
void failover_accepted(void);
void failover_refused(const char *why);
