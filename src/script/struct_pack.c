/* SPDX-License-Identifier: BSD-3-Clause */
/* struct: C layouts to and from strings. A format is read one item at a time; its sizes are bounded before they are used.
 *
 *     > < =   byte order, big, little, this machine's          b B h H i I l L T   integers of 1 2 4 8 8 bytes; in, In: n
 *     !n      alignment of at most n                           f d                 float, double
 *     x       a byte of padding                                s, cn               text to a NUL, or of n bytes (c0: all) */
#include "script/libraries.h"

#include <ctype.h>

#include "script/sandbox.h"

#define INTEGER_BYTES_MAX 8
#define ALIGNMENT_MAX 16
#define COUNT_MAX (1 << 28)

struct layout {
    lua_State *lua;
    const char *format;
    bool is_big;
    size_t align_max, place;
};

static size_t read_count(struct layout *layout, size_t otherwise)
{
    if (!isdigit((unsigned char)*layout->format))
        return otherwise;
    size_t count = 0;
    while (isdigit((unsigned char)*layout->format)) {
        count = count * 10 + (size_t)(*layout->format++ - '0');
        if (count > COUNT_MAX)
            luaL_error(layout->lua, "integral size overflow");
    }
    return count;
}

static size_t integer_size(struct layout *layout)
{
    size_t size = read_count(layout, sizeof(int));
    if (size == 0 || size > INTEGER_BYTES_MAX)
        luaL_error(layout->lua, "integral size %d is larger than limit of %d", (int)size, INTEGER_BYTES_MAX);
    return size;
}

static size_t item_size(struct layout *layout, char item)
{
    switch (item) {
    case 'b':
    case 'B':
    case 'x':
        return 1;
    case 'h':
    case 'H':
        return sizeof(short);
    case 'l':
    case 'L':
        return sizeof(long);
    case 'T':
        return sizeof(size_t);
    case 'f':
        return sizeof(float);
    case 'd':
        return sizeof(double);
    case 'c':
        return read_count(layout, 1);
    case 'i':
    case 'I':
        return integer_size(layout);
    default:
        return 0;
    }
}

/* Takes items that only set how the others are laid out; false if this is none of them. */
static bool take_control(struct layout *layout, char item)
{
    if (item == '>' || item == '<')
        layout->is_big = item == '>';
    else if (item == '=')
        layout->is_big = false;
    else if (item == '!') {
        layout->align_max = read_count(layout, 8);
        size_t align = layout->align_max;
        if (align == 0 || align > ALIGNMENT_MAX || (align & (align - 1)) != 0)
            luaL_error(layout->lua, "alignment is not a power of 2");
    } else
        return item == ' ';
    return true;
}

/* The padding before an item of the size. */
static size_t padding(const struct layout *layout, char item, size_t size)
{
    size_t align = size < layout->align_max ? size : layout->align_max;
    if (align <= 1 || item == 'c' || item == 's')
        return 0;
    if ((align & (align - 1)) != 0)
        luaL_error(layout->lua, "alignment is not a power of 2");
    return (align - layout->place % align) % align;
}

static void put_integer(struct layout *layout, struct buffer *out, uint64_t value, size_t size)
{
    char bytes[INTEGER_BYTES_MAX];
    for (size_t i = 0; i < size; i++)
        bytes[layout->is_big ? size - 1 - i : i] = (char)(value >> (8 * i));
    buffer_append(out, bytes, size);
}

static uint64_t get_integer(const struct layout *layout, const char *from, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)(uint8_t)from[layout->is_big ? size - 1 - i : i] << (8 * i);
    return value;
}

static uint64_t integer_of(lua_Number number)
{
    if (number < 0)
        return number >= -0x1p63 ? (uint64_t)(int64_t)number : (uint64_t)INT64_MIN;
    return number < 0x1p64 ? (uint64_t)number : UINT64_MAX;
}

static void put_text(struct layout *layout, struct buffer *out, int argument, char item, size_t size)
{
    luaL_checkstring(layout->lua, argument);
    struct bytes text = lua_bytes(layout->lua, argument);
    if (item == 's' || size == 0)
        size = text.length;
    luaL_argcheck(layout->lua, text.length >= size, argument, "string too short");
    library_check_room(layout->lua, out, size + 1);
    buffer_append(out, text.data, size);
    if (item == 's')
        buffer_append(out, "", 1);
}

static void put_item(struct layout *layout, struct buffer *out, int argument, char item, size_t size)
{
    lua_State *lua = layout->lua;
    uint64_t bits = 0;
    if (item == 's' || item == 'c') {
        put_text(layout, out, argument, item, size);
    } else if (item == 'f') {
        float value = (float)luaL_checknumber(lua, argument);
        memcpy(&bits, &value, size);
        put_integer(layout, out, bits, size);
    } else if (item == 'd') {
        double value = luaL_checknumber(lua, argument);
        memcpy(&bits, &value, size);
        put_integer(layout, out, bits, size);
    } else {
        put_integer(layout, out, integer_of(luaL_checknumber(lua, argument)), size);
    }
}

