/* SPDX-License-Identifier: BSD-3-Clause */
/* One run of a script, from its arguments to its reply. The script runs in a coroutine, all else in protected calls of
 * the main thread of Lua: whatever fails, the node's own state is as before.
 *
 * R1  'scripting.run' is set while Lua code of a script can run, and only then.
 * R2  a script that is to end (killed, started over) cannot catch that: from then on the hook raises the error again
 *     before every instruction.
 * R3  a coroutine that has failed is not used again. */
#include "command/script_private.h"
#include "resp/error_text.h"

#include <limits.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/metric.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/script_running.h"
#include "command/scripting.h"

/* Instructions between two looks at the clock and at whether somebody wants to end the script. */
#define HOOK_INSTRUCTIONS 5000
/* Of what commands replied to scripts, how much is kept for the next one. */
#define OUTPUT_KEPT_MAX (1u << 20)

struct scripting scripting;

static struct script_run run_of_all;
static lua_Debug failure_place;

/* ---- protection ---- */

bool script_protect(lua_CFunction step, void *argument, struct buffer *error)
{
    lua_State *lua = scripting.sandbox->lua;
    int base = lua_gettop(lua);
    int status = lua_cpcall(lua, step, argument);
    if (status == 0)
        return true;
    if (error)
        buffer_append_text(error, lua_isstring(lua, -1) ? lua_tostring(lua, -1) : "unknown error");
    lua_settop(lua, base);
    return false;
}

/* ---- the hook ---- */

void script_look(lua_State *lua)
{
    struct script_run *run = scripting.run;
    if (run->end == SCRIPT_GOES_ON && script_running_look(run))
        run->end = SCRIPT_KILLED;
    else if (run->end == SCRIPT_GOES_ON && script_running_is_busy())
        worker_answer_others(run->x->worker, run->x->session);
    if (run->end != SCRIPT_GOES_ON)
        script_stop_lua(lua);
    else if (!run->loads_library)
        execution_breathe_between(run->x);
}

static void hook(lua_State *lua, lua_Debug *activation)
{
    (void)activation;
    if (scripting.run)
        script_look(lua);
}

void scripting_collect(void)
{
    if (scripting.sandbox)
        sandbox_collect(scripting.sandbox);
}

