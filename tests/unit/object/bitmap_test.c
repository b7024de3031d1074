/* SPDX-License-Identifier: BSD-3-Clause */
/* Everything beside the same thing done bit by bit. */
#include "object/bitmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

#define BYTES_MAX 300

static struct random random_state;

static uint64_t below(uint64_t bound)
{
    return random_below(&random_state, bound);
}

static bool bit_at(struct bytes bytes, uint64_t bit)
{
    return bit / 8 < bytes.length && ((uint8_t)bytes.data[bit / 8] >> (7 - bit % 8) & 1);
}

/* Exactly as many bytes as the length, so that the sanitizer sees what reads past them. Mostly runs of one value. */
static char *random_bytes(size_t length)
{
    char *data = malloc(length ? length : 1);
    char blank = below(2) ? (char)0xff : 0;
    for (size_t i = 0; i < length; i++)
        data[i] = below(20) ? blank : (char)below(256);
    return data;
}

static void ranges_are_counted(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t length = 1 + below(BYTES_MAX);
        char *data = random_bytes(length);
        uint64_t first = below(length * 8), last = first + below(length * 8 - first), expected = 0;
        for (uint64_t bit = first; bit <= last; bit++)
            expected += bit_at(bytes_of(data, length), bit);
        assert_int_equal(bitmap_count(bytes_of(data, length), first, last), expected);
        free(data);
    }
}

static void first_bit_in_a_range_is_found(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t length = 1 + below(BYTES_MAX);
        char *data = random_bytes(length);
        uint64_t first = below(length * 8), last = first + below(length * 8 - first);
        bool wanted = below(2);
        int64_t expected = -1;
        for (uint64_t bit = first; bit <= last && expected < 0; bit++)
            if (bit_at(bytes_of(data, length), bit) == wanted)
                expected = (int64_t)bit;
        assert_int_equal(bitmap_find(bytes_of(data, length), wanted, first, last), expected);
        free(data);
    }
}

static bool combined_bit(enum bitmap_operation operation, bool first, unsigned set, unsigned count)
{
    switch (operation) {
    case BITMAP_AND:
        return set == count;
    case BITMAP_OR:
        return set > 0;
    case BITMAP_XOR:
        return set % 2;
    case BITMAP_NOT:
        return !first;
    case BITMAP_DIFF:
        return first && set == 1;
    case BITMAP_DIFF1:
        return !first && set > 0;
    case BITMAP_ANDOR:
        return first && set > 1;
    default:
        return set == 1;
    }
}

static void assert_combined(enum bitmap_operation operation, const struct bytes *sources, unsigned count,
                            struct bytes result)
{
    for (uint64_t bit = 0; bit < result.length * 8; bit++) {
        unsigned set = 0;
        for (unsigned i = 0; i < count; i++)
            set += bit_at(sources[i], bit);
        assert_int_equal(bit_at(result, bit), combined_bit(operation, bit_at(sources[0], bit), set, count));
    }
}

static void operations_hold_for_every_bit(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 7, 8, 100, 4095, 4096, 4097, 9000};
    for (int round = 0; round < 150; round++) {
        enum bitmap_operation operation = (enum bitmap_operation)(round % (BITMAP_ONE + 1));
        unsigned count = operation == BITMAP_NOT ? 1 : 1 + (unsigned)below(5);
        struct bytes sources[5];
        size_t longest = 0;
        for (unsigned i = 0; i < count; i++) {
            size_t length = lengths[below(sizeof(lengths) / sizeof(lengths[0]))];
            sources[i] = bytes_of(random_bytes(length), length);
            longest = length > longest ? length : longest;
        }
        char *result = malloc(longest + 1);
        bitmap_combine(operation, sources, count, result, longest);
        assert_combined(operation, sources, count, bytes_of(result, longest));
        free(result);
        for (unsigned i = 0; i < count; i++)
            free((char *)sources[i].data);
    }
}

/* ---- fields ---- */

