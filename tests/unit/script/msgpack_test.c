/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes are those of a Redis 7.0 server's cmsgpack. */
#include "script_world.h"

#define PACK(values, bytes)                                                                                            \
    {                                                                                                                  \
        WITH_HEX "return hex(cmsgpack.pack(" values "))", bytes                                                        \
    }
#define UNPACK(bytes, rest, result)                                                                                    \
    {                                                                                                                  \
        WITH_HEX "return tostring(cmsgpack.unpack(raw('" bytes "'))" rest ")", result                                  \
    }

static void values_are_packed_in_the_shortest_form(void **state)
{
    (void)state;
    static const struct example examples[] = {PACK("0", "00"),
                                              PACK("127", "7f"),
                                              PACK("128", "cc80"),
                                              PACK("256", "cd0100"),
                                              PACK("65536", "ce00010000"),
                                              PACK("4294967296", "cf0000000100000000"),
                                              PACK("-1", "ff"),
                                              PACK("-33", "d0df"),
                                              PACK("-129", "d1ff7f"),
                                              PACK("-32769", "d2ffff7fff"),
                                              PACK("-2147483649", "d3ffffffff7fffffff"),
                                              PACK("1.5", "ca3fc00000"),
                                              PACK("0.1", "cb3fb999999999999a"),
                                              PACK("true, false, nil", "c3c2c0"),
                                              PACK("'abc'", "a3616263"),
                                              PACK("{1, 2, 3}", "93010203"),
                                              PACK("{a = 1}", "81a16101"),
                                              PACK("{}", "90"),
                                              PACK("1, 'x'", "01a178"),
                                              {NULL, NULL}};
    check_examples(examples);
}

static void bytes_are_unpacked(void **state)
{
    (void)state;
    static const struct example examples[] = {UNPACK("cf0000000100000000", "", "4294967296"),
                                              UNPACK("d0df", "", "-33"),
                                              UNPACK("cb3fb999999999999a", "", "0.1"),
                                              UNPACK("ca3fc00000", "", "1.5"),
                                              UNPACK("da0003616263", "", "abc"),
                                              UNPACK("dc0002a161a162", "[2]", "b"),
                                              UNPACK("de0001a16107", ".a", "7"),
                                              UNPACK("c0", "", "nil"),
                                              {"return select('#', cmsgpack.unpack('\\1\\2\\3'))", "3"},
                                              {"return (cmsgpack.unpack_one('\\1\\2\\3', 0))", "1"},
                                              {"return select(2, cmsgpack.unpack_one('\\1\\2\\3', 1))", "2"},
                                              {"return (cmsgpack.unpack_one('\\1\\2\\3', 2))", "-1"},
                                              {"return select('#', cmsgpack.unpack_limit('\\1\\2\\3', 2, 0))", "3"},
                                              {NULL, NULL}};
    check_examples(examples);
}

static void broken_bytes_are_refused(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "cc", "cd01", "cf00000001", "a361", "da00",       "dbffffffff",   "93", "9301",   "dc",     "ddffffffff",
        "81", "81a1", "dfffffffff", "c1",   "dd7fffffff", "c7ff00000000", "d4", "cb3fb9", "ca3fc0", NULL};
    char code[512];
    for (int i = 0; broken[i]; i++) {
        snprintf(code, sizeof(code), "%sreturn cmsgpack.unpack(raw('%s'))", WITH_HEX, broken[i]);
        check_refused(code, "");
    }
    check_refused("return cmsgpack.unpack({})", "");
    check_refused("return cmsgpack.unpack_limit('\\1', -1, 0)", "");
    check_refused("return cmsgpack.unpack_one('\\1', -1)", "");
    check_refused("return cmsgpack.unpack_one('\\1', 2)", "");
    check_refused("return cmsgpack.pack()", "");
    check_refused("return cmsgpack.unpack(('\\145'):rep(100000))", "");
}

static void what_was_packed_comes_back(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"local v = {1, -5, 'x', {a = {b = 2}}, 1e300, true} return cjson.encode(cmsgpack.unpack(cmsgpack.pack(v)))",
         "[1,-5,\"x\",{\"a\":{\"b\":2}},1e+300,true]"},
        {"for i = 0, 53 do for _, n in ipairs({2 ^ i, 2 ^ i - 1, -2 ^ i, -2 ^ i - 1}) do "
         "if cmsgpack.unpack(cmsgpack.pack(n)) ~= n then return n end end end return 'all'",
         "all"},
        {"for _, n in ipairs({0, 31, 32, 255, 256, 65535, 65536}) do local s = ('x'):rep(n) "
         "if cmsgpack.unpack(cmsgpack.pack(s)) ~= s then return n end end return 'all'",
         "all"},
        {NULL, NULL}};
    check_examples(examples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_packed_in_the_shortest_form),
        cmocka_unit_test(bytes_are_unpacked),
        cmocka_unit_test(broken_bytes_are_refused),
        cmocka_unit_test(what_was_packed_comes_back),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
