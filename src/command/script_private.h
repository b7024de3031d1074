/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/chain_table.h"
#include "base/sha1.h"
#include "command/dispatch.h"
#include "script/sandbox.h"

/* Shared by the files script_*.c and function_*.c, which alone know of the interpreter. All of it belongs to whoever has
 * the turn (scripting.h), except what is atomic. */

enum script_flags {
    SCRIPT_NO_WRITES = 1 << 0,
    SCRIPT_ALLOW_OOM = 1 << 1,
    SCRIPT_ALLOW_STALE = 1 << 2,
    SCRIPT_NO_CLUSTER = 1 << 3,
    SCRIPT_ALLOW_CROSS_SLOT = 1 << 4,
    SCRIPT_COMPAT = 1 << 5,   /* no shebang: what it may do is found out while it runs */
    SCRIPT_ONE_LINE = 1 << 6, /* the text has no line end */
};

/* What is to be run. */
struct script_call {
    int reference;    /* of the Lua function */
    const char *name; /* a script's digest or a function's name */
    uint32_t flags;
    bool read_only;   /* EVAL_RO and its like */
    bool is_function; /* keys and arguments are the function's, not globals */
};

enum script_end {
    SCRIPT_GOES_ON,
    SCRIPT_KILLED,
    SCRIPT_MEETS_COLD, /* a key that it did not declare is not in RAM: it starts over when it is */
};

/* The run under way. */
struct script_run {
    struct execution *x; /* of EVAL or FCALL */
    const struct script_call *call;
    const struct command_entry *calls; /* the command that it calls just now */
    enum script_end end;
    bool wrote;         /* has called a command that writes */
    bool memory_short;  /* there was no room when it began */
    bool loads_library; /* FUNCTION LOAD runs the library's code: no commands, but registrations */
    int64_t started_us;
    size_t keys_before; /* of the worker's, when it began */
    int resp;           /* 2 or 3: how replies become Lua values */
};

struct scripting {
    struct sandbox *sandbox;
    struct script_run *run; /* NULL: nothing runs */
    lua_State *thread;      /* the coroutine that runs scripts */
    int thread_reference;
    /* Commands of scripts have a session and an output of their own. */
    struct session session;
    struct output output;
    struct buffer flat;
    struct bytes *argv;
    char (*numbers)[32];
    size_t argv_capacity;
    uint32_t values_replied;
};
extern struct scripting scripting;

/* script_run.c */

/* From now on the run can be neither killed nor started over; false if it was killed before. */
bool script_note_write(struct script_run *run);
/* Looks whether the run is to end, which raises an error, and answers others; for work that counts no instructions. */
void script_look(lua_State *lua);
/* Raises an error that the script cannot catch. */
int script_stop_lua(lua_State *lua);

/* Makes the interpreter if there is none yet. */
void scripting_prepare(void);
/* Runs the call with the execution's keys and arguments, from argv[3] on, and replies. May suspend the execution. */
void script_run(struct execution *x, const struct script_call *call, size_t key_count);
/* NULL, or the refusal of a write for want of replicas. */
const char *script_lacks_replicas(const struct execution *x);
/* Appends the text of the error on the top of the stack. */
void script_append_problem(lua_State *lua, struct buffer *text);
/* After a script that was stopped. */
void script_hook_reset(void);
/* Calls 'step' in a protected environment; an error's text goes to 'error' and false is returned. */
bool script_protect(lua_CFunction step, void *argument, struct buffer *error);
/* For EVAL and FCALL: reads argv[2]; false if an error was replied. */
bool script_key_count(struct execution *x, size_t *count);

/* script_shebang.c */

/* Reads a first line "#!lua flags=a,b" (or "name=x" where 'name' is not NULL) and tells how long it is without its line
 * end; 0 if there is none. False: 'error' says why. */
bool script_shebang(struct bytes code, uint32_t *flags, struct bytes *name, size_t *length, struct buffer *error);
/* The flag of a name, 0 if there is none; in order of the bits, NULL at the end. */
uint32_t script_flag_of(struct bytes name);
extern const char *const script_flag_names[];

/* script_call.c: redis.call and redis.pcall */
int script_call_raising(lua_State *lua);
int script_call_returning(lua_State *lua);

/* script_api.c */

/* Adds redis and server, the tables of what a script asks of the node. */
void script_api_open(struct sandbox *sandbox);
/* Pushes {err = text}. */
void script_push_error(lua_State *lua, const char *text);
/* Raises {err = text}. */
int script_raise(lua_State *lua, const char *text);

/* script_reply.c */

/* Pushes the Lua value of one reply; 'resp' as redis.setresp has it. */
void script_push_reply(lua_State *lua, struct bytes reply);
/* Replies the Lua value on the top of the stack and pops it. */
void script_reply_value(lua_State *lua, struct reply *reply, int resp);
