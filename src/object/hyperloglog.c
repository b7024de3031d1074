/* SPDX-License-Identifier: BSD-3-Clause */
/* 16 bytes of header: "HYLL", the encoding (0 dense, 1 sparse), three zeros, the last estimate as a little-endian number
 * whose highest bit says that it is out of date. Then the registers:
 *
 *   dense   6 bits each, register 0 in the lowest bits of the first byte
 *   sparse  runs    00nnnnnn           n + 1 registers are 0
 *                   01nnnnnn nnnnnnnn  n + 1 registers are 0, the high bits of n first
 *                   1vvvvvnn           n + 1 registers are v + 1
 *
 * I1  the runs of a sound sparse one cover all registers and nothing more.
 *
 * An element's hash gives the register in its low 14 bits; the value is the place of the lowest set bit among the 50
 * others, counted from 1, and 51 if none is set. Estimates follow O. Ertl, "New cardinality estimation algorithms for
 * HyperLogLog sketches". Which runs a sparse one has depends on how a run is split and which neighbours are joined after
 * that, so both are done as Redis does them. */
#include "object/hyperloglog.h"

#include <math.h>

#include "base/check.h"

#define INDEX_BITS 14
#define VALUE_BITS (64 - INDEX_BITS)
#define REGISTER_MAX 63
#define HASH_SEED 0xadc83b19
#define ENCODING_OFFSET 4
#define DENSE 0
#define SPARSE 1
#define STALE_OFFSET 15
#define STALE_BIT 0x80

#define SHORT_ZEROS_MAX 64
#define VALUE_RUN_MAX 4
#define SPARSE_VALUE_MAX 32
/* A run split in three, two of them with two bytes. */
#define SPLIT_BYTES_MAX 5
/* So many runs from the one before the changed one are looked at for equal neighbours. */
#define JOINED_RUNS 5

struct run {
    uint32_t length; /* registers */
    uint8_t value;
    uint8_t bytes;
};

/* ---- hash ---- */

static uint64_t load_word(const char *data)
{
    uint64_t word;
    memcpy(&word, data, sizeof(word));
    return word;
}

/* MurmurHash64A, by Austin Appleby. */
static uint64_t hash_of(struct bytes element)
{
    const uint64_t factor = UINT64_C(0xc6a4a7935bd1e995);
    uint64_t hash = HASH_SEED ^ (element.length * factor), word = 0;
    size_t whole = element.length & ~(size_t)7, rest = element.length & 7;
    for (size_t i = 0; i < whole; i += 8) {
        word = load_word(element.data + i) * factor;
        hash = (hash ^ (word ^ word >> 47) * factor) * factor;
    }
    if (rest > 0) {
        word = 0;
        memcpy(&word, element.data + whole, rest);
        hash = (hash ^ word) * factor;
    }
    hash = (hash ^ hash >> 47) * factor;
    return hash ^ hash >> 47;
}

struct hyperloglog_hit hyperloglog_hit_of(struct bytes element)
{
    uint64_t hash = hash_of(element);
    uint64_t rest = hash >> INDEX_BITS | UINT64_C(1) << VALUE_BITS;
    return (struct hyperloglog_hit){.index = (uint32_t)(hash & (HYPERLOGLOG_REGISTERS - 1)),
                                    .value = (uint8_t)(__builtin_ctzll(rest) + 1)};
}

/* ---- header ---- */

bool hyperloglog_is_sparse(struct bytes bytes)
{
    return bytes.data[ENCODING_OFFSET] == SPARSE;
}

bool hyperloglog_has_header(struct bytes bytes)
{
    if (bytes.length < HYPERLOGLOG_HEADER_BYTES || memcmp(bytes.data, "HYLL", 4) != 0)
        return false;
    return bytes.data[ENCODING_OFFSET] == SPARSE ||
           (bytes.data[ENCODING_OFFSET] == DENSE && bytes.length == HYPERLOGLOG_DENSE_BYTES);
}

bool hyperloglog_cached(struct bytes bytes, uint64_t *count)
{
    *count = 0;
    for (int i = HYPERLOGLOG_CACHE_BYTES - 1; i >= 0; i--)
        *count = *count << 8 | (uint8_t)bytes.data[HYPERLOGLOG_CACHE_OFFSET + i];
    return !(bytes.data[STALE_OFFSET] & STALE_BIT);
}