void script_hook_reset(void)
{
    lua_sethook(scripting.sandbox->lua, hook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
}

int script_stop_lua(lua_State *lua)
{
    lua_sethook(lua, hook, LUA_MASKCOUNT, 1);
    return luaL_error(lua, scripting.run->loads_library ? "FUNCTION LOAD timeout"
                                                        : "Script killed by user with SCRIPT KILL.");
}

/* ---- life of the interpreter ---- */

static void describe_nothing(void *connection, char *peer, char *local, size_t size)
{
    (void)connection;
    snprintf(peer, size, "lua");
    snprintf(local, size, "lua");
}

void scripting_prepare(void)
{
    static const struct transport transport = {.describe = describe_nothing};
    if (scripting.sandbox)
        return;
    scripting.sandbox = sandbox_create((size_t)script_memory_max());
    script_api_open(scripting.sandbox);
    scripting.thread_reference = LUA_NOREF;
    scripting.session.transport = &transport;
    scripting.session.reply.output = &scripting.output;
    script_hook_reset();
}

static void thread_prepare(lua_State *lua)
{
    if (scripting.thread)
        return;
    scripting.thread = lua_newthread(lua);
    scripting.thread_reference = luaL_ref(lua, LUA_REGISTRYINDEX);
}

static void thread_drop(lua_State *lua)
{
    luaL_unref(lua, LUA_REGISTRYINDEX, scripting.thread_reference);
    scripting.thread = NULL;
}

/* ---- arguments ---- */

struct start {
    struct execution *x;
    const struct script_call *call;
    size_t key_count;
    int status;
    struct buffer problem; /* why the script failed */
};

static void push_words(lua_State *lua, const struct bytes *words, size_t count)
{
    lua_createtable(lua, (int)(count < INT_MAX ? count : INT_MAX), 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushlstring(lua, words[i].data, words[i].length);
        lua_rawseti(lua, -2, (int)i + 1);
    }
}

static int push_arguments(lua_State *lua, const struct start *start)
{
    const struct execution *x = start->x;
    push_words(lua, x->argv + 3, start->key_count);
    push_words(lua, x->argv + 3 + start->key_count, x->argc - 3 - start->key_count);
    if (start->call->is_function)
        return 2;
    sandbox_set(scripting.sandbox, "ARGV");
    sandbox_set(scripting.sandbox, "KEYS");
    return 0;
}

/* ---- errors ---- */

/* Notes where the script was when it failed: in its innermost function that is written in its own Lua. A tail call
 * ("return redis.call(...)") has left no trace of its caller. The error stays what it is. */
static int note_place(lua_State *thread)
{
    lua_Debug *place = &failure_place;
    for (int level = 1; lua_getstack(thread, level, place); level++) {
        lua_getinfo(thread, "Sl", place);
        if (strcmp(place->what, "C") != 0 && !sandbox_is_own(place->source))
            return 1;
    }
    place->currentline = -1;
    return 1;
}

void script_append_problem(lua_State *lua, struct buffer *text)
{
    if (lua_istable(lua, -1)) {
        lua_pushliteral(lua, "err");
        lua_rawget(lua, -2);
        buffer_append_text(text, lua_isstring(lua, -1) ? lua_tostring(lua, -1) : "ERR unknown error");
        lua_pop(lua, 1);
    } else {
        buffer_append_text(text, "ERR ");
        buffer_append_text(text, lua_isstring(lua, -1) ? lua_tostring(lua, -1) : luaL_typename(lua, -1));
    }
}

/* Of the error on the top of the stack. */
static void describe_failure(lua_State *lua, struct start *start)
{
    script_append_problem(lua, &start->problem);
    buffer_append_format(&start->problem, " script: %s", start->call->name);
    if (failure_place.currentline >= 0)
        buffer_append_format(&start->problem, ", on %s:%d.", failure_place.source, failure_place.currentline);
    else if (start->call->flags & SCRIPT_ONE_LINE)
        buffer_append_text(&start->problem, ", on @user_script:1.");
}

/* ---- a run ---- */

static int run_protected(lua_State *lua)
{
    struct start *start = lua_touserdata(lua, 1);
    lua_settop(lua, 0);
    thread_prepare(lua);
    lua_State *thread = scripting.thread;
    lua_getglobal(lua, "xpcall");
    lua_rawgeti(lua, LUA_REGISTRYINDEX, start->call->reference);
    lua_pushcfunction(lua, note_place);
    int arguments = push_arguments(lua, start);
    lua_xmove(lua, thread, 3 + arguments);
    failure_place.currentline = -1;
    start->status = lua_resume(thread, 2 + arguments);
    bool failed = start->status != 0 || !lua_toboolean(thread, 1);
    if (start->status == 0)
        lua_settop(thread, 2);
    lua_settop(lua, 0);
    lua_xmove(thread, lua, 1);
    if (start->status == 0)
        lua_settop(thread, 0);
    if (scripting.run->end != SCRIPT_GOES_ON)
        return 0;
    if (failed)
        describe_failure(lua, start);
    else
        script_reply_value(lua, start->x->reply, scripting.run->resp);
    return 0;
}

bool script_note_write(struct script_run *run)
{
    run->wrote = script_running_wrote();
    if (!run->wrote)
        run->end = SCRIPT_KILLED;
    return run->wrote;
}

static void run_begin(struct execution *x, const struct script_call *call)
{
    struct session *session = &scripting.session;
    x->parts_let_go = !x->whole;
    x->held_since = x->held_since ? x->held_since : x->worker->now_ticks;
    run_of_all = (struct script_run){.x = x,
                                     .call = call,
                                     .memory_short = x->worker->memory_short,
                                     .started_us = clock_monotonic_us(),
                                     .resp = 2,
                                     .keys_before = x->key_count + (x->whole ? x->whole->key_count : 0)};
    session->worker = x->worker;
    session->db = x->db;
    session->flags = SESSION_AUTHENTICATED | SESSION_EXECUTING_MULTI |
                     (x->session->flags & (SESSION_NO_TOUCH | SESSION_IMPORT_SOURCE));
    scripting.run = &run_of_all;
    script_running_begin(&run_of_all);
}

static void run_end(struct start *start, bool protected_well)
{
    struct script_run *run = scripting.run;
    script_running_end();
    scripting.run = NULL;
    if (run->end != SCRIPT_GOES_ON)
        script_hook_reset();
    if (!protected_well || start->status != 0 || run->end != SCRIPT_GOES_ON)
        thread_drop(scripting.sandbox->lua);
    sandbox_clean(scripting.sandbox);
    if (run->x->whole) /* of a transaction of many scripts the garbage would add up until its end */
        sandbox_collect(scripting.sandbox);
    if (scripting.output.bytes.capacity > OUTPUT_KEPT_MAX)
        output_deinit(&scripting.output);
    if (scripting.flat.capacity > OUTPUT_KEPT_MAX)
        buffer_deinit(&scripting.flat);
}

static void reply_failure(struct execution *x, struct buffer *problem)
{
    for (size_t i = 0; i < problem->length; i++)
        if (problem->data[i] == '\0')
            problem->data[i] = ' ';
    buffer_append(problem, "", 1);
    reply_error(x->reply, problem->data[0] == '-' ? problem->data + 1 : problem->data);
}

static bool read_only(const struct script_call *call)
{
    return call->read_only || (call->flags & SCRIPT_NO_WRITES);
}

const char *script_lacks_replicas(const struct execution *x)
{
    bool is_fact = (x->session->flags & SESSION_FEED) || !engine_hooks.replicas_are_few;
    return !is_fact && engine_hooks.replicas_are_few() ? ERROR_NO_REPLICAS : NULL;
}

void script_run(struct execution *x, const struct script_call *call, size_t key_count)
{
    struct start start = {.x = x, .call = call, .key_count = key_count};
    struct buffer error = {0};
    struct output_mark mark = output_mark(x->reply->output);
    if (x->worker->memory_short && !read_only(call) && !(call->flags & (SCRIPT_COMPAT | SCRIPT_ALLOW_OOM))) {
        reply_error(x->reply, "OOM allow-oom flag is not set on the script, can not run it when used memory > "
                              "'maxmemory'");
        return;
    }
    if (!read_only(call) && !(call->flags & SCRIPT_COMPAT) && script_lacks_replicas(x)) {
        reply_error(x->reply, script_lacks_replicas(x));
        return;
    }
    run_begin(x, call);
    bool well = script_protect(run_protected, &start, &error);
    stage_parts_end(x);
    enum script_end end = scripting.run->end;
    run_end(&start, well);
    if (end == SCRIPT_MEETS_COLD) {
        metric_add(METRIC_script_restarts, 1);
        execution_start_over(x);
    } else if (end == SCRIPT_KILLED) {
        output_rewind(x->reply->output, mark);
        reply_error_format(x->reply, "ERR Error running script (call to %s): Script killed by user with %s KILL.",
                           call->name, call->is_function ? "FUNCTION" : "SCRIPT");
    } else if (!well) {
        output_rewind(x->reply->output, mark);
        buffer_append_format(&error, " script: %s", call->name);
        buffer_append_text(&start.problem, "ERR ");
        buffer_append_bytes(&start.problem, buffer_bytes(&error));
        reply_failure(x, &start.problem);
    } else if (start.problem.length > 0) {
        reply_failure(x, &start.problem);
    }
    buffer_deinit(&error);
    buffer_deinit(&start.problem);
}
