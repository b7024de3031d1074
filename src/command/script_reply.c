/* SPDX-License-Identifier: BSD-3-Clause */
/* Replies become Lua values and Lua values replies, by the rules of Redis. What is read here was written by our own
 * handlers, so it is whole; how deep it is bounded by the handlers, how deep a script's table is by Lua's stack.
 *
 * Tables are read without metamethods: a script could otherwise run code, or raise an error, in the middle of a reply. */
#include <math.h>
#include <stdlib.h>

#include "command/script_private.h"

/* ---- a reply becomes a value ---- */

static struct bytes take_line(struct bytes *reply)
{
    const char *end = memchr(reply->data, '\r', reply->length);
    struct bytes line = bytes_of(reply->data + 1, (size_t)(end - reply->data) - 1);
    *reply = bytes_of(end + 2, reply->length - line.length - 3);
    return line;
}

static int64_t take_count(struct bytes *reply)
{
    int64_t count = 0;
    struct bytes line = take_line(reply);
    bytes_to_int64(line, &count);
    return count;
}

static struct bytes take_bulk(struct bytes *reply, size_t length)
{
    struct bytes bulk = bytes_of(reply->data, length);
    *reply = bytes_of(reply->data + length + 2, reply->length - length - 2);
    return bulk;
}

static void push_wrapped(lua_State *lua, const char *name, struct bytes text)
{
    lua_createtable(lua, 0, 1);
    lua_pushlstring(lua, text.data, text.length);
    lua_setfield(lua, -2, name);
}

static void push_value(lua_State *lua, struct bytes *reply);

static void push_array(lua_State *lua, struct bytes *reply)
{
    int64_t count = take_count(reply);
    if (count < 0) {
        lua_pushboolean(lua, false);
        return;
    }
    lua_createtable(lua, count < INT32_MAX ? (int)count : 0, 0);
    for (int64_t i = 1; i <= count; i++) {
        push_value(lua, reply);
        lua_rawseti(lua, -2, (int)i);
    }
}

/* {map = {...}} or {set = {...}}. */
static void push_pairs(lua_State *lua, struct bytes *reply, bool is_map)
{
    int64_t count = take_count(reply);
    lua_createtable(lua, 0, 1);
    lua_createtable(lua, 0, (int)count);
    for (int64_t i = 0; i < count; i++) {
        push_value(lua, reply);
        if (is_map)
            push_value(lua, reply);
        else
            lua_pushboolean(lua, true);
        lua_rawset(lua, -3);
    }
    lua_setfield(lua, -2, is_map ? "map" : "set");
}

static void push_double(lua_State *lua, struct bytes *reply)
{
    struct bytes line = take_line(reply);
    double value = NAN;
    bytes_to_double(line, &value);
    lua_createtable(lua, 0, 1);
    lua_pushnumber(lua, value);
    lua_setfield(lua, -2, "double");
}

static void push_verbatim(lua_State *lua, struct bytes *reply)
{
    int64_t length = take_count(reply);
    struct bytes text = take_bulk(reply, (size_t)length);
    lua_createtable(lua, 0, 1);
    lua_createtable(lua, 0, 2);
    lua_pushlstring(lua, text.data, 3);
    lua_setfield(lua, -2, "format");
    lua_pushlstring(lua, text.data + 4, text.length - 4);
    lua_setfield(lua, -2, "string");
    lua_setfield(lua, -2, "verbatim_string");
}

static void push_bulk(lua_State *lua, struct bytes *reply)
{
    int64_t length = take_count(reply);
    if (length < 0) {
        lua_pushboolean(lua, false);
        return;
    }
    struct bytes bulk = take_bulk(reply, (size_t)length);
    lua_pushlstring(lua, bulk.data, bulk.length);
}

static void push_value(lua_State *lua, struct bytes *reply)
{
    luaL_checkstack(lua, 5, "reply is nested too deeply");
    switch (reply->data[0]) {
    case '$':
        push_bulk(lua, reply);
        break;
    case ':':
        lua_pushnumber(lua, (lua_Number)take_count(reply));
        break;
    case '+':
        push_wrapped(lua, "ok", take_line(reply));
        break;
    case '-':
        push_wrapped(lua, "err", take_line(reply));
        break;
    case '%':
    case '~':
        push_pairs(lua, reply, reply->data[0] == '%');
        break;
    case '_':
        take_line(reply);
        lua_pushnil(lua);
        break;
    case '#':
        lua_pushboolean(lua, take_line(reply).data[0] == 't');
        break;
    case ',':
        push_double(lua, reply);
        break;
    case '(':
        push_wrapped(lua, "big_number", take_line(reply));
        break;
    case '=':
        push_verbatim(lua, reply);
        break;
    default:
        push_array(lua, reply);
    }
}

void script_push_reply(lua_State *lua, struct bytes reply)
{
    push_value(lua, &reply);
}

/* ---- a value becomes a reply ---- */

/* A few tables that hold each other make a reply of any length. */
#define VALUES_BETWEEN_LOOKS 10000

static void reply_value(lua_State *lua, struct reply *reply, int resp);

