/* SPDX-License-Identifier: BSD-3-Clause */
/* cjson. Numbers are doubles, printed with 14 digits; null is a light userdata; a table is an array if all its keys are
 * positive integers and not too few of them are there; an empty table is an object. */
#include "script/libraries.h"

#include <math.h>
#include <stdlib.h>

#include "script/sandbox.h"

void json_reset(struct json_settings *settings)
{
    *settings = (struct json_settings){.sparse_ratio = 2,
                                       .sparse_safe = 10,
                                       .encode_depth = 1000,
                                       .decode_depth = 1000,
                                       .precision = 14,
                                       .decode_invalid = true};
}

/* ---- encoding ---- */

struct encoder {
    lua_State *lua;
    const struct json_settings *settings;
    struct buffer *out;
};

static void encode_value(struct encoder *encoder, int depth);

static void encode_text(struct encoder *encoder, struct bytes text)
{
    static const char *const named[128] = {['"'] = "\\\"", ['\\'] = "\\\\", ['/'] = "\\/",  ['\b'] = "\\b",
                                           ['\f'] = "\\f", ['\n'] = "\\n",  ['\r'] = "\\r", ['\t'] = "\\t"};
    struct buffer *out = encoder->out;
    library_check_room(encoder->lua, out, text.length);
    buffer_append(out, "\"", 1);
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte < 128 && named[byte])
            buffer_append(out, named[byte], 2);
        else if (byte < 32 || byte == 127)
            buffer_append_format(out, "\\u%04x", byte);
        else
            buffer_append(out, &text.data[i], 1);
    }
    buffer_append(out, "\"", 1);
}

static void encode_number(struct encoder *encoder, double number)
{
    const struct json_settings *settings = encoder->settings;
    if (isfinite(number) || settings->encode_invalid)
        buffer_append_format(encoder->out, "%.*g", settings->precision, number);
    else if (settings->encode_null)
        buffer_append_text(encoder->out, "null");
    else
        luaL_error(encoder->lua, "Cannot serialise number: must not be NaN or Inf");
}

/* The length of the table on the top as an array; -1: it is an object. */
static lua_Number array_length(struct encoder *encoder)
{
    const struct json_settings *settings = encoder->settings;
    lua_State *lua = encoder->lua;
    lua_Number largest = 0;
    int count = 0;
    for (lua_pushnil(lua); lua_next(lua, -2) != 0; lua_pop(lua, 1), count++) {
        lua_Number key = lua_type(lua, -2) == LUA_TNUMBER ? lua_tonumber(lua, -2) : 0;
        if (!(key >= 1 && floor(key) == key && key <= INT32_MAX)) {
            lua_pop(lua, 2);
            return -1;
        }
        largest = key > largest ? key : largest;
    }
    if (settings->sparse_ratio > 0 && largest > (lua_Number)count * settings->sparse_ratio &&
        largest > settings->sparse_safe) {
        if (!settings->sparse_convert)
            luaL_error(lua, "Cannot serialise table: excessively sparse array");
        return -1;
    }
    return count > 0 ? largest : -1;
}

static void encode_array(struct encoder *encoder, int length, int depth)
{
    buffer_append(encoder->out, "[", 1);
    for (int i = 1; i <= length; i++) {
        if (i > 1)
            buffer_append(encoder->out, ",", 1);
        lua_rawgeti(encoder->lua, -1, i);
        encode_value(encoder, depth);
    }
    buffer_append(encoder->out, "]", 1);
}

static void encode_key(struct encoder *encoder)
{
    lua_State *lua = encoder->lua;
    int type = lua_type(lua, -2);
    if (type == LUA_TSTRING) {
        encode_text(encoder, lua_bytes(lua, -2));
    } else if (type == LUA_TNUMBER) {
        buffer_append(encoder->out, "\"", 1);
        encode_number(encoder, lua_tonumber(lua, -2));
        buffer_append(encoder->out, "\"", 1);
    } else {
        luaL_error(lua, "Cannot serialise %s: table key must be a number or string", luaL_typename(lua, -2));
    }
}

static void encode_object(struct encoder *encoder, int depth)
{
    lua_State *lua = encoder->lua;
    bool is_first = true;
    buffer_append(encoder->out, "{", 1);
    for (lua_pushnil(lua); lua_next(lua, -2) != 0; is_first = false) {
        if (!is_first)
            buffer_append(encoder->out, ",", 1);
        encode_key(encoder);
        buffer_append(encoder->out, ":", 1);
        encode_value(encoder, depth);
    }
    buffer_append(encoder->out, "}", 1);
}

