/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a data directory is: locked by one process, with the seed of its keys' hashes. */
struct identity {
    uint64_t hash_seed;
    int lock_file;
};

/* Makes the directory if missing, locks it, reads or makes the seed. On failure 'error' says what to do. */
bool identity_open(struct identity *identity, const char *directory, char *error, size_t error_size);
void identity_close(struct identity *identity);
