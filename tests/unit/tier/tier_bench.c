/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tier costs, over the fake keyspace: processor time (of all threads, compactions included) a row written,
 * and time a cold read. Usage: tier_bench [rows] [cache MiB] [cycles] [per cent rewritten a cycle]; README.md of
 * src/tier tells how to build it and what it said. */
#include "tier/tier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "fake_keyspace.h"
#include "fake_stream.h"
#include "tier/tier_private.h"

#define VALUE_BYTES 100
#define READS 200000

static struct tier *tier;
static struct keyspace *keyspace;
static struct stream *stream;
static struct random generator;

static double processor_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return 1e6 * (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static unsigned long resident_kib(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%*s %lu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * 4;
}

static struct row_key numbered_key(uint64_t number, char *name)
{
    uint64_t hash = number * UINT64_C(0x9e3779b97f4a7c15);
    snprintf(name, 32, "key:%012llu", (unsigned long long)number);
    return (struct row_key){0, (uint16_t)(hash * 31 >> 17 & (FAKE_SLOTS - 1)), hash, bytes_of(name, 16)};
}

/* Half noise, half text: compresses as records of people do. */
static void put(uint64_t number)
{
    char name[32], value[VALUE_BYTES + 1];
    struct row_key key = numbered_key(number, name);
    memset(value, 'x', VALUE_BYTES);
    for (int i = 0; i < VALUE_BYTES / 2; i += 2)
        snprintf(value + i, 3, "%02x", (unsigned)random_below(&generator, 256));
    value[VALUE_BYTES / 2] = 'y';
    struct object object = {.type = OBJECT_STRING, .encoding = ENCODING_RAW, .bytes = bytes_of(value, VALUE_BYTES)};
    fake_put(keyspace, &key, object, ENTRY_NO_EXPIRE);
}

static void compaction_settle(void)
{
    struct tier_info info;
    for (int i = 0; i < 600; i++) {
        tier_read_info(tier, &info);
        if (info.level_files[0] < 6 && info.pending_compaction_bytes == 0)
            break;
        usleep(100000);
    }
}

static void show(const char *what, double us, uint64_t count)
{
    printf("%-44s %8.2f us  (%llu)\n", what, us / (double)count, (unsigned long long)count);
}

static void write_cycle(const char *what, uint64_t count)
{
    double began = processor_us();
    int64_t began_us = clock_monotonic_us();
    fake_stream_write(stream);
    if (tier_save(tier) != STATUS_OK)
        printf("%s failed: %s\n", what, tier_failure(tier));
    int64_t saved_us = clock_monotonic_us();
    compaction_settle();
    show(what, processor_us() - began, count);
    show("  until saved, wall time", (double)(saved_us - began_us), count);
}

static void take(void *taker, const struct row *row)
{
    *(uint64_t *)taker += row->payload.length;
}

static void read_singly(const char *what, uint64_t first, uint64_t rows)
{
    const struct backing *backing = tier_backing(tier);
    uint64_t bytes = 0;
    double began = processor_us();
    int64_t began_us = clock_monotonic_us();
    for (int i = 0; i < READS; i++) {
        char name[32];
        struct row_key key = numbered_key(first + random_below(&generator, rows), name);
        (void)!backing->read(backing->context, &key, take, &bytes);
    }
    show(what, processor_us() - began, READS);
    show("  wall time", (double)(clock_monotonic_us() - began_us), READS);
}

static void read_in_loads(const char *what, uint64_t rows, size_t keys_each, int at_once)
{
    const struct backing *backing = tier_backing(tier);
    static char names[64][64][32];
    struct load *loads[64];
    double began = processor_us();
    int64_t began_us = clock_monotonic_us();
    int rounds = READS / (int)keys_each / at_once;
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < at_once; i++) {
            struct row_key keys[64];
            for (size_t k = 0; k < keys_each; k++)
                keys[k] = numbered_key(random_below(&generator, rows), names[i][k]);
            loads[i] = fake_load_create(keys, keys_each);
            backing->load(backing->context, loads[i]);
        }
        for (int i = 0; i < at_once; i++) {
            fake_load_wait(loads[i]);
            fake_load_destroy(loads[i]);
        }
    }
    uint64_t count = (uint64_t)rounds * keys_each * (uint64_t)at_once;
    show(what, processor_us() - began, count);
    show("  wall time", (double)(clock_monotonic_us() - began_us), count);
}

static void show_info(void)
{
    struct tier_info info;
    tier_read_info(tier, &info);
    printf("files %.1f MB, written %.1f MB, levels", 1e-6 * (double)info.file_bytes, 1e-6 * (double)info.bytes_written);
    for (int i = 0; i < TIER_LEVELS; i++)
        printf(" %u", info.level_files[i]);
    printf(", cache %.1f of %.1f MB, table readers %.2f MB, run %.1f MB, resident %.1f MB\n",
           1e-6 * (double)info.cache_bytes, 1e-6 * (double)info.cache_bytes_max, 1e-6 * (double)info.table_reader_bytes,
           1e-6 * (double)info.run_bytes, 1e-3 * (double)resident_kib());
}

static void directory_remove(const char *directory)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    if (system(command) != 0)
        printf("%s remains\n", directory);
}

int main(int count, char **words)
{
    uint64_t rows = count > 1 ? strtoull(words[1], NULL, 10) : 1000000;
    int64_t cache_bytes = (count > 2 ? atoll(words[2]) : 16) << 20;
    int cycles = count > 3 ? atoi(words[3]) : 10;
    uint64_t percent = count > 4 ? strtoull(words[4], NULL, 10) : 10;
    int64_t log_bytes_max = INT64_MAX, free_bytes_min = 0;
    char directory[] = "/tmp/tier_bench.XXXXXX", error[512];
    if (mkdtemp(directory) == NULL)
        return 1;
    keyspace = fake_create();
    stream = fake_stream_create(1);
    random_init(&generator, 7);
    struct tier_options options = {directory, keyspace, true, &cache_bytes, &log_bytes_max, &free_bytes_min, 2, 0};
    if (tier_open(&tier, &options, error, sizeof(error)) != STATUS_OK) {
        printf("%s\n", error);
        return 1;
    }
    tier_start(tier, stream);
    for (uint64_t i = 0; i < rows; i++)
        put(i);
    printf("resident with the fake keyspace %.1f MB\n", 1e-3 * (double)resident_kib());
    write_cycle("row written, first", rows);
    show_info();
    for (int i = 0; i < cycles; i++) {
        for (uint64_t k = 0; k < rows * percent / 100; k++)
            put(random_below(&generator, rows));
        write_cycle("row rewritten", keyspace->dirty_count);
    }
    show_info();
    read_singly("cold get", 0, rows);
    read_singly("cold get, again", 0, rows);
    read_singly("get of an absent key", rows, rows);
    read_in_loads("loads of 1 key, 1 at once", rows, 1, 1);
    read_in_loads("loads of 1 key, 50 at once", rows, 1, 50);
    read_in_loads("loads of 64 keys, 1 at once", rows, 64, 1);
    show_info();
    int64_t began_us = clock_monotonic_us();
    tier_close(&tier, false);
    show("close", (double)(clock_monotonic_us() - began_us), 1);
    began_us = clock_monotonic_us();
    if (tier_open(&tier, &options, error, sizeof(error)) != STATUS_OK)
        printf("%s\n", error);
    show("open", (double)(clock_monotonic_us() - began_us), 1);
    tier_close(&tier, false);
    directory_remove(directory);
    return 0;
}