static void encode_table(struct encoder *encoder, int depth)
{
    if (depth > encoder->settings->encode_depth)
        luaL_error(encoder->lua, "Cannot serialise, excessive nesting (%d)", depth);
    luaL_checkstack(encoder->lua, 4, "Cannot serialise, excessive depth");
    library_check_room(encoder->lua, encoder->out, 2);
    lua_Number length = array_length(encoder);
    if (length > 0)
        encode_array(encoder, (int)length, depth);
    else
        encode_object(encoder, depth);
}

/* Pops the value. */
static void encode_value(struct encoder *encoder, int depth)
{
    lua_State *lua = encoder->lua;
    switch (lua_type(lua, -1)) {
    case LUA_TSTRING:
        encode_text(encoder, lua_bytes(lua, -1));
        break;
    case LUA_TNUMBER:
        encode_number(encoder, lua_tonumber(lua, -1));
        break;
    case LUA_TBOOLEAN:
        buffer_append_text(encoder->out, lua_toboolean(lua, -1) ? "true" : "false");
        break;
    case LUA_TTABLE:
        encode_table(encoder, depth + 1);
        break;
    case LUA_TNIL:
        buffer_append_text(encoder->out, "null");
        break;
    default:
        if (lua_type(lua, -1) != LUA_TLIGHTUSERDATA || lua_touserdata(lua, -1) != NULL)
            luaL_error(lua, "Cannot serialise %s: type not supported", luaL_typename(lua, -1));
        buffer_append_text(encoder->out, "null");
    }
    lua_pop(lua, 1);
}

static int json_encode(lua_State *lua)
{
    luaL_argcheck(lua, lua_gettop(lua) == 1, 1, "expected 1 argument");
    struct encoder encoder = {lua, &library_sandbox(lua)->json, library_scratch(lua)};
    encode_value(&encoder, 0);
    lua_pushlstring(lua, encoder.out->data, encoder.out->length);
    return 1;
}

/* ---- decoding ---- */

struct decoder {
    lua_State *lua;
    const struct json_settings *settings;
    struct buffer *text; /* a string with escapes, as it comes to be */
    const char *begin, *at, *end;
};

static void decode_value(struct decoder *decoder, int depth);

static void skip_blanks(struct decoder *decoder)
{
    while (decoder->at < decoder->end &&
           (*decoder->at == ' ' || *decoder->at == '\t' || *decoder->at == '\n' || *decoder->at == '\r'))
        decoder->at++;
}

/* The byte that comes next, 0 at the end. */
static char next_byte(struct decoder *decoder)
{
    skip_blanks(decoder);
    return decoder->at < decoder->end ? *decoder->at : '\0';
}

static void expected(struct decoder *decoder, const char *what)
{
    static const struct {
        char first;
        const char *name;
    } tokens[] = {{'{', "T_OBJ_BEGIN"}, {'}', "T_OBJ_END"}, {'[', "T_ARR_BEGIN"}, {']', "T_ARR_END"}, {'"', "T_STRING"},
                  {':', "T_COLON"},     {',', "T_COMMA"},   {'t', "T_BOOLEAN"},   {'f', "T_BOOLEAN"}, {'n', "T_NULL"}};
    const char *found = "invalid token";
    for (size_t i = 0; decoder->at < decoder->end && i < sizeof(tokens) / sizeof(tokens[0]); i++)
        if (*decoder->at == tokens[i].first)
            found = tokens[i].name;
    if (decoder->at >= decoder->end)
        found = "T_END";
    else if (strchr("-0123456789", *decoder->at))
        found = "T_NUMBER";
    luaL_error(decoder->lua, "Expected %s but found %s at character %d", what, found,
               (int)(decoder->at - decoder->begin) + 1);
}

static void invalid(struct decoder *decoder, const char *what)
{
    luaL_error(decoder->lua, "Expected value but found %s at character %d", what,
               (int)(decoder->at - decoder->begin) + 1);
}

static void append_utf8(struct buffer *text, uint32_t point)
{
    char bytes[4];
    size_t length = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length; i-- > 1; point >>= 6)
        bytes[i] = (char)(0x80 | (point & 0x3f));
    bytes[0] = (char)(leads[length] | point);
    buffer_append(text, bytes, length);
}

