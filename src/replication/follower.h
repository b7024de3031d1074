/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/option.h"
#include "command/dispatch.h"
#include "replication/copy_progress.h"

struct loop;

/* This node's part as a follower: whom it follows, and how far it is. All of it happens on replication's thread; others
 * give orders and read a view. */
extern const struct option follower_options[];
extern const struct command follower_commands[];

/* The node's own port as it is told to the primary. Before the first client; begins to follow where a directive says so. */
void follower_start(struct engine *engine, struct loop *loop, int port);
/* On replication's thread, before its loop ends; or when it does not run any more. */
void follower_stop(void);

struct follower_view {
    char host[256]; /* empty: the node follows nobody */
    int port;
    const char *state;                       /* ROLE's word: connect, connecting, handshake, sync, connected */
    bool is_up, is_copying, is_empty_handed; /* the last: what it holds is a part of a copy, and not to be shown */
    bool primary_has_lost;                   /* in a crash, what this node still has */
    int64_t io_at_ms;                        /* when the primary was last heard */
    int64_t down_since_ms;
    char down_reason[256]; /* while it is not up, why the last attempt failed; or empty */
    uint64_t offset;       /* as the primary counts */
    char known_id[41]; /* the history of a primary that is no Forebay; empty: it is our stream's, or there is none */
    struct copy_progress copy; /* while is_copying */
    int64_t empty_since_ms;    /* while is_empty_handed: since when */
};
/* Any thread. */
void follower_read(struct follower_view *view);
/* For engine_hooks. Any thread. */
struct loading_state;
bool follower_read_loading(struct loading_state *state);
/* INFO's lines about the primary; nothing while there is none. */
void follower_print(const struct follower_view *view, int64_t now_ms, struct buffer *out);
void follower_reply_role(const struct follower_view *view, struct reply *reply);

/* The node is to lead, since its primary says so; then the session is resumed. Any thread. */
void follower_order_take_over(uint64_t session_id);

/* The rule on requests of a node that follows; registered with the others. */
void follower_register_gate(void);
