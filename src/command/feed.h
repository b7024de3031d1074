/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/dispatch.h"
#include "command/request.h"

/* The primary's stream as a session: its requests are parsed, looked ahead, suspended and run like any client's, but they
 * are facts already. No gate refuses them, nothing expires under them, nobody reads their replies. A session with
 * SESSION_FEED has a link as its connection. All on its worker's thread, except what is said otherwise. */
struct feed {
    struct session *session;
    /* Set when the primary asks how far we are; whoever gives the input answers, and puts it back. */
    enum feed_question { FEED_NOT_ASKED, FEED_ASKED, FEED_ASKED_FOR_SYNC } question;
    _Atomic uint64_t
        offset; /* any thread reads it: the primary's offset, up to which all is executed; end of a bracket */
    int32_t db; /* selected there */
    /* The owner's: a PING of the primary's that says something; false: the session was suspended, and it comes again. */
    bool (*hear)(struct bytes message);
    struct feed_apply *apply; /* the owner's: executes stretches of the stream on several threads; or NULL */
    /* private */
    uint64_t effect_end;   /* of one of those threads' feeds: where the effect ends in our stream; 0: of a link's */
    struct bytes raw;      /* of the present request */
    struct buffer bracket; /* of an open MULTI, while the bytes are to become our own */
    uint64_t bracket_bytes;
    bool is_appended; /* the present request, by the execution that it became */
    bool is_broken;   /* what came is no primary's stream: the link is closed. Until it is opened again */
};

/* A session at the primary's offset, with its db selected. */
void feed_open(struct feed *feed, struct worker *worker, const struct transport *transport, struct output *output,
               uint64_t offset, int32_t db);
/* What has been appended is executed, if it takes other threads to do that. */
void feed_settle(struct feed *feed);
/* What was begun and not finished is forgotten: the primary will be asked for it again, from 'offset' on. */
void feed_close(struct feed *feed);

/* ---- for worker.c, dispatch.c and feed_apply.c ---- */

/* Whether it executes effects of a batch, which is inside the gate until all of them are through. */
bool feed_is_in_batch(const struct session *session);
/* Into the log: of a command with this name. Primary and replica differ from here on, or do already. */
void feed_complain(struct bytes name, const char *event);
/* How many newlines stand before the next request: they count, and mean nothing. */
size_t feed_filler(const struct session *session, struct bytes rest);
/* As dispatch, for a request of the link's: true when it is done with. */
bool feed_execute(struct worker *worker, struct session *session, struct request *request,
                  dispatch_function *dispatch_request);
/* What is to be written waits while the log cannot take it. */
enum gate_answer feed_gate(struct execution *x);
/* (the execution's locks) The end of an execution of the link's: its effects, or the bytes that it came in, are appended. */
void feed_append(struct execution *x);
