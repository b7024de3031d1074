/* SPDX-License-Identifier: BSD-3-Clause */
/* A library is compiled aside and joins the others only when all of its request is known to fit: so a load, or a restore
 * of several, changes all or nothing. */
#include "command/function_library.h"

#include <ctype.h>

#include "base/clock.h"
#include "base/memory.h"
#include "command/info.h"

static struct list libraries = {&libraries, &libraries};
static struct chain_table functions;
static size_t libraries_loaded;
static struct library *library_loading;

/* FNV-1a, of small letters: names of functions are found in any case, as in Redis; those of libraries are not. */
static uint64_t hash_of(struct bytes name)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < name.length; i++)
        hash = (hash ^ (uint64_t)tolower((unsigned char)name.data[i])) * UINT64_C(1099511628211);
    return hash;
}

static void text_set(struct buffer *text, struct bytes bytes)
{
    buffer_append_bytes(text, bytes);
    *buffer_reserve(text, 1) = '\0';
}

const struct function *function_find(struct bytes name)
{
    for (struct chain_node *node = chain_table_find(&functions, hash_of(name)); node;
         node = chain_table_find_next(node)) {
        struct function *function = list_entry(node, struct function, node);
        if (bytes_equal_nocase(buffer_bytes(&function->name), name))
            return function;
    }
    return NULL;
}

static struct library *find_in(const struct list *list, struct bytes name)
{
    for (struct list *node = list->next; node != list; node = node->next) {
        struct library *library = list_entry(node, struct library, node);
        if (bytes_equal(buffer_bytes(&library->name), name))
            return library;
    }
    return NULL;
}

void library_each(void (*visit)(void *context, const struct library *library), void *context)
{
    for (struct list *node = libraries.next; node != &libraries; node = node->next)
        visit(context, list_entry(node, struct library, node));
}

size_t library_count(void)
{
    return libraries_loaded;
}

size_t function_count(void)
{
    return functions.count;
}

/* ---- joining and leaving ---- */

static void library_free(struct library *library)
{
    while (!list_is_empty(&library->functions)) {
        struct function *function = list_entry(library->functions.next, struct function, of_library);
        list_remove(&function->of_library);
        luaL_unref(scripting.sandbox->lua, LUA_REGISTRYINDEX, function->reference);
        buffer_deinit(&function->name);
        buffer_deinit(&function->description);
        memory_free(function);
    }
    buffer_deinit(&library->name);
    buffer_deinit(&library->code);
    memory_free(library);
}

static void library_join(struct library *library)
{
    list_append(&libraries, &library->node);
    libraries_loaded++;
    info_gauge_add(GAUGE_number_of_libraries, 1);
    info_gauge_add(GAUGE_used_memory_functions, (int64_t)library->code.capacity);
    for (struct list *node = library->functions.next; node != &library->functions; node = node->next) {
        struct function *function = list_entry(node, struct function, of_library);
        chain_table_add(&functions, &function->node, hash_of(buffer_bytes(&function->name)));
        info_gauge_add(GAUGE_number_of_functions, 1);
    }
}

static void library_leave(struct library *library)
{
    list_remove(&library->node);
    libraries_loaded--;
    info_gauge_add(GAUGE_number_of_libraries, -1);
    info_gauge_add(GAUGE_used_memory_functions, -(int64_t)library->code.capacity);
    for (struct list *node = library->functions.next; node != &library->functions; node = node->next) {
        chain_table_remove(&functions, &list_entry(node, struct function, of_library)->node);
        info_gauge_add(GAUGE_number_of_functions, -1);
    }
    library_free(library);
}

bool library_delete(struct bytes name)
{
    struct library *library = find_in(&libraries, name);
    if (library)
        library_leave(library);
    return library != NULL;
}

void library_flush(void)
{
    while (!list_is_empty(&libraries))
        library_leave(list_entry(libraries.next, struct library, node));
}

/* ---- compiling ---- */

static bool name_is_valid(struct bytes name)
{
    for (size_t i = 0; i < name.length; i++)
        if (!isalnum((unsigned char)name.data[i]) && name.data[i] != '_')
            return false;
    return name.length > 0;
}

#define NAME_ERROR                                                                                                     \
    "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long"

struct compilation {
    struct bytes code;
    struct buffer *error;
    bool is_compiled;
};

