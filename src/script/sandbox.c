/* SPDX-License-Identifier: BSD-3-Clause */
/* LuaJIT has no read-only tables, so what scripts see of the globals and of each library is a proxy: an empty table whose
 * metatable reads from the real one and refuses to write, and is itself out of reach. The real tables are reachable by
 * nobody. Functions that write past metatables (rawset, setmetatable) look for proxies; what others leave in a proxy
 * (table.insert) is swept out after the script.
 *
 * On the stack stand for ever: 1 the real globals, 2 their proxy, then the proxies of the libraries.
 *
 * S1  no value that a script can reach leads to a function that loads code, names a file or sets an environment.
 * S2  the proxies are empty when a script begins.
 * S3  the hook that counts instructions is set for ever: it is the interpreter's, not a coroutine's. */
#include "script/sandbox.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/random.h"

#define REAL_GLOBALS 1
#define GLOBALS 2
#define CHUNK_OWN "=sandbox"
/* More than this is not left to the next scripts, nor is half of what they may use: what is garbage is not told from
 * what is not when an allocation fails. */
#define COLLECT_BEYOND (16u << 20)

/* What scripts may use of the standard library. Redis's names for what Lua 5.1 called otherwise are added below. */
static const char *const allowed[] = {"_VERSION", "assert",   "coroutine", "error",  "getmetatable", "ipairs", "math",
                                      "next",     "pairs",    "rawequal",  "rawget", "select",       "string", "table",
                                      "tonumber", "tostring", "type",      "unpack", "bit",          "xpcall", NULL};
static const char *const libraries[] = {"coroutine", "math", "string", "table", "bit", NULL};

/* The sandbox's own Lua: given the real libraries and the set of proxies, it returns what replaces globals. pcall is
 * written in it because a script must be able to be suspended below one; an error object's text is what it returns. */
static const char own_code[] =
    "local locked, rawset, setmetatable, pcall, collectgarbage = ...\n"
    "local rawget, type, error = rawget, type, error\n"
    "math.mod, string.gfind, string.dump = math.fmod, string.gmatch, nil\n"
    "local function finish(ok, problem, ...)\n"
    "  if not ok and type(problem) == 'table' then\n"
    "    local text = rawget(problem, 'err')\n"
    "    if type(text) == 'string' then problem = text end\n"
    "  end\n"
    "  return ok, problem, ...\n"
    "end\n"
    "local function refuse(t)\n"
    "  if locked[t] then error('Attempt to modify a readonly table', 0) end\n"
    "  return t\n"
    "end\n"
    "return {\n"
    "  pcall = function(...) return finish(pcall(...)) end,\n"
    "  rawset = function(t, k, v) return rawset(refuse(t), k, v) end,\n"
    "  setmetatable = function(t, m) return setmetatable(refuse(t), m) end,\n"
    "  collectgarbage = function(what) return collectgarbage(what == 'count' and 'count' or 'step') end,\n"
    "  gcinfo = function() return collectgarbage('count') end,\n"
    "}\n";

static void *sandbox_allocate(void *context, void *block, size_t old_size, size_t new_size)
{
    struct sandbox *sandbox = context;
    size_t used = atomic_load_explicit(&sandbox->used, memory_order_relaxed) - old_size + new_size;
    if (new_size > old_size && used > sandbox->used_max)
        return NULL;
    atomic_store_explicit(&sandbox->used, used, memory_order_relaxed);
    if (new_size > 0)
        return memory_resize(block, new_size);
    memory_free(block);
    return NULL;
}

static int refuse_write(lua_State *lua)
{
    return luaL_error(lua, "Attempt to modify a readonly table");
}

static int refuse_absent(lua_State *lua)
{
    const char *name = lua_tostring(lua, 2);
    return luaL_error(lua, "Script attempted to access nonexistent global variable '%s'", name ? name : "?");
}

/* Pushes a proxy of the table at 'real'. */
static void proxy_push(lua_State *lua, int real)
{
    lua_newtable(lua);
    lua_newtable(lua);
    lua_pushvalue(lua, real);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, refuse_write);
    lua_setfield(lua, -2, "__newindex");
    lua_pushboolean(lua, false);
    lua_setfield(lua, -2, "__metatable");
    lua_setmetatable(lua, -2);
}

