/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "replication/copy_send.h"

/* A copy for one who must be told its length first: a file without a name in the data directory, sent when it is complete.
 * One thread. Functions that return false have given the receiver the reason. */
struct copy_file {
    int fd; /* -1: none */
    int64_t kept_alive_ms;
};

bool copy_file_open(struct copy_file *file, struct copy_receiver *receiver) MUST_USE;
/* Appends; now and then the receiver is told that there is still somebody. */
bool copy_file_write(struct copy_file *file, struct copy_receivers *receivers, struct bytes bytes) MUST_USE;
/* Its length, then all of it. */
bool copy_file_send(struct copy_file *file, struct copy_receivers *receivers) MUST_USE;
void copy_file_close(struct copy_file *file);
