/* SPDX-License-Identifier: BSD-3-Clause */
/* Results are those of a Redis 7.0 server's cjson. */
#include "script_world.h"

static void values_become_json(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"return cjson.encode({1, 2, 'x', true, cjson.null})", "[1,2,\"x\",true,null]"},
        {"return cjson.encode({})", "{}"},
        {"return cjson.encode({a = {1}})", "{\"a\":[1]}"},
        {"return cjson.encode({[1] = 1, [3] = 3})", "[1,null,3]"},
        {"return cjson.encode(1 / 3)", "0.33333333333333"},
        {"return cjson.encode(1e15)", "1e+15"},
        {"return cjson.encode(-0.5)", "-0.5"},
        {"return cjson.encode('\"\\\\/\\b\\f\\n\\r\\t\\0\\127')", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u007f\""},
        {"return cjson.encode({['1'] = 2})", "{\"1\":2}"},
        {"return cjson.encode({[1.5] = 2})", "{\"1.5\":2}"},
        {NULL, NULL}};
    check_examples(examples);
}

static void json_becomes_values(void **state)
{
    (void)state;
    static const struct example examples[] = {{"return cjson.decode('[1,[2,3]]')[2][2]", "3"},
                                              {"return cjson.decode(' { \"a\" : { \"b\" : \"c\" } } ').a.b", "c"},
                                              {"return tostring(cjson.decode('[null]')[1] == cjson.null)", "true"},
                                              {"return cjson.decode('[\"\\\\u00e4\\\\ud83d\\\\ude00\"]')[1]", "ä😀"},
                                              {"return cjson.decode('[-1.5e3]')[1]", "-1500"},
                                              {"return cjson.decode('[0x10]')[1]", "16"},
                                              {"return tostring(cjson.decode('[true]')[1])", "true"},
                                              {"return #cjson.decode('[]')", "0"},
                                              {"return cjson.decode('{\"a\":1,\"a\":2}').a", "2"},
                                              {NULL, NULL}};
    check_examples(examples);
}

static void what_is_no_json_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",      "[",   "[1",       "[1,",       "[1,]",  "{", "{\"a\"",        "{\"a\":", "{a:1}", "[1]x", "nul",
        "[tru]", "[\"", "[\"\\u12", "[\"\\q\"]", "[1 2]", "]", "[\"\\ud800\"]", "[-]",     "[.]",   "\\",   NULL};
    char code[128];
    for (int i = 0; texts[i]; i++) {
        snprintf(code, sizeof(code), "return cjson.decode([=[%s]=])", texts[i]);
        check_refused(code, "");
    }
    check_refused("return cjson.decode()", "");
    check_refused("return cjson.decode(('['):rep(2000))", "nested");
    check_refused("local t = {} for i = 1, 2000 do t = {t} end return cjson.encode(t)", "nest");
    check_refused("local t = {} t[1] = t return cjson.encode(t)", "nest");
    check_refused("return cjson.encode(1 / 0)", "NaN or Inf");
    check_refused("return cjson.encode({[function() end] = 1})", "key");
    check_refused("return cjson.encode(function() end)", "type");
    check_refused("return cjson.encode({[1e6] = 1})", "sparse");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_become_json),
        cmocka_unit_test(json_becomes_values),
        cmocka_unit_test(what_is_no_json_is_refused),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
