/* SPDX-License-Identifier: BSD-3-Clause */
/* cmsgpack: MessagePack's public format. Lengths in the input are believed only as far as bytes are there, and nothing is
 * allocated for a length alone. */
#include "script/libraries.h"

#include <endian.h>
#include <math.h>

#include "base/check.h"
#include "script/sandbox.h"

/* Tables nested deeper are packed as nil, as the reference does. */
#define NESTING_MAX 16

/* ---- packing ---- */

static void put_head(struct buffer *out, uint8_t head, uint64_t value, size_t bytes)
{
    uint64_t big = htobe64(value);
    buffer_append(out, &head, 1);
    buffer_append(out, (const char *)&big + 8 - bytes, bytes);
}

static void pack_integer(struct buffer *out, int64_t value)
{
    if (value >= -32 && value <= 127)
        put_head(out, (uint8_t)value, 0, 0);
    else if (value >= 0)
        value <= UINT8_MAX    ? put_head(out, 0xcc, (uint64_t)value, 1)
        : value <= UINT16_MAX ? put_head(out, 0xcd, (uint64_t)value, 2)
        : value <= UINT32_MAX ? put_head(out, 0xce, (uint64_t)value, 4)
                              : put_head(out, 0xcf, (uint64_t)value, 8);
    else
        value >= INT8_MIN    ? put_head(out, 0xd0, (uint64_t)value, 1)
        : value >= INT16_MIN ? put_head(out, 0xd1, (uint64_t)value, 2)
        : value >= INT32_MIN ? put_head(out, 0xd2, (uint64_t)value, 4)
                             : put_head(out, 0xd3, (uint64_t)value, 8);
}

static void pack_number(struct buffer *out, double number)
{
    float narrow = (float)number;
    uint32_t narrow_bits;
    uint64_t bits;
    if (number >= -9223372036854775808.0 && number < 9223372036854775808.0 && floor(number) == number) {
        pack_integer(out, (int64_t)number);
    } else if ((double)narrow == number) {
        memcpy(&narrow_bits, &narrow, 4);
        put_head(out, 0xca, narrow_bits, 4);
    } else {
        memcpy(&bits, &number, 8);
        put_head(out, 0xcb, bits, 8);
    }
}

static void pack_text(lua_State *lua, struct buffer *out, struct bytes text)
{
    library_check_room(lua, out, text.length);
    if (text.length < 32)
        put_head(out, (uint8_t)(0xa0 | text.length), 0, 0);
    else if (text.length <= UINT8_MAX)
        put_head(out, 0xd9, text.length, 1);
    else if (text.length <= UINT16_MAX)
        put_head(out, 0xda, text.length, 2);
    else
        put_head(out, 0xdb, text.length, 4);
    buffer_append_bytes(out, text);
}

static void pack_count(struct buffer *out, size_t count, bool is_map)
{
    if (count < 16)
        put_head(out, (uint8_t)((is_map ? 0x80 : 0x90) | count), 0, 0);
    else if (count <= UINT16_MAX)
        put_head(out, is_map ? 0xde : 0xdc, count, 2);
    else
        put_head(out, is_map ? 0xdf : 0xdd, count, 4);
}

/* How many pairs the table on the top has; *is_array if their keys are 1, 2, ... */
static size_t table_count(lua_State *lua, bool *is_array)
{
    size_t count = 0;
    lua_Number largest = 0;
    *is_array = true;
    for (lua_pushnil(lua); lua_next(lua, -2) != 0; lua_pop(lua, 1), count++) {
        lua_Number key = lua_type(lua, -2) == LUA_TNUMBER ? lua_tonumber(lua, -2) : 0;
        if (!(key >= 1 && floor(key) == key))
            *is_array = false;
        largest = key > largest ? key : largest;
    }
    *is_array = *is_array && largest == (lua_Number)count;
    return count;
}

static void pack_value(lua_State *lua, struct buffer *out, int depth);

static void pack_table(lua_State *lua, struct buffer *out, int depth)
{
    bool is_array;
    luaL_checkstack(lua, 4, "table is nested too deeply");
    library_check_room(lua, out, 5);
    size_t count = table_count(lua, &is_array);
    pack_count(out, count, !is_array);
    if (is_array) {
        for (size_t i = 1; i <= count; i++) {
            lua_rawgeti(lua, -1, (int)i);
            pack_value(lua, out, depth);
        }
        return;
    }
    for (lua_pushnil(lua); lua_next(lua, -2) != 0;) {
        lua_pushvalue(lua, -2);
        pack_value(lua, out, depth);
        pack_value(lua, out, depth);
    }
}

