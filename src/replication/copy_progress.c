/* SPDX-License-Identifier: BSD-3-Clause */
#include "replication/copy_progress.h"

#define STEP_PERCENT 10
#define TOLD_MS_MIN 1000
#define TOLD_MS_MAX 5000

static double share_of(uint64_t part, uint64_t whole)
{
    return part < whole ? (double)part / (double)whole : 1;
}

double copy_progress_percent(const struct copy_progress *progress)
{
    if (progress->bytes_total > 0)
        return 100 * share_of(progress->bytes, progress->bytes_total);
    return progress->keys_total > 0 ? 100 * share_of(progress->keys, progress->keys_total) : 0;
}

uint64_t copy_progress_bytes_total(const struct copy_progress *progress)
{
    if (progress->bytes_total > 0)
        return progress->bytes_total > progress->bytes ? progress->bytes_total : progress->bytes;
    if (progress->keys == 0 || progress->keys_total == 0)
        return 0;
    return (uint64_t)((double)progress->bytes / share_of(progress->keys, progress->keys_total));
}

bool copy_telling_is_due(struct copy_telling *telling, const struct copy_progress *progress, int64_t began_ms,
                         int64_t now_ms)
{
    int step = (int)(copy_progress_percent(progress) / STEP_PERCENT);
    int64_t passed_ms = now_ms - (telling->told_ms ? telling->told_ms : began_ms);
    if (passed_ms < TOLD_MS_MIN || (step == telling->step && passed_ms < TOLD_MS_MAX))
        return false;
    *telling = (struct copy_telling){.told_ms = now_ms, .step = step};
    return true;
}
