/* SPDX-License-Identifier: BSD-3-Clause */
#include "tier/row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static size_t write_key(uint8_t db, uint16_t slot, uint64_t hash, const char *name, char *to)
{
    struct row_key key = {db, slot, hash, bytes_of_text(name)};
    row_key_write(&key, to);
    return row_key_length(&key);
}

static void key_comes_back_as_written(void **state)
{
    (void)state;
    char bytes[64];
    struct row_key key;
    size_t length = write_key(15, 16383, UINT64_C(0x0123456789abcdef), "session:1", bytes);
    assert_int_equal(row_key_read(bytes_of(bytes, length), &key), STATUS_OK);
    assert_int_equal(key.db, 15);
    assert_int_equal(key.slot, 16383);
    assert_int_equal(key.hash, UINT64_C(0x0123456789abcdef));
    assert_true(bytes_equal(key.name, BYTES("session:1")));
}

static void an_empty_name_is_a_name(void **state)
{
    (void)state;
    char bytes[64];
    struct row_key key;
    assert_int_equal(row_key_read(bytes_of(bytes, write_key(0, 0, 0, "", bytes)), &key), STATUS_OK);
    assert_int_equal(key.name.length, 0);
}

static void keys_order_by_db_slot_hash_and_name(void **state)
{
    (void)state;
    char bytes[6][64];
    size_t lengths[] = {
        write_key(0, 0, UINT64_MAX, "z", bytes[0]), write_key(0, 1, 0, "a", bytes[1]),
        write_key(0, 256, 0, "a", bytes[2]),        write_key(1, 0, 255, "b", bytes[3]),
        write_key(1, 0, 256, "a", bytes[4]),        write_key(1, 0, 256, "aa", bytes[5]),
    };
    for (int i = 1; i < 6; i++)
        assert_true(bytes_compare(bytes_of(bytes[i - 1], lengths[i - 1]), bytes_of(bytes[i], lengths[i])) < 0);
}

static void next_prefix_carries(void **state)
{
    (void)state;
    char prefix[ROW_KEY_PREFIX], expected[ROW_KEY_PREFIX];
    row_prefix_write(0, 7, UINT64_MAX, prefix);
    row_prefix_write(0, 8, 0, expected);
    assert_true(row_prefix_next(prefix));
    assert_memory_equal(prefix, expected, sizeof(prefix));
    row_prefix_write(255, 65535, UINT64_MAX, prefix);
    assert_false(row_prefix_next(prefix));
}

static void keys_out_of_bounds_are_refused(void **state)
{
    (void)state;
    char bytes[64];
    struct row_key key;
    size_t length = write_key(16, 0, 0, "a", bytes);
    assert_int_equal(row_key_read(bytes_of(bytes, length), &key), STATUS_CORRUPT);
    length = write_key(0, 16384, 0, "a", bytes);
    assert_int_equal(row_key_read(bytes_of(bytes, length), &key), STATUS_CORRUPT);
    assert_int_equal(row_key_read(bytes_of(bytes, ROW_KEY_PREFIX - 1), &key), STATUS_CORRUPT);
}

static size_t write_value(int64_t expire_at_ms, uint64_t offset, uint64_t epoch, const char *payload, char *to)
{
    size_t length = row_header_write(expire_at_ms, offset, epoch, to);
    assert_true(length <= ROW_HEADER_MAX);
    memcpy(to + length, payload, strlen(payload));
    return length + strlen(payload);
}

static void values_come_back_as_written(void **state)
{
    (void)state;
    static const uint64_t offsets[] = {0, 1, 127, 128, 16383, 16384, UINT64_C(1) << 62, UINT64_MAX};
    static const int64_t expires[] = {ENTRY_NO_EXPIRE, 0, 1, INT64_MAX, -5};
    for (size_t i = 0; i < 8; i++)
        for (size_t j = 0; j < 5; j++) {
            char bytes[64];
            struct row row;
            uint64_t epoch = 0;
            size_t length = write_value(expires[j], offsets[i], offsets[7 - i], "payload", bytes);
            assert_int_equal(row_value_read(bytes_of(bytes, length), &row, &epoch), STATUS_OK);
            assert_int_equal(row.offset, offsets[i]);
            assert_int_equal(epoch, offsets[7 - i]);
            assert_int_equal(row.expire_at_ms, expires[j]);
            assert_true(bytes_equal(row.payload, BYTES("payload")));
        }
}

static void values_cut_short_are_refused(void **state)
{
    (void)state;
    char bytes[64];
    struct row row;
    size_t length = write_value(1234567890123, UINT64_C(1) << 40, 300, "p", bytes);
    for (size_t cut = 0; cut < length; cut++)
        assert_int_equal(row_value_read(bytes_of(bytes, cut), &row, NULL), STATUS_CORRUPT);
}

static void unknown_versions_and_flags_are_refused(void **state)
{
    (void)state;
    struct row row;
    char bytes[64];
    size_t length = write_value(ENTRY_NO_EXPIRE, 5, 0, "p", bytes);
    for (int head = 0; head < 256; head++) {
        bytes[0] = (char)head;
        bool known = head == 0x01;
        if (head != 0x11) /* has an expiry, which these bytes do not */
            assert_int_equal(row_value_read(bytes_of(bytes, length), &row, NULL), known ? STATUS_OK : STATUS_CORRUPT);
    }
}

static void padded_and_overlong_numbers_are_refused(void **state)
{
    (void)state;
    struct row row;
    static const char padded[] = "\x01\x80\x00\x00p";
    static const char overlong[] = "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x00p";
    assert_int_equal(row_value_read(bytes_of(padded, sizeof(padded) - 1), &row, NULL), STATUS_CORRUPT);
    assert_int_equal(row_value_read(bytes_of(overlong, sizeof(overlong) - 1), &row, NULL), STATUS_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_comes_back_as_written),
        cmocka_unit_test(an_empty_name_is_a_name),
        cmocka_unit_test(keys_order_by_db_slot_hash_and_name),
        cmocka_unit_test(next_prefix_carries),
        cmocka_unit_test(keys_out_of_bounds_are_refused),
        cmocka_unit_test(values_come_back_as_written),
        cmocka_unit_test(values_cut_short_are_refused),
        cmocka_unit_test(unknown_versions_and_flags_are_refused),
        cmocka_unit_test(padded_and_overlong_numbers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