void hyperloglog_cache_bytes(uint64_t count, char cache[HYPERLOGLOG_CACHE_BYTES])
{
    for (int i = 0; i < HYPERLOGLOG_CACHE_BYTES; i++)
        cache[i] = (char)(count >> (8 * i));
}

void hyperloglog_forget_count(struct buffer *buffer)
{
    buffer->data[STALE_OFFSET] = (char)(buffer->data[STALE_OFFSET] | STALE_BIT);
}

void hyperloglog_init(struct buffer *buffer)
{
    static const char empty[HYPERLOGLOG_HEADER_BYTES + 2] = {
        'H', 'Y', 'L', 'L', SPARSE, [16] = 0x7f, [17] = (char)0xff};
    buffer_append(buffer, empty, sizeof(empty));
}

/* ---- dense registers ---- */

static uint8_t dense_get(const uint8_t *registers, uint32_t index)
{
    uint32_t byte = index * 6 / 8, shift = index * 6 % 8;
    unsigned word = registers[byte];
    if (shift > 2)
        word |= (unsigned)registers[byte + 1] << 8;
    return word >> shift & REGISTER_MAX;
}

size_t hyperloglog_dense_piece(struct bytes bytes, struct hyperloglog_hit hit, size_t *offset, uint8_t piece[2])
{
    const uint8_t *registers = (const uint8_t *)bytes.data + HYPERLOGLOG_HEADER_BYTES;
    if (dense_get(registers, hit.index) >= hit.value)
        return 0;
    uint32_t byte = hit.index * 6 / 8, shift = hit.index * 6 % 8;
    size_t length = shift > 2 ? 2 : 1;
    unsigned word = registers[byte] | (length == 2 ? (unsigned)registers[byte + 1] << 8 : 0);
    word = (word & ~((unsigned)REGISTER_MAX << shift)) | (unsigned)hit.value << shift;
    piece[0] = (uint8_t)word;
    piece[1] = (uint8_t)(word >> 8);
    *offset = HYPERLOGLOG_HEADER_BYTES + byte;
    return length;
}

static bool dense_raise(struct buffer *buffer, struct hyperloglog_hit hit)
{
    size_t offset;
    uint8_t piece[2];
    size_t length = hyperloglog_dense_piece(buffer_bytes(buffer), hit, &offset, piece);
    if (length > 0)
        memcpy(buffer->data + offset, piece, length);
    return length > 0;
}

/* ---- sparse runs ---- */

/* The run at 'at', which is below 'end'; false if its second byte is not there. */
static bool run_read(const uint8_t *at, const uint8_t *end, struct run *run)
{
    if (*at & 0x80) {
        *run = (struct run){.length = (*at & 3u) + 1, .value = (uint8_t)((*at >> 2 & 31) + 1), .bytes = 1};
    } else if (*at & 0x40) {
        if (end - at < 2)
            return false;
        *run = (struct run){.length = ((*at & 63u) << 8 | at[1]) + 1, .bytes = 2};
    } else {
        *run = (struct run){.length = (*at & 63u) + 1, .bytes = 1};
    }
    return true;
}

/* Writes a run, which may have no registers, and returns its bytes. */
static size_t run_write(uint8_t *at, uint32_t length, uint8_t value)
{
    if (length == 0)
        return 0;
    if (value > 0) {
        at[0] = (uint8_t)(0x80 | (value - 1) << 2 | (length - 1));
        return 1;
    }
    if (length <= SHORT_ZEROS_MAX) {
        at[0] = (uint8_t)(length - 1);
        return 1;
    }
    at[0] = (uint8_t)(0x40 | (length - 1) >> 8);
    at[1] = (uint8_t)(length - 1);
    return 2;
}

static const uint8_t *runs_begin(struct bytes bytes)
{
    return (const uint8_t *)bytes.data + HYPERLOGLOG_HEADER_BYTES;
}

static const uint8_t *runs_end(struct bytes bytes)
{
    return (const uint8_t *)bytes.data + bytes.length;
}

