/* SPDX-License-Identifier: BSD-3-Clause */
/* redis.call and redis.pcall: a command that is run by a command. It goes through the same handlers as a client's, with a
 * session, an output and arguments of the interpreter's own, under the partitions that the script holds. One that it
 * does not hold yet is taken on the way: only who has the turn of scripts waits for a partition while it holds others,
 * and nobody waits for the turn while holding one, so no two wait for each other.
 *
 * A key that is not in RAM: a script that has written nothing is taken back to its start, and waits for the key as any
 * request does; one that has written cannot be, so it reads the row at once. */
#include "base/memory.h"
#include "base/metric.h"
#include "command/claims.h"
#include "command/class.h"
#include "command/script_private.h"
#include "resp/error_text.h"

#include <math.h>
#include <stdio.h>

/* A number takes up to a microsecond to become text. */
#define ARGUMENTS_A_BREATH 256

/* ---- arguments ---- */

static void argv_reserve(size_t count)
{
    if (count <= scripting.argv_capacity)
        return;
    scripting.argv_capacity = count * 2;
    scripting.argv = memory_resize(scripting.argv, scripting.argv_capacity * sizeof(*scripting.argv));
    scripting.numbers = memory_resize(scripting.numbers, scripting.argv_capacity * sizeof(*scripting.numbers));
}

/* As "%.17g" has it, which is plain digits for integers of up to 17. */
static struct bytes number_text(lua_Number number, char text[32])
{
    if (fabs(number) < 1e17 && number == (lua_Number)(int64_t)number && !(number == 0 && signbit(number)))
        return bytes_of(text, bytes_from_int64(text, (int64_t)number));
    return bytes_of(text, (size_t)snprintf(text, 32, "%.17g", number));
}

/* NULL, or why these are no command. */
static const char *collect_arguments(struct execution *x, lua_State *lua, size_t argc)
{
    if (argc == 0)
        return "ERR Please specify at least one argument for this redis lib call";
    argv_reserve(argc);
    for (size_t i = 0; i < argc; i++) {
        int type = lua_type(lua, (int)i + 1);
        if (type == LUA_TSTRING)
            scripting.argv[i] = lua_bytes(lua, (int)i + 1);
        else if (type == LUA_TNUMBER)
            scripting.argv[i] = number_text(lua_tonumber(lua, (int)i + 1), scripting.numbers[i]);
        else
            return "ERR Lua redis lib command arguments must be strings or integers";
        if ((i + 1) % ARGUMENTS_A_BREATH == 0)
            execution_breathe_between(x);
    }
    return NULL;
}

/* ---- what a script may do ---- */

static bool arity_fits(const struct command_entry *command, size_t argc)
{
    return command->arity > 0 ? argc == (size_t)command->arity : argc >= (size_t)-command->arity;
}

/* What nobody can take back has happened. */
static bool has_changed(const struct script_run *run)
{
    const struct worker *worker = run->x->worker;
    return run->wrote || worker->effects.count > 0 || worker->notices.length > 0;
}

/* What may be told to replicas is a write here. */
static const char *refuse_in_read_only(const struct script_run *run, const struct command_entry *command)
{
    bool is_read_only = run->call->read_only || (run->call->flags & SCRIPT_NO_WRITES);
    return is_read_only && (command->flags & (COMMAND_WRITE | COMMAND_MAY_REPLICATE))
               ? "ERR Write commands are not allowed from read-only scripts."
               : NULL;
}

static const char *refuse_write(struct script_run *run)
{
    if (engine_is_following(run->x->engine) && !(run->x->session->flags & SESSION_FEED) &&
        __atomic_load_n(&following_settings.read_only, __ATOMIC_RELAXED))
        return ERROR_READONLY;
    const char *failure = engine_write_failure(run->x->engine);
    return failure || has_changed(run) ? failure : script_lacks_replicas(run->x);
}

