/* SPDX-License-Identifier: BSD-3-Clause */
/* The longest single step of growing and shrinking collections, one element each.
 *
 *   gcc -std=gnu11 -O2 -D_GNU_SOURCE -Isrc -o /tmp/collection_bench tests/unit/object/growth_bench.c \
 *       -Wl,--start-group build/release/lib/object.a build/release/lib/base.a -Wl,--end-group -lxxhash -ljemalloc \
 *       -lpthread -lm -rdynamic
 *   /tmp/collection_bench 10000000 3      # elements, rounds
 *
 * What a step costs is the least that it took in any round; tests/unit/keyspace/growth_bench.c says why. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "object/hash_object.h"
#include "object/list_object.h"
#include "object/object_limits.h"
#include "object/set_object.h"
#include "object/zset_object.h"

static uint64_t elements;
static uint32_t *least_ns; /* of each step, growing and then shrinking; shared with the rounds */

static int64_t thread_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

typedef void step_function(struct object *object, struct buffer *room, struct bytes name, uint64_t number);

static void set_grow(struct object *set, struct buffer *room, struct bytes name, uint64_t number)
{
    (void)number;
    set_object_add(set, room, name);
}

static void set_shrink(struct object *set, struct buffer *room, struct bytes name, uint64_t number)
{
    (void)number;
    set_object_remove(set, room, name);
}

static void hash_grow(struct object *hash, struct buffer *room, struct bytes name, uint64_t number)
{
    (void)number;
    hash_object_set(hash, room, name, name, false, 0);
}

static void timed_hash_grow(struct object *hash, struct buffer *room, struct bytes name, uint64_t number)
{
    hash_object_set(hash, room, name, name, false, 0);
    hash_object_set_expiry(hash, room, name, 1000000000000 + (int64_t)(number * 7919 % 1000003));
}

static void hash_shrink(struct object *hash, struct buffer *room, struct bytes name, uint64_t number)
{
    (void)number;
    hash_object_remove(hash, room, name, 0);
}

static void zset_grow(struct object *zset, struct buffer *room, struct bytes name, uint64_t number)
{
    double score = (double)(number * 7919 % 1000003);
    zset_update(zset, room, name, 0, &score);
}

static void zset_shrink(struct object *zset, struct buffer *room, struct bytes name, uint64_t number)
{
    (void)number;
    zset_remove(zset, room, name);
}

static void list_grow(struct object *list, struct buffer *room, struct bytes name, uint64_t number)
{
    (void)number;
    list_object_push(list, room, LIST_TAIL, name);
}

static void list_shrink(struct object *list, struct buffer *room, struct bytes name, uint64_t number)
{
    (void)name, (void)number;
    list_object_drop(list, room, LIST_HEAD, 1);
}

static const struct subject {
    const char *name;
    enum object_type type;
    step_function *grow, *shrink;
} subjects[] = {
    {"set", OBJECT_SET, set_grow, set_shrink},
    {"hash", OBJECT_HASH, hash_grow, hash_shrink},
    {"hash with times", OBJECT_HASH, timed_hash_grow, hash_shrink},
    {"zset", OBJECT_ZSET, zset_grow, zset_shrink},
    {"list", OBJECT_LIST, list_grow, list_shrink},
};

static void run_steps(step_function *step, struct object *object, uint32_t *least)
{
    struct buffer room = {0};
    char text[32];
    for (uint64_t i = 0; i < elements && (i == 0 || object_count(object) > 0); i++) {
        int length = snprintf(text, sizeof(text), "element:%llu", (unsigned long long)i);
        int64_t start = thread_ns();
        step(object, &room, bytes_of(text, (size_t)length), i);
        int64_t took = thread_ns() - start;
        if (took < least[i])
            least[i] = (uint32_t)took;
        /* The entry's part. */
        if (object_is_inline(object) && object->bytes.data == room.data) {
            struct buffer stored = room;
            room = (struct buffer){0};
            object->bytes = buffer_bytes(&stored);
        }
    }
    buffer_deinit(&room);
}

static void show(const char *name, const char *step, const uint32_t *least)
{
    uint64_t longest = 0, above_100_us = 0, above_1_ms = 0;
    for (uint64_t i = 0; i < elements; i++) {
        longest = least[i] > least[longest] && least[i] != UINT32_MAX ? i : longest;
        above_100_us += least[i] > 100000 && least[i] != UINT32_MAX;
        above_1_ms += least[i] > 1000000 && least[i] != UINT32_MAX;
    }
    printf("%-16s %-10s longest %8.3f ms, number %llu; above 0.1 ms %llu, above 1 ms %llu\n", name, step,
           least[longest] / 1e6, (unsigned long long)longest, (unsigned long long)above_100_us,
           (unsigned long long)above_1_ms);
}

static void measure(const struct subject *subject, int rounds)
{
    memset(least_ns, 0xff, elements * 2 * sizeof(*least_ns));
    for (int round = 0; round < rounds; round++) {
        pid_t child = fork();
        if (child == 0) {
            struct object object = object_empty(subject->type);
            run_steps(subject->grow, &object, least_ns);
            run_steps(subject->shrink, &object, least_ns + elements);
            _exit(0);
        }
        int status;
        check(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    }
    show(subject->name, "growing", least_ns);
    show(subject->name, "shrinking", least_ns + elements);
}

int main(int count, char **words)
{
    elements = count > 1 ? strtoull(words[1], NULL, 10) : 1000000;
    int rounds = count > 2 ? atoi(words[2]) : 3;
    least_ns = mmap(NULL, elements * 2 * sizeof(*least_ns), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check(least_ns != MAP_FAILED);
    object_limits = (struct object_limits){.hash_max_listpack_entries = 512,
                                           .hash_max_listpack_value = 64,
                                           .set_max_intset_entries = 512,
                                           .set_max_listpack_entries = 128,
                                           .set_max_listpack_value = 64,
                                           .zset_max_listpack_entries = 128,
                                           .zset_max_listpack_value = 64,
                                           .list_max_listpack_size = -2};
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++)
        measure(&subjects[i], rounds);
    return 0;
}
