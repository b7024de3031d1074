/* SPDX-License-Identifier: BSD-3-Clause */
/* A pass of the primary's. Range after range:
 *
 *   1  Under the partition's lock the question is appended, which names some of its slots: what they hold at this offset is to
 *      be compared. They are read from there on (keyspace_show_slots) while others go on.
 *   2  If nothing of them has changed until all was read, or it did not matter, the answer is appended.
 *   3  Each replica reads the same slots where the question stands in the stream (follower_scrub.c), compares, and says what it
 *      found; the next range waits for all of them.
 *
 * Libraries of functions are told of before the first range, as a sum that needs no answer.
 *
 * A range whose keys change all the time cannot be read so. It is tried again, slots one by one, and passed over at last.
 *
 * Slots are the only part of the order that nodes have in common: hashes are seeded by each for itself. Few keys have the slots of
 * a whole partition compared at once, or a pass over an empty node would be 16384 questions. */
#define _GNU_SOURCE
#include "replication/scrub.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "command/function_durable.h"
#include "command/scripting.h"
#include "replication/failover.h"
#include "replication/leader_private.h"
#include "replication/scrub_read.h"

#define GROUP_KEYS_MAX 256
#define TRIES_MAX 4
#define TRY_PAUSE_MS 2
#define LOOK_MS 50
#define ARRIVAL_MS_MAX 2000
#define TURN_TRIES_MAX 500
/* What a range costs beside its keys, in keys. */
#define RANGE_KEYS 8

static struct {
    _Atomic bool is_running;
    pthread_mutex_t lock; /* of heard */
    pthread_cond_t heard;

    /* the running pass's */
    uint64_t last_id; /* before the first: of when the process began, so that it is nobody else's */
} scrub = {.lock = PTHREAD_MUTEX_INITIALIZER, .heard = PTHREAD_COND_INITIALIZER};

struct pass {
    struct engine *engine;
    struct scrub_outcome *outcome;
    bool keeps_rate;
    bool (*must_end)(void *context);
    void *context;
    struct scrub_question question; /* the present one */
    bool is_answered;
};

static bool fail(struct pass *pass, const char *failure)
{
    pass->outcome->failure = failure;
    return false;
}

static void sleep_ms(int64_t ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* ---- what is appended ---- */

/* Under a partition's lock: who follows has waited for it before anything else is appended. FAILOVER does not wait for it, but
 * takes the stream's end again until its target has all. */
static bool may_append(const struct engine *engine)
{
    return !engine_is_following(engine) && !failover_is_on();
}

static bool append_question(void *context)
{
    const struct pass *pass = context;
    char mark[SCRUB_MARK_MAX];
    if (!may_append(pass->engine))
        return false;
    stream_append_aside(pass->engine->stream, bytes_of(mark, scrub_write_question(mark, &pass->question)));
    return true;
}

static void append_answer(struct pass *pass, const struct scrub_sum *held)
{
    char mark[SCRUB_MARK_MAX];
    const struct scrub_answer answer = {.id = pass->question.id, .held = *held};
    stream_append_aside(pass->engine->stream, bytes_of(mark, scrub_write_answer(mark, &answer)));
}

static void append_answer_if_exact(void *context, const struct scrub_reading *read)
{
    struct pass *pass = context;
    pass->is_answered = read->is_exact && may_append(pass->engine);
    if (pass->is_answered)
        append_answer(pass, &read->held);
}

/* ---- replicas ---- */

void scrub_heard(void)
{
    pthread_mutex_lock(&scrub.lock);
    pthread_cond_broadcast(&scrub.heard);
    pthread_mutex_unlock(&scrub.lock);
}

static void wait_for_word(void)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_clockwait(&scrub.heard, &scrub.lock, CLOCK_MONOTONIC, &until);
}

static bool goes_on(struct pass *pass)
{
    if (pass->must_end(pass->context))
        return fail(pass, "it was ended");
    return !engine_is_following(pass->engine) || fail(pass, "the node follows another one");
}

/* Until all who were asked have said what they found, or are gone. */
static bool await_replicas(struct pass *pass, struct scrub_findings *findings)
{
    int64_t timeout_seconds = __atomic_load_n(&replication_settings.timeout_seconds, __ATOMIC_RELAXED);
    int64_t until_us = clock_monotonic_us() + timeout_seconds * 1000000;
    bool is_waiting;
    pthread_mutex_lock(&scrub.lock);
    while ((is_waiting = leader_scrub_hear(findings)) && goes_on(pass)) {
        if (clock_monotonic_us() > until_us) {
            fail(pass, "a replica did not answer for repl-timeout");
            break;
        }
        wait_for_word();
    }
    pthread_mutex_unlock(&scrub.lock);
    return !is_waiting;
}

