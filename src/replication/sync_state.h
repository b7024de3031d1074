/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/bytes.h"

/* A follower's side of the conversation with a primary, up to the stream: what to say next, and what the answers mean. Pure:
 * it knows no socket and no clock. The words are those of Redis, which any server of its family understands. */
enum sync_phase {
    SYNC_PING,  /* greeted; the answer tells whether a password is wanted */
    SYNC_AUTH,  /* gave the password */
    SYNC_PORT,  /* told our port */
    SYNC_CAPA,  /* told what we understand */
    SYNC_PSYNC, /* asked for the stream; may take long, while the primary prepares */
    SYNC_FRAME, /* a whole copy is to come; how it is framed comes first */
    SYNC_COPY,
    SYNC_STREAM,
};

struct sync_settings {
    const char *user, *password; /* empty: none */
    int port;                    /* where others reach us */
    bool takes_frames;           /* a copy may come in frames (link_frame.h) */
};

#define SYNC_ID_LENGTH 40
#define SYNC_MARK_LENGTH 40
/* No primary has sent so much: what says more is damaged, or means harm. */
#define SYNC_OFFSET_MAX (UINT64_C(1) << 62)
struct sync_state {
    enum sync_phase phase;
    char asked_id[SYNC_ID_LENGTH + 1]; /* "?": whatever there is */
    int64_t asked_offset;
    bool takes_over;               /* set after sync_begin: the other node is to lead before it answers PSYNC */
    bool is_forebay;               /* the primary says that it is one */
    char id[SYNC_ID_LENGTH + 1];   /* the history that we are given; empty: the one that we asked for */
    uint64_t offset;               /* of a whole copy */
    bool offers_frames, in_frames; /* in_frames: the copy comes so, up to the last frame */
    bool has_mark;                 /* the copy ends with the mark, else it is of copy_bytes */
    char mark[SYNC_MARK_LENGTH];
    uint64_t copy_bytes;
    char error[192];
};

enum sync_action {
    SYNC_WAIT,     /* for the next line; what was put into 'send' is to be sent */
    SYNC_EMPTY,    /* everything here will be replaced; phase FRAME */
    SYNC_RECEIVE,  /* the copy's bytes come next; phase COPY */
    SYNC_CONTINUE, /* the stream comes next, from where we asked; phase STREAM */
    SYNC_RETRY,    /* the primary cannot now: 'error' says why */
    SYNC_REFUSED,  /* it does not want to, or is none */
    SYNC_LOST,     /* it has lost what we have: a copy of it would destroy that here as well */
};

/* Connected: we want what follows 'offset' of history 'id', or anything (NULL). */
void sync_begin(struct sync_state *state, const char *id, uint64_t offset, struct buffer *send);
/* A line of the primary's, without its end, in a phase before COPY. */
enum sync_action sync_line(struct sync_state *state, const struct sync_settings *settings, struct bytes line,
                           struct buffer *send);
/* "connect" and its like, for the log. */
const char *sync_phase_name(enum sync_phase phase);