/* Pops the value. */
static void pack_value(lua_State *lua, struct buffer *out, int depth)
{
    int type = lua_type(lua, -1);
    if (type == LUA_TSTRING)
        pack_text(lua, out, lua_bytes(lua, -1));
    else if (type == LUA_TNUMBER)
        pack_number(out, lua_tonumber(lua, -1));
    else if (type == LUA_TBOOLEAN)
        put_head(out, lua_toboolean(lua, -1) ? 0xc3 : 0xc2, 0, 0);
    else if (type == LUA_TTABLE && depth < NESTING_MAX)
        pack_table(lua, out, depth + 1);
    else
        put_head(out, 0xc0, 0, 0);
    lua_pop(lua, 1);
}

static int msgpack_pack(lua_State *lua)
{
    int count = lua_gettop(lua);
    struct buffer *out = library_scratch(lua);
    luaL_argcheck(lua, count > 0, 0, "MessagePack pack needs input.");
    luaL_checkstack(lua, 2, "too many arguments");
    for (int i = 1; i <= count; i++) {
        lua_pushvalue(lua, i);
        pack_value(lua, out, 0);
    }
    lua_pushlstring(lua, out->data, out->length);
    return 1;
}

/* ---- unpacking ---- */

struct unpacker {
    lua_State *lua;
    const uint8_t *at, *end;
};

static void unpack_value(struct unpacker *unpacker);

static const uint8_t *take(struct unpacker *unpacker, uint64_t count)
{
    if ((uint64_t)(unpacker->end - unpacker->at) < count)
        luaL_error(unpacker->lua, "Missing bytes in input.");
    const uint8_t *taken = unpacker->at;
    unpacker->at += count;
    return taken;
}

static uint64_t take_number(struct unpacker *unpacker, size_t bytes)
{
    uint64_t value = 0;
    for (const uint8_t *at = take(unpacker, bytes); bytes > 0; bytes--)
        value = value << 8 | *at++;
    return value;
}

static void unpack_text(struct unpacker *unpacker, uint64_t length)
{
    const uint8_t *text = take(unpacker, length);
    lua_pushlstring(unpacker->lua, (const char *)text, (size_t)length);
}

static void unpack_array(struct unpacker *unpacker, uint64_t count)
{
    luaL_checkstack(unpacker->lua, 3, "input is nested too deeply");
    lua_newtable(unpacker->lua);
    for (uint64_t i = 1; i <= count; i++) {
        unpack_value(unpacker);
        lua_rawseti(unpacker->lua, -2, (int)i);
    }
}

static void unpack_map(struct unpacker *unpacker, uint64_t count)
{
    lua_State *lua = unpacker->lua;
    luaL_checkstack(lua, 3, "input is nested too deeply");
    lua_newtable(lua);
    for (uint64_t i = 0; i < count; i++) {
        unpack_value(unpacker);
        if (lua_isnil(lua, -1) || (lua_type(lua, -1) == LUA_TNUMBER && isnan(lua_tonumber(lua, -1))))
            luaL_error(lua, "Bad data format in input.");
        unpack_value(unpacker);
        lua_rawset(lua, -3);
    }
}

static void unpack_float(struct unpacker *unpacker)
{
    uint32_t bits = (uint32_t)take_number(unpacker, 4);
    float value;
    memcpy(&value, &bits, 4);
    lua_pushnumber(unpacker->lua, value);
}

static void unpack_double(struct unpacker *unpacker)
{
    uint64_t bits = take_number(unpacker, 8);
    double value;
    memcpy(&value, &bits, 8);
    lua_pushnumber(unpacker->lua, isnan(value) ? NAN : value);
}

/* Of a head whose low bits say how many bytes the integer has. */
static void unpack_signed(struct unpacker *unpacker, size_t bytes)
{
    check(bytes > 0 && bytes <= 8);
    unsigned shift = (unsigned)(64 - 8 * bytes);
    lua_pushnumber(unpacker->lua, (lua_Number)((int64_t)(take_number(unpacker, bytes) << shift) >> shift));
}

