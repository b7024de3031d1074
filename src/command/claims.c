/* SPDX-License-Identifier: BSD-3-Clause */
/* A1 claims are placed on all keys of the command at once, while all their partitions are held, and taken back so; so who
 *    holds a partition waits for nobody who needs it (execution_hold_more).
 * A2 nothing is staged while the partitions are let go, but for the large batch of a change (stage_changed_begin). What was
 *    staged (keys that were found expired, fields likewise, each a change that is through) is appended before. Of a change that
 *    goes on between two breaths nothing is: a checkpoint between them would be behind a part of it, and its row has none.
 *    Nor is anything of a transaction, whose batch goes on growing (A7).
 * A3 a copy of all keys may have begun meanwhile: it gets the keys before they are changed.
 * A4 who reads a claimed key that has expired, or a hash with such fields, would change it: he has to wait as well.
 * A5 others may claim the keys as well, to read them, until it wants them back to write to them; then it waits until they have
 *    done so. It waits for later claimants only, and writes to nothing that an earlier one has claimed: so there is no circle.
 * A6 who changes a large value that is being written to a row, before a copy of all keys has what it was, waits likewise.
 * A7 a transaction claims all its keys for itself alone from the first time on: what it has done until then is in no row and no
 *    copy before its end, and no checkpoint counts its keys meanwhile (claim.c). So does a script that has looked at its declared
 *    keys only.
 * A8 a script may need other partitions later, and waits for who has claims there; so nobody else claims anything in a partition
 *    where it has claims, and it comes to none where there are others': who is waited for needs none that it holds.
 * A9 who waits for claims is not to wait for ever, while there are always some: after a while it wishes for a gap
 *    (claim_wish.c), and until it has had its turn those who are likely to claim are kept out, and the others hold their keys.
 *    A wish is no promise: who has claims takes back what it has let go past all wishes and reservations, or it would wait for
 *    those who wait for it. */
#include "command/claims.h"

#include <sched.h>
#include <time.h>

#include "base/memory.h"
#include "base/ticks.h"
#include "command/feed.h"
#include "keyspace/moment.h"

/* Bytes that are as much work as an element. */
#define BYTES_AN_ELEMENT 64
/* For so long a partition is held without a break; and so long others get to take what they wait for. */
#define HOLD_US 400
#define WANTED_PAUSE_NS 50000
#define TRIES_AT_ONCE 16
#define TRY_PAUSE_NS 20000

static bool is_by_itself(const struct execution *x)
{
    const struct holding *holding = x->holding;
    return holding && holding->kind != HOLD_NOTHING && !holding->has_turn && !holding->has_more && !x->serving &&
           !(x->session->flags & (SESSION_MULTI | SESSION_EXECUTING_MULTI));
}

/* Whose keys are claimed. */
static struct execution *claimant(struct execution *x)
{
    return x->whole ? x->whole : x;
}

static bool whole_may_let_go(const struct execution *x)
{
    const struct holding *holding = x->holding;
    return x->whole->parts_let_go && holding && holding->kind != HOLD_NOTHING && !holding->has_more &&
           !x->holding_all && (x->whole->claim_count > 0 || !keyspace_wants_whole(x->keyspace));
}

static bool script_keeps_it_out(const struct execution *x)
{
    for (size_t i = 0; i < x->key_count && keyspace_any_claims(); i++)
        if (keyspace_is_claimed_by_script(x->keyspace, key_partition(&x->keys[i])))
            return true;
    return false;
}

/* Who has claims goes on with them; what begins leaves a gap for those who wait for one. */
static bool is_wished_unclaimed(struct execution *x)
{
    const struct execution *whole = claimant(x);
    for (size_t i = 0; i < whole->key_count && whole->claim_count == 0 && keyspace_any_wishes(); i++)
        if (keyspace_is_wished_unclaimed(x->keyspace, key_partition(&whole->keys[i])))
            return true;
    return false;
}

static bool may_let_go(struct execution *x)
{
    if ((x->holding && x->holding->kind == HOLD_ALL) || is_wished_unclaimed(x))
        return false;
    return x->whole ? whole_may_let_go(x) : is_by_itself(x) && !script_keeps_it_out(x);
}

size_t claims_work_of(const struct object *value)
{
    return (object_is_inline(value) ? 0 : object_external_bytes(value)) / BYTES_AN_ELEMENT;
}