/* Pushes the field without metamethods; false, and nothing is pushed, if it is not of the type. */
static bool push_field(lua_State *lua, const char *name, int type)
{
    lua_pushstring(lua, name);
    lua_rawget(lua, -2);
    if (lua_type(lua, -1) == type)
        return true;
    lua_pop(lua, 1);
    return false;
}

static void reply_error_value(lua_State *lua, struct reply *reply)
{
    struct bytes text = lua_bytes(lua, -1);
    if (text.length > 0 && text.data[0] == '-')
        text = bytes_of(text.data + 1, text.length - 1);
    struct buffer line = {0};
    buffer_append_bytes(&line, text);
    buffer_append(&line, "", 1);
    for (size_t i = 0; i + 1 < line.length; i++)
        if (line.data[i] == '\0')
            line.data[i] = ' ';
    reply_error(reply, line.data);
    buffer_deinit(&line);
}

static void reply_pairs(lua_State *lua, struct reply *reply, int resp, bool is_map)
{
    size_t count = 0, handle = reply_deferred_begin(reply);
    for (lua_pushnil(lua); lua_next(lua, -2) != 0; count++) {
        lua_pushvalue(lua, -2);
        reply_value(lua, reply, resp);
        if (is_map)
            reply_value(lua, reply, resp);
        else
            lua_pop(lua, 1);
    }
    if (is_map)
        reply_deferred_map(reply, handle, count);
    else
        reply_deferred_set(reply, handle, count);
    lua_pop(lua, 1);
}

static bool reply_verbatim_value(lua_State *lua, struct reply *reply)
{
    bool whole = false;
    if (push_field(lua, "string", LUA_TSTRING)) {
        struct bytes text = lua_bytes(lua, -1);
        lua_pushvalue(lua, -2);
        if (push_field(lua, "format", LUA_TSTRING)) {
            char format[4] = "txt";
            struct bytes given = lua_bytes(lua, -1);
            for (size_t i = 0; i < 3 && i < given.length; i++)
                format[i] = given.data[i] < ' ' ? '?' : given.data[i];
            reply_verbatim(reply, format, text);
            whole = true;
            lua_pop(lua, 1);
        }
        lua_pop(lua, 2);
    }
    lua_pop(lua, 1);
    return whole;
}

/* The tables that stand for what Lua has no type for. */
static bool reply_special(lua_State *lua, struct reply *reply, int resp)
{
    if (push_field(lua, "err", LUA_TSTRING))
        reply_error_value(lua, reply);
    else if (push_field(lua, "ok", LUA_TSTRING))
        reply_status_bytes(reply, lua_bytes(lua, -1));
    else if (push_field(lua, "double", LUA_TNUMBER))
        reply_double(reply, lua_tonumber(lua, -1));
    else if (push_field(lua, "map", LUA_TTABLE)) {
        reply_pairs(lua, reply, resp, true);
        return true;
    } else if (push_field(lua, "set", LUA_TTABLE)) {
        reply_pairs(lua, reply, resp, false);
        return true;
    } else if (push_field(lua, "big_number", LUA_TSTRING))
        reply_big_number(reply, lua_bytes(lua, -1));
    else if (push_field(lua, "verbatim_string", LUA_TTABLE))
        return reply_verbatim_value(lua, reply);
    else
        return false;
    lua_pop(lua, 1);
    return true;
}

static void reply_table(lua_State *lua, struct reply *reply, int resp)
{
    if (reply_special(lua, reply, resp))
        return;
    size_t count = 0, handle = reply_deferred_begin(reply);
    for (int i = 1;; i++, count++) {
        lua_rawgeti(lua, -1, i);
        if (lua_isnil(lua, -1))
            break;
        reply_value(lua, reply, resp);
    }
    lua_pop(lua, 1);
    reply_deferred_array(reply, handle, count);
}

/* What the reference's processor makes of a number that is no 64-bit integer. */
static int64_t integer_of(lua_Number number)
{
    return number >= -9223372036854775808.0 && number < 9223372036854775808.0 ? (int64_t)number : INT64_MIN;
}

/* Pops the value. */
static void reply_value(lua_State *lua, struct reply *reply, int resp)
{
    luaL_checkstack(lua, 6, "reached lua stack limit");
    if (reply->is_cut)
        luaL_error(lua, "reply is too long");
    if (++scripting.values_replied % VALUES_BETWEEN_LOOKS == 0)
        script_look(lua);
    switch (lua_type(lua, -1)) {
    case LUA_TSTRING:
        reply_bulk(reply, lua_bytes(lua, -1));
        break;
    case LUA_TNUMBER:
        reply_integer(reply, integer_of(lua_tonumber(lua, -1)));
        break;
    case LUA_TBOOLEAN:
        if (resp >= 3)
            reply_bool(reply, lua_toboolean(lua, -1));
        else if (lua_toboolean(lua, -1))
            reply_integer(reply, 1);
        else
            reply_null(reply);
        break;
    case LUA_TTABLE:
        reply_table(lua, reply, resp);
        break;
    default:
        reply_null(reply);
    }
    lua_pop(lua, 1);
}

void script_reply_value(lua_State *lua, struct reply *reply, int resp)
{
    reply_value(lua, reply, resp);
}
