/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests, a reader, a flusher and eviction on threads of their own: every counter that requests raise, by reading
 * it wherever it is and writing it back, ends at the number of raises. Worth most under the thread sanitizer. */
#include "unit/keyspace/fake_backing.h"

#include <pthread.h>
#include <sched.h>

#include "base/random.h"

#define WORKERS 2
#define NAMES 300
#define LOADS 150   /* until so many were needed, */
#define ROUNDS 4000 /* or so many rounds have passed: locks are not fair, and eviction may starve */
#define WIDE 100    /* keys of a request that takes turns */

struct stage {
    struct fake_backing *fake;
    pthread_mutex_t mutex; /* rows and queues */
    struct backing inner;
    _Atomic bool stopping;
    _Atomic uint32_t loads;
    _Atomic uint32_t raised[NAMES];
};

struct player {
    struct thread thread;
    struct stage *stage;
    struct mailbox home;
    struct fake_request request;
    uint32_t number;
};

static void stage_load(void *context, struct load *load)
{
    struct stage *stage = context;
    atomic_fetch_add(&stage->loads, 1);
    pthread_mutex_lock(&stage->mutex);
    stage->inner.load(stage->fake, load);
    pthread_mutex_unlock(&stage->mutex);
}

static void stage_run(void *context, struct job *job)
{
    struct stage *stage = context;
    pthread_mutex_lock(&stage->mutex);
    stage->inner.run(stage->fake, job);
    pthread_mutex_unlock(&stage->mutex);
}

/* A copy of the row, so that the lock of the rows is not held while it is installed. */
static bool row_copy(struct stage *stage, const struct row_key *key, struct fake_row *copy)
{
    pthread_mutex_lock(&stage->mutex);
    const struct row *row = fake_find(stage->fake, key);
    if (row) {
        copy->row = *row;
        copy->row.key.name = fake_copy(row->key.name);
        copy->row.payload = fake_copy(row->payload);
    }
    pthread_mutex_unlock(&stage->mutex);
    return row != NULL;
}

static void answer(struct stage *stage, struct load *load)
{
    const struct row_key *keys;
    size_t count = load_keys(load, &keys);
    for (size_t i = 0; i < count; i++) {
        struct fake_row copy;
        bool found = row_copy(stage, &keys[i], &copy);
        load_install(load, i, found ? &copy.row : NULL, STATUS_OK);
        if (found)
            fake_row_free(&copy);
    }
    load_finish(load);
}

static void read_rows(void *argument)
{
    struct stage *stage = ((struct player *)argument)->stage;
    struct fake_backing *fake = stage->fake;
    for (;;) {
        struct load *load = NULL;
        struct job *job = NULL;
        pthread_mutex_lock(&stage->mutex);
        if (fake->load_count > 0)
            load = fake->loads[--fake->load_count];
        else if (fake->job_count > 0)
            job = fake->jobs[--fake->job_count];
        pthread_mutex_unlock(&stage->mutex);
        if (load)
            answer(stage, load);
        else if (job)
            job->run(job);
        else if (atomic_load(&stage->stopping))
            return;
        else
            sched_yield();
    }
}

static void flush_and_evict(void *argument)
{
    struct stage *stage = ((struct player *)argument)->stage;
    struct random random;
    random_init(&random, 9);
    while (!atomic_load(&stage->stopping)) {
        fake_capture(stage->fake, 200);
        fake_evict(stage->fake);
        if (random_below(&random, 4) == 0) {
            fake_fail(stage->fake);
            continue;
        }
        pthread_mutex_lock(&stage->mutex);
        fake_ingest(stage->fake);
        pthread_mutex_unlock(&stage->mutex);
        fake_evict(stage->fake);
    }
}

