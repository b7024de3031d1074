/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "keyspace/keyspace_private.h"

/* What the files of residency share: L1 to L5 at the head of residency.c say what holds. */

/* One key that a reader fetches. */
struct fetch {
    struct list node;  /* in its partition while it stands */
    struct list waits; /* of load_key.wait */
    struct row_key key;
    bool stands;
};

/* One key that a request needs. */
struct load_key {
    struct list wait; /* in a fetch */
    struct list pin;  /* in its partition */
    bool is_pinned;
    struct load *load;
    struct row_key key;
};

struct load {
    /* immutable after load_begin */
    struct keyspace *keyspace;
    struct mailbox *home; /* NULL: nobody waits, nothing is pinned */
    void (*deliver)(void *owner, int status);
    void *owner;
    size_t key_count;
    struct load_key *keys;
    bool is_big;

    /* by who places and submits, then the reader */
    size_t fetch_count, installed;
    struct fetch *fetches;
    struct fetch **order; /* of rows */
    struct row_key *rows; /* sorted */
    struct job job;

    /* any thread */
    _Atomic uint32_t references;
    _Atomic uint32_t pending;
    _Atomic int status;
    _Atomic bool is_abandoned;

    struct list turn; /* under turns->lock */
    struct mail mail;
    bool is_delivered; /* home's thread */
};

struct load_turns {
    struct lock lock;
    struct load *holder;
    struct list queue;
    _Atomic uint32_t unwaited; /* loads under way that nobody waits for */
};

/* ---- a load: residency.c ---- */

/* One reference less; the last one frees. */
void load_release(struct load *load);
/* One thing less to wait for. The load may be gone after it. */
void load_settle(struct load *load);

/* ---- markers and pins (lock): load_marker.c ---- */

/* The fetch that a marker stands for. */
struct fetch *marker_fetch(const struct entry *marker);
/* Waits for the key's marker, which is placed if RAM does not decide about it, or pins what is there. */
void load_place_key(struct load *load, struct load_key *wanted);
/* The pinned bit goes, or the entry that only says "absent", unless another load pins it. */
void load_key_unpin(struct load_key *wanted, struct keyspace *keyspace);
/* The fetch's marker is out of the table, 'successor' in its place. */
void fetch_resolve(struct fetch *fetch, struct partition *partition, struct entry *successor, enum status status);