static void unpack_headed(struct unpacker *unpacker, uint8_t head)
{
    lua_State *lua = unpacker->lua;
    if (head == 0xc0)
        lua_pushnil(lua);
    else if (head == 0xc2 || head == 0xc3)
        lua_pushboolean(lua, head == 0xc3);
    else if (head >= 0xc4 && head <= 0xc6)
        unpack_text(unpacker, take_number(unpacker, (size_t)1 << (head - 0xc4)));
    else if (head == 0xca)
        unpack_float(unpacker);
    else if (head == 0xcb)
        unpack_double(unpacker);
    else if (head >= 0xcc && head <= 0xcf)
        lua_pushnumber(lua, (lua_Number)take_number(unpacker, (size_t)1 << (head - 0xcc)));
    else if (head >= 0xd0 && head <= 0xd3)
        unpack_signed(unpacker, (size_t)1 << (head - 0xd0));
    else if (head >= 0xd9 && head <= 0xdb)
        unpack_text(unpacker, take_number(unpacker, (size_t)1 << (head - 0xd9)));
    else if (head == 0xdc || head == 0xdd)
        unpack_array(unpacker, take_number(unpacker, head == 0xdc ? 2 : 4));
    else if (head == 0xde || head == 0xdf)
        unpack_map(unpacker, take_number(unpacker, head == 0xde ? 2 : 4));
    else
        luaL_error(lua, "Bad data format in input.");
}

static void unpack_value(struct unpacker *unpacker)
{
    uint8_t head = *take(unpacker, 1);
    if (head < 0x80)
        lua_pushinteger(unpacker->lua, head);
    else if (head < 0x90)
        unpack_map(unpacker, head & 15);
    else if (head < 0xa0)
        unpack_array(unpacker, head & 15);
    else if (head < 0xc0)
        unpack_text(unpacker, head & 31);
    else if (head >= 0xe0)
        lua_pushinteger(unpacker->lua, (int8_t)head);
    else
        unpack_headed(unpacker, head);
}

/* At most 'limit' values (0: all) from 'offset' on; with a limit, before them where to go on, -1 at the end. */
static int unpack_some(lua_State *lua, lua_Number limit, lua_Number offset)
{
    luaL_checkstring(lua, 1);
    struct bytes input = lua_bytes(lua, 1);
    if (!(offset >= 0 && limit >= 0))
        return luaL_error(lua, "Invalid request to unpack with offset of %d and limit of %d.", (int)offset, (int)limit);
    if (offset > (lua_Number)input.length)
        return luaL_error(lua, "Start offset %d greater than input length %d.", (int)offset, (int)input.length);
    const uint8_t *begin = (const uint8_t *)input.data;
    struct unpacker unpacker = {lua, begin + (size_t)offset, begin + input.length};
    int count = 0;
    if (limit > 0)
        lua_pushnil(lua);
    int place = lua_gettop(lua);
    for (; unpacker.at < unpacker.end && (limit == 0 || count < limit); count++) {
        luaL_checkstack(lua, 2, "too many values to unpack");
        unpack_value(&unpacker);
    }
    if (limit == 0)
        return count;
    lua_pushnumber(lua, unpacker.at < unpacker.end ? (lua_Number)(unpacker.at - begin) : -1);
    lua_replace(lua, place);
    return count + 1;
}

static int msgpack_unpack(lua_State *lua)
{
    return unpack_some(lua, 0, 0);
}

static int msgpack_unpack_one(lua_State *lua)
{
    return unpack_some(lua, 1, luaL_optnumber(lua, 2, 0));
}

static int msgpack_unpack_limit(lua_State *lua)
{
    return unpack_some(lua, luaL_checknumber(lua, 2), luaL_optnumber(lua, 3, 0));
}

void msgpack_open(struct sandbox *sandbox)
{
    static const struct luaL_Reg functions[] = {{"pack", msgpack_pack},
                                                {"unpack", msgpack_unpack},
                                                {"unpack_one", msgpack_unpack_one},
                                                {"unpack_limit", msgpack_unpack_limit},
                                                {NULL, NULL}};
    lua_newtable(sandbox->lua);
    library_add(sandbox, functions);
    lua_pushliteral(sandbox->lua, "cmsgpack");
    lua_setfield(sandbox->lua, -2, "_NAME");
}