static void proxy_note(lua_State *lua)
{
    lua_getfield(lua, LUA_REGISTRYINDEX, "locked");
    lua_pushvalue(lua, -2);
    lua_pushboolean(lua, true);
    lua_rawset(lua, -3);
    lua_pop(lua, 1);
}

void sandbox_add(struct sandbox *sandbox, const char *name)
{
    lua_State *lua = sandbox->lua;
    proxy_push(lua, lua_gettop(lua));
    proxy_note(lua);
    lua_pushvalue(lua, -1);
    lua_setfield(lua, REAL_GLOBALS, name);
    lua_replace(lua, -2);
    check(lua_gettop(lua) == sandbox->base + 1);
    sandbox->base++;
}

void sandbox_set(struct sandbox *sandbox, const char *name)
{
    lua_rawgeti(sandbox->lua, LUA_REGISTRYINDEX, sandbox->globals_reference);
    lua_insert(sandbox->lua, -2);
    lua_setfield(sandbox->lua, -2, name);
    lua_pop(sandbox->lua, 1);
}

/* ---- making it ---- */

static void open_library(lua_State *lua, lua_CFunction open, const char *name)
{
    lua_pushcfunction(lua, open);
    lua_pushstring(lua, name);
    lua_call(lua, 1, 0);
}

/* The whole of these into Lua's own globals, from which only what is allowed is taken. */
static void open_standard(lua_State *lua)
{
    open_library(lua, luaopen_base, "");
    open_library(lua, luaopen_table, LUA_TABLIBNAME);
    open_library(lua, luaopen_string, LUA_STRLIBNAME);
    open_library(lua, luaopen_math, LUA_MATHLIBNAME);
    open_library(lua, luaopen_os, LUA_OSLIBNAME);
    open_library(lua, luaopen_bit, LUA_BITLIBNAME);
}

static void seed_random(lua_State *lua)
{
    uint32_t seed;
    random_secure(&seed, sizeof(seed));
    lua_getglobal(lua, "math");
    lua_getfield(lua, -1, "randomseed");
    lua_pushnumber(lua, seed);
    lua_call(lua, 1, 0);
    lua_pop(lua, 1);
}

static void replace_dangerous(lua_State *lua)
{
    static const char *const given[] = {"rawset", "setmetatable", "pcall", "collectgarbage", NULL};
    check(luaL_loadbuffer(lua, own_code, sizeof(own_code) - 1, CHUNK_OWN) == 0);
    lua_getfield(lua, LUA_REGISTRYINDEX, "locked");
    for (int i = 0; given[i]; i++)
        lua_getglobal(lua, given[i]);
    lua_call(lua, 5, 1);
    for (lua_pushnil(lua); lua_next(lua, -2) != 0; lua_pop(lua, 1)) {
        lua_pushvalue(lua, -2);
        lua_pushvalue(lua, -2);
        lua_rawset(lua, REAL_GLOBALS);
    }
    lua_pop(lua, 1);
}

static void take_allowed(struct sandbox *sandbox)
{
    lua_State *lua = sandbox->lua;
    for (int i = 0; allowed[i]; i++) {
        lua_getglobal(lua, allowed[i]);
        lua_setfield(lua, REAL_GLOBALS, allowed[i]);
    }
    for (int i = 0; libraries[i]; i++) {
        lua_getglobal(lua, libraries[i]);
        sandbox_add(sandbox, libraries[i]);
    }
    lua_newtable(lua);
    lua_getglobal(lua, "os");
    lua_getfield(lua, -1, "clock");
    lua_setfield(lua, -3, "clock");
    lua_pop(lua, 1);
    sandbox_add(sandbox, "os");
}

