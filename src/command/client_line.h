/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "command/client_list.h"

struct place {
    size_t start, length;
};

/* A described client: where its line and what of it stand in the text that it was appended to. */
struct part_line {
    uint64_t id;
    int64_t created_at_ms;
    enum client_type type;
    bool blocked;
    struct place text, peer, local;
};

/* Each appends a line of CLIENT LIST, its newline included; a session's on its thread. */
struct part_line client_line_of_session(struct session *session, int64_t now_ms, struct buffer *out);
struct part_line client_line_of_replica(const struct replica_link *link, int64_t now_ms, struct buffer *out);