/* Four hex digits after a backslash and a u, or -1. */
static int32_t hex4(const struct decoder *decoder, const char *at)
{
    int32_t value = 0;
    if (decoder->end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static void decode_unicode(struct decoder *decoder)
{
    int32_t point = hex4(decoder, decoder->at);
    if (point >= 0xd800 && point < 0xdc00) {
        int32_t low = hex4(decoder, decoder->at + 6);
        if (low < 0xdc00 || low > 0xdfff)
            invalid(decoder, "invalid unicode escape code");
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        decoder->at += 6;
    } else if (point < 0 || (point >= 0xdc00 && point < 0xe000)) {
        invalid(decoder, "invalid unicode escape code");
    }
    append_utf8(decoder->text, (uint32_t)point);
    decoder->at += 6;
}

static void decode_escape(struct decoder *decoder)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = decoder->end - decoder->at > 1 ? decoder->at[1] : '\0';
    const char *found = c ? strchr(from, c) : NULL;
    if (c == 'u') {
        decode_unicode(decoder);
        return;
    }
    if (!found)
        invalid(decoder, "invalid escape code");
    else
        buffer_append(decoder->text, &to[found - from], 1);
    decoder->at += 2;
}

/* Stands on the quote. */
static void decode_string(struct decoder *decoder)
{
    decoder->text->length = 0;
    decoder->at++;
    while (decoder->at < decoder->end && *decoder->at != '"') {
        if ((unsigned char)*decoder->at < 32)
            invalid(decoder, "invalid token");
        if (*decoder->at == '\\')
            decode_escape(decoder);
        else
            buffer_append(decoder->text, decoder->at++, 1);
    }
    if (decoder->at >= decoder->end)
        invalid(decoder, "unexpected end of string");
    decoder->at++;
    lua_pushlstring(decoder->lua, decoder->text->data ? decoder->text->data : "", decoder->text->length);
}

/* What the text goes on with, as far as a number can be, is copied: it ends with no NUL of its own. */
static void decode_number(struct decoder *decoder)
{
    char digits[64], *stop;
    size_t length = 0;
    while (length < sizeof(digits) - 1 && decoder->at + length < decoder->end &&
           (strchr("+-.", decoder->at[length]) ||
            ((decoder->at[length] | 32) >= 'a' && (decoder->at[length] | 32) <= 'z') ||
            (decoder->at[length] >= '0' && decoder->at[length] <= '9')))
        length++;
    memcpy(digits, decoder->at, length);
    digits[length] = '\0';
    double number = strtod(digits, &stop);
    bool is_plain = strspn(digits, "+-.0123456789eE") >= (size_t)(stop - digits);
    if (stop == digits || (!is_plain && !decoder->settings->decode_invalid))
        invalid(decoder, "invalid token");
    decoder->at += stop - digits;
    lua_pushnumber(decoder->lua, number);
}

static bool decode_word(struct decoder *decoder, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(decoder->end - decoder->at) < length || memcmp(decoder->at, word, length) != 0)
        return false;
    decoder->at += length;
    return true;
}

static void check_depth(struct decoder *decoder, int depth)
{
    if (depth > decoder->settings->decode_depth)
        luaL_error(decoder->lua, "Found too many nested data structures (%d) at character %d", depth,
                   (int)(decoder->at - decoder->begin) + 1);
    luaL_checkstack(decoder->lua, 4, "Found too many nested data structures");
}

static void decode_array(struct decoder *decoder, int depth)
{
    check_depth(decoder, depth);
    lua_newtable(decoder->lua);
    decoder->at++;
    if (next_byte(decoder) == ']') {
        decoder->at++;
        return;
    }
    for (int i = 1;; i++) {
        decode_value(decoder, depth);
        lua_rawseti(decoder->lua, -2, i);
        char c = next_byte(decoder);
        if (c != ',' && c != ']')
            expected(decoder, "comma or array end");
        decoder->at++;
        if (c == ']')
            return;
    }
}

static void decode_object(struct decoder *decoder, int depth)
{
    check_depth(decoder, depth);
    lua_newtable(decoder->lua);
    decoder->at++;
    if (next_byte(decoder) == '}') {
        decoder->at++;
        return;
    }
    for (;;) {
        if (next_byte(decoder) != '"')
            expected(decoder, "object key string");
        decode_string(decoder);
        if (next_byte(decoder) != ':')
            expected(decoder, "colon");
        decoder->at++;
        decode_value(decoder, depth);
        lua_rawset(decoder->lua, -3);
        char c = next_byte(decoder);
        if (c != ',' && c != '}')
            expected(decoder, "comma or object end");
        decoder->at++;
        if (c == '}')
            return;
    }
}

static void decode_value(struct decoder *decoder, int depth)
{
    char c = next_byte(decoder);
    if (c == '"')
        decode_string(decoder);
    else if (c == '{')
        decode_object(decoder, depth + 1);
    else if (c == '[')
        decode_array(decoder, depth + 1);
    else if (decode_word(decoder, "true"))
        lua_pushboolean(decoder->lua, true);
    else if (decode_word(decoder, "false"))
        lua_pushboolean(decoder->lua, false);
    else if (decode_word(decoder, "null"))
        lua_pushlightuserdata(decoder->lua, NULL);
    else if (c && strchr("-0123456789iInN", c))
        decode_number(decoder);
    else
        expected(decoder, "value");
}