/* ---- ranges ---- */

enum compared { COMPARED_ENDED, COMPARED_ALL, COMPARED_NOT };

/* One that has just come may be asked as soon as it has told how far it is. */
static unsigned find_replicas(struct pass *pass)
{
    bool pass_over;
    unsigned count = leader_scrub_ask(pass->question.id, &pass_over);
    for (int waited_ms = 0;
         count == 0 && !pass_over && leader_count() > 0 && waited_ms < ARRIVAL_MS_MAX && goes_on(pass);
         waited_ms += LOOK_MS) {
        leader_want_acks();
        sleep_ms(LOOK_MS);
        count = leader_scrub_ask(pass->question.id, &pass_over);
    }
    if (count == 0 && !pass->outcome->failure)
        fail(pass, pass_over ? "replicas pass over all that they are asked" : "no replica is there to compare with");
    return count;
}

static enum compared ask(struct pass *pass, const struct slot_group *group)
{
    while (stream_must_wait(pass->engine->stream) && goes_on(pass))
        sleep_ms(TRY_PAUSE_MS);
    pass->question = (struct scrub_question){++scrub.last_id, *group};
    pass->outcome->replicas = goes_on(pass) ? find_replicas(pass) : 0;
    return pass->outcome->replicas > 0 ? COMPARED_ALL : COMPARED_ENDED;
}

static enum compared hear(struct pass *pass, uint64_t keys)
{
    struct scrub_findings findings;
    stream_write(pass->engine->stream);
    if (!await_replicas(pass, &findings))
        return COMPARED_ENDED;
    if (findings.skipped > 0 || findings.same + findings.differs == 0)
        return COMPARED_NOT;
    scrub_count(findings.differs > 0 ? SCRUB_DIFFERS : SCRUB_SAME);
    pass->outcome->ranges++;
    pass->outcome->keys += keys;
    pass->outcome->mismatches += findings.differs > 0;
    if (findings.differs > 0)
        log_warning("a replica differs", "db=%d slot=%u slots=%u replicas=%u", pass->question.group.db,
                    pass->question.group.first, pass->question.group.count, findings.differs);
    return COMPARED_ALL;
}

static enum compared compare(struct pass *pass, const struct slot_group *group)
{
    struct scrub_reading reading = {.keyspace = pass->engine->keyspace,
                                    .group = *group,
                                    .context = pass,
                                    .begin = append_question,
                                    .end = append_answer_if_exact};
    if (ask(pass, group) == COMPARED_ENDED)
        return COMPARED_ENDED;
    pass->is_answered = false;
    enum status status = scrub_read(&reading);
    if (status == STATUS_IO || status == STATUS_CORRUPT)
        log_warning("a row cannot be read", "by=scrub db=%d slot=%u", group->db, group->first);
    return pass->is_answered ? hear(pass, reading.held.keys) : COMPARED_NOT;
}

static void keep_rate(struct pass *pass, uint64_t keys)
{
    int64_t rate = __atomic_load_n(&scrub_settings.rate, __ATOMIC_RELAXED);
    int64_t left_ms = pass->keeps_rate && rate > 0 ? (int64_t)(keys + RANGE_KEYS) * 1000 / rate : 0;
    for (; left_ms > 0 && !pass->must_end(pass->context); left_ms -= LOOK_MS)
        sleep_ms(left_ms < LOOK_MS ? left_ms : LOOK_MS);
}

/* Whether the pass goes on. */
static bool compare_slot(struct pass *pass, int db, uint16_t slot)
{
    const struct slot_group group = {db, slot, 1};
    uint64_t keys = pass->outcome->keys;
    for (int i = 0; i < TRIES_MAX; i++) {
        enum compared compared = compare(pass, &group);
        if (compared == COMPARED_ENDED)
            return false;
        keep_rate(pass, pass->outcome->keys - keys);
        if (compared == COMPARED_ALL)
            return true;
        sleep_ms(TRY_PAUSE_MS << i);
    }
    scrub_count(SCRUB_SKIPPED);
    pass->outcome->skipped++;
    return true;
}

static uint64_t count_keys(const struct engine *engine, int db, uint16_t partition)
{
    uint64_t keys = 0;
    for (unsigned slot = partition; slot < SLOT_COUNT; slot += PARTITION_COUNT)
        keys += keyspace_slot_count(engine->keyspace, db, (uint16_t)slot);
    return keys;
}

