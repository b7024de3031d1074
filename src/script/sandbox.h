/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>

#include "base/bytes.h"
#include "script/libraries.h"
#include "script/lua_api.h"

/* A Lua interpreter that code of strangers may run in: no compiler of machine code, no files, processes or foreign
 * functions, nothing that loads code, a bound on memory, and globals and libraries that a script cannot change, so that
 * none meets what another one left. One thread at a time. */
struct sandbox {
    lua_State *lua;
    _Atomic size_t used; /* bytes of the interpreter's memory; any thread may read it */
    size_t used_max;     /* beyond it a script has "not enough memory" */
    int base;            /* what stands on the stack for ever */
    int globals_reference;
    struct buffer scratch; /* where libraries make things */
    struct json_settings json;
};

struct sandbox *sandbox_create(size_t used_max);
void sandbox_destroy(struct sandbox **sandbox);

/* The table on the top of the stack becomes the read-only global 'name' and is popped. Before the first script. */
void sandbox_add(struct sandbox *sandbox, const char *name);
/* The value on the top of the stack becomes the global 'name' as it is (KEYS, ARGV) and is popped. */
void sandbox_set(struct sandbox *sandbox, const char *name);

/* Compiles Lua text, never bytecode; pushes the function and returns 0, or an error message and returns its kind. May
 * raise an error of memory. */
int sandbox_load(struct sandbox *sandbox, struct bytes code, const char *chunk_name);
/* After a script: what it has put where it should not is taken out again. */
void sandbox_clean(struct sandbox *sandbox);
/* Before the next script: collects garbage if there may be much, which takes as long as that is large. */
void sandbox_collect(struct sandbox *sandbox);
/* Whether a chunk name is that of the sandbox's own Lua. */
bool sandbox_is_own(const char *source);
