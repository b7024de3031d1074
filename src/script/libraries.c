/* SPDX-License-Identifier: BSD-3-Clause */
/* What a library makes grows in a buffer of the sandbox: an error that is raised in the middle leaves nothing to free. */
#include "script/libraries.h"

#include "script/sandbox.h"

#define SCRATCH_KEPT_MAX (1u << 20)

struct sandbox *library_sandbox(lua_State *lua)
{
    return lua_touserdata(lua, lua_upvalueindex(1));
}

struct buffer *library_scratch(lua_State *lua)
{
    struct buffer *scratch = &library_sandbox(lua)->scratch;
    scratch->length = 0;
    return scratch;
}

void library_check_room(lua_State *lua, const struct buffer *buffer, size_t more)
{
    size_t used_max = library_sandbox(lua)->used_max;
    if (more > used_max || buffer->length > used_max - more)
        luaL_error(lua, "not enough memory");
}

void library_add(struct sandbox *sandbox, const struct luaL_Reg *functions)
{
    for (; functions->name; functions++) {
        lua_pushlightuserdata(sandbox->lua, sandbox);
        lua_pushcclosure(sandbox->lua, functions->func, 1);
        lua_setfield(sandbox->lua, -2, functions->name);
    }
}

void libraries_open(struct sandbox *sandbox)
{
    json_reset(&sandbox->json);
    json_open(sandbox);
    sandbox_add(sandbox, "cjson");
    msgpack_open(sandbox);
    sandbox_add(sandbox, "cmsgpack");
    struct_open(sandbox);
    sandbox_add(sandbox, "struct");
}

void libraries_reset(struct sandbox *sandbox)
{
    json_reset(&sandbox->json);
    if (sandbox->scratch.capacity > SCRATCH_KEPT_MAX)
        buffer_deinit(&sandbox->scratch);
}