static bool compare_partition(struct pass *pass, int db, uint16_t partition)
{
    const struct slot_group all = {db, partition, SLOTS_PER_PARTITION};
    if (count_keys(pass->engine, db, partition) <= GROUP_KEYS_MAX) {
        uint64_t keys = pass->outcome->keys;
        enum compared compared = compare(pass, &all);
        keep_rate(pass, pass->outcome->keys - keys);
        if (compared != COMPARED_NOT)
            return compared == COMPARED_ALL;
    }
    for (unsigned slot = partition; slot < SLOT_COUNT; slot += PARTITION_COUNT)
        if (!compare_slot(pass, db, (uint16_t)slot))
            return false;
    return true;
}

/* A db that nothing was ever put into: what that is, no slot has to be read for. What is put into it meanwhile makes it
 * another one. */
static enum compared compare_unused(struct pass *pass, int db)
{
    struct keyspace *keyspace = pass->engine->keyspace;
    const struct slot_group group = {.db = db};
    if (ask(pass, &group) == COMPARED_ENDED)
        return COMPARED_ENDED;
    lock_acquire(keyspace_partition_lock(keyspace, 0));
    bool is_unused = append_question(pass) && keyspace_copy_skips(keyspace, db);
    if (is_unused)
        append_answer(pass, &(struct scrub_sum){0});
    lock_release(keyspace_partition_lock(keyspace, 0));
    return is_unused ? hear(pass, 0) : COMPARED_NOT;
}

static bool compare_db(struct pass *pass, int db)
{
    if (keyspace_copy_skips(pass->engine->keyspace, db)) {
        enum compared compared = compare_unused(pass, db);
        if (compared != COMPARED_NOT)
            return compared == COMPARED_ALL;
    }
    for (uint16_t partition = 0; partition < PARTITION_COUNT; partition++)
        if (!compare_partition(pass, db, partition))
            return false;
    return true;
}

/* ---- functions ---- */

/* Those of here as of one offset: nobody changes them while this thread has the turn of scripts. They are few, and every replica
 * compares all of them where this stands in the stream; it says only if it differs. */
static void tell_of_functions(struct pass *pass)
{
    char mark[SCRUB_MARK_MAX];
    struct scrub_answer functions = {.id = ++scrub.last_id};
    leader_scrub_begin(functions.id);
    int tries = 0;
    while (!scripting_try(THREADS_MAX) && ++tries < TURN_TRIES_MAX && goes_on(pass))
        sleep_ms(TRY_PAUSE_MS);
    if (tries == TURN_TRIES_MAX || pass->outcome->failure)
        return;
    functions_digest(&functions.held.sum, &functions.held.keys);
    if (may_append(pass->engine))
        stream_append_aside(pass->engine->stream, bytes_of(mark, scrub_write_functions(mark, &functions)));
    scripting_leave();
    stream_write(pass->engine->stream);
}

/* What was found of them came before any answer to a later question. */
static void hear_of_functions(struct pass *pass)
{
    unsigned differ = leader_scrub_functions_differ();
    if (differ == 0)
        return;
    scrub_count(SCRUB_DIFFERS);
    pass->outcome->mismatches++;
    log_warning("a replica differs", "in=functions replicas=%u", differ);
}

/* ---- a pass ---- */

bool scrub_pass(struct engine *engine, bool keeps_rate, bool (*must_end)(void *context), void *context,
                struct scrub_outcome *outcome)
{
    int64_t began_ms = clock_now_ms();
    struct pass pass = {
        .engine = engine, .outcome = outcome, .keeps_rate = keeps_rate, .must_end = must_end, .context = context};
    if (atomic_exchange(&scrub.is_running, true))
        return false;
    if (scrub.last_id == 0)
        scrub.last_id = (uint64_t)began_ms << 20;
    *outcome = (struct scrub_outcome){0};
    bool goes_on = true;
    tell_of_functions(&pass);
    for (int db = 0; db < DATABASE_COUNT && goes_on; db++)
        goes_on = compare_db(&pass, db);
    hear_of_functions(&pass);
    int64_t now_ms = clock_now_ms();
    if (!outcome->failure)
        scrub_count_pass(now_ms);
    log_notice("scrub", "ranges=%llu keys=%llu skipped=%llu mismatches=%llu replicas=%u ms=%lld ended=\"%s\"",
               (unsigned long long)outcome->ranges, (unsigned long long)outcome->keys,
               (unsigned long long)outcome->skipped, (unsigned long long)outcome->mismatches, outcome->replicas,
               (long long)(now_ms - began_ms), outcome->failure ? outcome->failure : "complete");
    atomic_store(&scrub.is_running, false);
    return true;
}

bool scrub_is_running(void)
{
    return atomic_load(&scrub.is_running);
}
