/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/engine.h"
#include "command/gate.h"
#include "command/session.h"
#include "command/table.h"
#include "command/worker.h"

#define EXECUTION_KEYS_INLINE 4

/* One command being executed. A handler reads arguments and keys, calls the functions of effects.h, and replies. */
struct execution {
    struct engine *engine;
    struct keyspace *keyspace;
    struct worker *worker;
    struct session *session;
    struct reply *reply;
    const struct command_entry *command;
    struct holding *holding; /* what is locked for it */
    struct execution *whole; /* the transaction or script that it is a part of, or NULL */
    const struct bytes *argv;
    size_t argc;
    struct key *keys; /* the command's keys in argument order, as its row says */
    size_t key_count;
    int64_t now_ms;
    int64_t expiry_ms;    /* what is due by then has expired: now_ms, but nothing has for a link */
    int16_t db;           /* logical */
    bool holding_all;     /* every partition is held: a walk must not lock */
    bool recording;       /* effects must be staged */
    bool touch;           /* look-ups count as accesses */
    bool suspended;       /* the handler (or a gate) suspended the session: it starts over later */
    bool blocked;         /* suspended by execution_block: what it has changed on the way (expired keys) stays */
    bool serving;         /* runs for a blocked client, on the thread of whoever filled its key */
    uint8_t needs;        /* what the reply must wait for: enum reply_need */
    bool waits_for_reads; /* a key of a class that waits: what was shown must last, too */
    bool has_let_go;      /* claims.h: its partitions are not held for the moment */
    bool parts_let_go;    /* of a whole: all that its parts have looked at are its keys */
    uint16_t breaths;
    uint64_t held_since; /* ticks; 0: since it began */
    uint32_t claim_count, name_claim_count;
    uint64_t appended_end; /* of effects that were appended on the way; 0: none were */
};

/* Executes one request from its start: look-up, gates, MULTI's queue, keys, locks, run, effects. Returns false if the
 * session was suspended: the request's bytes are then kept and it starts over when the session is resumed. */
typedef bool dispatch_function(struct worker *worker, struct session *session, const struct bytes *argv, size_t argc,
                               const struct command_entry *command, const struct key *simple_key);
dispatch_function dispatch;
/* The same in the middle of another execution of the worker, while a script takes long: what the gates let pass then is run
 * without keys or locks; what has keys waits for the end of the turn. */
dispatch_function dispatch_within;

/* ---- for EXEC, which is a command made of commands ---- */

enum hold_kind { HOLD_NOTHING, HOLD_ONE, HOLD_SEVERAL, HOLD_ALL };
struct holding {
    enum hold_kind kind;
    bool has_turn; /* of scripts */
    bool has_more;
    uint32_t partition;
    struct partition_set set;
    struct partition_set more; /* taken on the way by a script */
};
/* Takes the partitions of the keys (or all) and makes the keys present. False: nothing is held and the session is
 * suspended. */
bool execution_hold(struct execution *x, struct holding *holding, const struct key *keys, size_t count, bool all);
/* Appends the staged effects in one piece, then releases. */
void execution_release(struct execution *x, struct holding *holding);
/* ---- for scripts, which find out on the way what they touch ---- */

/* Takes a partition, or all, beyond what is held. May wait for another command's end: only who has the turn of scripts
 * does that while it holds others. */
void execution_hold_more(struct execution *x, uint32_t partition);
void execution_hold_rest(struct execution *x);
/* Remembers a cold key for the next start of the request, which will have it locked and fetched like a declared one.
 * False if the request cannot start over, or did so too often. */
bool execution_note_met(struct execution *x, const struct key *key);
/* The request starts over at once; the handler returns then. */
void execution_start_over(struct execution *x);

/* Runs the handler, with statistics, monitor and slow log; locks are held already. */
void execution_run(struct execution *x);
/* What the keys are now is kept for a copy under way, before they are changed. */
void execution_keep_keys(const struct execution *x);
/* Collects the command's keys into the worker's array, after those that are there; false if malformed. */
bool execution_add_keys(struct worker *worker, int db, const struct command_entry *command, const struct bytes *argv,
                        size_t argc);
/* Whether it must hold everything, since it cannot know its keys. */
bool command_needs_all(const struct command_entry *command, const struct bytes *argv, size_t argc);
/* Asks the gates. */
enum gate_answer execution_ask_gates(struct execution *x);

/* Suspends the session; the request starts over after session_resume. For handlers and gates: then return at once. Who
 * waits for a time uses execution_pause of pause.h. */
void execution_suspend(struct execution *x, enum suspension why);
void session_suspend(struct session *session, enum suspension why);
void session_resume(struct session *session);
/* Has worker_retry resume the session. Earlier replies of this turn may still have it in the waiting list; then the log
 * pass moves it on. */
void session_list_for_retry(struct session *session);

/* Work that must not run on a loop (walks over rows). On the first call it starts 'run(offload)' on a reader thread,
 * suspends the session and returns NULL: the handler returns at once. When the work is done the handler is called
 * again from the start and this call returns the finished offload; the handler uses it and calls offload_end. Inside
 * EXEC, or without rows, it runs at once. */
struct offload {
    struct job job;
    struct mail mail;
    struct engine *engine;
    struct session *session; /* NULL once the client is gone */
    struct mailbox *home;
    void (*run)(struct offload *offload);
    void (*destroy)(struct offload *offload);
    struct thread *apart; /* its own; NULL: it runs on a reader */
    bool done;
    _Atomic bool is_abandoned; /* nobody waits any more: long work should end early */
    bool holding_all;
    int status;
};
struct offload *execution_offload(struct execution *x, size_t size, void (*run)(struct offload *offload),
                                  void (*prepare)(struct execution *x, struct offload *offload),
                                  void (*destroy)(struct offload *offload));

/* Work that waits for somebody else, another node say, and so must not stand in a reader's way: a thread of its own. The
 * handler asks for the finished one first; if there is none, it creates one, fills it in and has it run, while there is room.
 * A finished one may be run again. Not inside EXEC or a script. 'run' looks at offload_must_end ten times a second or more. */
struct offload *offload_finished(const struct execution *x, void (*run)(struct offload *offload));
struct offload *offload_create(struct execution *x, size_t size, void (*run)(struct offload *offload),
                               void (*destroy)(struct offload *offload));
bool offload_has_room_apart(void);
void offload_run_apart(struct execution *x, struct offload *offload);
bool offload_must_end(const struct offload *offload);
/* At the server's end, while letters can still be posted: waits for all of them. */
void offload_stop_apart(void);

void offload_end(struct execution *x, struct offload **offload);
/* The client is gone: the work ends by itself and frees itself. */
void offload_abandon(struct offload **offload);

/* "wrong number of arguments for 'get' command" and its like. */
void reply_arity_error(struct execution *x);
