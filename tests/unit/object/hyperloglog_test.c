/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes beside those of a Redis 7.0 server, and random registers beside a plain array of them. */
#include "object/hyperloglog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

#define HEADER "HYLL\1\0\0\0\0\0\0\0\0\0\0\x80"
#define NEVER_DENSE SIZE_MAX

static struct buffer empty(void)
{
    struct buffer buffer = {0};
    hyperloglog_init(&buffer);
    return buffer;
}

static bool add(struct buffer *buffer, struct bytes element)
{
    bool raised = hyperloglog_raise(buffer, hyperloglog_hit_of(element), 3000);
    if (raised)
        hyperloglog_forget_count(buffer);
    return raised;
}

static void assert_bytes(struct buffer *buffer, const char *hex)
{
    assert_int_equal(buffer->length * 2, strlen(hex));
    for (size_t i = 0; i < buffer->length; i++) {
        char digits[3];
        snprintf(digits, sizeof(digits), "%02x", (unsigned char)buffer->data[i]);
        assert_memory_equal(digits, hex + i * 2, 2);
    }
    buffer_deinit(buffer);
}

static uint64_t estimate(const struct buffer *buffer)
{
    uint8_t registers[HYPERLOGLOG_REGISTERS] = {0};
    hyperloglog_merge(buffer_bytes(buffer), registers);
    return hyperloglog_estimate(registers);
}

static void an_empty_one_has_the_bytes_of_redis(void **state)
{
    (void)state;
    struct buffer buffer = empty();
    assert_true(hyperloglog_has_header(buffer_bytes(&buffer)) && hyperloglog_is_sound(buffer_bytes(&buffer)));
    assert_int_equal(estimate(&buffer), 0);
    assert_bytes(&buffer, "48594c4c01000000"
                          "0000000000000000"
                          "7fff");
}

static void elements_of_all_lengths_have_the_hashes_of_redis(void **state)
{
    (void)state;
    static const char *const elements[] = {"", "x", "hello", "hello world", "12345678", "123456789"};
    struct buffer buffer = empty();
    for (size_t i = 0; i < 6; i++)
        assert_true(add(&buffer, bytes_of_text(elements[i])));
    for (size_t i = 0; i < 6; i++)
        assert_false(add(&buffer, bytes_of_text(elements[i])));
    assert_bytes(&buffer, "48594c4c01000000"
                          "0000000000000080"
                          "5731844ccc80404b8440688c449a8856a18408");
}

static void forty_numbers_have_the_bytes_of_redis(void **state)
{
    (void)state;
    struct buffer buffer = empty(), text = {0};
    char digits[BYTES_INTEGER_MAX];
    for (int64_t i = 1; i <= 40; i++)
        add(&buffer, bytes_of(digits, bytes_from_int64(digits, i)));
    assert_int_equal(estimate(&buffer), 40);
    hyperloglog_describe(buffer_bytes(&buffer), &text);
    assert_memory_equal(text.data, "Z:495 v:2,1 Z:155 v:5,1 Z:886 v:1,1 ", 36);
    buffer_deinit(&text);
    assert_bytes(&buffer,
                 "48594c4c01000000"
                 "0000000000000080"
                 "41ee84409a90437580441080443e8040e28040bc8c378840ab8041638042dc8041068040588040948045719040db804211"
                 "8441428042c184408e8c40e68c288045248040928041fd88419980404884412484417084426b80405880068042f480425d"
                 "80407880411e8840f28c40b880158441bb804165");
}

static void five_thousand_numbers_are_estimated_as_redis_estimates_them(void **state)
{
    (void)state;
    struct buffer buffer = empty();
    char digits[BYTES_INTEGER_MAX];
    for (int64_t i = 1; i <= 5000; i++)
        add(&buffer, bytes_of(digits, bytes_from_int64(digits, i)));
    assert_false(hyperloglog_is_sparse(buffer_bytes(&buffer)));
    assert_int_equal(buffer.length, HYPERLOGLOG_DENSE_BYTES);
    assert_int_equal(estimate(&buffer), 4985);
    buffer_deinit(&buffer);
}

