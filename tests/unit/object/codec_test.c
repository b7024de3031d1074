/* SPDX-License-Identifier: BSD-3-Clause */
/* Payloads beside those that a Redis 7.0 server answers to DUMP. */
#include "object/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc.h"
#include "object/rdb_string.h"
#include "object/string_object.h"

/* Values and what Redis dumps; the compressed ones we only read. */
static const struct sample {
    const char *value, *dump;
    bool is_compressed;
} samples[] = {
    {"", "00000a005d9b5c400f7fa2da", false},
    {"0", "00c0000a009840a778f8500308", false},
    {"-1", "00c0ff0a000c937e2485089dc5", false},
    {"127", "00c07f0a000db5eb315254c514", false},
    {"128", "00c180000a00eb7ab3b510cf4b65", false},
    {"-128", "00c0800a009966326d2f0c5bd9", false},
    {"-129", "00c17fff0a001760822854808480", false},
    {"32767", "00c1ff7f0a00495a37da17f4d52b", false},
    {"-32769", "00c2ff7fffff0a00aee34c4d06c68536", false},
    {"2147483647", "00c2ffffff7f0a002c74e59ee02eada1", false},
    {"2147483648", "000a323134373438333634380a00e7b129a34c1d76ee", false},
    {"-2147483648", "00c2000000800a00c74f873e33558187", false},
    {"9223372036854775807", "0013393232333337323033363835343737353830370a003a657e9481e85f22", false},
    {"007", "00033030370a007258e27b4c69bad9", false},
    {"-0", "00022d300a00d5411fd9d6d050cc", false},
    {"hello", "000568656c6c6f0a006372df766534200a", false},
    {"abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij",
     "00c31240640a6162636465666768696a61e04e0901696a0a00d485292a1f2eff66", true},
    {"The quick brown fox, the quick brown dog, the quick red fox jumps over.",
     "00c33440471554686520717569636b2062726f776e20666f782c2074e0061402646f67e003140272656440270b206a756d7073206f766572"
     "2e0a00c8afbf8d28a4f801",
     true},
};
#define SAMPLE_COUNT (sizeof(samples) / sizeof(samples[0]))

/* "ab" 8,500 times, which is too long to stand in an entry. */
static const char long_dump[] =
    "00c340ca800000426802616261e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff"
    "01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff"
    "01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff"
    "01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e0ff01e05a010161620a00ddd3e4"
    "30f1cb1e17";
static struct bytes from_hex(const char *hex, char *bytes)
{
    size_t length = strlen(hex) / 2;
    for (size_t i = 0; i < length; i++) {
        unsigned value;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &value), 1);
        bytes[i] = (char)value;
    }
    return bytes_of(bytes, length);
}

/* Decodes a copy that ends where its memory does. */
static enum status decode(struct bytes payload, struct buffer *scratch, struct object *object)
{
    static char *copy;
    free(copy);
    copy = malloc(payload.length + !payload.length);
    memcpy(copy, payload.data, payload.length);
    return codec_decode(bytes_of(copy, payload.length), scratch, object);
}

static void dumps_of_redis_are_read(void **state)
{
    (void)state;
    struct buffer scratch = {0};
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        char bytes[512], digits[BYTES_INTEGER_MAX];
        struct bytes payload, value = bytes_of_text(samples[i].value);
        struct object object, expected;
        assert_int_equal(codec_dump_payload(from_hex(samples[i].dump, bytes), &payload), STATUS_OK);
        assert_int_equal(codec_type((uint8_t)payload.data[0]), OBJECT_STRING);
        assert_int_equal(decode(payload, &scratch, &object), STATUS_OK);
        assert_true(bytes_equal(string_object_bytes(&object, digits), value));
        assert_true(string_object_from_bytes(value, &expected));
        assert_int_equal(object.encoding, expected.encoding);
    }
    buffer_deinit(&scratch);
}

static void dumps_are_written_as_redis_writes_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        char bytes[512];
        struct object as_stored, as_changed;
        struct buffer out = {0};
        if (samples[i].is_compressed)
            continue;
        assert_true(string_object_from_bytes(bytes_of_text(samples[i].value), &as_stored));
        assert_true(string_object_raw_from_bytes(bytes_of_text(samples[i].value), &as_changed));
        struct bytes expected = from_hex(samples[i].dump, bytes);
        codec_dump(&as_stored, &out);
        assert_true(bytes_equal(buffer_bytes(&out), expected));
        codec_dump(&as_changed, &out);
        assert_true(bytes_equal(bytes_of(out.data + expected.length, out.length - expected.length), expected));
        buffer_deinit(&out);
    }
}

static void long_compressed_string_expands_into_its_block(void **state)
{
    (void)state;
    char bytes[sizeof(long_dump)];
    struct bytes payload;
    struct object object;
    struct buffer scratch = {0};
    assert_int_equal(codec_dump_payload(from_hex(long_dump, bytes), &payload), STATUS_OK);
    assert_int_equal(decode(payload, &scratch, &object), STATUS_OK);
    assert_int_equal(object.encoding, ENCODING_BLOCK);
    assert_int_equal(object.block->length, 17000);
    for (size_t i = 0; i < 17000; i++)
        assert_int_equal(object.block->data[i], i % 2 ? 'b' : 'a');
    object_release(&object);
    bytes[20] ^= 0x40;
    assert_int_equal(decode(payload, &scratch, &object), STATUS_CORRUPT);
    buffer_deinit(&scratch);
}