static int json_decode(lua_State *lua)
{
    luaL_argcheck(lua, lua_gettop(lua) == 1, 1, "expected 1 argument");
    luaL_checkstring(lua, 1);
    struct bytes text = lua_bytes(lua, 1);
    struct decoder decoder = {lua,       &library_sandbox(lua)->json, library_scratch(lua), text.data,
                              text.data, text.data + text.length};
    decode_value(&decoder, 0);
    skip_blanks(&decoder);
    if (decoder.at < decoder.end)
        expected(&decoder, "the end");
    return 1;
}

/* ---- settings: each function sets what it is given, and returns what holds ---- */

static int setting_integer(lua_State *lua, int argument, int *value, int minimum, int maximum)
{
    if (lua_gettop(lua) >= argument) {
        lua_Number given = luaL_checknumber(lua, argument);
        luaL_argcheck(lua, given >= minimum && given <= maximum, argument, "out of range");
        *value = (int)given;
    }
    lua_pushinteger(lua, *value);
    return 1;
}

static int setting_switch(lua_State *lua, int argument, bool *value)
{
    if (lua_gettop(lua) >= argument)
        *value = lua_isstring(lua, argument) ? strcmp(lua_tostring(lua, argument), "off") != 0
                                             : lua_toboolean(lua, argument);
    lua_pushboolean(lua, *value);
    return 1;
}

static int set_encode_depth(lua_State *lua)
{
    return setting_integer(lua, 1, &library_sandbox(lua)->json.encode_depth, 1, 1000);
}

static int set_decode_depth(lua_State *lua)
{
    return setting_integer(lua, 1, &library_sandbox(lua)->json.decode_depth, 1, 1000);
}

static int set_precision(lua_State *lua)
{
    return setting_integer(lua, 1, &library_sandbox(lua)->json.precision, 1, 17);
}

static int set_sparse(lua_State *lua)
{
    struct json_settings *settings = &library_sandbox(lua)->json;
    int given = lua_gettop(lua);
    bool convert = given >= 1 ? lua_toboolean(lua, 1) : settings->sparse_convert;
    int ratio = given >= 2 ? (int)luaL_checknumber(lua, 2) : settings->sparse_ratio;
    int safe = given >= 3 ? (int)luaL_checknumber(lua, 3) : settings->sparse_safe;
    luaL_argcheck(lua, ratio >= 0 && safe >= 0, 2, "out of range");
    settings->sparse_convert = convert;
    settings->sparse_ratio = ratio;
    settings->sparse_safe = safe;
    lua_pushboolean(lua, convert);
    lua_pushinteger(lua, ratio);
    lua_pushinteger(lua, safe);
    return 3;
}

static int set_encode_invalid(lua_State *lua)
{
    struct json_settings *settings = &library_sandbox(lua)->json;
    settings->encode_null = lua_isstring(lua, 1) && strcmp(lua_tostring(lua, 1), "null") == 0;
    if (settings->encode_null)
        return 1;
    return setting_switch(lua, 1, &settings->encode_invalid);
}

static int set_decode_invalid(lua_State *lua)
{
    return setting_switch(lua, 1, &library_sandbox(lua)->json.decode_invalid);
}

static int set_keep_buffer(lua_State *lua)
{
    bool kept = true;
    return setting_switch(lua, 1, &kept);
}

void json_open(struct sandbox *sandbox)
{
    static const struct luaL_Reg functions[] = {{"encode", json_encode},
                                                {"decode", json_decode},
                                                {"encode_max_depth", set_encode_depth},
                                                {"decode_max_depth", set_decode_depth},
                                                {"encode_number_precision", set_precision},
                                                {"encode_sparse_array", set_sparse},
                                                {"encode_invalid_numbers", set_encode_invalid},
                                                {"decode_invalid_numbers", set_decode_invalid},
                                                {"encode_keep_buffer", set_keep_buffer},
                                                {NULL, NULL}};
    lua_State *lua = sandbox->lua;
    lua_newtable(lua);
    library_add(sandbox, functions);
    lua_pushlightuserdata(lua, NULL);
    lua_setfield(lua, -2, "null");
    lua_pushliteral(lua, "cjson");
    lua_setfield(lua, -2, "_NAME");
    lua_pushliteral(lua, "2.1.0");
    lua_setfield(lua, -2, "_VERSION");
}