/* getmetatable('') gives a proxy, and that the proxy of the library; strings keep their methods. */
static void lock_string_metatable(lua_State *lua)
{
    lua_pushliteral(lua, "");
    check(lua_getmetatable(lua, -1));
    lua_newtable(lua);
    lua_getfield(lua, REAL_GLOBALS, "string");
    lua_setfield(lua, -2, "__index");
    proxy_push(lua, lua_gettop(lua));
    proxy_note(lua);
    lua_setfield(lua, -3, "__metatable");
    lua_pop(lua, 3);
}

static void lock_globals(lua_State *lua)
{
    lua_newtable(lua);
    lua_pushcfunction(lua, refuse_absent);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, REAL_GLOBALS);
    lua_pushvalue(lua, GLOBALS);
    lua_setfield(lua, REAL_GLOBALS, "_G");
    lua_pushvalue(lua, GLOBALS);
    lua_replace(lua, LUA_GLOBALSINDEX);
}

static int sandbox_open(lua_State *lua)
{
    struct sandbox *sandbox = lua_touserdata(lua, 1);
    lua_newtable(lua);
    lua_setfield(lua, LUA_REGISTRYINDEX, "locked");
    open_standard(lua);
    seed_random(lua);
    lua_newtable(lua);
    lua_replace(lua, REAL_GLOBALS);
    lua_pushvalue(lua, REAL_GLOBALS);
    sandbox->globals_reference = luaL_ref(lua, LUA_REGISTRYINDEX);
    proxy_push(lua, REAL_GLOBALS);
    proxy_note(lua);
    sandbox->base = lua_gettop(lua);
    take_allowed(sandbox);
    replace_dangerous(lua);
    libraries_open(sandbox);
    lock_string_metatable(lua);
    lock_globals(lua);
    check(lua_gettop(lua) == sandbox->base);
    return sandbox->base;
}

struct sandbox *sandbox_create(size_t used_max)
{
    struct sandbox *sandbox = memory_allocate_zeroed(sizeof(*sandbox));
    sandbox->used_max = used_max;
    sandbox->lua = lua_newstate(sandbox_allocate, sandbox);
    check(sandbox->lua);
    luaJIT_setmode(sandbox->lua, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    lua_pushcfunction(sandbox->lua, sandbox_open);
    lua_pushlightuserdata(sandbox->lua, sandbox);
    lua_call(sandbox->lua, 1, LUA_MULTRET);
    return sandbox;
}

void sandbox_destroy(struct sandbox **sandbox)
{
    lua_close((*sandbox)->lua);
    buffer_deinit(&(*sandbox)->scratch);
    memory_free(*sandbox);
    *sandbox = NULL;
}

/* ---- using it ---- */

int sandbox_load(struct sandbox *sandbox, struct bytes code, const char *chunk_name)
{
    int status = luaL_loadbufferx(sandbox->lua, code.data, code.length, chunk_name, "t");
    if (status == 0) {
        lua_pushvalue(sandbox->lua, LUA_GLOBALSINDEX);
        lua_setfenv(sandbox->lua, -2);
    }
    return status;
}

static void proxy_empty(lua_State *lua, int proxy)
{
    lua_pushnil(lua);
    while (lua_next(lua, proxy) != 0) {
        lua_pop(lua, 1);
        lua_pushvalue(lua, -1);
        lua_pushnil(lua);
        lua_rawset(lua, proxy);
        lua_pop(lua, 1);
        lua_pushnil(lua);
    }
}

void sandbox_clean(struct sandbox *sandbox)
{
    lua_State *lua = sandbox->lua;
    lua_settop(lua, sandbox->base);
    for (int proxy = GLOBALS; proxy <= sandbox->base; proxy++)
        proxy_empty(lua, proxy);
    libraries_reset(sandbox);
}

void sandbox_collect(struct sandbox *sandbox)
{
    size_t used = atomic_load_explicit(&sandbox->used, memory_order_relaxed);
    if (__builtin_expect(used > COLLECT_BEYOND || used > sandbox->used_max / 2, 0))
        lua_gc(sandbox->lua, LUA_GCCOLLECT, 0);
}

bool sandbox_is_own(const char *source)
{
    return strcmp(source, CHUNK_OWN) == 0;
}