/* NULL, or why the command cannot be called. */
static const char *refuse_command(struct script_run *run, const struct command_entry *command, size_t argc)
{
    if (!command || (command->subcommands && argc > 1 && arity_fits(command, argc)))
        return "ERR Unknown Redis command called from script";
    if (!arity_fits(command, argc))
        return "ERR Wrong number of args calling Redis command from script";
    if (command->flags & COMMAND_NOSCRIPT)
        return "ERR This Redis command is not allowed from script";
    const char *refusal = refuse_in_read_only(run, command);
    if (!refusal && (command->flags & COMMAND_WRITE))
        refusal = refuse_write(run);
    if (!refusal && run->memory_short && (command->flags & COMMAND_DENYOOM) && !run->wrote &&
        !(run->call->flags & SCRIPT_ALLOW_OOM))
        refusal = "OOM command not allowed when used memory > 'maxmemory'.";
    /* What was let in goes on as it began, but not until the process ends. */
    if (!refusal && (command->flags & COMMAND_DENYOOM) && !(run->x->session->flags & SESSION_FEED) &&
        engine_is_overfull(run->x->engine))
        refusal = "OOM command not allowed when used memory > 'maxmemory'.";
    return refusal;
}

/* ---- keys ---- */

static void take_partitions(struct execution *x, struct execution *inner)
{
    if (inner->command->flags & COMMAND_WALKS || command_needs_all(inner->command, inner->argv, inner->argc))
        execution_hold_rest(x);
    for (size_t i = 0; i < inner->key_count; i++)
        execution_hold_more(x, key_partition(&inner->keys[i]));
    inner->holding_all = x->holding_all;
    inner->recording = x->recording;
}

/* So many declared keys are compared with. */
#define DECLARED_MAX 16

static bool is_declared(const struct execution *x, const struct key *key)
{
    for (size_t i = 0; i < x->key_count && i < DECLARED_MAX; i++) {
        const struct key *declared = &x->keys[i];
        if (declared->hash == key->hash && declared->db == key->db && bytes_equal(declared->name, key->name))
            return true;
    }
    return false;
}

/* Before it has looked at anything. */
static void note_declared(struct execution *x, const struct execution *inner)
{
    for (size_t i = 0; i < inner->key_count && x->parts_let_go; i++)
        x->parts_let_go = is_declared(x, &inner->keys[i]);
}

static bool read_at_once(struct script_run *run, struct execution *inner, const struct key *key)
{
    uint64_t offset;
    metric_add(METRIC_script_reads, 1);
    enum status status = keyspace_fetch(run->x->keyspace, key, &offset);
    if (status == STATUS_OK || status == STATUS_NOT_FOUND)
        return true;
    reply_error(inner->reply, "ERR the value could not be read from disk; see the server's log, then try again");
    return false;
}

/* Makes the keys decided. False: an error was replied, or the run ends so that it can start over. */
static bool meet_keys(struct script_run *run, struct execution *inner)
{
    for (size_t i = 0; i < inner->key_count; i++) {
        const struct key *key = &inner->keys[i];
        if (keyspace_is_decided(run->x->keyspace, key))
            continue;
        if (!has_changed(run) && execution_note_met(run->x, key)) {
            run->end = SCRIPT_MEETS_COLD;
            return false;
        }
        if (!read_at_once(run, inner, key))
            return false;
    }
    return true;
}

/* They stand behind the script's own. */
static void find_keys(struct script_run *run, struct execution *inner, struct key *own_key)
{
    const struct command_entry *command = inner->command;
    struct worker *worker = inner->worker;
    if (command->simple_key) {
        *own_key = keyspace_key(inner->keyspace, inner->argv[1], inner->db);
        inner->keys = own_key;
        inner->key_count = 1;
        return;
    }
    worker->key_count = run->keys_before;
    if ((command->first_key || (command->flags & COMMAND_MOVABLEKEYS)) &&
        !execution_add_keys(worker, inner->db, command, inner->argv, inner->argc))
        worker->key_count = run->keys_before;
    run->x->keys = worker->keys + run->keys_before - run->x->key_count;
    inner->keys = worker->keys + run->keys_before;
    inner->key_count = worker->key_count - run->keys_before;
}

