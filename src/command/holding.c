/* SPDX-License-Identifier: BSD-3-Clause */
/* What an execution holds: the turn of scripts, partitions, and keys that are present; and how it lets go, when effects are
 * appended and what others are told goes out. What cannot be had suspends the session, and nothing is held then. */
#include "command/dispatch.h"

#include "base/metric.h"
#include "command/blocked.h"
#include "command/claim_wish.h"
#include "command/claims.h"
#include "command/feed.h"
#include "command/met_keys.h"
#include "command/notify.h"
#include "command/reply_wait.h"
#include "command/scripting.h"
#include "command/transaction.h"
#include "keyspace/moment.h"

#include <time.h>

#define CLAIM_PAUSE_NS 100000

static void execution_unlock(struct execution *x, struct holding *holding)
{
    if (__builtin_expect(holding->has_more, 0))
        keyspace_release_more(x->keyspace, &holding->more);
    if (holding->kind == HOLD_ONE)
        keyspace_release_one(x->keyspace, holding->partition);
    else if (holding->kind == HOLD_SEVERAL)
        keyspace_release_several(x->keyspace, &holding->set, x->worker->number);
    else if (holding->kind == HOLD_ALL)
        keyspace_release_all(x->keyspace, x->worker->number);
    x->holding_all = false;
    if (holding->has_turn) {
        scripting_collect();
        scripting_leave();
    }
}

static enum hold_kind hold_kind_of(const struct key *keys, size_t count, bool all)
{
    if (all)
        return HOLD_ALL;
    size_t same = 0;
    while (same < count && key_partition(&keys[same]) == key_partition(&keys[0]))
        same++;
    return count == 0 ? HOLD_NOTHING : same == count ? HOLD_ONE : HOLD_SEVERAL;
}

/* While there are claims nobody is to be kept out for one who cannot have everything yet, and who is waited for at the gate by
 * who has them. */
static bool execution_lock_all(struct execution *x)
{
    uint32_t number = x->worker->number;
    if (keyspace_any_claims()) {
        keyspace_abandon_all(x->keyspace, number);
        return false;
    }
    x->holding_all = keyspace_try_all(x->keyspace, number);
    if (!x->holding_all)
        x->worker->held_up_by = keyspace_held_up_by(x->keyspace, number);
    return x->holding_all;
}

/* On failure worker->held_up_by says what it could not have. */
static bool execution_lock(struct execution *x, struct holding *holding, const struct key *keys, size_t count, bool all)
{
    uint32_t number = x->worker->number;
    bool held = true;
    x->worker->held_up_by = HELD_UP_UNKNOWN;
    holding->kind = hold_kind_of(keys, count, all);
    if (holding->kind == HOLD_ONE) {
        holding->partition = key_partition(&keys[0]);
        if (!(held = keyspace_try_one(x->keyspace, holding->partition)))
            x->worker->held_up_by = holding->partition;
        return held;
    }
    if (holding->kind == HOLD_ALL)
        return execution_lock_all(x);
    if (holding->kind == HOLD_SEVERAL) {
        holding->set = (struct partition_set){0};
        for (size_t i = 0; i < count; i++)
            partition_set_add(&holding->set, key_partition(&keys[i]));
        if (!(held = keyspace_try_several(x->keyspace, &holding->set, number)))
            x->worker->held_up_by = keyspace_held_up_by(x->keyspace, number);
    }
    return held;
}

static void load_delivered(void *owner, int status)
{
    struct session *session = owner;
    session->load_status = (uint8_t)status;
    session_resume(session);
}

/* Makes the keys present: true if RAM decides about all of them now. */
static bool execution_warm(struct execution *x, struct holding *holding, const struct key *keys, size_t count)
{
    struct session *session = x->session;
    struct load *load = load_begin(x->keyspace, keys, count, x->worker->mailbox, load_delivered, session);
    if (!load)
        return true;
    execution_unlock(x, holding);
    if (session->load)
        load_end(&session->load);
    session->load = load;
    session_suspend(session, SUSPENDED_COLD);
    x->suspended = true;
    metric_add(METRIC_suspended_cold, 1);
    load_submit(load);
    return false;
}

/* The turn of scripts comes first. EXEC holds twice, and has it from the first time on. */
static bool execution_take_turn(struct execution *x, struct holding *holding)
{
    bool has_it = x->holding && x->holding->has_turn;
    uint32_t flags = x->command->flags;
    if (__builtin_expect(x->session->flags & SESSION_MULTI, 0))
        flags |= transaction_flags(x);
    holding->has_more = holding->has_turn = false;
    x->holding = holding;
    if (__builtin_expect(!(flags & COMMAND_SCRIPT), 1) || has_it)
        return true;
    x->worker->held_up_by = HELD_UP_UNKNOWN;
    return holding->has_turn = scripting_try(x->worker->number);
}

