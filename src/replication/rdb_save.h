/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "base/option.h"

struct engine;

/* The whole data set written to the file 'dbfilename' of the data directory, as an RDB file of Redis: SAVE and BGSAVE. */
extern const struct option rdb_save_options[];

/* Removes what a crash has left of a file that was being made; before the first start. */
void rdb_save_setup(void);
/* Whether there is a name to write to: an empty dbfilename asks for none. Any thread. */
bool rdb_save_has_name(void);
/* Begins to write on a thread of its own. done(owner, enum status) is called on home's thread, whatever comes; the old file
 * stays until the new one is complete and synced. One at a time: the caller sees to that. */
void rdb_save_start(struct engine *engine, struct mailbox *home, void (*done)(void *owner, int status), void *owner);
/* Keys written by the present one, and how many there were at its begin; zeros while there is none. Any thread. */
void rdb_save_progress(uint64_t *written, uint64_t *total);
/* Ends the present one early and waits for its thread; when no home's loop runs any more. What is started later fails. */
void rdb_save_stop(void);