static struct bitfield random_field(void)
{
    bool is_signed = below(2);
    return (struct bitfield){
        .offset = below(200), .bits = (uint8_t)(1 + below(is_signed ? 64 : 63)), .is_signed = is_signed};
}

static uint64_t fit(const struct bitfield *field, uint64_t value)
{
    uint64_t result = 0;
    for (int bit = 0; bit < 64; bit++) {
        int from = bit < field->bits ? bit : field->bits - 1;
        if (bit < field->bits || field->is_signed)
            result |= (value >> from & 1) << bit;
    }
    return result;
}

static void fields_are_read_where_they_were_written(void **state)
{
    (void)state;
    char data[40];
    for (int round = 0; round < 20000; round++) {
        for (size_t i = 0; i < sizeof(data); i++)
            data[i] = (char)below(256);
        struct bitfield field = random_field();
        uint8_t window[BITFIELD_BYTES_MAX];
        uint64_t value = random_next(&random_state);
        char changed[sizeof(data)];
        memcpy(changed, data, sizeof(data));
        bitfield_load(&field, bytes_of(data, sizeof(data)), window);
        bitfield_set(&field, window, value);
        memcpy(changed + bitfield_first_byte(&field), window, bitfield_end_byte(&field) - bitfield_first_byte(&field));
        bitfield_load(&field, bytes_of(changed, sizeof(changed)), window);
        assert_true(bitfield_get(&field, window) == fit(&field, value));
        for (uint64_t bit = 0; bit < sizeof(data) * 8; bit++) {
            bool inside = bit >= field.offset && bit < field.offset + field.bits;
            bool expected =
                inside ? value >> (field.offset + field.bits - 1 - bit) & 1 : bit_at(bytes_of(data, sizeof(data)), bit);
            assert_int_equal(bit_at(bytes_of(changed, sizeof(changed)), bit), expected);
        }
    }
}

static void fields_past_the_end_are_zero(void **state)
{
    (void)state;
    uint8_t window[BITFIELD_BYTES_MAX];
    struct bitfield field = {.offset = 4, .bits = 16};
    bitfield_load(&field, BYTES("\xff\xff"), window);
    assert_int_equal(bitfield_get(&field, window), 0xfff0);
    field.offset = UINT64_C(1) << 59;
    bitfield_load(&field, BYTES("\xff\xff"), window);
    assert_int_equal(bitfield_get(&field, window), 0);
}

static void sums_wrap_saturate_or_fail(void **state)
{
    (void)state;
    for (int round = 0; round < 50000; round++) {
        struct bitfield field = random_field();
        uint64_t value = fit(&field, random_next(&random_state)), result;
        int64_t amount = (int64_t)random_next(&random_state) >> below(64);
        __int128 sum = (field.is_signed ? (__int128)(int64_t)value : (__int128)value) + amount;
        __int128 low = field.is_signed ? -((__int128)1 << (field.bits - 1)) : 0;
        __int128 high = low + (((__int128)1 << field.bits) - 1);
        bool fits = sum >= low && sum <= high;
        assert_true(bitfield_add(&field, value, amount, BITFIELD_WRAP, &result));
        assert_true(result == fit(&field, (uint64_t)sum));
        assert_true(bitfield_add(&field, value, amount, BITFIELD_SATURATE, &result));
        assert_true(result == (uint64_t)(sum > high ? high : sum < low ? low : sum));
        assert_int_equal(bitfield_add(&field, value, amount, BITFIELD_FAIL, &result), fits);
    }
}

static int seed(void **state)
{
    (void)state;
    random_init(&random_state, 7);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_counted),
        cmocka_unit_test(first_bit_in_a_range_is_found),
        cmocka_unit_test(operations_hold_for_every_bit),
        cmocka_unit_test(fields_are_read_where_they_were_written),
        cmocka_unit_test(fields_past_the_end_are_zero),
        cmocka_unit_test(sums_wrap_saturate_or_fail),
    };
    return cmocka_run_group_tests(tests, seed, NULL);
}
