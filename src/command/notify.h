/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdint.h>

#include "base/option.h"
#include "command/dispatch.h"

struct message;

/* What happens to keys, told to whoever asked for it (notify-keyspace-events), and to those who track keys that they have
 * read (tracking.h). Every command that changes a key says so
 * here, under the key's lock, after the change and with the name that Redis has for the event; nobody hears of it before
 * the execution's effects are appended and its locks released. */
enum notify_class {
    NOTIFY_KEYSPACE = 1 << 0, /* K: channel __keyspace@<db>__:<key>, the event is the message */
    NOTIFY_KEYEVENT = 1 << 1, /* E: channel __keyevent@<db>__:<event>, the key is the message */
    NOTIFY_GENERIC = 1 << 2,  /* g */
    NOTIFY_STRING = 1 << 3,   /* $ */
    NOTIFY_LIST = 1 << 4,     /* l */
    NOTIFY_SET = 1 << 5,      /* s */
    NOTIFY_HASH = 1 << 6,     /* h */
    NOTIFY_ZSET = 1 << 7,     /* z */
    NOTIFY_EXPIRED = 1 << 8,  /* x */
    NOTIFY_EVICTED = 1 << 9,  /* e */
    NOTIFY_STREAM = 1 << 10,  /* t */
    NOTIFY_MODULE = 1 << 11,  /* d */
    NOTIFY_MISSED = 1 << 12,  /* m: a read found no key; not in A */
    NOTIFY_CREATED = 1 << 13, /* n: "new", told by store(); not in A */
    NOTIFY_TRACKED = 1 << 14, /* no letter: somebody tracks keys, and every event of a change tells it */
};

extern const struct option notify_options[];

/* The classes that somebody wants to hear of now; for notify only. */
extern _Atomic uint32_t notify_wanted;

void notify_stage(struct execution *x, enum notify_class class, const char *event, const struct key *key);

/* 'event' and 'class' are constants. A load and a branch while nobody listens. */
static inline void notify(struct execution *x, enum notify_class class, const char *event, const struct key *key)
{
    uint32_t wanted_by = class & (NOTIFY_MISSED | NOTIFY_CREATED) ? class : class | NOTIFY_TRACKED;
    if (__builtin_expect(atomic_load_explicit(&notify_wanted, memory_order_relaxed) & wanted_by, 0))
        notify_stage(x, class, event, key);
}

void notify_stage_flushed(struct worker *worker);
/* All keys are gone, or those of a db. */
static inline void notify_flushed(struct execution *x)
{
    if (__builtin_expect(atomic_load_explicit(&notify_wanted, memory_order_relaxed) & NOTIFY_TRACKED, 0))
        notify_stage_flushed(x->worker);
}

/* The same for what happens to keys by themselves, outside of any execution; any thread, under the key's lock. */
void notify_by_itself(enum notify_class class, const char *event, const struct key *key);
/* Once, when the workers take mail; until then what keys do by themselves is not told. */
void notify_setup(struct engine *engine);

/* A message that EXEC's commands publish: it goes out in its place among the events. Takes the message. */
void notify_stage_message(struct worker *worker, struct message *message);

/* Who has read the key is told to forget it, though it has not changed. */
void notify_stage_forgotten(struct worker *worker, struct bytes key);
/* Whether anybody tracks. */
void notify_track(bool tracked);

/* Tells what the worker has staged, in order; no lock is held. */
void notify_flush(struct worker *worker);
/* Forgets it: the execution was suspended, and starts over. */
void notify_forget(struct worker *worker);
