/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "script/sandbox.h"

/* One interpreter for the tests of a file, and scripts in it. */
static struct sandbox *sandbox;

static inline int world_setup(void **state)
{
    (void)state;
    sandbox = sandbox_create(8 << 20);
    return 0;
}

static inline int world_teardown(void **state)
{
    (void)state;
    sandbox_destroy(&sandbox);
    return 0;
}

static inline int run_code(lua_State *lua)
{
    const struct bytes *code = lua_touserdata(lua, 1);
    int status = sandbox_load(sandbox, *code, "=test");
    if (status == 0)
        lua_call(lua, 0, 1);
    else
        lua_error(lua);
    lua_getfield(lua, LUA_REGISTRYINDEX, "result");
    lua_insert(lua, -2);
    lua_rawseti(lua, -2, 1);
    return 0;
}

/* Runs a script and returns what it returns as text, or "error: ..."; good until the next. */
static inline const char *run(const char *code)
{
    static char text[4096];
    lua_State *lua = sandbox->lua;
    struct bytes bytes = bytes_of_text(code);
    lua_newtable(lua);
    lua_setfield(lua, LUA_REGISTRYINDEX, "result");
    int status = lua_cpcall(lua, run_code, &bytes);
    if (status == 0) {
        lua_getfield(lua, LUA_REGISTRYINDEX, "result");
        lua_rawgeti(lua, -1, 1);
    }
    const char *shown = lua_tostring(lua, -1);
    snprintf(text, sizeof(text), "%s%s", status ? "error: " : "", shown ? shown : luaL_typename(lua, -1));
    sandbox_clean(sandbox);
    sandbox_collect(sandbox);
    return text;
}

struct example {
    const char *code, *result;
};

static inline void check_examples(const struct example *examples)
{
    for (; examples->code; examples++)
        if (strcmp(run(examples->code), examples->result) != 0)
            fail_msg("%s: got %s, expected %s", examples->code, run(examples->code), examples->result);
}

static inline void check_refused(const char *code, const char *why)
{
    const char *said = run(code);
    if (strncmp(said, "error: ", 7) != 0 || !strstr(said, why))
        fail_msg("%s: got %s, expected an error with %s", code, said, why);
}

/* Lua functions that show bytes as hexadecimal digits, and back. */
#define WITH_HEX                                                                                                       \
    "local function hex(s) return (s:gsub('.', function(c) return ('%02x'):format(c:byte()) end)) end "                \
    "local function raw(s) return (s:gsub('..', function(c) return string.char(tonumber(c, 16)) end)) end "