static int compile_and_run(lua_State *lua)
{
    struct compilation *compilation = lua_touserdata(lua, 1);
    bool compiled = sandbox_load(scripting.sandbox, compilation->code, "@user_function") == 0;
    if (compiled && lua_pcall(lua, 0, 0, 0) == 0) {
        compilation->is_compiled = true;
        return 0;
    }
    buffer_append_text(compilation->error,
                       compiled ? "ERR Error registering functions: " : "ERR Error compiling function: ");
    if (compiled)
        script_append_problem(lua, compilation->error);
    else
        buffer_append_text(compilation->error, lua_tostring(lua, -1));
    return 0;
}

/* Runs the library's text, which registers its functions. */
static bool library_run(struct library *library, struct bytes code, struct buffer *error)
{
    static const struct script_call call = {.name = "FUNCTION LOAD", .is_function = true};
    struct script_run run = {.call = &call, .loads_library = true, .started_us = clock_monotonic_us(), .resp = 2};
    struct compilation compilation = {.code = code, .error = error};
    library_loading = library;
    scripting.run = &run;
    script_protect(compile_and_run, &compilation, error);
    scripting.run = NULL;
    library_loading = NULL;
    script_hook_reset();
    sandbox_clean(scripting.sandbox);
    sandbox_collect(scripting.sandbox);
    if (compilation.is_compiled && list_is_empty(&library->functions)) {
        buffer_append_text(error, "ERR No functions registered");
        return false;
    }
    return compilation.is_compiled;
}

static struct library *library_compile(struct bytes code, struct buffer *error)
{
    size_t shebang;
    struct bytes name = {0};
    if (!script_shebang(code, NULL, &name, &shebang, error))
        return NULL;
    if (shebang == 0 || !name.data || !name_is_valid(name)) {
        buffer_append_text(error, shebang == 0 ? "ERR Missing library metadata"
                                  : !name.data ? "ERR Library name was not given"
                                               : NAME_ERROR);
        return NULL;
    }
    scripting_prepare();
    struct library *library = memory_allocate_zeroed(sizeof(*library));
    list_init(&library->node);
    list_init(&library->functions);
    text_set(&library->name, name);
    text_set(&library->code, code);
    if (library_run(library, bytes_of(code.data + shebang, code.length - shebang), error))
        return library;
    library_free(library);
    return NULL;
}

/* ---- redis.register_function ---- */

static int refuse(lua_State *lua, const char *text)
{
    return script_raise(lua, text);
}

