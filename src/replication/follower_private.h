/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>

#include "base/option.h"
#include "command/dispatch.h"
#include "command/feed.h"
#include "net/lookup.h"
#include "net/loop.h"
#include "replication/copy_in.h"
#include "replication/follower.h"
#include "replication/replication.h"
#include "replication/sync_state.h"
#include "stream/stream.h"

/* Directives. Texts are replaced as options' are; see engine_password. */
struct follower_settings {
    char host[256]; /* of replicaof, at start */
    int port;
    char *user, *password; /* masteruser, masterauth */
    bool serves_stale_data, discards_longer_history, skips_modules;
};
extern struct follower_settings follower_settings;

/* What clients are refused now; any thread reads it. */
enum refusal {
    REFUSE_LOADING = 1,
    REFUSE_STALE = 2,
    PART_FIRST = 4,    /* before a client's write: see follower_orders.c */
    REFUSE_WRITES = 8, /* that could not be done */
};
extern _Atomic unsigned follower_refusals;

/* One connection, from dialing to its end; freed when net is done with it. */
struct attempt {
    struct link link;
    struct sync_state sync;
    bool asks_as_stream; /* for what follows our own stream, not what follower.known_id says */
};

/* All that a follower is; replication's thread only. */
struct follower {
    struct engine *engine;
    struct loop *loop;
    struct worker *worker;
    int own_port;
    char host[256]; /* empty: nobody is followed */
    int port;
    struct lookup *lookup;    /* of the host, before an attempt; or NULL */
    struct attempt *attempt;  /* the present one, or NULL */
    unsigned failures;        /* since the link was last up */
    char down_reason[256];    /* why the last attempt failed; empty: the link is up, or was not tried */
    bool asks_to_take_over;   /* failover.c: the node that is to be followed has to lead first */
    unsigned take_over_tries; /* how often it was asked */
    bool primary_has_lost;    /* in a crash, what we have of its history; so it has said at the last attempt */
    bool is_copying, is_streaming;
    bool lacks_copied;           /* while streaming: what the copy has already of the stream is still to come */
    struct buffer copy_unpacked; /* of the present frame, what is not read yet */
    bool frames_are_over;
    int64_t copy_began_ms;
    uint64_t copy_bytes_total; /* 0: not known */
    struct copy_telling copy_telling;
    bool wants_copy;   /* it asks for one, whatever it has */
    bool copy_is_read; /* all of it, and what is left of it is to be executed */
    struct feed feed;
    struct copy_in copy;
    struct stream_wait sync; /* of what the primary wants to be synced */
    bool sync_is_awaited;
    bool has_own_history; /* the stream's id is known to nobody but this node and its replicas */
    bool is_apart;        /* has_own_history since clients have written, and the primary is a Forebay */
    bool cannot_part;     /* the last time that this was wanted, it could not be written */
    char known_id[41];    /* the history of a primary that is no Forebay, up to the feed's offset; empty: none */
    struct loop_timer tick, retry, feed_retry;
};
extern struct follower follower;

/* ---- follower.c: attempts and orders ---- */

/* The present attempt has failed; the next one follows. */
void follower_give_up(const char *why);
/* The same, but not soon: another copy would fail as well, and costs the primary much. */
void follower_refuse_data(const char *why);
/* The next attempt is made now, if there is none. */
void follower_connect_now(void);
/* Without a word. */
void follower_drop_attempt(void);
/* What has been said is sent, then the link ends, and what comes next is a copy of everything. */
void follower_copy_again(void);
/* The node's word; while nothing is executed for the feed. */
void follower_follow_as(enum following following);

/* ---- follower_orders.c ---- */

void follower_follow(const char *host, int port);
void follower_lead(void);
/* The same, since the primary that is followed has all that we have, wants us to lead, and follows us then. */
void follower_take_over(void);
/* A client is to write: the primary's history and ours part, if they have not yet. */
void follower_go_apart(void);
/* Whether all that is here belongs to one offset of the stream; any thread. */
bool follower_is_whole(void);

/* ---- follower_feed.c: the session ---- */

/* At start: its worker. */
void follower_feed_setup(void);
/* The link's connection; NULL while there is none. */
struct connection *follower_connection(void);
void follower_send(const char *text, size_t length);
void follower_feed_open(uint64_t offset, int32_t db);
/* With the copy that may be under way. */
void follower_feed_end(void);
/* The link is up: the stream comes, from the offset on. */
void follower_begin_streaming(uint64_t offset, int32_t db);
/* False: not all of it could be executed now; *consumed says how much. */
bool follower_execute(struct bytes requests, size_t *consumed);
/* Of what has been received: whether there may be more to do with it. */
bool follower_take_stream(struct attempt *attempt);
/* Until whatever was begun while the node still led has ended: nothing but what the link brings is appended from then on. */
void follower_wait_for_writers(void);
/* What is here is a part of another node's data: nobody's. No feed is open. */
void follower_empty_everything(void);

/* ---- follower_acks.c ---- */

/* How far we are: with a log, what a killed process would still have, and what a lost machine would. Nothing is said without a
 * link. */
void follower_acknowledge(void);
/* Answers what was asked in the middle of a turn, at its end, when what came is written; if a sync is asked for, once more
 * when that is made. */
void follower_answer(void);
/* At the end: no sync is waited for any more. The log's thread still runs. */
void follower_acks_end(void);

/* ---- follower_copy.c ---- */

/* F1; the link may be given up by both. */
void follower_begin_copy(struct attempt *attempt);
bool follower_take_copy(struct attempt *attempt);
/* While there is a copy. */
struct copy_progress follower_copy_progress(void);

/* ---- follower_view.c: what others see ---- */

/* After anything has changed. */
void follower_show(void);
/* Something was heard of the primary. */
void follower_show_heard(void);
int64_t follower_heard_at_ms(void);
/* Of our stream, as a primary would count it, as far as it has been executed. */
uint64_t follower_offset(enum stream_level level);
bool follower_has_part_of_a_copy(void);
/* Any thread: what is shown from now on, while the order is on its way. */
void follower_announce(const char *host, int port);
/* The order has come. */
void follower_announced(void);
