/* SPDX-License-Identifier: BSD-3-Clause */
#include "replication/scrub_read.h"

#include "base/log.h"
#include "object/codec.h"

static bool at_begin(void *context)
{
    struct scrub_reading *reading = context;
    return reading->begin(reading->context);
}

static void on_key(void *context, const struct copied_key *key)
{
    struct scrub_reading *reading = context;
    uint64_t digest = 0;
    if (codec_digest(key->payload, &digest) != STATUS_OK)
        reading->is_unreadable = true;
    scrub_sum_add(&reading->held, key->name, key->expire_at_ms, digest);
}

static void on_mark(void *context)
{
    struct scrub_reading *reading = context;
    reading->marked = reading->held;
}

static void on_again(void *context)
{
    struct scrub_reading *reading = context;
    reading->held = reading->marked;
}

static void at_end(void *context, bool is_exact)
{
    struct scrub_reading *reading = context;
    reading->is_exact = is_exact && !reading->is_unreadable;
    if (reading->end)
        reading->end(reading->context, reading);
}

enum status scrub_read(struct scrub_reading *reading)
{
    const struct slots_visitor visitor = {
        .context = reading, .begin = at_begin, .key = on_key, .mark = on_mark, .again = on_again, .end = at_end};
    reading->held = reading->marked = (struct scrub_sum){0};
    reading->is_exact = reading->is_unreadable = false;
    enum status status = keyspace_show_slots(reading->keyspace, &reading->group, &visitor);
    if (reading->is_unreadable)
        log_warning("a value cannot be read", "by=scrub db=%d slot=%u", reading->group.db, reading->group.first);
    return status;
}