bool hyperloglog_is_sound(struct bytes bytes)
{
    if (!hyperloglog_is_sparse(bytes))
        return true;
    const uint8_t *end = runs_end(bytes);
    uint32_t covered = 0;
    struct run run;
    for (const uint8_t *at = runs_begin(bytes); at < end; at += run.bytes) {
        if (!run_read(at, end, &run) || run.length > HYPERLOGLOG_REGISTERS - covered)
            return false;
        covered += run.length;
    }
    return covered == HYPERLOGLOG_REGISTERS;
}

void hyperloglog_make_dense(struct buffer *buffer)
{
    struct buffer dense = {0};
    struct bytes old = buffer_bytes(buffer);
    struct run run;
    uint32_t index = 0;
    if (!hyperloglog_is_sparse(old))
        return;
    memset(buffer_reserve(&dense, HYPERLOGLOG_DENSE_BYTES), 0, HYPERLOGLOG_DENSE_BYTES);
    dense.length = HYPERLOGLOG_DENSE_BYTES;
    memcpy(dense.data, old.data, HYPERLOGLOG_HEADER_BYTES);
    dense.data[ENCODING_OFFSET] = DENSE;
    for (const uint8_t *at = runs_begin(old); at < runs_end(old); at += run.bytes) {
        check(run_read(at, runs_end(old), &run));
        for (uint32_t i = 0; run.value > 0 && i < run.length; i++)
            dense_raise(&dense, (struct hyperloglog_hit){index + i, run.value});
        index += run.length;
    }
    buffer->length = 0;
    buffer_append_bytes(buffer, buffer_bytes(&dense));
    buffer_deinit(&dense);
}

/* Where a register stands in a sparse one: offsets of its run and of the one before (or its own), the run, and the run's
 * first register. */
struct run_place {
    size_t before, offset;
    struct run run;
    uint32_t first;
};

static struct run_place find_run(struct bytes bytes, uint32_t index)
{
    struct run_place place = {.before = HYPERLOGLOG_HEADER_BYTES, .offset = HYPERLOGLOG_HEADER_BYTES};
    const uint8_t *data = (const uint8_t *)bytes.data;
    check(run_read(data + place.offset, data + bytes.length, &place.run));
    while (index >= place.first + place.run.length) {
        place.first += place.run.length;
        place.before = place.offset;
        place.offset += place.run.bytes;
        check(place.offset < bytes.length && run_read(data + place.offset, data + bytes.length, &place.run));
    }
    return place;
}

/* Puts 'length' bytes in the place of 'old_length'. */
static void splice(struct buffer *buffer, size_t offset, size_t old_length, const uint8_t *bytes, size_t length)
{
    if (length > old_length)
        buffer_reserve(buffer, length - old_length);
    char *at = buffer->data + offset;
    memmove(at + length, at + old_length, buffer->length - offset - old_length);
    if (length > 0)
        memcpy(at, bytes, length);
    buffer->length += length;
    buffer->length -= old_length;
}

/* Joins neighbouring runs of one value, as far as a run can be long. */
static void join_runs(struct buffer *buffer, size_t offset)
{
    for (int left = JOINED_RUNS; left > 0 && offset < buffer->length; left--) {
        const uint8_t *at = (const uint8_t *)buffer->data + offset,
                      *end = (const uint8_t *)buffer->data + buffer->length;
        struct run run, next;
        uint8_t joined = 0;
        check(run_read(at, end, &run));
        bool is_pair = run.value > 0 && offset + 1 < buffer->length && run_read(at + 1, end, &next) &&
                       next.value == run.value && run.length + next.length <= VALUE_RUN_MAX;
        if (is_pair) {
            run_write(&joined, run.length + next.length, run.value);
            splice(buffer, offset, 2, &joined, 1);
        } else {
            offset += run.bytes;
        }
    }
}

