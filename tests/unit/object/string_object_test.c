/* SPDX-License-Identifier: BSD-3-Clause */
#include "object/string_object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char letters[OBJECT_INLINE_MAX + 1];

static const char *encoding_of(struct bytes bytes)
{
    struct object object;
    assert_true(string_object_from_bytes(bytes, &object));
    assert_string_equal(object_type_name(object.type), "string");
    char digits[BYTES_INTEGER_MAX];
    assert_true(bytes_equal(string_object_bytes(&object, digits), bytes));
    assert_int_equal(string_object_length(&object), bytes.length);
    const char *name = object_encoding_name(&object);
    object_release(&object);
    return name;
}

static void string_is_an_integer_only_in_its_one_spelling(void **state)
{
    (void)state;
    const char *integers[] = {"0", "-1", "9223372036854775807", "-9223372036854775808"};
    const char *others[] = {"", "-0", "+1", "01", " 1", "1 ", "1.0", "9223372036854775808", "-", "0x1"};
    for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++)
        assert_string_equal(encoding_of(bytes_of_text(integers[i])), "int");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_string_equal(encoding_of(bytes_of_text(others[i])), "embstr");
}

static void string_is_embstr_up_to_44_bytes_and_raw_beyond(void **state)
{
    (void)state;
    assert_string_equal(encoding_of(bytes_of(letters, 44)), "embstr");
    assert_string_equal(encoding_of(bytes_of(letters, 45)), "raw");
    assert_string_equal(encoding_of(bytes_of(letters, OBJECT_INLINE_MAX)), "raw");
    assert_string_equal(encoding_of(bytes_of(letters, OBJECT_INLINE_MAX + 1)), "raw");
}

static void string_moves_to_a_block_beyond_what_an_entry_takes(void **state)
{
    (void)state;
    struct object object;
    assert_true(string_object_from_bytes(bytes_of(letters, OBJECT_INLINE_MAX), &object));
    assert_int_equal(object.encoding, ENCODING_RAW);
    assert_ptr_equal(object.bytes.data, letters);
    assert_int_equal(object_external_bytes(&object), 0);
    assert_true(string_object_from_bytes(bytes_of(letters, OBJECT_INLINE_MAX + 1), &object));
    assert_int_equal(object.encoding, ENCODING_BLOCK);
    assert_int_equal(object.block->references, 1);
    assert_true(object_external_bytes(&object) > OBJECT_INLINE_MAX);
    object_release(&object);
}

static void string_changed_in_place_stays_raw_and_still_counts(void **state)
{
    (void)state;
    struct object object;
    int64_t value = 0;
    assert_true(string_object_raw_from_bytes(BYTES("42"), &object));
    assert_string_equal(object_encoding_name(&object), "raw");
    assert_true(string_object_to_int64(&object, &value));
    assert_int_equal(value, 42);
    assert_true(string_object_raw_from_bytes(BYTES("forty-two"), &object));
    assert_false(string_object_to_int64(&object, &value));
    object = string_object_from_integer(INT64_MIN);
    assert_true(string_object_to_int64(&object, &value));
    assert_true(value == INT64_MIN);
    assert_int_equal(string_object_length(&object), 20);
}

static void types_are_named_as_type_answers(void **state)
{
    (void)state;
    const char *names[OBJECT_TYPE_COUNT] = {"string", "list", "set", "zset", "hash", "stream"};
    for (uint8_t type = 0; type < OBJECT_TYPE_COUNT; type++)
        assert_string_equal(object_type_name(type), names[type]);
}

int main(void)
{
    memset(letters, 'x', sizeof(letters));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(string_is_an_integer_only_in_its_one_spelling),
        cmocka_unit_test(string_is_embstr_up_to_44_bytes_and_raw_beyond),
        cmocka_unit_test(string_moves_to_a_block_beyond_what_an_entry_takes),
        cmocka_unit_test(string_changed_in_place_stays_raw_and_still_counts),
        cmocka_unit_test(types_are_named_as_type_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