static void claim_keys(struct execution *part)
{
    struct worker *worker = part->worker;
    struct execution *x = claimant(part);
    struct key_claim claim = {
        .is_exclusive = part->whole, .is_of_whole = part->whole, .is_of_script = part->whole && x->holding->has_turn};
    if (x->claim_count > 0)
        return;
    if (worker->claim_capacity < x->key_count) {
        worker->claim_capacity = x->key_count;
        worker->claims = memory_resize(worker->claims, x->key_count * sizeof(struct key_claim));
    }
    for (size_t i = 0; i < x->key_count; i++) {
        claim.key = x->keys[i];
        worker->claims[i] = claim;
        keyspace_claim(x->keyspace, &worker->claims[i]);
    }
    x->claim_count = (uint32_t)x->key_count;
}

static void release(struct execution *x)
{
    const struct holding *holding = x->holding;
    x->has_let_go = true;
    if (holding->kind == HOLD_ONE)
        keyspace_release_one(x->keyspace, holding->partition);
    else if (holding->kind == HOLD_SEVERAL)
        keyspace_release_several(x->keyspace, &holding->set, x->worker->number);
    else
        keyspace_release_all(x->keyspace, x->worker->number);
}

static void append_staged(struct execution *x)
{
    struct effect_batch *effects = &x->worker->effects;
    if (effects->count == 0 || x->whole || (x->session->flags & SESSION_FEED) || engine_follows_bytes(x->engine))
        return;
    x->appended_end = stream_append(x->engine->stream, effects);
    effect_batch_clear(effects);
}

/* A large batch that is through is appended with what follows it, at the end. */
static bool has_large_batch(const struct execution *x)
{
    return x->worker->effects.head > 0 && !x->whole;
}

void execution_let_go_now(struct execution *x)
{
    if (has_large_batch(x) || !may_let_go(x))
        return;
    claim_keys(x);
    append_staged(x);
    release(x);
}

static void claim_alone(struct execution *x)
{
    claim_keys(x);
    for (uint32_t i = 0; i < claimant(x)->claim_count; i++)
        x->worker->claims[i].is_exclusive = true;
}

void execution_let_go_changed(struct execution *x)
{
    if (has_large_batch(x) || !may_let_go(x))
        return;
    claim_alone(x);
    append_staged(x);
    release(x);
}

void execution_let_go_of_all(struct execution *x, const struct name_claim *names, size_t count)
{
    struct worker *worker = x->worker;
    if (worker->effects.head > 0 || !is_by_itself(x) || x->holding->kind != HOLD_ALL || keyspace_any_wishes())
        return;
    claim_keys(x);
    worker->name_claims = memory_resize(worker->name_claims, count * sizeof(*names));
    memcpy(worker->name_claims, names, count * sizeof(*names));
    for (size_t i = 0; i < count; i++)
        keyspace_claim_names(x->keyspace, &worker->name_claims[i]);
    x->name_claim_count = (uint32_t)count;
    append_staged(x);
    release(x);
}

static bool try_again(struct execution *x)
{
    const struct holding *holding = x->holding;
    if (holding->kind == HOLD_ONE)
        return keyspace_take_back_one(x->keyspace, holding->partition);
    if (holding->kind == HOLD_SEVERAL)
        return keyspace_take_back_several(x->keyspace, &holding->set, x->worker->number);
    return keyspace_try_all(x->keyspace, x->worker->number);
}

static bool writes_key(const struct execution *x, const struct key *keys, size_t index)
{
    if (!(x->command->flags & COMMAND_WRITE))
        return false;
    return keys != x->worker->keys || !(x->worker->key_flags[index] & KEY_RO);
}

/* Who came to read the keys that are written now, while they were let go, is waited for: he reads without a lock. */
static bool is_read_by_others(struct execution *x)
{
    struct key_claim *claims = x->worker->claims;
    for (uint32_t i = 0; i < x->claim_count && !x->whole; i++)
        if (writes_key(x, x->keys, i)) {
            claims[i].is_exclusive = true;
            if (keyspace_claim_is_shared(x->keyspace, &claims[i], claims, x->claim_count))
                return true;
        }
    return false;
}

/* Who holds nothing may wait. */
static void pause_before(unsigned next_try)
{
    if (next_try < TRIES_AT_ONCE)
        sched_yield();
    else
        nanosleep(&(struct timespec){.tv_nsec = TRY_PAUSE_NS}, NULL);
}

void execution_look_begin(struct execution *x, const struct key *key)
{
    if (x->has_let_go)
        for (unsigned tries = 0; !keyspace_take_back_one(x->keyspace, key_partition(key)); tries++)
            pause_before(tries);
}

void execution_look_end(struct execution *x, const struct key *key)
{
    if (x->has_let_go)
        keyspace_release_one(x->keyspace, key_partition(key));
}

