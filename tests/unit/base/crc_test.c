/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/crc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"

static void crc16_gives_the_published_check_value(void **state)
{
    (void)state;
    assert_int_equal(crc16("123456789", 9), 0x31c3);
    assert_int_equal(crc16("", 0), 0);
    assert_int_equal(crc16("foo", 3) % 16384, 12182);
}

static void crc64_gives_the_published_check_value(void **state)
{
    (void)state;
    assert_true(crc64(0, "123456789", 9) == UINT64_C(0xe9c6d914c4b8d9ca));
    assert_true(crc64(0, "", 0) == 0);
}

/* The definitions, a bit at a time. */
static uint16_t crc16_slowly(const unsigned char *data, size_t length)
{
    uint16_t crc = 0;
    for (size_t i = 0; i < length; i++) {
        crc ^= (uint16_t)(data[i] << 8);
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc << 1 ^ (crc & 0x8000 ? 0x1021 : 0));
    }
    return crc;
}

static uint64_t crc64_slowly(uint64_t crc, const unsigned char *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT64_C(0x95ac9329ac4bc9b5) : 0);
    }
    return crc;
}

static void tables_agree_with_the_definition_at_every_length(void **state)
{
    (void)state;
    unsigned char data[300];
    struct random random;
    random_init(&random, 1);
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)random_next(&random);
    for (size_t length = 0; length < sizeof(data) - 1; length++) {
        assert_int_equal(crc16(data + 1, length), crc16_slowly(data + 1, length));
        assert_true(crc64(0, data + 1, length) == crc64_slowly(0, data + 1, length));
    }
}

static void crc64_goes_on_from_any_cut(void **state)
{
    (void)state;
    const char *text = "the quick brown fox jumps over the lazy dog";
    for (size_t cut = 0; cut <= 43; cut++)
        assert_true(crc64(crc64(0, text, cut), text + cut, 43 - cut) == crc64(0, text, 43));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc16_gives_the_published_check_value),
        cmocka_unit_test(crc64_gives_the_published_check_value),
        cmocka_unit_test(tables_agree_with_the_definition_at_every_length),
        cmocka_unit_test(crc64_goes_on_from_any_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
