/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/session.h"

/* Who subscribes to what. A worker knows its own sessions' subscriptions and needs no lock for them; what it has to know
 * of the others, for whom a message must be sent on, is how many subscribers of a name each worker has. */

enum channel_kind { CHANNEL_PLAIN, CHANNEL_PATTERN, CHANNEL_SHARD, CHANNEL_KIND_COUNT };

struct channel_tables; /* a worker's own subscriptions */

/* The session's side: all its subscriptions. NULL in a session that has none. */
struct subscriptions {
    struct list lists[CHANNEL_KIND_COUNT];
    uint32_t counts[CHANNEL_KIND_COUNT];
};

/* Session's thread. False if it subscribed, or did not, already. The name is copied. */
bool channels_subscribe(struct session *session, enum channel_kind kind, struct bytes name);
bool channels_unsubscribe(struct session *session, enum channel_kind kind, struct bytes name);
/* Ends one subscription of the kind, whose name is put into 'name'; false if there is none. */
bool channels_unsubscribe_any(struct session *session, enum channel_kind kind, struct buffer *name);
/* The session goes away, or is reset. */
void channels_leave(struct session *session);
uint32_t channels_count(const struct session *session, enum channel_kind kind);

/* ---- for messages ---- */

#define CHANNELS_WORKERS_MAX 128

/* How many subscriptions a message reaches, and on which workers: bit n - 1 is worker n. */
struct audience {
    uint64_t receivers;
    uint64_t workers[CHANNELS_WORKERS_MAX / 64];
};
/* Of a channel: its subscribers, and, if it is a plain one, those of matching patterns. Any thread; leaf locks inside. */
void channels_audience(enum channel_kind kind, struct bytes channel, struct audience *audience);

/* The worker's own subscribers of a name; then those of its patterns that match. Worker's thread; 'visit' must not
 * subscribe or unsubscribe. */
void channels_each_subscriber(struct worker *worker, enum channel_kind kind, struct bytes name,
                              void (*visit)(void *context, struct session *session), void *context);
void channels_each_pattern(struct worker *worker, struct bytes channel,
                           void (*visit)(void *context, struct session *session, struct bytes pattern), void *context);

/* ---- for PUBSUB ---- */

/* Names with subscribers that match the pattern, or all (NULL data). Under a leaf lock: 'visit' copies. */
void channels_each_name(enum channel_kind kind, struct bytes pattern, void (*visit)(void *context, struct bytes name),
                        void *context);
/* Subscribers of just this name. */
uint64_t channels_subscribers(enum channel_kind kind, struct bytes name);
/* Distinct names of the kind. */
int64_t channels_names(enum channel_kind kind);

/* Once, before the first session. */
void channels_setup(uint32_t worker_count);
void channel_tables_destroy(struct channel_tables **tables);
