/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A small generator (xoshiro256**), passed by pointer; not for secrets. */
struct random {
    uint64_t state[4];
};

/* The same seed gives the same numbers. */
void random_init(struct random *random, uint64_t seed);
uint64_t random_next(struct random *random);
/* Uniform in [0, bound), bound > 0. */
uint64_t random_below(struct random *random, uint64_t bound);
/* Fills with bytes from the system's generator, for ids and seeds. */
void random_secure(void *bytes, size_t length);
/* Writes 'length' lower-case hex digits of system randomness and a NUL. */
void random_hex(char *text, size_t length);
