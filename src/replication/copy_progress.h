/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* How far a full sync is, on either side of it. Pure; values. */
struct copy_progress {
    uint64_t bytes, bytes_total; /* of the file; total 0: not known */
    uint64_t keys, keys_total;   /* about, since keys come and go meanwhile; total 0: not known */
};

/* 0 to 100; 0 also while nothing is known that it could be a part of. */
double copy_progress_percent(const struct copy_progress *progress);
/* What the file will have, estimated by its keys where it is not known; never less than there is. 0: nobody can say. */
uint64_t copy_progress_bytes_total(const struct copy_progress *progress);

/* When it was last told in the log; all zero at first. */
struct copy_telling {
    int64_t told_ms;
    int step;
};
/* Whether a line is due: each ten per cent, but not more often than once a second, and every few seconds anyway. If so it
 * counts as told. 'began_ms' is when the sync began. */
bool copy_telling_is_due(struct copy_telling *telling, const struct copy_progress *progress, int64_t began_ms,
                         int64_t now_ms);