/* ---- registers ---- */

static void assert_registers(const struct buffer *buffer, const uint8_t *expected)
{
    uint8_t registers[HYPERLOGLOG_REGISTERS] = {0};
    assert_true(hyperloglog_has_header(buffer_bytes(buffer)) && hyperloglog_is_sound(buffer_bytes(buffer)));
    hyperloglog_merge(buffer_bytes(buffer), registers);
    assert_memory_equal(registers, expected, sizeof(registers));
}

/* Registers close together, so that runs are split and joined; 'value_max' above 32 makes a sparse one dense. */
static void raise_at_random(struct buffer *buffer, uint64_t seed, uint32_t span, uint32_t value_max)
{
    struct random random;
    uint8_t expected[HYPERLOGLOG_REGISTERS] = {0};
    random_init(&random, seed);
    uint32_t base = (uint32_t)random_below(&random, HYPERLOGLOG_REGISTERS - span + 1);
    for (int i = 0; i < 3000; i++) {
        struct hyperloglog_hit hit = {base + (uint32_t)random_below(&random, span),
                                      1 + (uint8_t)random_below(&random, value_max)};
        bool higher = hit.value > expected[hit.index];
        assert_int_equal(hyperloglog_raise(buffer, hit, NEVER_DENSE), higher);
        if (higher)
            expected[hit.index] = hit.value;
        if (i % 100 == 0)
            assert_registers(buffer, expected);
    }
    assert_registers(buffer, expected);
    hyperloglog_make_dense(buffer);
    assert_registers(buffer, expected);
}

static void raised_registers_are_read_back(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct buffer sparse = empty(), dense = empty();
        uint32_t span = seed % 4 == 0 ? HYPERLOGLOG_REGISTERS : 1 + (uint32_t)seed * 7;
        raise_at_random(&sparse, seed, span, seed % 2 ? 32 : 3);
        hyperloglog_make_dense(&dense);
        raise_at_random(&dense, seed, span, 63);
        buffer_deinit(&sparse);
        buffer_deinit(&dense);
    }
}

static void equal_neighbours_become_one_run_of_up_to_four(void **state)
{
    (void)state;
    struct buffer buffer = empty();
    for (uint32_t i = 0; i < 6; i++)
        assert_true(hyperloglog_raise(&buffer, (struct hyperloglog_hit){i, 7}, 3000));
    assert_bytes(&buffer, "48594c4c01000000"
                          "0000000000000000"
                          "9b99"
                          "7ff9");
}

static void a_high_register_or_a_long_one_makes_it_dense(void **state)
{
    (void)state;
    struct buffer high = empty(), full = empty();
    assert_true(hyperloglog_raise(&high, (struct hyperloglog_hit){5, 32}, 3000));
    assert_true(hyperloglog_is_sparse(buffer_bytes(&high)));
    assert_true(hyperloglog_raise(&high, (struct hyperloglog_hit){5, 33}, 3000));
    assert_false(hyperloglog_is_sparse(buffer_bytes(&high)));
    assert_true(hyperloglog_raise(&full, (struct hyperloglog_hit){100, 1}, 21));
    assert_int_equal(full.length, 21);
    assert_true(hyperloglog_raise(&full, (struct hyperloglog_hit){200, 1}, 21));
    assert_int_equal(full.length, HYPERLOGLOG_DENSE_BYTES);
    buffer_deinit(&high);
    buffer_deinit(&full);
}

static void the_bytes_of_a_raised_register_are_those_that_change(void **state)
{
    (void)state;
    struct buffer raised = empty(), pieced = empty();
    hyperloglog_make_dense(&raised);
    hyperloglog_make_dense(&pieced);
    for (uint32_t i = 0; i < HYPERLOGLOG_REGISTERS; i++) {
        struct hyperloglog_hit hit = {HYPERLOGLOG_REGISTERS - 1 - i, (uint8_t)(1 + i % 63)};
        size_t offset;
        uint8_t piece[2];
        size_t length = hyperloglog_dense_piece(buffer_bytes(&pieced), hit, &offset, piece);
        assert_in_range(length, 1, 2);
        assert_true(offset + length <= pieced.length);
        memcpy(pieced.data + offset, piece, length);
        assert_int_equal(hyperloglog_dense_piece(buffer_bytes(&pieced), hit, &offset, piece), 0);
        assert_true(hyperloglog_raise(&raised, hit, 0));
    }
    assert_true(bytes_equal(buffer_bytes(&raised), buffer_bytes(&pieced)));
    buffer_deinit(&raised);
    buffer_deinit(&pieced);
}

