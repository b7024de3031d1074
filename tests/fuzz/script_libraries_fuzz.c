/* SPDX-License-Identifier: BSD-3-Clause */
/* Arbitrary bytes for cjson.decode, cmsgpack.unpack and struct.unpack: the first byte says which.
 *
 * What must hold: nothing is read past the input, whatever is wrong is an error of the script; what was read, written and
 * read again is as long as before. What cmsgpack cannot hold (nil in a table, more than 16 levels) is gone after the first
 * time, or cannot be read if it was a key. */
#include "script/sandbox.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY_MAX (64 << 20)

static const char code[] = "local which, text = ...\n"
                           "local function again(decode, encode, value, rounds)\n"
                           "  local ok, written = pcall(encode, value)\n"
                           "  for i = 2, rounds do\n"
                           "    if ok then ok, value = pcall(decode, written) end\n"
                           "    if ok then ok, written = pcall(encode, value) end\n"
                           "  end\n"
                           "  if ok and #encode(decode(written)) ~= #written then error('differs') end\n"
                           "end\n"
                           "if which == 0 then\n"
                           "  local ok, value = pcall(cjson.decode, text)\n"
                           "  if ok then again(cjson.decode, cjson.encode, value, 1) end\n"
                           "elseif which == 1 then\n"
                           "  local ok, value = pcall(cmsgpack.unpack, text)\n"
                           "  if ok then again(cmsgpack.unpack, cmsgpack.pack, value, 2) end\n"
                           "  pcall(cmsgpack.unpack_one, text, #text % 7)\n"
                           "  pcall(cmsgpack.unpack_limit, text, 3, #text % 5)\n"
                           "else\n"
                           "  local format, rest = text:match('^([^\\n]*)\\n?(.*)$')\n"
                           "  pcall(struct.unpack, format, rest)\n"
                           "  pcall(struct.unpack, format, rest, #text % 9)\n"
                           "  pcall(struct.size, format)\n"
                           "end\n";

static struct sandbox *sandbox;

static int run(lua_State *lua)
{
    const struct bytes *input = lua_touserdata(lua, 1);
    check(sandbox_load(sandbox, bytes_of(code, sizeof(code) - 1), "=fuzz") == 0);
    lua_pushinteger(lua, (unsigned char)input->data[0] % 3);
    lua_pushlstring(lua, input->data + 1, input->length - 1);
    lua_call(lua, 2, 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (!sandbox)
        sandbox = sandbox_create(MEMORY_MAX);
    struct bytes input = bytes_of(data, size);
    int status = lua_cpcall(sandbox->lua, run, &input);
    check(status == 0 || status == LUA_ERRMEM);
    sandbox_clean(sandbox);
    return 0;
}
