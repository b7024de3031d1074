/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes are those of a Redis 7.0 server's struct. */
#include "script_world.h"

#define PACK(arguments, bytes)                                                                                         \
    {                                                                                                                  \
        WITH_HEX "return hex(struct.pack(" arguments "))", bytes                                                       \
    }

static void values_are_packed_as_the_format_says(void **state)
{
    (void)state;
    static const struct example examples[] = {PACK("'>I2', 258", "0102"),
                                              PACK("'<I2', 258", "0201"),
                                              PACK("'>i4', -2", "fffffffe"),
                                              PACK("'>i8', -2", "fffffffffffffffe"),
                                              PACK("'bBhH', -1, 255, -1, 65535", "ffffffffffff"),
                                              PACK("'>d', 0.1", "3fb999999999999a"),
                                              PACK("'>f', 1.5", "3fc00000"),
                                              PACK("'s', 'abc'", "61626300"),
                                              PACK("'c2', 'abc'", "6162"),
                                              PACK("'c0', 'abc'", "616263"),
                                              PACK("'>I1c0', 3, 'abc'", "03616263"),
                                              PACK("'bxb', 1, 2", "010002"),
                                              PACK("'>!4bi4', 1, 2", "0100000000000002"),
                                              {NULL, NULL}};
    check_examples(examples);
}

static void bytes_are_unpacked(void **state)
{
    (void)state;
    static const struct example examples[] = {{"return (struct.unpack('>I2', '\\1\\2'))", "258"},
                                              {"return select(2, struct.unpack('>I2', '\\1\\2'))", "3"},
                                              {"return (struct.unpack('>i4', '\\255\\255\\255\\254'))", "-2"},
                                              {"return (struct.unpack('s', 'abc\\0def'))", "abc"},
                                              {"return select(2, struct.unpack('s', 'abc\\0def'))", "5"},
                                              {"return (struct.unpack('c3', 'abcdef'))", "abc"},
                                              {"return (struct.unpack('>I1c0', '\\2abc'))", "ab"},
                                              {"return (struct.unpack('b', 'xyz', 3))", "122"},
                                              {"return struct.size('>!4bi4')", "8"},
                                              {"return struct.size('i4i8d')", "20"},
                                              {NULL, NULL}};
    check_examples(examples);
}

static void wrong_formats_and_short_data_are_refused(void **state)
{
    (void)state;
    static const char *const calls[] = {"struct.unpack('>I4', 'abc')",
                                        "struct.unpack('s', 'abc')",
                                        "struct.unpack('c4', 'abc')",
                                        "struct.unpack('c0', 'abc')",
                                        "struct.unpack('I99', 'abc')",
                                        "struct.unpack('i4294967296', 'abc')",
                                        "struct.unpack('c99999999999999999999', 'abc')",
                                        "struct.unpack('b', 'abc', 0)",
                                        "struct.unpack('b', 'abc', -1)",
                                        "struct.unpack('b', 'abc', 5)",
                                        "struct.unpack('>I4c0', '\\255\\255\\255\\255a')",
                                        "struct.unpack('?', 'abc')",
                                        "struct.pack('!3', 1)",
                                        "struct.pack('>I2')",
                                        "struct.pack('c5', 'abc')",
                                        "struct.size('s')",
                                        "struct.size('c0')",
                                        NULL};
    char code[128];
    for (int i = 0; calls[i]; i++) {
        snprintf(code, sizeof(code), "return %s", calls[i]);
        check_refused(code, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_packed_as_the_format_says),
        cmocka_unit_test(bytes_are_unpacked),
        cmocka_unit_test(wrong_formats_and_short_data_are_refused),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
