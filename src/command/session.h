/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/chain_table.h"
#include "base/list.h"
#include "command/table.h"
#include "keyspace/keyspace.h"
#include "resp/reply.h"
#include "resp/resp_parse.h"
#include "stream/stream.h"

struct worker;
struct transaction;
struct session_names;
struct session_measures;
struct load;
struct offload;
struct blocked;
struct subscriptions;
struct tracking;
struct met_keys;

/* What a session asks of whatever carries it. Implemented where net is known; all calls on the session's thread. */
struct transport {
    void (*suspend)(void *connection);
    void (*resume)(void *connection);
    /* After suspend: it may wait for ever, so a peer that hangs up is not waited for. Until resume. */
    void (*block)(void *connection);
    void (*hold)(void *connection);
    void (*release)(void *connection);
    void (*wants_send)(void *connection);
    void (*close_after_send)(void *connection);
    void (*close)(void *connection);
    /* The session ends with this turn; what carried it goes on in replication's hands, with what was received behind this
     * request. 'introduction' is replication's own. NULL where there is no replication. */
    void (*give_to_replication)(void *connection, void *introduction);
    void (*set_trusted)(void *connection, bool trusted);
    /* It receives messages at others' pace: the limits of subscribers hold for its output. */
    void (*set_subscriber)(void *connection, bool subscriber);
    void (*describe)(void *connection, char *peer, char *local, size_t size);
    /* For CLIENT LIST: descriptor, bytes waiting in the query and output buffers, total in and out, last activity. */
    void (*measure)(void *connection, struct session_measures *measures);
};

struct session_measures {
    int fd;
    size_t query_bytes, query_capacity, output_bytes, output_capacity;
    uint64_t bytes_in, bytes_out;
    int64_t active_at_ms;
    bool unix_socket, local;
};

enum session_flags {
    SESSION_AUTHENTICATED = 1 << 0,
    SESSION_MULTI = 1 << 1,        /* between MULTI and EXEC */
    SESSION_MULTI_FAILED = 1 << 2, /* a queued command was refused: EXEC aborts */
    SESSION_REPLY_OFF = 1 << 3,
    SESSION_REPLY_SKIP = 1 << 4, /* this command's reply is not sent */
    SESSION_REPLY_SKIP_NEXT = 1 << 5,
    SESSION_NO_TOUCH = 1 << 6,
    SESSION_NO_EVICT = 1 << 7,
    SESSION_MONITOR = 1 << 8,
    SESSION_CLOSING = 1 << 9,
    SESSION_SUSPENDED = 1 << 10,
    SESSION_EXECUTING_MULTI = 1 << 11, /* inside EXEC */
    SESSION_HELD = 1 << 12,            /* its output waits for the stream; nothing more of it is parsed */
    SESSION_SUBSCRIBER = 1 << 13,      /* has subscriptions */
    SESSION_TRACKING = 1 << 14,        /* caches what it reads: CLIENT TRACKING */
    SESSION_WISHES = 1 << 15,          /* that there be no claims: claim_wish.h */
    SESSION_FEED = 1 << 16,            /* the primary's stream, and no client: command/feed.h */
    SESSION_IMPORT_SOURCE = 1 << 17,   /* CLIENT IMPORT-SOURCE: counts in import mode only */
    SESSION_UNLISTED = 1 << 18,        /* it is not in the registry */
    SESSION_STOPPED = SESSION_SUSPENDED | SESSION_HELD | SESSION_CLOSING,
};

/* What a reply must wait for, each a level of the stream; several add up. */
enum reply_need {
    NEEDS_WRITTEN = 1 << 0,
    NEEDS_SYNCED = 1 << 1,
    NEEDS_QUORUM = 1 << 2,
    NEEDS_ALL = 1 << 3,
    NEEDS_COPIES = NEEDS_QUORUM | NEEDS_ALL,
};

/* Why a session is suspended; a request that is, has changed nothing and starts over when resumed. */
enum suspension {
    SUSPENDED_NOT,
    SUSPENDED_COLD,
    SUSPENDED_LOCK,
    SUSPENDED_MEMORY,
    SUSPENDED_JOB,
    SUSPENDED_PAUSE,
    SUSPENDED_BLOCKED
};

