/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes beside those that a Redis 7.0 server dumps, and random edits beside a plain array. */
#include "object/intset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

static const struct sample {
    int64_t integers[3];
    size_t count;
    const char *hex;
} samples[] = {
    {{0}, 0, "0200000000000000"},
    {{5}, 1, "02000000010000000500"},
    {{32767, -32768, 0}, 3, "020000000300000000800000ff7f"},
    {{1, 2, 32768}, 3, "0400000003000000010000000200000000800000"},
    {{1, 2, -32769}, 3, "0400000003000000ff7fffff0100000002000000"},
    {{3, INT32_MAX, INT32_MIN}, 3, "04000000030000000000008003000000ffffff7f"},
    {{1, -1, 2147483648}, 3, "0800000003000000ffffffffffffffff01000000000000000000008000000000"},
    {{70000, -2147483649}, 2, "0800000002000000ffffff7fffffffff7011010000000000"},
    {{1, INT64_MAX, INT64_MIN}, 3, "080000000300000000000000000000800100000000000000ffffffffffffff7f"},
};
#define SAMPLE_COUNT (sizeof(samples) / sizeof(samples[0]))

static struct buffer intset_of(const int64_t *integers, size_t count)
{
    struct buffer buffer = {0};
    intset_init(&buffer);
    for (size_t i = 0; i < count; i++)
        assert_true(intset_add(&buffer, integers[i]));
    return buffer;
}

static void assert_hex(struct bytes bytes, const char *hex)
{
    assert_int_equal(bytes.length * 2, strlen(hex));
    for (size_t i = 0; i < bytes.length; i++) {
        char digits[3];
        snprintf(digits, sizeof(digits), "%02x", (unsigned char)bytes.data[i]);
        assert_memory_equal(digits, hex + i * 2, 2);
    }
}

static void sets_have_the_bytes_of_redis(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct buffer buffer = intset_of(samples[i].integers, samples[i].count);
        assert_hex(buffer_bytes(&buffer), samples[i].hex);
        assert_true(intset_is_valid(buffer_bytes(&buffer)));
        for (size_t k = 0; k < samples[i].count; k++)
            assert_true(intset_find(buffer_bytes(&buffer), samples[i].integers[k], NULL));
        buffer_deinit(&buffer);
    }
}

static void width_stays_when_the_widest_goes(void **state)
{
    (void)state;
    struct buffer buffer = intset_of((int64_t[]){1, 2, 100000}, 3);
    assert_true(intset_remove(&buffer, 100000));
    assert_hex(buffer_bytes(&buffer), "04000000020000000100000002000000");
    buffer_deinit(&buffer);
}

static void integer_is_in_the_set_once(void **state)
{
    (void)state;
    struct buffer buffer = intset_of((int64_t[]){-7, 7}, 2);
    assert_false(intset_add(&buffer, 7));
    assert_false(intset_remove(&buffer, 8));
    assert_int_equal(intset_count(buffer_bytes(&buffer)), 2);
    assert_true(intset_remove(&buffer, -7));
    assert_false(intset_remove(&buffer, -7));
    assert_true(intset_remove(&buffer, 7));
    assert_int_equal(intset_count(buffer_bytes(&buffer)), 0);
    assert_false(intset_find(buffer_bytes(&buffer), 7, NULL));
    buffer_deinit(&buffer);
}

static void find_tells_where_an_integer_would_stand(void **state)
{
    (void)state;
    static const struct {
        int64_t integer;
        size_t index;
        bool found;
    } cases[] = {{INT64_MIN, 0, false}, {-5, 0, true}, {0, 1, false},        {10, 1, true},
                 {11, 2, false},        {20, 2, true}, {INT64_MAX, 3, false}};
    struct buffer buffer = intset_of((int64_t[]){20, -5, 10}, 3);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t index;
        assert_int_equal(intset_find(buffer_bytes(&buffer), cases[i].integer, &index), cases[i].found);
        assert_int_equal(index, cases[i].index);
    }
    buffer_deinit(&buffer);
}

/* The bytes stand in a block of their exact size for the sanitizer. */
static bool is_valid(struct bytes bytes)
{
    char *copy = malloc(bytes.length + !bytes.length);
    memcpy(copy, bytes.data, bytes.length);
    bool valid = intset_is_valid(bytes_of(copy, bytes.length));
    free(copy);
    return valid;
}