/* ---- the kept estimate ---- */

static void the_estimate_is_kept_until_it_is_forgotten(void **state)
{
    (void)state;
    struct buffer buffer = empty();
    uint64_t count;
    hyperloglog_cache_bytes(UINT64_C(0x0123456789abcdef), buffer.data + HYPERLOGLOG_CACHE_OFFSET);
    assert_true(hyperloglog_cached(buffer_bytes(&buffer), &count));
    assert_true(count == UINT64_C(0x0123456789abcdef));
    hyperloglog_forget_count(&buffer);
    assert_false(hyperloglog_cached(buffer_bytes(&buffer), &count));
    buffer_deinit(&buffer);
}

/* ---- hostile bytes ---- */

#define RUNS(literal) bytes_of(HEADER literal, sizeof(HEADER literal) - 1)

static void runs_must_cover_all_registers_and_no_more(void **state)
{
    (void)state;
    const struct bytes unsound[] = {
        RUNS(""),     RUNS("\x7f"),         RUNS("\x7f\xfe"),         RUNS("\x7f\xff\x00"),
        RUNS("\xff"), RUNS("\x7f\xfd\x40"), RUNS("\x7f\xff\x7f\xff"), RUNS("\x7f\xfb\xff\x80")};
    const struct bytes sound[] = {RUNS("\x7f\xff"), RUNS("\x7f\xfe\x00"), RUNS("\x7f\xfb\xff"),
                                  RUNS("\x40\x00\x7f\xfe")};
    for (size_t i = 0; i < sizeof(unsound) / sizeof(unsound[0]); i++)
        assert_true(hyperloglog_has_header(unsound[i]) && !hyperloglog_is_sound(unsound[i]));
    for (size_t i = 0; i < sizeof(sound) / sizeof(sound[0]); i++)
        assert_true(hyperloglog_has_header(sound[i]) && hyperloglog_is_sound(sound[i]));
}

static void a_header_has_all_its_bytes(void **state)
{
    (void)state;
    struct buffer dense = empty();
    hyperloglog_make_dense(&dense);
    assert_true(hyperloglog_has_header(buffer_bytes(&dense)));
    for (size_t length = 0; length < dense.length; length++)
        assert_false(hyperloglog_has_header(bytes_of(dense.data, length)));
    assert_false(hyperloglog_has_header(BYTES("HYLL\2\0\0\0\0\0\0\0\0\0\0\0\x7f\xff")));
    assert_false(hyperloglog_has_header(BYTES("HYLL\1\0\0\0\0\0\0\0\0\0\0")));
    assert_false(hyperloglog_has_header(BYTES("HYLK\1\0\0\0\0\0\0\0\0\0\0\0\x7f\xff")));
    buffer_deinit(&dense);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_one_has_the_bytes_of_redis),
        cmocka_unit_test(elements_of_all_lengths_have_the_hashes_of_redis),
        cmocka_unit_test(forty_numbers_have_the_bytes_of_redis),
        cmocka_unit_test(five_thousand_numbers_are_estimated_as_redis_estimates_them),
        cmocka_unit_test(raised_registers_are_read_back),
        cmocka_unit_test(equal_neighbours_become_one_run_of_up_to_four),
        cmocka_unit_test(a_high_register_or_a_long_one_makes_it_dense),
        cmocka_unit_test(the_bytes_of_a_raised_register_are_those_that_change),
        cmocka_unit_test(the_estimate_is_kept_until_it_is_forgotten),
        cmocka_unit_test(runs_must_cover_all_registers_and_no_more),
        cmocka_unit_test(a_header_has_all_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
