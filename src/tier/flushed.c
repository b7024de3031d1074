/* SPDX-License-Identifier: BSD-3-Clause */
/* FLUSHDB and FLUSHALL empty a database by an offset: its rows below do not exist any more, at once and without I/O,
 * and whatever run is still on its way. Their bytes leave the device later, and only
 *
 *   D1 when the log is synced past the flush: one that is lost with the machine must find its rows again;
 *   D2 by whole files only if no row of the db that was ingested is younger than the flush. This thread is the one
 *      that ingests, and it settles before each ingest, when the log is synced past the run (I2) and so past every
 *      flush whose successors the run can hold: the moment when D2 is true does not slip by. Files that reach into
 *      neighbouring databases keep their rows; compactions drop those (ttl_filter.c). */
#include "base/log.h"
#include "tier/tier_private.h"

void flushed_note(void *context, uint8_t db, uint64_t flushed_at)
{
    struct tier *tier = context;
    if (flushed_at > atomic_load_explicit(&tier->flushed_at[db], memory_order_relaxed))
        atomic_store_explicit(&tier->flushed_at[db], flushed_at, memory_order_release);
}

static void files_delete(struct tier *tier, uint8_t db)
{
    char from[1] = {(char)db}, until[1] = {(char)(db + 1)};
    if (rocks_delete_files(tier->rocks, bytes_of(from, 1), bytes_of(until, 1)) != STATUS_OK)
        log_warning("files of a flushed database remain", "db=%d error=\"%s\"", db, rocks_error(tier->rocks));
}

void flushed_settle(struct tier *tier)
{
    uint64_t synced = 0;
    for (uint8_t db = 0; db < ROW_DATABASES; db++) {
        uint64_t flushed_at = atomic_load_explicit(&tier->flushed_at[db], memory_order_acquire);
        if (flushed_at == atomic_load_explicit(&tier->flushed_for_good[db], memory_order_relaxed))
            continue;
        if (synced == 0)
            synced = tier->options.keep ? stream_reached(tier->stream, STREAM_SYNCED) : UINT64_MAX;
        if (flushed_at > synced)
            continue;
        atomic_store_explicit(&tier->flushed_for_good[db], flushed_at, memory_order_release);
        uint64_t ingested = tier->flusher.db_offset_max[db];
        if (ingested > 0 && ingested < flushed_at)
            files_delete(tier, db);
    }
}
