/* SPDX-License-Identifier: BSD-3-Clause */
#include "object/list_object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "object/codec.h"
#include "object/object_limits.h"

#define MODEL_MAX 4000

/* The list under test beside a plain array of numbers, which name elements of various lengths. */
struct pair {
    struct object list;
    struct buffer room, inlined;
    unsigned model[MODEL_MAX];
    size_t count;
    struct random random;
};

/* Every third is an integer, every 50th is long. */
static struct bytes element_of(unsigned number, char *text)
{
    size_t length = bytes_from_int64(text, number);
    if (number % 3 == 0)
        return bytes_of(text, length);
    memset(text + length, 'x', 700);
    return bytes_of(text, length + (number % 50 == 1 ? 700 : number % 40));
}

/* What storing does: inline bytes are copied to where the value lives. */
static void keep(struct pair *pair)
{
    if (!object_is_inline(&pair->list))
        return;
    pair->inlined.length = 0;
    buffer_append_bytes(&pair->inlined, pair->list.bytes);
    pair->list.bytes = buffer_bytes(&pair->inlined);
    pair->room.length = 0;
}

static void model_insert(struct pair *pair, size_t index, unsigned number)
{
    memmove(pair->model + index + 1, pair->model + index, (pair->count - index) * sizeof(unsigned));
    pair->model[index] = number;
    pair->count++;
}

static void model_delete(struct pair *pair, size_t index, size_t count)
{
    pair->count -= count;
    memmove(pair->model + index, pair->model + index + count, (pair->count - index) * sizeof(unsigned));
}

static void assert_same(const struct pair *pair)
{
    char text[800], digits[BYTES_INTEGER_MAX];
    struct bytes element;
    struct list_iterator iterator;
    assert_int_equal(list_object_length(&pair->list), pair->count);
    if (pair->count == 0)
        return;
    list_iterator_init(&iterator, &pair->list, 0, false);
    for (size_t i = 0; i < pair->count; i++) {
        assert_true(list_iterator_next(&iterator, digits, &element));
        assert_true(bytes_equal(element, element_of(pair->model[i], text)));
    }
    assert_false(list_iterator_next(&iterator, digits, &element));
    list_iterator_init(&iterator, &pair->list, -1, true);
    for (size_t i = pair->count; i-- > 0;) {
        assert_true(list_iterator_next(&iterator, digits, &element));
        assert_true(bytes_equal(element, element_of(pair->model[i], text)));
    }
    size_t index = pair->count / 3;
    assert_true(list_object_get(&pair->list, (int64_t)index, digits, &element));
    assert_true(bytes_equal(element, element_of(pair->model[index], text)));
}

static void step_push(struct pair *pair, unsigned number)
{
    char text[800];
    bool head = number & 1;
    list_object_push(&pair->list, &pair->room, head ? LIST_HEAD : LIST_TAIL, element_of(number, text));
    model_insert(pair, head ? 0 : pair->count, number);
}

static void step_drop(struct pair *pair, unsigned number)
{
    size_t count = random_below(&pair->random, number % 7 == 0 ? 200 : 3);
    count = count < pair->count ? count : pair->count;
    list_object_drop(&pair->list, &pair->room, number & 1 ? LIST_HEAD : LIST_TAIL, count);
    model_delete(pair, number & 1 ? 0 : pair->count - count, count);
}

static void step_set(struct pair *pair, unsigned number)
{
    char text[800];
    size_t index = random_below(&pair->random, pair->count);
    int64_t at = number & 1 ? (int64_t)index : (int64_t)index - (int64_t)pair->count;
    list_object_set(&pair->list, &pair->room, at, element_of(number, text));
    pair->model[index] = number;
}

static void step_insert(struct pair *pair, unsigned number)
{
    char text[800], pivot_text[800];
    unsigned pivot = pair->model[random_below(&pair->random, pair->count)];
    size_t index = 0;
    while (pair->model[index] != pivot)
        index++;
    bool before = number & 1;
    assert_true(
        list_object_insert(&pair->list, &pair->room, element_of(pivot, pivot_text), before, element_of(number, text)));
    model_insert(pair, index + (before ? 0 : 1), number);
}

static void step_remove(struct pair *pair, unsigned number)
{
    char text[800];
    unsigned victim = pair->model[random_below(&pair->random, pair->count)];
    int64_t count = (int64_t)random_below(&pair->random, 5) - 2;
    size_t expected = 0, most = count == 0 ? SIZE_MAX : (size_t)(count < 0 ? -count : count);
    for (size_t i = 0; i < pair->count && expected < most;) {
        size_t index = count < 0 ? pair->count - 1 - i : i;
        if (pair->model[index] != victim) {
            i++;
            continue;
        }
        model_delete(pair, index, 1);
        expected++;
    }
    (void)number;
    assert_int_equal(list_object_remove(&pair->list, &pair->room, count, element_of(victim, text)), expected);
}