/* The outer reply waits for what the inner ones would. */
static void take_over_waits(struct execution *x, const struct execution *inner)
{
    x->needs |= inner->needs;
    x->waits_for_reads |= inner->waits_for_reads;
}

/* ---- running it ---- */

/* The reply in one piece. */
static struct bytes output_flatten(struct output *output)
{
    if (output->reference_count == 0)
        return buffer_bytes(&output->bytes);
    struct buffer *flat = &scripting.flat;
    size_t done = 0;
    flat->length = 0;
    for (uint32_t i = 0; i < output->reference_count; i++) {
        const struct output_reference *reference = &output->references[i];
        buffer_append(flat, output->bytes.data + done, reference->position - done);
        buffer_append(flat, reference->data, reference->length);
        done = reference->position;
    }
    buffer_append(flat, output->bytes.data + done, output->bytes.length - done);
    return buffer_bytes(flat);
}

/* False: the run ends, the script's code must not go on. */
static bool run_command(struct script_run *run, const struct command_entry *command, size_t argc)
{
    struct execution inner = *run->x;
    struct key own_key;
    inner.session = &scripting.session;
    inner.reply = &scripting.session.reply;
    inner.reply->protocol = (uint8_t)run->resp;
    inner.command = command;
    inner.argv = scripting.argv;
    inner.argc = argc;
    inner.db = scripting.session.db;
    if (!run->x->whole)
        inner.whole = run->x;
    find_keys(run, &inner, &own_key);
    take_partitions(run->x, &inner);
    note_declared(run->x, &inner);
    if (inner.engine->tier && !meet_keys(run, &inner))
        return run->end == SCRIPT_GOES_ON;
    class_prepare(&inner);
    if (!has_changed(run) && inner.needs & NEEDS_COPIES && class_refuses(&inner))
        return true;
    if ((command->flags & COMMAND_WRITE) && !script_note_write(run))
        return false;
    take_over_waits(run->x, &inner);
    scripting.session.last_command = (int16_t)command->id;
    execution_run(&inner);
    execution_part_ends(run->x, &inner);
    return true;
}

/* Replaces what is on the stack by the reply's value. */
static void call(lua_State *lua)
{
    struct script_run *run = scripting.run;
    struct output *output = &scripting.output;
    size_t argc = (size_t)lua_gettop(lua);
    if (run->loads_library)
        luaL_error(lua, "Script attempted to access nonexistent global variable 'call'");
    const char *refusal = collect_arguments(run->x, lua, argc);
    const struct command_entry *command = refusal ? NULL : command_resolve(scripting.argv, argc);
    if (!refusal)
        refusal = refuse_command(run, command, argc);
    if (refusal) {
        lua_settop(lua, 0);
        script_push_error(lua, refusal);
        return;
    }
    output_rewind(output, (struct output_mark){0, 0});
    if (!run_command(run, command, argc)) {
        script_stop_lua(lua);
        return;
    }
    lua_settop(lua, 0);
    if (output_length(output) > scripting.sandbox->used_max)
        script_push_error(lua, "ERR the reply is longer than script-memory-max allows");
    else if (output->bytes.length > 0)
        script_push_reply(lua, output_flatten(output));
    else
        lua_pushboolean(lua, false);
    output_rewind(output, (struct output_mark){0, 0});
}

static bool is_error(lua_State *lua)
{
    bool found = false;
    if (lua_istable(lua, -1)) {
        lua_pushliteral(lua, "err");
        lua_rawget(lua, -2);
        found = lua_isstring(lua, -1);
        lua_pop(lua, 1);
    }
    return found;
}

int script_call_raising(lua_State *lua)
{
    call(lua);
    return is_error(lua) ? lua_error(lua) : 1;
}

int script_call_returning(lua_State *lua)
{
    call(lua);
    return 1;
}
