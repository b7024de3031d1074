/* SPDX-License-Identifier: BSD-3-Clause */
#include "command/hash_fields.h"

#include "command/args.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/hash_lookup.h"
#include "command/notify.h"
#include "resp/error_text.h"

/* Redis refuses later ones, though payloads may hold times up to HASH_TIME_MAX. */
#define FIELD_TIME_MAX ((INT64_C(1) << 46) - 1)

bool hash_fields_parse(struct execution *x, size_t at, size_t words, const char *count_error,
                       struct hash_fields *fields)
{
    int64_t count;
    if (at + 1 >= x->argc || !arg_is(x->argv[at], "FIELDS")) {
        reply_error(x->reply, "ERR Mandatory argument FIELDS is missing or not at the right position");
        return false;
    }
    if (!arg_int64_in(x, x->argv[at + 1], 1, INT64_MAX, count_error, &count))
        return false;
    size_t left = x->argc - at - 2;
    if (left % words != 0 || (uint64_t)count != left / words) {
        reply_error(x->reply, "ERR The `numfields` parameter must match the number of arguments");
        return false;
    }
    *fields = (struct hash_fields){x->argv + at + 2, (size_t)count};
    return true;
}

bool hash_field_time_parse(struct execution *x, struct bytes word, bool in_seconds, bool relative,
                           int64_t *expire_at_ms)
{
    int64_t value;
    if (!arg_int64(x, word, &value))
        return false;
    if (value < 0) {
        reply_error(x->reply, "ERR invalid expire time, must be >= 0");
        return false;
    }
    if (!arg_expire(x, word, in_seconds, relative, false, expire_at_ms))
        return false;
    if (*expire_at_ms <= FIELD_TIME_MAX)
        return true;
    reply_error_format(x->reply, ERROR_EXPIRE_FORMAT, x->command->full_name);
    return false;
}

bool hash_timing_begin(struct execution *x, struct hash_timing *timing)
{
    timing->x = x;
    if (!hash_lookup_write(x, x->keys, true, &timing->entry, &timing->hash))
        return false;
    timing->room = edit_room(x);
    word_list_init(&timing->timed);
    word_list_init(&timing->deleted);
    return true;
}

void hash_timing_end(struct hash_timing *timing, int64_t expire_at_ms, const char *event)
{
    struct execution *x = timing->x;
    struct word_list *timed = &timing->timed, *deleted = &timing->deleted;
    if (timed->count > 0) {
        timing->entry = store_changed(x, x->keys, timing->entry, &timing->hash);
        hash_stage_expiry(x, x->keys, timed->words, timed->count, expire_at_ms);
        notify(x, NOTIFY_HASH, event, x->keys);
    }
    if (deleted->count > 0)
        hash_store_taken(x, x->keys, timing->entry, &timing->hash, deleted->words, deleted->count, "hdel");
    word_list_deinit(timed);
    word_list_deinit(deleted);
}

void hash_time_field(struct hash_timing *timing, struct bytes field, int64_t expire_at_ms)
{
    if (expire_at_ms != HASH_NO_EXPIRE && expire_at_ms <= timing->x->expiry_ms) {
        hash_object_remove(&timing->hash, timing->room, field, timing->x->expiry_ms);
        word_list_add(&timing->deleted, field);
    } else {
        hash_object_set_expiry(&timing->hash, timing->room, field, expire_at_ms);
        word_list_add(&timing->timed, field);
    }
    execution_breathe(timing->x);
}