/* Makes the keys present and holds them. */
static void hold(struct player *player, const struct key *keys, size_t count, const struct partition_set *set)
{
    struct keyspace *keyspace = player->stage->fake->keyspace;
    struct load *old_load = NULL;
    for (;;) {
        while (!keyspace_try_several(keyspace, set, player->number))
            sched_yield();
        struct fake_request *request = &player->request;
        struct load *load = load_begin(keyspace, keys, count, &player->home, fake_deliver, request);
        if (!load)
            break;
        keyspace_release_several(keyspace, set, player->number);
        if (old_load)
            load_end(&old_load);
        *request = (struct fake_request){0};
        load_submit(load);
        while (!request->is_delivered) {
            mailbox_drain(&player->home);
            sched_yield();
        }
        assert_int_equal(request->status, STATUS_OK);
        old_load = load;
    }
    player->request.load = old_load;
}

static void raise_counter(struct player *player, const struct key *key, uint32_t index)
{
    struct keyspace *keyspace = player->stage->fake->keyspace;
    struct entry *entry = keyspace_find(keyspace, key);
    int64_t count = entry ? entry_object(entry).integer : 0;
    assert_int_equal(count, atomic_load(&player->stage->raised[index]));
    struct object value = string_object_from_integer(count + 1);
    if (count % 50 == 49 && entry) {
        keyspace_remove(keyspace, key, entry);
        atomic_store(&player->stage->raised[index], 0);
        return;
    }
    keyspace_put(keyspace, key, &value, ENTRY_NO_EXPIRE);
    atomic_store(&player->stage->raised[index], (uint32_t)count + 1);
}

static void raise_counters(void *argument)
{
    struct player *player = argument;
    struct random random;
    static _Thread_local char names[WIDE][16];
    struct key keys[WIDE];
    random_init(&random, player->number);
    for (uint32_t i = 0; i < ROUNDS && atomic_load(&player->stage->loads) < LOADS; i++) {
        struct partition_set set = {0};
        size_t count = i % 200 == 0 ? WIDE : 1 + i % 3;
        uint32_t first = (uint32_t)random_below(&random, NAMES);
        for (size_t k = 0; k < count; k++) {
            sprintf(names[k], "n%u", (first + (uint32_t)k) % NAMES);
            keys[k] = fake_key(player->stage->fake, names[k]);
            partition_set_add(&set, key_partition(&keys[k]));
        }
        hold(player, keys, count, &set);
        for (size_t k = 0; k < count; k++)
            raise_counter(player, &keys[k], (first + (uint32_t)k) % NAMES);
        keyspace_release_several(player->stage->fake->keyspace, &set, player->number);
        if (player->request.load)
            load_end(&player->request.load);
    }
}

static void no_raise_is_lost_between_the_tiers(void **state)
{
    (void)state;
    struct stage stage = {.fake = fake_create()};
    struct player workers[WORKERS], reader = {.stage = &stage}, flusher = {.stage = &stage};
    pthread_mutex_init(&stage.mutex, NULL);
    stage.inner = stage.fake->backing;
    struct backing backing = stage.inner;
    backing.context = &stage;
    backing.load = stage_load;
    backing.run = stage_run;
    keyspace_set_backing(stage.fake->keyspace, &backing);
    thread_start(&reader.thread, "reader", read_rows, &reader);
    thread_start(&flusher.thread, "flusher", flush_and_evict, &flusher);
    for (uint32_t i = 0; i < WORKERS; i++) {
        workers[i] = (struct player){.stage = &stage, .number = i};
        mailbox_init(&workers[i].home, fake_wake, NULL);
        thread_start(&workers[i].thread, "worker", raise_counters, &workers[i]);
    }
    for (uint32_t i = 0; i < WORKERS; i++)
        thread_stop(&workers[i].thread);
    atomic_store(&stage.stopping, true);
    thread_stop(&flusher.thread);
    thread_stop(&reader.thread);
    uint64_t keys = 0;
    for (uint32_t i = 0; i < NAMES; i++)
        keys += atomic_load(&stage.raised[i]) > 0;
    assert_int_equal(keyspace_counts(stage.fake->keyspace, 0).keys, keys);
    keyspace_set_backing(stage.fake->keyspace, &stage.fake->backing);
    fake_destroy(&stage.fake);
    pthread_mutex_destroy(&stage.mutex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_raise_is_lost_between_the_tiers),
    };
    return cmocka_run_group_tests_name("residency threads", tests, NULL, NULL);
}