static void value_of_every_length_survives(void **state)
{
    (void)state;
    static char text[70000];
    const size_t lengths[] = {0, 1, 43, 44, 45, 62, 63, 64, 16000, 16001, 16383, 16384, 16385, 65535, 65536, 70000};
    struct buffer out = {0}, scratch = {0};
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 7 + i / 251);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct object stored, decoded;
        assert_true(string_object_from_bytes(bytes_of(text, lengths[i]), &stored));
        out.length = 0;
        codec_encode(&stored, &out);
        assert_int_equal(decode(buffer_bytes(&out), &scratch, &decoded), STATUS_OK);
        assert_int_equal(decoded.encoding, stored.encoding);
        assert_true(bytes_equal(string_object_bytes(&decoded, NULL), bytes_of(text, lengths[i])));
        object_release(&stored);
        object_release(&decoded);
    }
    buffer_deinit(&out);
    buffer_deinit(&scratch);
}

static void lengths_take_every_form(void **state)
{
    (void)state;
    const uint64_t lengths[] = {0, 63, 64, 16383, 16384, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_MAX};
    const size_t sizes[] = {1, 1, 2, 2, 5, 5, 9, 9};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct buffer out = {0};
        uint64_t length;
        rdb_write_length(&out, lengths[i]);
        assert_int_equal(out.length, sizes[i]);
        for (size_t cut = 0; cut < out.length; cut++) {
            struct rdb_reader reader = rdb_reader_of(bytes_of(out.data, cut));
            assert_false(rdb_read_length(&reader, &length));
            assert_int_equal(rdb_reader_left(&reader), cut);
        }
        struct rdb_reader reader = rdb_reader_of(buffer_bytes(&out));
        assert_true(rdb_read_length(&reader, &length));
        assert_true(length == lengths[i]);
        assert_int_equal(rdb_reader_left(&reader), 0);
        buffer_deinit(&out);
    }
}

static void payload_cut_or_prolonged_is_corrupt(void **state)
{
    (void)state;
    struct buffer scratch = {0};
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        char bytes[512];
        struct bytes payload;
        struct object object;
        assert_int_equal(codec_dump_payload(from_hex(samples[i].dump, bytes), &payload), STATUS_OK);
        for (size_t length = 0; length < payload.length; length++)
            assert_int_equal(decode(bytes_of(bytes, length), &scratch, &object), STATUS_CORRUPT);
        assert_int_equal(decode(bytes_of(bytes, payload.length + 1), &scratch, &object), STATUS_CORRUPT);
    }
    buffer_deinit(&scratch);
}

static void length_that_the_input_cannot_hold_is_not_believed(void **state)
{
    (void)state;
    const char *payloads[] = {
        "00807fffffff61",       /* 2 GiB, one byte there */
        "0081ffffffffffffffff", /* more than any address */
        "00820000000161",       /* no such form */
        "00c30380200000000261"  /* compressed: 512 MiB of three bytes */
        "61",
        "00c3ff",
        "00c30000",     /* compressed: nothing, which nobody compresses */
        "00c461",       /* no such special form */
        "0d0568656c6c", /* a type that is not read */
        "ff",
    };
    struct buffer scratch = {0};
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        char bytes[64];
        struct object object;
        assert_int_equal(decode(from_hex(payloads[i], bytes), &scratch, &object), STATUS_CORRUPT);
    }
    buffer_deinit(&scratch);
}

/* A dump with this version and a right checksum. */
static struct bytes dump_of_version(unsigned version, char *bytes)
{
    memcpy(bytes, "\x00\x01x", 3);
    bytes[3] = (char)(version & 0xff);
    bytes[4] = (char)(version >> 8);
    uint64_t crc = crc64(0, bytes, 5);
    for (int i = 0; i < 8; i++)
        bytes[5 + i] = (char)(crc >> (8 * i));
    return bytes_of(bytes, 13);
}

static void dump_versions_of_redis_and_valkey_are_read(void **state)
{
    (void)state;
    char bytes[13];
    struct bytes payload;
    for (unsigned version = 0; version < 600; version++) {
        bool known = (version >= 1 && version <= CODEC_DUMP_VERSION_MAX) || version == 80;
        assert_int_equal(codec_dump_payload(dump_of_version(version, bytes), &payload),
                         known ? STATUS_OK : STATUS_CORRUPT);
    }
}

static void dump_with_any_bit_changed_is_refused(void **state)
{
    (void)state;
    char bytes[13];
    struct bytes payload, dump = dump_of_version(CODEC_DUMP_VERSION, bytes);
    for (unsigned bit = 0; bit < 13 * 8; bit++) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(codec_dump_payload(dump, &payload), STATUS_CORRUPT);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
    memset(bytes + 5, 0, 8);
    assert_int_equal(codec_dump_payload(dump, &payload), STATUS_CORRUPT);
    assert_int_equal(codec_dump_payload(bytes_of(bytes, 10), &payload), STATUS_CORRUPT);
    assert_int_equal(codec_dump_payload(bytes_of(bytes, 0), &payload), STATUS_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dumps_of_redis_are_read),
        cmocka_unit_test(dumps_are_written_as_redis_writes_them),
        cmocka_unit_test(long_compressed_string_expands_into_its_block),
        cmocka_unit_test(value_of_every_length_survives),
        cmocka_unit_test(lengths_take_every_form),
        cmocka_unit_test(payload_cut_or_prolonged_is_corrupt),
        cmocka_unit_test(length_that_the_input_cannot_hold_is_not_believed),
        cmocka_unit_test(dump_versions_of_redis_and_valkey_are_read),
        cmocka_unit_test(dump_with_any_bit_changed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
