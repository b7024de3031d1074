/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* LuaJIT's headers; the only place that names them. */
#include <luajit-2.1/lua.h>

#include <luajit-2.1/lauxlib.h>
#include <luajit-2.1/luajit.h>
#include <luajit-2.1/lualib.h>

#include "base/bytes.h"

/* The string at the index, which must be one. */
static inline struct bytes lua_bytes(lua_State *lua, int index)
{
    size_t length;
    const char *data = lua_tolstring(lua, index, &length);
    return bytes_of(data, length);
}
