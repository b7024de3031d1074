/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdatomic.h>

#include "base/bytes.h"
#include "base/list.h"
#include "base/mailbox.h"
#include "base/status.h"

struct tls;

/* Those who get a copy: the same bytes go to all of their sockets, and nobody is sent more before all have what there was. Who
 * keeps the others waiting for too long, or takes nothing at all, falls out. One thread, which has the sockets meanwhile; what
 * others may do is marked. */
#define COPY_RECEIVERS_MAX 32

struct copy_receiver {
    /* the caller's to set. The socket stays the caller's, who does nothing with it before 'done'; 'first' is taken */
    int fd;
    struct tls *tls;     /* NULL: none */
    struct buffer first; /* sent before anything else */
    bool wants_frames;   /* it understands link_frame.h's */
    struct mailbox *home;
    struct mail done; /* posted when it is over, whatever comes */
    void *owner;

    /* how it went; read after 'done' */
    bool is_complete;
    _Atomic(const char *) failure; /* why it ended early; static */
    _Atomic uint64_t bytes;        /* so far; any thread */

    /* private */
    struct list node;
    size_t first_sent;
    bool gets_frames;  /* from here on */
    struct bytes left; /* of the present piece, in this one's form */
    int64_t moved_ms, kept_others_ms;
};

struct copy_receivers {
    struct list all;
    unsigned count;
    _Atomic unsigned waiting; /* any thread's: how many are to be added, and wait like those who have their piece */
    struct buffer frames;     /* the present piece, for those who want it so */
};

void copy_receivers_init(struct copy_receivers *receivers);
void copy_receivers_add(struct copy_receivers *receivers, struct copy_receiver *receiver);
/* Sends 'bytes', if any, to all, in pieces and pauses by repl-copy-rate. False: nobody is left. */
bool copy_receivers_send(struct copy_receivers *receivers, struct bytes bytes) MUST_USE;
/* What ends the file: these bytes, or the last frame. */
bool copy_receivers_send_mark(struct copy_receivers *receivers, struct bytes mark) MUST_USE;
/* 'first' gets what comes before the file and, as it is sent to this one, what of the file the others have already. */
void copy_receiver_greet(struct copy_receiver *receiver, const char *mark, struct bytes head);
/* The end, for all that are left: they are complete, or ('failure') not. */
void copy_receivers_end(struct copy_receivers *receivers, const char *failure);

/* Any thread: it shall end soon, for a static reason, unless there is one already. */
void copy_receiver_stop(struct copy_receiver *receiver, const char *reason);
/* The end of one; 'done' is posted. It was added, or never will be. */
void copy_receiver_end(struct copy_receivers *receivers, struct copy_receiver *receiver);

/* ---- for one who sends by other means ---- */

/* Bytes were sent to this one. */
void copy_receiver_count(struct copy_receiver *receiver, size_t bytes);
/* Waits until its socket takes bytes, for a moment. False: it takes none, since that time, and has failed. */
bool copy_receiver_await(struct copy_receiver *receiver, int64_t since_ms);
/* How much of so many bytes may go at once, by repl-copy-rate. */
size_t copy_rate_piece(size_t length);
/* After so many bytes: waits until the rate has made up for them. */
void copy_rate_keep(const struct copy_receivers *receivers, size_t sent);
