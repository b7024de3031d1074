/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdint.h>

struct execution;

/* A rule on every request. Gates are registered in order at start and asked before a command runs or is queued. */
enum gate_answer {
    GATE_PASS,
    GATE_REFUSE,  /* an error has been replied */
    GATE_SUSPEND, /* the gate has arranged for the session to be resumed; the request starts over then */
};

struct gate {
    const char *name;
    uint32_t only_flags; /* asked of sessions that have one of these flags; 0: of all */
    enum gate_answer (*ask)(struct execution *x);
};

/* Behind those that are registered; at start, from one thread. It must outlive the process's sessions. */
void gate_register(const struct gate *gate);
