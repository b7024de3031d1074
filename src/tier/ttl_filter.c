/* SPDX-License-Identifier: BSD-3-Clause */
/* What compactions do with a row.
 *
 * F1 A row is dropped only if a flush that cannot be lost any more has ended it. Older rows of its key, which lie
 *    deeper, have smaller offsets and are as dead, so dropping never uncovers one.
 * F2 An expired row is reported, not dropped: its key may live on in memory with a later expiry, or in the log only,
 *    and its count, filter and event belong to its partition. Deleting the key there deletes the row by a run.
 * F3 What cannot be read is kept: a person may still want to look at it. */
#include "base/clock.h"
#include "tier/tier_private.h"

bool ttl_filter_drop(void *context, struct bytes key, struct bytes value)
{
    struct tier *tier = context;
    struct row row;
    if (row_key_read(key, &row.key) != STATUS_OK || row_value_read(value, &row, NULL) != STATUS_OK)
        return false;
    if (row.offset < atomic_load_explicit(&tier->flushed_for_good[row.key.db], memory_order_acquire))
        return true;
    if (row.expire_at_ms != ENTRY_NO_EXPIRE && row.expire_at_ms <= clock_now_ms() &&
        !tier_row_is_dead(tier, row.key.db, row.offset))
        expired_report(&tier->expired, key);
    return false;
}