static bool sparse_raise(struct buffer *buffer, struct hyperloglog_hit hit, size_t bytes_max)
{
    uint8_t split[SPLIT_BYTES_MAX];
    struct run_place place = find_run(buffer_bytes(buffer), hit.index);
    if (place.run.value >= hit.value)
        return false;
    uint32_t behind = place.first + place.run.length - hit.index - 1;
    size_t length =
        hit.value > SPARSE_VALUE_MAX ? SIZE_MAX : run_write(split, hit.index - place.first, place.run.value);
    if (length != SIZE_MAX) {
        length += run_write(split + length, 1, hit.value);
        length += run_write(split + length, behind, place.run.value);
    }
    if (length == SIZE_MAX || (length > place.run.bytes && buffer->length + length - place.run.bytes > bytes_max)) {
        hyperloglog_make_dense(buffer);
        return dense_raise(buffer, hit);
    }
    splice(buffer, place.offset, place.run.bytes, split, length);
    join_runs(buffer, place.before);
    return true;
}

bool hyperloglog_raise(struct buffer *buffer, struct hyperloglog_hit hit, size_t sparse_bytes_max)
{
    if (hyperloglog_is_sparse(buffer_bytes(buffer)))
        return sparse_raise(buffer, hit, sparse_bytes_max);
    return dense_raise(buffer, hit);
}

/* ---- all registers ---- */

static void raise_to(uint8_t *target, uint8_t value)
{
    if (*target < value)
        *target = value;
}

static void merge_dense(const uint8_t *registers, uint8_t *targets)
{
    for (uint32_t i = 0; i < HYPERLOGLOG_REGISTERS; i += 4, registers += 3) {
        uint32_t four = registers[0] | (uint32_t)registers[1] << 8 | (uint32_t)registers[2] << 16;
        for (int k = 0; k < 4; k++)
            raise_to(&targets[i + (uint32_t)k], four >> (6 * k) & REGISTER_MAX);
    }
}

void hyperloglog_merge(struct bytes bytes, uint8_t registers[HYPERLOGLOG_REGISTERS])
{
    struct run run;
    uint32_t index = 0;
    if (!hyperloglog_is_sparse(bytes)) {
        merge_dense(runs_begin(bytes), registers);
        return;
    }
    for (const uint8_t *at = runs_begin(bytes); at < runs_end(bytes); at += run.bytes) {
        check(run_read(at, runs_end(bytes), &run) && index + run.length <= HYPERLOGLOG_REGISTERS);
        for (uint32_t i = 0; run.value > 0 && i < run.length; i++)
            raise_to(&registers[index + i], run.value);
        index += run.length;
    }
}

static double sigma(double x)
{
    double weight = 1, sum = x, before;
    if (x == 1)
        return INFINITY;
    do {
        before = sum;
        x *= x;
        sum += x * weight;
        weight += weight;
    } while (before != sum);
    return sum;
}

static double tau(double x)
{
    double weight = 1, sum = 1 - x, before;
    if (x == 0 || x == 1)
        return 0;
    do {
        before = sum;
        x = sqrt(x);
        weight *= 0.5;
        sum -= pow(1 - x, 2) * weight;
    } while (before != sum);
    return sum / 3;
}

uint64_t hyperloglog_estimate(const uint8_t registers[HYPERLOGLOG_REGISTERS])
{
    const double alpha = 0.721347520444481703680, count = HYPERLOGLOG_REGISTERS;
    uint32_t having[REGISTER_MAX + 1] = {0};
    for (uint32_t i = 0; i < HYPERLOGLOG_REGISTERS; i++)
        having[registers[i]]++;
    double sum = count * tau((count - having[VALUE_BITS + 1]) / count);
    for (int value = VALUE_BITS; value >= 1; value--) {
        sum += having[value];
        sum *= 0.5;
    }
    sum += count * sigma(having[0] / count);
    return (uint64_t)llroundl(alpha * count * count / sum);
}

void hyperloglog_describe(struct bytes bytes, struct buffer *text)
{
    struct run run;
    for (const uint8_t *at = runs_begin(bytes); at < runs_end(bytes); at += run.bytes) {
        check(run_read(at, runs_end(bytes), &run));
        if (at != runs_begin(bytes))
            buffer_append_text(text, " ");
        if (run.value > 0)
            buffer_append_format(text, "v:%d,%u", run.value, run.length);
        else
            buffer_append_format(text, "%c:%u", run.bytes == 2 ? 'Z' : 'z', run.length);
    }
}
