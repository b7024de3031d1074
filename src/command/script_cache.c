/* SPDX-License-Identifier: BSD-3-Clause */
/* What EVAL brought along is kept for its next use, the EVAL_KEPT_MAX used last; clients that paste values into scripts
 * would fill the memory otherwise. What SCRIPT LOAD brought stays until SCRIPT FLUSH. */
#include "command/script_cache.h"

#include "base/hash.h"
#include "base/memory.h"
#include "command/info.h"
#include "command/scripting.h"

#include <ctype.h>

#define EVAL_KEPT_MAX 500

static struct chain_table scripts;
static struct list used_last = {&used_last, &used_last}; /* oldest first */
static size_t kept;
static _Atomic uint64_t evicted;

static uint64_t hash_of(const char *digest)
{
    return hash_bytes(digest, SHA1_HEX, 0);
}

static struct script *find(const char *digest)
{
    for (struct chain_node *node = chain_table_find(&scripts, hash_of(digest)); node;
         node = chain_table_find_next(node)) {
        struct script *script = list_entry(node, struct script, node);
        if (memcmp(script->digest, digest, SHA1_HEX) == 0)
            return script;
    }
    return NULL;
}

static void use(struct script *script)
{
    if (script->is_loaded)
        return;
    list_remove(&script->order);
    list_append(&used_last, &script->order);
}

struct script *script_cache_find(struct bytes digest)
{
    char lower[SHA1_HEX];
    if (digest.length != SHA1_HEX)
        return NULL;
    for (size_t i = 0; i < SHA1_HEX; i++)
        lower[i] = (char)tolower((unsigned char)digest.data[i]);
    struct script *script = find(lower);
    if (script)
        use(script);
    return script;
}

static void forget(struct script *script)
{
    chain_table_remove(&scripts, &script->node);
    if (!script->is_loaded) {
        list_remove(&script->order);
        kept--;
    }
    luaL_unref(scripting.sandbox->lua, LUA_REGISTRYINDEX, script->reference);
    info_gauge_add(GAUGE_number_of_cached_scripts, -1);
    info_gauge_add(GAUGE_used_memory_scripts, -(int64_t)script->bytes);
    buffer_deinit(&script->body);
    memory_free(script);
}

static void keep(struct script *script)
{
    script->bytes = memory_usable_size(script) + script->body.capacity;
    chain_table_add(&scripts, &script->node, hash_of(script->digest));
    info_gauge_add(GAUGE_number_of_cached_scripts, 1);
    info_gauge_add(GAUGE_used_memory_scripts, (int64_t)script->bytes);
    if (script->is_loaded)
        return;
    list_append(&used_last, &script->order);
    if (++kept <= EVAL_KEPT_MAX)
        return;
    forget(list_entry(used_last.next, struct script, order));
    atomic_fetch_add_explicit(&evicted, 1, memory_order_relaxed);
}

/* ---- compiling ---- */

struct compilation {
    struct bytes code;
    int reference;
};

static int compile(lua_State *lua)
{
    struct compilation *compilation = lua_touserdata(lua, 1);
    if (sandbox_load(scripting.sandbox, compilation->code, "@user_script") != 0)
        return lua_error(lua);
    compilation->reference = luaL_ref(lua, LUA_REGISTRYINDEX);
    return 0;
}

/* The shebang line is no Lua; its line end stays, so that lines keep their numbers. */
static bool compile_script(struct script *script, struct buffer *error)
{
    size_t shebang;
    struct buffer problem = {0};
    struct bytes body = buffer_bytes(&script->body);
    if (!script_shebang(body, &script->flags, NULL, &shebang, error))
        return false;
    if (shebang == 0)
        script->flags = SCRIPT_COMPAT;
    if (body.length == 0 || !memchr(body.data, '\n', body.length))
        script->flags |= SCRIPT_ONE_LINE;
    struct compilation compilation = {.code = bytes_of(body.data + shebang, body.length - shebang)};
    bool compiled = script_protect(compile, &compilation, &problem);
    script->reference = compilation.reference;
    if (!compiled) {
        buffer_append_text(error, "ERR Error compiling script (new function): ");
        buffer_append_bytes(error, buffer_bytes(&problem));
    }
    buffer_deinit(&problem);
    return compiled;
}

struct script *script_cache_load(struct bytes body, bool for_good, struct buffer *error)
{
    char digest[SHA1_HEX + 1];
    sha1_hex(body, digest);
    scripting_prepare();
    struct script *script = find(digest);
    if (script) {
        use(script);
        if (for_good && !script->is_loaded) {
            list_remove(&script->order);
            kept--;
            script->is_loaded = true;
        }
        return script;
    }
    script = memory_allocate_zeroed(sizeof(*script));
    memcpy(script->digest, digest, sizeof(digest));
    buffer_append_bytes(&script->body, body);
    script->is_loaded = for_good;
    if (compile_script(script, error)) {
        keep(script);
        return script;
    }
    buffer_deinit(&script->body);
    memory_free(script);
    return NULL;
}

void script_cache_flush(void)
{
    for (struct chain_node *node; (node = chain_table_walk(&scripts, NULL)) != NULL;)
        forget(list_entry(node, struct script, node));
    if (scripting.sandbox)
        lua_gc(scripting.sandbox->lua, LUA_GCCOLLECT, 0);
}

uint64_t scripting_evicted(void)
{
    return atomic_load_explicit(&evicted, memory_order_relaxed);
}
