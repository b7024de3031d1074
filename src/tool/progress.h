/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* How far something has come, told on stderr: a bar that is drawn again on a terminal, else a line every few seconds. */
struct progress {
    const char *what;
    uint64_t bytes, bytes_total; /* the owner's to set; total 0: not known */
    uint64_t keys;
    /* private */
    bool is_terminal, is_quiet, is_drawn;
    int64_t begun_ms, told_ms;
};

void progress_begin(struct progress *progress, const char *what, uint64_t bytes_total, bool is_quiet);
/* Tells if it is time to; cheap. */
void progress_tell(struct progress *progress);
/* Tells a last time, and leaves the line. */
void progress_end(struct progress *progress);