/* One client's state. Owned by its worker's thread; fields marked (shared) may be read by others under the
 * registry's lock or atomically. Rarely used state hangs off pointers, so that an idle client stays small; session.c
 * holds it within a class of the allocator's. */
/* Of a client that waits for copies of its writes. CLIENT UNBLOCK, on any thread, turns the second into one of the last two. */
enum copies_wait { COPIES_NOT, COPIES_AWAITED, COPIES_UNBLOCKED, COPIES_UNBLOCKED_ERROR };

struct session {
    union {
        struct chain_node id_node; /* (shared) in the registry of all sessions */
        struct {
            struct chain_node *next_in_registry;
            uint64_t id; /* is the node's hash */
        };
    };
    struct worker *worker;
    void *connection;
    const struct transport *transport;
    struct reply reply;
    struct resp_parser parser;
    uint32_t flags;
    uint8_t suspension;
    uint8_t retries;
    int16_t db;
    uint32_t created_at_s;
    uint32_t pause_ms;                   /* of one that pauses, after suspended_at_ms; pause.c */
    uint64_t wait_offset;                /* the reply may leave when the stream has come so far ... */
    uint8_t needs;                       /* ... at these levels: enum reply_need */
    bool wait_listed : 1;                /* in the worker's list for the log pass */
    bool retry_wanted : 1;               /* to be put into the retry list once it has left the waiting list */
    _Atomic uint8_t copies_wait;         /* (shared) enum copies_wait: of WAIT and WAITAOF */
    uint8_t load_status;                 /* enum status of the fetch it was resumed from */
    _Atomic bool monitoring;             /* (shared) SESSION_MONITOR for others' eyes */
    _Atomic bool tracks;                 /* (shared) SESSION_TRACKING for others' eyes */
    int16_t last_command;                /* its id; -1: none yet */
    struct list worker_node;             /* in a list of its worker's: retry, waiting, stalled, paused */
    struct transaction *transaction;     /* queued commands and watches, or NULL */
    struct subscriptions *subscriptions; /* channels.c; NULL while there are none */
    struct tracking *tracking;           /* NULL while it does not track */
    struct session_names *names;         /* CLIENT SETNAME, SETINFO; NULL while unset */
    struct met_keys *met_keys;           /* cold keys that a script has met; NULL while there are none */
    struct load *load;                   /* the fetch it is suspended for */
    struct offload *offload;             /* the job it is suspended for, or whose result it comes back to */
    struct stream_wait *stream_wait;     /* while its reply is held, or is to wait for copies */
    struct blocked *blocked; /* (shared) while it waits for a key to be filled, and until its reply is made */
    struct parked *parked;   /* while it waits for a lock to be released */
    int64_t suspended_at_ms;
};

struct session_names {
    char *name, *library_name, *library_version;
    void *introduction; /* one block, of replication: what a replica tells before it asks for the stream */
};

struct session *session_create(struct worker *worker, void *connection, const struct transport *transport,
                               struct output *output);
/* Drops watches and queued commands, abandons loads and jobs. */
void session_destroy(struct session **session);

/* Takes it out of the registry: it is nobody's whom others know of. */
void session_unlist(struct session *session);

/* RESET: back to the state of a new connection. */
void session_reset(struct session *session);

/* Once, before the first session. */
void session_registry_setup(void);
/* Sets session->blocked so that session_each may read it. */
void session_set_blocked(struct session *session, struct blocked *blocked);
/* The registry of all sessions: leaf lock. visit must not block; the session cannot go away during it. */
void session_each(void (*visit)(void *context, struct session *session), void *context);
uint32_t session_count(void);
/* Runs 'act(session, argument)' on the session's own thread if it still lives; false if there is no such id. */
bool session_act(uint64_t id, void (*act)(struct session *session, int64_t argument), int64_t argument);
/* The same for an argument that must be released: 'gone(argument)' is called instead if the session is gone by then. */
bool session_act_or(uint64_t id, void (*act)(struct session *session, int64_t argument), void (*gone)(int64_t argument),
                    int64_t argument);
/* As session_act_or, but at once if the session lives on the caller's worker. */
bool session_reach(struct worker *worker, uint64_t id, void (*act)(struct session *session, int64_t argument),
                   void (*gone)(int64_t argument), int64_t argument);