static bool take_flags(lua_State *lua, uint32_t *flags)
{
    if (!lua_istable(lua, -1))
        return false;
    for (int i = 1;; i++) {
        lua_rawgeti(lua, -1, i);
        if (lua_isnil(lua, -1))
            break;
        uint32_t flag = lua_type(lua, -1) == LUA_TSTRING ? script_flag_of(lua_bytes(lua, -1)) : 0;
        if (!flag)
            return false;
        *flags |= flag;
        lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
    return true;
}

/* Puts name, callback and description at 2, 3 and 4 from a table of named arguments at 1. */
static void take_named(lua_State *lua, uint32_t *flags)
{
    lua_settop(lua, 4);
    lua_pushnil(lua);
    while (lua_next(lua, 1) != 0) {
        const char *key = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : NULL;
        if (!key) {
            refuse(lua, "ERR named argument key given to redis.register_function is not a string");
        } else if (strcmp(key, "function_name") == 0) {
            if (!lua_isstring(lua, -1))
                refuse(lua, "ERR function_name argument given to redis.register_function must be a string");
            lua_pushvalue(lua, -1);
            lua_replace(lua, 2);
        } else if (strcmp(key, "callback") == 0) {
            if (!lua_isfunction(lua, -1))
                refuse(lua, "ERR callback argument given to redis.register_function must be a function");
            lua_pushvalue(lua, -1);
            lua_replace(lua, 3);
        } else if (strcmp(key, "description") == 0) {
            if (!lua_isstring(lua, -1))
                refuse(lua, "ERR description argument given to redis.register_function must be a string");
            lua_pushvalue(lua, -1);
            lua_replace(lua, 4);
        } else if (strcmp(key, "flags") == 0) {
            if (!lua_istable(lua, -1))
                refuse(lua,
                       "ERR flags argument to redis.register_function must be a table representing function flags");
            if (!take_flags(lua, flags))
                refuse(lua, "ERR unknown flag given");
            lua_pushnil(lua);
            lua_insert(lua, -1);
        } else {
            refuse(lua, "ERR unknown argument given to redis.register_function");
        }
        lua_settop(lua, 5);
    }
}

static void take_arguments(lua_State *lua, uint32_t *flags)
{
    int count = lua_gettop(lua);
    if (count < 1 || count > 2)
        refuse(lua, "ERR wrong number of arguments to redis.register_function");
    if (count == 1) {
        if (!lua_istable(lua, 1))
            refuse(lua, "ERR calling redis.register_function with a single argument is only applicable to Lua table "
                        "(representing named arguments).");
        take_named(lua, flags);
    } else {
        if (!lua_isstring(lua, 1))
            refuse(lua, "ERR first argument to redis.register_function must be a string");
        if (!lua_isfunction(lua, 2))
            refuse(lua, "ERR second argument to redis.register_function must be a function");
        lua_insert(lua, 1);
        lua_pushnil(lua);
        lua_insert(lua, 1);
        lua_insert(lua, 2);
        lua_settop(lua, 4);
    }
    if (lua_isnil(lua, 2))
        refuse(lua, "ERR redis.register_function must get a function name argument");
    if (lua_isnil(lua, 3))
        refuse(lua, "ERR redis.register_function must get a callback argument");
}

static bool is_registered(struct bytes name)
{
    struct list *all = &library_loading->functions;
    for (struct list *node = all->next; node != all; node = node->next)
        if (bytes_equal(buffer_bytes(&list_entry(node, struct function, of_library)->name), name))
            return true;
    return false;
}

int script_register_function(lua_State *lua)
{
    uint32_t flags = 0;
    if (!library_loading)
        return luaL_error(lua, "attempt to call field 'register_function' (a nil value)");
    take_arguments(lua, &flags);
    struct bytes name = lua_bytes(lua, 2);
    if (!name_is_valid(name))
        return refuse(lua, NAME_ERROR);
    if (is_registered(name))
        return refuse(lua, "ERR Function already exists in the library");
    lua_pushvalue(lua, 3);
    int reference = luaL_ref(lua, LUA_REGISTRYINDEX);
    struct function *function = memory_allocate_zeroed(sizeof(*function));
    function->reference = reference;
    function->flags = flags;
    text_set(&function->name, name);
    function->has_description = lua_isstring(lua, 4);
    if (function->has_description)
        text_set(&function->description, lua_bytes(lua, 4));
    list_append(&library_loading->functions, &function->of_library);
    return 0;
}

/* ---- loading ---- */

static const struct function *find_function_in(const struct library *library, struct bytes name)
{
    for (struct list *node = library->functions.next; node != &library->functions; node = node->next) {
        struct function *function = list_entry(node, struct function, of_library);
        if (bytes_equal_nocase(buffer_bytes(&function->name), name))
            return function;
    }
    return NULL;
}

/* Whether a library of the list, other than one of the same name as 'library', has one of its functions. */
static bool collides(const struct list *others, const struct library *library, struct buffer *error)
{
    for (struct list *node = others->next; node != others; node = node->next) {
        struct library *other = list_entry(node, struct library, node);
        if (bytes_equal(buffer_bytes(&other->name), buffer_bytes(&library->name)))
            continue;
        for (struct list *own = library->functions.next; own != &library->functions; own = own->next) {
            struct bytes name = buffer_bytes(&list_entry(own, struct function, of_library)->name);
            if (!find_function_in(other, name))
                continue;
            buffer_append_format(error, "ERR Function %.*s already exists", (int)name.length, name.data);
            return true;
        }
    }
    return false;
}

static bool stage(struct list *staged, struct bytes code, enum library_policy policy, struct buffer *error)
{
    struct library *library = library_compile(code, error);
    if (!library)
        return false;
    struct bytes name = buffer_bytes(&library->name);
    bool is_there = find_in(staged, name) || (policy == LIBRARIES_APPEND && find_in(&libraries, name));
    if (is_there)
        buffer_append_format(error, "ERR Library '%.*s' already exists", (int)name.length, name.data);
    if (is_there || collides(staged, library, error) ||
        (policy != LIBRARIES_FLUSH && collides(&libraries, library, error))) {
        library_free(library);
        return false;
    }
    list_append(staged, &library->node);
    return true;
}

bool library_load(const struct bytes *codes, size_t count, enum library_policy policy, struct buffer *loaded,
                  struct buffer *error)
{
    struct list staged;
    list_init(&staged);
    bool fits = true;
    for (size_t i = 0; i < count && fits; i++)
        fits = stage(&staged, codes[i], policy, error);
    if (fits && policy == LIBRARIES_FLUSH)
        library_flush();
    while (!list_is_empty(&staged)) {
        struct library *library = list_entry(staged.next, struct library, node);
        list_remove(&library->node);
        if (!fits) {
            library_free(library);
            continue;
        }
        library_delete(buffer_bytes(&library->name));
        library_join(library);
        if (loaded) {
            loaded->length = 0;
            buffer_append_bytes(loaded, buffer_bytes(&library->name));
        }
    }
    return fits;
}
