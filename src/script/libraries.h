/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "script/lua_api.h"

struct sandbox;

/* What scripts set in cjson; good for the present script. */
struct json_settings {
    bool sparse_convert;
    int sparse_ratio, sparse_safe;
    int encode_depth, decode_depth;
    int precision;
    bool encode_invalid, encode_null, decode_invalid;
};

/* Adds the libraries that scripts of Redis find beside Lua's own: cjson, cmsgpack, struct. */
void libraries_open(struct sandbox *sandbox);
/* After a script: settings are the first ones again, much room is given back. */
void libraries_reset(struct sandbox *sandbox);

/* Each pushes its table. */
void json_open(struct sandbox *sandbox);
void json_reset(struct json_settings *settings);
void msgpack_open(struct sandbox *sandbox);
void struct_open(struct sandbox *sandbox);

/* An empty buffer for what a library makes; good until the next call. */
struct buffer *library_scratch(lua_State *lua);
/* Raises an error of memory once the buffer is longer than a script's memory may be. */
void library_check_room(lua_State *lua, const struct buffer *buffer, size_t more);
struct sandbox *library_sandbox(lua_State *lua);
/* Functions with the sandbox as their first upvalue into the table on the top. */
void library_add(struct sandbox *sandbox, const struct luaL_Reg *functions);
