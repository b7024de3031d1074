/* SPDX-License-Identifier: BSD-3-Clause */
/* What scripts find in redis, and under its other name in server, beside call and pcall. */
#include "base/log.h"
#include "command/function_library.h"

#include <stdio.h>

/* What libraries test for. */
#define COMPATIBLE_VERSION "7.2.4"

void script_push_error(lua_State *lua, const char *text)
{
    lua_createtable(lua, 0, 1);
    lua_pushstring(lua, text);
    lua_setfield(lua, -2, "err");
}

int script_raise(lua_State *lua, const char *text)
{
    script_push_error(lua, text);
    return lua_error(lua);
}

/* {name = text}; what is no text is an error that is returned, not raised. */
static int return_wrapped(lua_State *lua, const char *name)
{
    if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TSTRING) {
        script_push_error(lua, "ERR wrong number or type of arguments");
        return 1;
    }
    lua_createtable(lua, 0, 1);
    lua_pushvalue(lua, 1);
    lua_setfield(lua, -2, name);
    return 1;
}

static int status_reply(lua_State *lua)
{
    return return_wrapped(lua, "ok");
}

/* A text without a code gets one. */
static int error_reply(lua_State *lua)
{
    if (lua_gettop(lua) == 1 && lua_type(lua, 1) == LUA_TSTRING) {
        struct bytes text = lua_bytes(lua, 1);
        if (text.length > 0 && text.data[0] == '-')
            text = bytes_of(text.data + 1, text.length - 1);
        bool has_code = text.length > 0 && memchr(text.data, ' ', text.length);
        lua_pushstring(lua, has_code ? "" : "ERR ");
        lua_pushlstring(lua, text.data, text.length);
        lua_concat(lua, 2);
        lua_replace(lua, 1);
    }
    return return_wrapped(lua, "err");
}

static int sha1hex(lua_State *lua)
{
    char hex[SHA1_HEX + 1];
    if (lua_gettop(lua) != 1)
        return script_raise(lua, "ERR wrong number of arguments");
    size_t length;
    const char *data = lua_tolstring(lua, 1, &length);
    sha1_hex(bytes_of(data, data ? length : 0), hex);
    lua_pushlstring(lua, hex, SHA1_HEX);
    return 1;
}

static int log_line(lua_State *lua)
{
    int count = lua_gettop(lua);
    if (count < 2)
        return script_raise(lua, "ERR redis.log() requires two arguments or more.");
    if (lua_type(lua, 1) != LUA_TNUMBER)
        return script_raise(lua, "ERR First argument must be a number (log level).");
    int level = (int)lua_tonumber(lua, 1);
    if (level < LOG_DEBUG || level > LOG_WARNING)
        return script_raise(lua, "ERR Invalid debug level.");
    luaL_Buffer text;
    luaL_buffinit(lua, &text);
    for (int i = 2; i <= count; i++) {
        if (i > 2)
            luaL_addchar(&text, ' ');
        lua_pushstring(lua, lua_isstring(lua, i) ? lua_tostring(lua, i) : "");
        luaL_addvalue(&text);
    }
    luaL_pushresult(&text);
    log_event((enum log_level)level, "script", "text=\"%s\"", lua_tostring(lua, -1));
    return 0;
}

static int setresp(lua_State *lua)
{
    if (lua_gettop(lua) != 1)
        return script_raise(lua, "ERR redis.setresp() requires one argument.");
    int resp = (int)lua_tonumber(lua, 1);
    if (resp != 2 && resp != 3)
        return script_raise(lua, "ERR RESP version must be 2 or 3.");
    scripting.run->resp = resp;
    return 0;
}

/* Effects are what is replicated and logged, all of them: a script cannot hold some back. */
static int set_repl(lua_State *lua)
{
    if (lua_gettop(lua) != 1)
        return script_raise(lua, "ERR redis.set_repl() requires two arguments.");
    lua_Number flags = lua_tonumber(lua, 1);
    if (flags < 0 || flags > 3)
        return script_raise(lua, "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
    return 0;
}

static int replicate_commands(lua_State *lua)
{
    lua_pushboolean(lua, true);
    return 1;
}

/* There is no debugger. */
static int do_nothing(lua_State *lua)
{
    lua_pushboolean(lua, false);
    return 1;
}

static int acl_check_cmd(lua_State *lua)
{
    if (lua_gettop(lua) == 0)
        return script_raise(lua, "ERR Please specify at least one argument for this redis lib call");
    struct bytes words[2];
    size_t count = lua_gettop(lua) > 1 ? 2 : 1;
    for (size_t i = 0; i < count; i++) {
        if (!lua_isstring(lua, (int)i + 1))
            return script_raise(lua, "ERR redis.acl_check_cmd() require a command arguments to be strings or integers");
        words[i] = lua_bytes(lua, (int)i + 1);
    }
    if (!command_resolve(words, count))
        return script_raise(lua, "ERR Invalid command passed to redis.acl_check_cmd()");
    lua_pushboolean(lua, true);
    return 1;
}

static const struct luaL_Reg functions[] = {
    {"call", script_call_raising},
    {"pcall", script_call_returning},
    {"status_reply", status_reply},
    {"error_reply", error_reply},
    {"sha1hex", sha1hex},
    {"log", log_line},
    {"setresp", setresp},
    {"set_repl", set_repl},
    {"replicate_commands", replicate_commands},
    {"breakpoint", do_nothing},
    {"debug", do_nothing},
    {"acl_check_cmd", acl_check_cmd},
    {"register_function", script_register_function},
    {NULL, NULL},
};

static const struct {
    const char *name;
    int value;
} constants[] = {
    {"LOG_DEBUG", LOG_DEBUG},
    {"LOG_VERBOSE", LOG_VERBOSE},
    {"LOG_NOTICE", LOG_NOTICE},
    {"LOG_WARNING", LOG_WARNING},
    {"REPL_NONE", 0},
    {"REPL_AOF", 1},
    {"REPL_REPLICA", 2},
    {"REPL_SLAVE", 2},
    {"REPL_ALL", 3},
};

static void push_api(lua_State *lua)
{
    int major = 0, minor = 0, patch = 0;
    lua_newtable(lua);
    for (size_t i = 0; functions[i].name; i++) {
        lua_pushcfunction(lua, functions[i].func);
        lua_setfield(lua, -2, functions[i].name);
    }
    for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
        lua_pushinteger(lua, constants[i].value);
        lua_setfield(lua, -2, constants[i].name);
    }
    sscanf(COMPATIBLE_VERSION, "%d.%d.%d", &major, &minor, &patch);
    lua_pushliteral(lua, COMPATIBLE_VERSION);
    lua_setfield(lua, -2, "REDIS_VERSION");
    lua_pushinteger(lua, major << 16 | minor << 8 | patch);
    lua_setfield(lua, -2, "REDIS_VERSION_NUM");
}

void script_api_open(struct sandbox *sandbox)
{
    push_api(sandbox->lua);
    sandbox_add(sandbox, "redis");
    push_api(sandbox->lua);
    sandbox_add(sandbox, "server");
}