bool execution_hold(struct execution *x, struct holding *holding, const struct key *keys, size_t count, bool all)
{
    if (!execution_take_turn(x, holding)) {
        execution_suspend(x, SUSPENDED_LOCK);
        return false;
    }
    if (!execution_lock(x, holding, keys, count, all)) {
        if (holding->has_turn)
            scripting_leave();
        if (holding->kind == HOLD_ALL)
            claim_wish_consider(x, holding);
        execution_suspend(x, SUSPENDED_LOCK);
        return false;
    }
    if ((keyspace_any_claims() || keyspace_any_wishes() || __builtin_expect(moment_is_there(), 0)) &&
        execution_is_kept_out(x, holding, keys, count)) {
        execution_unlock(x, holding);
        x->worker->held_up_by = HELD_UP_UNKNOWN;
        claim_wish_consider(x, holding);
        execution_suspend(x, SUSPENDED_LOCK);
        return false;
    }
    if (holding->kind != HOLD_NOTHING)
        claim_wish_end(x->session);
    x->recording = engine_stages_effects(x->engine); /* that begins may be missed without a lock */
    if (x->engine->tier && count > 0 && !execution_warm(x, holding, keys, count))
        return false;
    if (holding->kind != HOLD_NOTHING)
        x->session->retries = 0;
    return true;
}

static inline bool set_has(const struct partition_set *set, uint32_t partition)
{
    return set->bits[partition / 64] >> (partition % 64) & 1;
}

static bool holding_has(const struct holding *holding, uint32_t partition)
{
    if (holding->kind == HOLD_ONE && holding->partition == partition)
        return true;
    return holding->kind == HOLD_ALL || (holding->kind == HOLD_SEVERAL && set_has(&holding->set, partition)) ||
           (holding->has_more && set_has(&holding->more, partition));
}

/* Who has claims there holds none of the script's partitions and waits for none: it has claimed in all of its own at once. */
static void acquire_unclaimed(struct keyspace *keyspace, uint32_t partition)
{
    struct partition_set one = {0};
    keyspace_acquire_more(keyspace, partition);
    if (!keyspace_any_claims() || !keyspace_has_claims(keyspace, partition))
        return;
    partition_set_add(&one, partition);
    keyspace_wish_unclaimed(keyspace, &one);
    while (keyspace_has_claims(keyspace, partition)) {
        keyspace_release_more(keyspace, &one);
        nanosleep(&(struct timespec){.tv_nsec = CLAIM_PAUSE_NS}, NULL);
        keyspace_acquire_more(keyspace, partition);
    }
    keyspace_end_wish(keyspace, &one);
}

void execution_hold_more(struct execution *x, uint32_t partition)
{
    struct holding *holding = x->holding;
    if (holding_has(holding, partition))
        return;
    acquire_unclaimed(x->keyspace, partition);
    x->recording = engine_stages_effects(x->engine);
    if (!holding->has_more)
        holding->more = (struct partition_set){0};
    holding->has_more = true;
    partition_set_add(&holding->more, partition);
}

void execution_hold_rest(struct execution *x)
{
    for (uint32_t partition = 0; partition < PARTITION_COUNT && !x->holding_all; partition++)
        execution_hold_more(x, partition);
    x->holding_all = true;
}

bool execution_note_met(struct execution *x, const struct key *key)
{
    return !(x->session->flags & SESSION_EXECUTING_MULTI) && met_keys_add(x->session, key);
}

/* A class's reply waits for what its keys were last given; all that is kept of that is one offset for all classes that wait
 * for the same. Under the locks of the keys, so that who reads them after a write knows of it. */
static void note_class_write(struct execution *x, uint64_t offset)
{
    bool concerned[CLASS_ENDS] = {true, x->needs & NEEDS_QUORUM, x->needs & NEEDS_ALL};
    for (int i = 0; i < CLASS_ENDS; i++) {
        uint64_t end = atomic_load(&x->engine->class_ends[i]);
        while (concerned[i] && end < offset && !atomic_compare_exchange_weak(&x->engine->class_ends[i], &end, offset))
            ;
    }
}

static uint64_t class_end(const struct execution *x)
{
    uint64_t quorum = x->needs & NEEDS_QUORUM ? atomic_load(&x->engine->class_ends[1]) : 0;
    uint64_t all = x->needs & NEEDS_ALL ? atomic_load(&x->engine->class_ends[2]) : 0;
    return !(x->needs & NEEDS_COPIES) ? atomic_load(&x->engine->class_ends[0]) : quorum > all ? quorum : all;
}

void execution_release(struct execution *x, struct holding *holding)
{
    struct effect_batch *effects = &x->worker->effects;
    uint64_t offset = 0;
    if (__builtin_expect(x->claim_count > 0, 0))
        execution_unclaim(x);
    if (__builtin_expect(x->worker->filled.length > 0, 0))
        blocked_serve(x, holding);
    uint8_t needs = x->needs;
    if (__builtin_expect(x->session->flags & SESSION_FEED, 0)) {
        feed_append(x);
    } else if (effects->count > 0) {
        if (__builtin_expect(!engine_follows_bytes(x->engine), 1))
            offset = stream_append(x->engine->stream, effects);
        if (__builtin_expect(x->waits_for_reads, 0))
            note_class_write(x, offset);
    } else if (x->waits_for_reads)
        offset = class_end(x);
    if (__builtin_expect(x->appended_end > offset, 0))
        offset = x->appended_end;
    execution_unlock(x, holding);
    if (effects->count > 0)
        effect_batch_clear(effects);
    if (offset && needs)
        reply_wait_note(x->session, offset, needs);
    else if (offset > x->session->wait_offset)
        x->session->wait_offset = offset; /* for WAIT */
    if (__builtin_expect(x->worker->notices.length > 0, 0))
        notify_flush(x->worker);
    if (__builtin_expect(!list_is_empty(&x->worker->served), 0))
        blocked_send(x->worker, offset);
}
