/* SPDX-License-Identifier: BSD-3-Clause */
/* What a script can reach, and what it leaves behind. */
#include "script_world.h"

static void nothing_loads_code_or_names_files(void **state)
{
    (void)state;
    static const char *const absent[] = {"load",    "loadstring", "loadfile", "dofile", "require", "module",
                                         "package", "io",         "debug",    "ffi",    "jit",     "newproxy",
                                         "setfenv", "getfenv",    "print",    "nosuch", NULL};
    char code[64];
    for (int i = 0; absent[i]; i++) {
        snprintf(code, sizeof(code), "return %s", absent[i]);
        check_refused(code, "nonexistent global variable");
    }
    static const struct example examples[] = {{"return string.dump", "nil"},
                                              {"return os.execute", "nil"},
                                              {"return os.getenv", "nil"},
                                              {"return os.exit", "nil"},
                                              {"return os.remove", "nil"},
                                              {"return type(os.clock())", "number"},
                                              {NULL, NULL}};
    check_examples(examples);
}

static void globals_and_libraries_cannot_be_changed(void **state)
{
    (void)state;
    static const char *const attempts[] = {"x = 1",
                                           "string.rep = 1",
                                           "_G.x = 1",
                                           "rawset(_G, 'x', 1)",
                                           "rawset(cjson, 'x', 1)",
                                           "setmetatable(_G, {})",
                                           "setmetatable(string, {})",
                                           "getmetatable('').__index = 1",
                                           "rawset(getmetatable(''), '__index', 1)",
                                           NULL};
    for (int i = 0; attempts[i]; i++)
        check_refused(attempts[i], "Attempt to modify a readonly table");
    check_refused("getmetatable(_G).__index = 1", "");
}

static void nothing_is_left_for_the_next_script(void **state)
{
    (void)state;
    run("table.insert(_G, 'left') table.insert(string, 'left') table.insert(cjson, 'left') return 1");
    assert_string_equal(run("return next(_G) or next(string) or next(cjson)"), "nil");
    run("cjson.encode_max_depth(3) return 1");
    assert_string_equal(run("return cjson.encode({{{{}}}})"), "[[[{}]]]");
    assert_string_equal(run("cjson.encode_sparse_array(true) return cjson.encode({[100] = 1})"), "{\"100\":1}");
    check_refused("return cjson.encode({[100] = 1})", "sparse");
}

static void memory_is_bounded_and_given_back(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        check_refused("local t = {} for i = 1, 1e7 do t[i] = ('x'):rep(1000) .. i end", "not enough memory");
    check_refused("return ('x'):rep(1e8)", "");
    assert_true(atomic_load(&sandbox->used) <= sandbox->used_max);
    assert_string_equal(run("return #(('x'):rep(1e6))"), "1000000");
}

static void bytecode_is_refused(void **state)
{
    (void)state;
    static const char *const forms[] = {"\x1bLJ\x02\x0a", "\x1bLua\x51", "\x1b", NULL};
    for (int i = 0; forms[i]; i++)
        check_refused(forms[i], "");
}

static void errors_are_caught_as_texts(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"local ok, e = pcall(error, {err = 'MY own'}) return e", "MY own"},
        {"local ok, e = pcall(error, 'plain', 0) return e", "plain"},
        {"local ok, e = pcall(error, {code = 1}) return type(e)", "table"},
        {"local ok, a, b = pcall(function() return 1, 2 end) return a + b", "3"},
        {"return tostring(pcall(error))", "false"},
        {"local c = coroutine.wrap(function() return pcall(function() coroutine.yield(7) end) end) return c()", "7"},
        {NULL, NULL}};
    check_examples(examples);
}

static void names_of_older_lua_are_there(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"return math.mod(7, 4)", "3"},
        {"local n = 0 for w in string.gfind('a b', '%a') do n = n + 1 end return n", "2"},
        {"return table.getn({1, 2, 3})", "3"},
        {"return type(gcinfo())", "number"},
        {"return _VERSION", "Lua 5.1"},
        {"return bit.band(6, 3)", "2"},
        {NULL, NULL}};
    check_examples(examples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_loads_code_or_names_files),
        cmocka_unit_test(globals_and_libraries_cannot_be_changed),
        cmocka_unit_test(nothing_is_left_for_the_next_script),
        cmocka_unit_test(memory_is_bounded_and_given_back),
        cmocka_unit_test(bytecode_is_refused),
        cmocka_unit_test(errors_are_caught_as_texts),
        cmocka_unit_test(names_of_older_lua_are_there),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