void execution_hold_again(struct execution *x)
{
    if (!x->has_let_go)
        return;
    for (unsigned tries = 0;; tries++) {
        bool is_held = try_again(x);
        if (is_held && !is_read_by_others(x))
            break;
        if (is_held)
            release(x);
        pause_before(tries);
    }
    x->has_let_go = false;
    x->recording = engine_stages_effects(x->engine);
    x->held_since = ticks_now();
    if (moment_is_there() && (x->command->flags & COMMAND_WRITE))
        execution_keep_keys(x);
}

static bool is_wanted(const struct execution *x)
{
    const struct execution *whole = x->whole ? x->whole : x;
    for (size_t i = 0; i < whole->key_count; i++)
        if (lock_is_wanted(keyspace_partition_lock(x->keyspace, key_partition(&whole->keys[i]))))
            return true;
    return false;
}

static bool is_held_for_long(const struct execution *x)
{
    uint64_t since = x->held_since ? x->held_since : x->worker->now_ticks;
    return ticks_now() - since >= (uint64_t)(HOLD_US * ticks_per_us);
}

void execution_breathe_out(struct execution *x)
{
    if (!is_held_for_long(x) || !may_let_go(x))
        return;
    claim_alone(x);
    bool wanted = is_wanted(x);
    release(x);
    if (wanted)
        nanosleep(&(struct timespec){.tv_nsec = WANTED_PAUSE_NS}, NULL);
    execution_hold_again(x);
}

/* As a part that has no keys: there is nothing that it changes. */
void execution_breathe_between(struct execution *whole)
{
    if (!is_held_for_long(whole))
        return;
    struct execution part = *whole;
    part.whole = claimant(whole);
    part.key_count = 0;
    execution_breathe_out(&part);
    whole->held_since = part.held_since;
    whole->recording = part.recording;
}

void execution_unclaim(struct execution *x)
{
    execution_hold_again(x);
    for (uint32_t i = 0; i < x->claim_count; i++)
        keyspace_unclaim(x->keyspace, &x->worker->claims[i]);
    for (uint32_t i = 0; i < x->name_claim_count; i++)
        keyspace_unclaim_names(x->keyspace, &x->worker->name_claims[i]);
    x->claim_count = x->name_claim_count = 0;
}

/* ---- others' claims ---- */

/* Of who only reads the key. */
static bool would_change(struct execution *x, const struct key *key)
{
    const struct entry *entry = keyspace_find(x->keyspace, key);
    return entry && entry_due_ms(entry) <= x->expiry_ms;
}

/* Who is likely to work for long where others wish for a gap would hold his partitions meanwhile, and they would wait for that as
 * well: he waits for them. They wait for claims that stand, so not for him, and not for each other. But who wants
 * everything may have come so far as to wait for a batch's end. */
static bool lets_wishers_go_first(struct execution *x, const struct key *keys, size_t count)
{
    if ((x->command->flags & COMMAND_FAST) || (x->session->flags & SESSION_WISHES) || feed_is_in_batch(x->session))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!keyspace_is_wished_unclaimed(x->keyspace, key_partition(&keys[i])))
            continue;
        struct entry *entry = keyspace_find(x->keyspace, &keys[i]);
        struct object value = entry ? entry_object(entry) : (struct object){0};
        if (entry && claims_work_of(&value) >= CLAIMS_WORK_MIN)
            return true;
    }
    return false;
}

/* Transactions and scripts show only later what they do with which keys. */
bool execution_is_kept_out(struct execution *x, const struct holding *holding, const struct key *keys, size_t count)
{
    bool decides_later = holding->has_turn || (x->session->flags & SESSION_MULTI);
    if (holding->kind == HOLD_ALL && keyspace_any_claims())
        return true;
    if (decides_later && keyspace_has_name_claims(x->keyspace))
        return true;
    if (keyspace_any_wishes() && lets_wishers_go_first(x, keys, count))
        return true;
    for (size_t i = 0; i < count; i++) {
        if (decides_later && keyspace_has_claims(x->keyspace, key_partition(&keys[i])))
            return true;
        enum claim_kind kind = decides_later ? CLAIM_NONE : keyspace_claim_of(x->keyspace, &keys[i]);
        if (kind == CLAIM_EXCLUSIVE || (kind == CLAIM_SHARED && (writes_key(x, keys, i) || would_change(x, &keys[i]))))
            return true;
        if (__builtin_expect(moment_is_there(), 0) &&
            (decides_later || writes_key(x, keys, i) || would_change(x, &keys[i])) &&
            moment_waits_for_key(x->keyspace, &keys[i]))
            return true;
    }
    return false;
}