static int struct_pack(lua_State *lua)
{
    struct layout layout = {.lua = lua, .format = luaL_checkstring(lua, 1), .align_max = 1};
    struct buffer *out = library_scratch(lua);
    int argument = 2;
    while (*layout.format) {
        char item = *layout.format++;
        if (take_control(&layout, item))
            continue;
        size_t size = item_size(&layout, item);
        if (size == 0 && item != 's' && item != 'c')
            return luaL_error(lua, "invalid format option '%c'", item);
        layout.place = out->length;
        for (size_t pad = padding(&layout, item, size) + (item == 'x'); pad > 0; pad--)
            buffer_append(out, "", 1);
        if (item != 'x')
            put_item(&layout, out, argument++, item, size);
    }
    lua_pushlstring(lua, out->data ? out->data : "", out->length);
    return 1;
}

static void push_integer(struct layout *layout, const char *from, char item, size_t size)
{
    uint64_t value = get_integer(layout, from, size);
    unsigned shift = (unsigned)(64 - 8 * size);
    if (islower((unsigned char)item))
        lua_pushnumber(layout->lua, (lua_Number)((int64_t)(value << shift) >> shift));
    else
        lua_pushnumber(layout->lua, (lua_Number)value);
}

/* Pushes the item at the place and returns how many bytes it had. */
static size_t push_item(struct layout *layout, struct bytes data, char item, size_t size)
{
    lua_State *lua = layout->lua;
    const char *from = data.data + layout->place;
    if (item == 's') {
        const char *end = memchr(from, '\0', data.length - layout->place);
        if (!end)
            luaL_error(lua, "unfinished string in data");
        lua_pushlstring(lua, from, (size_t)(end - from));
        return (size_t)(end - from) + 1;
    }
    if (item == 'c') {
        lua_pushlstring(lua, from, size);
    } else if (item == 'f' || item == 'd') {
        uint64_t bits = get_integer(layout, from, size);
        double value;
        float narrow;
        memcpy(&narrow, &bits, sizeof(narrow));
        memcpy(&value, &bits, sizeof(value));
        value = item == 'f' ? narrow : value;
        lua_pushnumber(lua, value == value ? value : (lua_Number)__builtin_nan(""));
    } else {
        push_integer(layout, from, item, size);
    }
    return size;
}

/* c0 takes as many bytes as the number unpacked before it says. */
static size_t counted_size(lua_State *lua, int results)
{
    if (results == 0 || !lua_isnumber(lua, -1))
        luaL_error(lua, "format 'c0' needs a previous size");
    lua_Number count = lua_tonumber(lua, -1);
    if (!(count >= 0 && count <= COUNT_MAX))
        luaL_error(lua, "format 'c0' needs a previous size");
    lua_pop(lua, 1);
    return (size_t)count;
}

static int struct_unpack(lua_State *lua)
{
    struct layout layout = {.lua = lua, .format = luaL_checkstring(lua, 1), .align_max = 1};
    luaL_checkstring(lua, 2);
    struct bytes data = lua_bytes(lua, 2);
    lua_Number first = luaL_optnumber(lua, 3, 1);
    luaL_argcheck(lua, first >= 1 && first <= (lua_Number)data.length + 1, 3, "offset must be 1 or greater");
    layout.place = (size_t)first - 1;
    lua_settop(lua, 2);
    int results = 0;
    while (*layout.format) {
        char item = *layout.format++;
        if (take_control(&layout, item))
            continue;
        size_t size = item_size(&layout, item);
        if (size == 0 && item != 's' && item != 'c')
            return luaL_error(lua, "invalid format option '%c'", item);
        if (item == 'c' && size == 0) {
            size = counted_size(lua, results);
            results--;
        }
        layout.place += padding(&layout, item, size);
        luaL_argcheck(lua, layout.place <= data.length && size <= data.length - layout.place, 2,
                      "data string too short");
        luaL_checkstack(lua, 2, "too many results");
        layout.place += item == 'x' ? 1 : push_item(&layout, data, item, size);
        results += item != 'x';
    }
    lua_pushnumber(lua, (lua_Number)layout.place + 1);
    return results + 1;
}

static int struct_size(lua_State *lua)
{
    struct layout layout = {.lua = lua, .format = luaL_checkstring(lua, 1), .align_max = 1};
    while (*layout.format) {
        char item = *layout.format++;
        if (take_control(&layout, item))
            continue;
        size_t size = item_size(&layout, item);
        luaL_argcheck(lua, item != 's', 1, "variable-size format in size calculation");
        luaL_argcheck(lua, item != 'c' || size > 0, 1, "variable-length format in size calculation");
        if (size == 0)
            return luaL_error(lua, "invalid format option '%c'", item);
        layout.place += padding(&layout, item, size) + size;
        luaL_argcheck(lua, layout.place <= COUNT_MAX, 1, "too large");
    }
    lua_pushnumber(lua, (lua_Number)layout.place);
    return 1;
}

void struct_open(struct sandbox *sandbox)
{
    static const struct luaL_Reg functions[] = {
        {"pack", struct_pack}, {"unpack", struct_unpack}, {"size", struct_size}, {NULL, NULL}};
    lua_newtable(sandbox->lua);
    library_add(sandbox, functions);
}
