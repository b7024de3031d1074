/* SPDX-License-Identifier: BSD-3-Clause */
/* The longest single step of growing: keys put into a keyspace one by one, and hashes added to one filter.
 *
 *   gcc -std=gnu11 -O2 -D_GNU_SOURCE -Isrc -o /tmp/growth_bench tests/unit/keyspace/growth_bench.c \
 *       build/release/lib/keyspace.a build/release/lib/object.a build/release/lib/base.a -lxxhash -ljemalloc \
 *       -lpthread -lm -rdynamic
 *   /tmp/growth_bench 10000000 3      # keys, rounds
 *
 * A machine that is shared takes time away from a step, and a virtual one shows even that as processor time. But the
 * rounds do exactly the same, each in a process of its own, so what a step costs is the least that it took in any. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/random.h"
#include "keyspace/cold_filter.h"
#include "keyspace/keyspace.h"
#include "object/string_object.h"

#define CLASSES 24
#define SHOWN_FROM 14
#define LISTED 5

static uint64_t steps;
static uint32_t *least_ns; /* of each step; shared with the rounds */

static int64_t thread_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void note(uint64_t step, int64_t ns)
{
    if (ns < least_ns[step])
        least_ns[step] = (uint32_t)ns;
}

static void fill_keyspace(void)
{
    struct keyspace *keyspace = keyspace_create(42);
    struct object value;
    char text[32];
    for (uint64_t i = 0; i < steps; i++) {
        int length = snprintf(text, sizeof(text), "key:%llu", (unsigned long long)i);
        struct key key = keyspace_key(keyspace, bytes_of(text, (size_t)length), 0);
        int64_t start = thread_ns();
        check(string_object_from_bytes(BYTES("a value of some forty bytes, as many are"), &value));
        check(keyspace_try_one(keyspace, key_partition(&key)));
        keyspace_put(keyspace, &key, &value, ENTRY_NO_EXPIRE);
        keyspace_release_one(keyspace, key_partition(&key));
        note(i, thread_ns() - start);
    }
}

static void fill_filter(void)
{
    struct cold_filter *filter = cold_filter_create();
    struct random random;
    random_init(&random, 7);
    for (uint64_t i = 0; i < steps; i++) {
        uint64_t hash = random_next(&random);
        int64_t start = thread_ns();
        cold_filter_add(filter, hash);
        note(i, thread_ns() - start);
    }
}

static void show(const char *name)
{
    uint64_t counts[CLASSES] = {0}, longest = 0;
    for (uint64_t i = 0; i < steps; i++) {
        unsigned class = 0;
        while (class < CLASSES - 1 && least_ns[i] >> class)
            class ++;
        counts[class]++;
        if (least_ns[i] > least_ns[longest])
            longest = i;
    }
    printf("%s: longest step %.3f ms, number %llu\n", name, least_ns[longest] / 1e6, (unsigned long long)longest);
    for (unsigned i = SHOWN_FROM; i < CLASSES; i++)
        if (counts[i])
            printf("  below %7.3f ms: %llu\n", (double)(1u << i) / 1e6, (unsigned long long)counts[i]);
}

static void measure(const char *name, void (*fill)(void), int rounds)
{
    for (uint64_t i = 0; i < steps; i++)
        least_ns[i] = UINT32_MAX;
    for (int round = 0; round < rounds; round++) {
        pid_t child = fork();
        if (child == 0) {
            fill();
            _exit(0);
        }
        int status;
        check(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    }
    show(name);
}

int main(int count, char **words)
{
    steps = count > 1 ? strtoull(words[1], NULL, 10) : 1000000;
    int rounds = count > 2 ? atoi(words[2]) : 3;
    least_ns = mmap(NULL, steps * sizeof(*least_ns), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check(least_ns != MAP_FAILED);
    setvbuf(stdout, NULL, _IOLBF, 0);
    measure("keyspace", fill_keyspace, rounds);
    measure("filter", fill_filter, rounds);
    return 0;
}