static void take_random_steps(struct pair *pair, unsigned steps)
{
    static void (*const changes[])(struct pair *, unsigned) = {step_set, step_insert, step_remove, step_drop};
    for (unsigned i = 0; i < steps; i++) {
        unsigned number = (unsigned)random_below(&pair->random, 300);
        unsigned which = (unsigned)random_below(&pair->random, 12);
        if (pair->count == 0 || (which >= 4 && pair->count < MODEL_MAX - 1))
            step_push(pair, number);
        else
            changes[which % 4](pair, number);
        keep(pair);
        if (i % 16 == 0)
            assert_same(pair);
    }
    assert_same(pair);
}

static void pair_init(struct pair *pair, uint64_t seed)
{
    *pair = (struct pair){.list = object_empty(OBJECT_LIST)};
    random_init(&pair->random, seed);
}

static void pair_deinit(struct pair *pair)
{
    object_release(&pair->list);
    buffer_deinit(&pair->room);
    buffer_deinit(&pair->inlined);
}

static void list_is_what_an_array_would_be_after_any_changes(void **state)
{
    (void)state;
    static const int64_t sizes[] = {-2, -1, 3, 1, 128};
    struct pair *pair = memory_allocate(sizeof(*pair));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        object_limits.list_max_listpack_size = sizes[i];
        pair_init(pair, 11 + i);
        take_random_steps(pair, 3000);
        pair_deinit(pair);
    }
    object_limits.list_max_listpack_size = -2;
    memory_free(pair);
}

static void list_comes_back_from_its_payload_and_its_copy(void **state)
{
    (void)state;
    struct pair *pair = memory_allocate(sizeof(*pair));
    for (unsigned steps = 1; steps < 3000; steps = steps * 2 + 1) {
        struct buffer payload = {0}, scratch = {0};
        pair_init(pair, steps);
        take_random_steps(pair, steps);
        struct object original = pair->list;
        if (pair->count > 0) {
            codec_encode(&original, &payload);
            assert_int_equal(codec_decode(buffer_bytes(&payload), &scratch, &pair->list), STATUS_OK);
            assert_same(pair);
            object_release(&pair->list);
            pair->list = object_copy(&original);
            assert_same(pair);
            object_release(&pair->list);
        }
        pair->list = original;
        pair_deinit(pair);
        buffer_deinit(&payload);
        buffer_deinit(&scratch);
    }
    memory_free(pair);
}

static void list_payload_that_is_damaged_is_refused_or_sound(void **state)
{
    (void)state;
    struct pair *pair = memory_allocate(sizeof(*pair));
    struct buffer payload = {0}, scratch = {0};
    pair_init(pair, 5);
    take_random_steps(pair, 40);
    codec_encode(&pair->list, &payload);
    for (size_t i = 0; i < payload.length; i++) {
        struct object object;
        char before = payload.data[i];
        payload.data[i] = (char)(before ^ (1 << i % 8));
        if (codec_decode(buffer_bytes(&payload), &scratch, &object) == STATUS_OK)
            object_release(&object);
        payload.data[i] = before;
        assert_int_equal(codec_decode(bytes_of(payload.data, i), &scratch, &object), STATUS_CORRUPT);
    }
    pair_deinit(pair);
    buffer_deinit(&payload);
    buffer_deinit(&scratch);
    memory_free(pair);
}

/* What redis-server 6 wrote: RPUSH l a 12 -1 70000. */
static void list_payloads_of_older_servers_are_read(void **state)
{
    (void)state;
    static const char ziplist[] = "\x0a\x18\x18\x00\x00\x00\x12\x00\x00\x00\x04\x00\x00\x01"
                                  "a"
                                  "\x03\xfd\x02\xfe\xff\x03\xf0\x70\x11\x01\xff";
    struct buffer scratch = {0};
    struct object object;
    char digits[BYTES_INTEGER_MAX];
    static const char *const expected[] = {"a", "12", "-1", "70000"};
    assert_int_equal(codec_decode(bytes_of(ziplist, sizeof(ziplist) - 1), &scratch, &object), STATUS_OK);
    for (int i = 0; i < 4; i++) {
        struct bytes element;
        assert_true(list_object_get(&object, i, digits, &element));
        assert_true(bytes_equal_text(element, expected[i]));
    }
    object_release(&object);
    static const char plain[] = "\x01\x02\x01"
                                "a\xc0\x0c";
    assert_int_equal(codec_decode(bytes_of(plain, sizeof(plain) - 1), &scratch, &object), STATUS_OK);
    assert_int_equal(list_object_length(&object), 2);
    object_release(&object);
    buffer_deinit(&scratch);
}

int main(void)
{
    object_limits.list_max_listpack_size = -2;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_is_what_an_array_would_be_after_any_changes),
        cmocka_unit_test(list_comes_back_from_its_payload_and_its_copy),
        cmocka_unit_test(list_payload_that_is_damaged_is_refused_or_sound),
        cmocka_unit_test(list_payloads_of_older_servers_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
