/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The order of start and stop, and the parts' only owner. */
bool lifecycle_start(char *error, size_t error_size);
/* Sleeps until SIGTERM, SIGINT or SHUTDOWN. */
void lifecycle_wait(void);
void lifecycle_stop(void);