static void every_lie_is_refused(void **state)
{
    (void)state;
    static const struct bytes lies[] = {
        BYTES(""),
        BYTES("\x02\0\0\0\0\0\0"),                       /* no whole header */
        BYTES("\0\0\0\0\0\0\0\0"),                       /* no such width */
        BYTES("\x03\0\0\0\x01\0\0\0\x01\0\0"),           /* no such width */
        BYTES("\x02\0\0\0\x02\0\0\0\x01\0"),             /* count too large */
        BYTES("\x02\0\0\0\x01\0\0\0\x01\0\x02\0"),       /* count too small */
        BYTES("\x02\0\0\0\x01\0\0\0\x01\0\x02"),         /* half an integer */
        BYTES("\x02\0\0\0\x02\0\0\0\x02\0\x01\0"),       /* descending */
        BYTES("\x02\0\0\0\x02\0\0\0\x01\0\x01\0"),       /* twice */
        BYTES("\x02\0\0\0\x02\0\0\0\x01\0\xff\xff"),     /* descending by its sign */
        BYTES("\x08\0\0\0\0\0\0\x20"),                   /* a size that wraps in 32 bits */
        BYTES("\x04\0\0\0\x01\0\0\x40\x01\0\0\0"),       /* a size that wraps in 32 bits */
        BYTES("\x02\0\0\0\xff\xff\xff\xff\x01\0\x02\0"), /* beyond everything */
    };
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
        assert_false(is_valid(lies[i]));
    assert_true(is_valid(BYTES("\x02\0\0\0\x02\0\0\0\xff\xff\x01\0")));
    assert_true(is_valid(BYTES("\x08\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0"))); /* wider than needed */
}

/* The model: a sorted array. */
#define MODEL_MAX 400

struct model {
    int64_t integers[MODEL_MAX];
    size_t count;
};

static size_t model_find(const struct model *model, int64_t integer, bool *found)
{
    size_t i = 0;
    while (i < model->count && model->integers[i] < integer)
        i++;
    *found = i < model->count && model->integers[i] == integer;
    return i;
}

static void random_edit(struct random *random, struct model *model, struct buffer *buffer, unsigned bits)
{
    int64_t integer = (int64_t)random_next(random) >> (64 - 1 - random_below(random, bits));
    bool found, adds = random_below(random, 3) > 0;
    size_t index = model_find(model, integer, &found);
    size_t moved = (model->count - index) * sizeof(integer);
    if (adds) {
        assert_int_equal(intset_add(buffer, integer), !found);
        if (found)
            return;
        memmove(&model->integers[index + 1], &model->integers[index], moved);
        model->integers[index] = integer;
        model->count++;
    } else {
        assert_int_equal(intset_remove(buffer, integer), found);
        if (!found)
            return;
        memmove(&model->integers[index], &model->integers[index + 1], moved - sizeof(integer));
        model->count--;
    }
}

static void assert_same(const struct model *model, struct bytes intset)
{
    size_t index;
    assert_true(intset_is_valid(intset));
    assert_int_equal(intset_count(intset), model->count);
    for (size_t i = 0; i < model->count; i++) {
        assert_int_equal(intset_get(intset, i), model->integers[i]);
        assert_true(intset_find(intset, model->integers[i], &index));
        assert_int_equal(index, i);
    }
}

static void random_edits_match_a_sorted_array(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 8);
    for (unsigned bits = 4; bits <= 64; bits += 3) {
        struct model model = {0};
        struct buffer buffer = intset_of(NULL, 0);
        for (int i = 0; i < MODEL_MAX; i++) {
            random_edit(&random, &model, &buffer, bits);
            assert_same(&model, buffer_bytes(&buffer));
        }
        buffer_deinit(&buffer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_have_the_bytes_of_redis), cmocka_unit_test(width_stays_when_the_widest_goes),
        cmocka_unit_test(integer_is_in_the_set_once),   cmocka_unit_test(find_tells_where_an_integer_would_stand),
        cmocka_unit_test(every_lie_is_refused),         cmocka_unit_test(random_edits_match_a_sorted_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
