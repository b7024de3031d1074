/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys that move between RAM and rows: what was deleted stays deleted, what is loaded is not stale, and whoever waits
 * is woken. */
#include "unit/keyspace/fake_backing.h"

#include "base/random.h"

#define NEVER ENTRY_NO_EXPIRE

static void a_captured_then_deleted_value_does_not_return(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    fake_put(fake, "k", "v", NEVER);
    fake_capture(fake, 1000);
    assert_true(fake_remove(fake, "k"));
    assert_int_equal(fake_state(fake, "k"), ENTRY_GONE);
    fake_ingest(fake);
    assert_int_equal(fake->rows.count, 1);
    assert_null(fake_get(fake, "k"));
    fake_evict(fake);
    assert_null(fake_get(fake, "k"));
    fake_cycle(fake);
    assert_int_equal(fake->rows.count, 0);
    assert_int_equal(fake_state(fake, "k"), -1);
    assert_int_equal(fake_filter_count(fake), 0);
    assert_null(fake_get(fake, "k"));
    assert_int_equal(keyspace_counts(fake->keyspace, 0).keys, 0);
    assert_int_equal(keyspace_dirty_count(fake->keyspace), 0);
    assert_int_equal(keyspace_dirty_bytes(fake->keyspace), 0);
    fake_destroy(&fake);
}

static void a_value_that_expired_in_memory_does_not_return_from_its_row(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct key key = fake_key(fake, "k");
    bool more;
    fake_put(fake, "k", "v", NEVER);
    fake_cycle(fake);
    assert_true(keyspace_try_one(fake->keyspace, key_partition(&key)));
    keyspace_set_expire(fake->keyspace, &key, keyspace_find(fake->keyspace, &key), 5000);
    keyspace_release_one(fake->keyspace, key_partition(&key));
    assert_int_equal(keyspace_next_expiry_ms(fake->keyspace, key_partition(&key)), 5000);
    assert_int_equal(keyspace_expire_step(fake->keyspace, key_partition(&key), 4999, 10, &more), 0);
    assert_int_equal(keyspace_expire_step(fake->keyspace, key_partition(&key), 5000, 10, &more), 1);
    assert_null(fake_get(fake, "k"));
    fake_evict(fake);
    assert_null(fake_get(fake, "k"));
    fake_cycle(fake);
    assert_null(fake_get(fake, "k"));
    assert_int_equal(fake->rows.count, 0);
    fake_destroy(&fake);
}

static void an_entry_is_not_clean_before_its_run_is_ingested(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    fake_put(fake, "k", "old", NEVER);
    fake_cycle(fake);
    fake_put(fake, "k", "new", NEVER);
    fake_capture(fake, 1000);
    fake_evict(fake);
    assert_string_equal(fake_text(fake, "k"), "new");
    fake_fail(fake);
    fake_evict(fake);
    assert_string_equal(fake_text(fake, "k"), "new");
    assert_int_equal(fake_state(fake, "k"), ENTRY_DIRTY);
    fake_cycle(fake);
    fake_evict(fake);
    assert_null(fake_text(fake, "k"));
    assert_string_equal(fake_get(fake, "k"), "new");
    assert_int_equal(fake_filter_count(fake), 1);
    fake_destroy(&fake);
}

static void a_write_during_a_run_stays_dirty_when_it_is_ingested(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    fake_put(fake, "k", "1", NEVER);
    fake_capture(fake, 1000);
    fake_put(fake, "k", "2", NEVER);
    fake_ingest(fake);
    assert_int_equal(fake_state(fake, "k"), ENTRY_DIRTY);
    fake_remove(fake, "k");
    fake_capture(fake, 1000);
    fake_put(fake, "k", "3", NEVER); /* over a tombstone in a run */
    fake_ingest(fake);
    fake_evict(fake);
    assert_string_equal(fake_get(fake, "k"), "3");
    assert_int_equal(fake->rows.count, 0);
    fake_cycle(fake);
    fake_evict(fake);
    assert_string_equal(fake_get(fake, "k"), "3");
    assert_int_equal(keyspace_counts(fake->keyspace, 0).keys, 1);
    fake_destroy(&fake);
}

static void a_failed_tombstone_is_written_again(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    fake_put(fake, "k", "1", NEVER);
    fake_cycle(fake);
    fake_remove(fake, "k");
    fake_capture(fake, 1000);
    fake_fail(fake);
    assert_null(fake_get(fake, "k"));
    fake_cycle(fake);
    assert_int_equal(fake->rows.count, 0);
    assert_int_equal(fake_filter_count(fake), 0);
    fake_destroy(&fake);
}

static void make_cold(struct fake_backing *fake, const char *name, const char *text)
{
    fake_put(fake, name, text, NEVER);
    fake_cycle(fake);
    fake_evict(fake);
    assert_int_equal(fake_state(fake, name), -1);
    assert_false(fake_is_decided(fake, name));
}

static void a_row_read_before_a_write_is_not_installed_after_it(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct fake_request request;
    make_cold(fake, "k", "old");
    assert_true(fake_request_key(fake, &request, "k"));
    struct fake_rows seen = fake->rows; /* what the reader has in hand */
    fake->rows = (struct fake_rows){0};
    fake_put(fake, "k", "new", NEVER);
    assert_int_equal(mailbox_drain(&fake->home), 1);
    assert_true(request.is_delivered);
    load_end(&request.load);
    fake_cycle(fake);
    fake_evict(fake);
    struct fake_rows now = fake->rows;
    fake->rows = seen;
    fake_answer_load(fake);
    fake->rows = now;
    fake_clear(&seen);
    assert_null(fake_text(fake, "k"));
    assert_string_equal(fake_get(fake, "k"), "new");
    fake_destroy(&fake);
}

static void an_absence_read_before_a_write_is_not_believed_after_it(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct fake_request request;
    keyspace_filter_lose(fake->keyspace);
    assert_true(fake_request_key(fake, &request, "k"));
    fake_put(fake, "k", "new", NEVER);
    mailbox_drain(&fake->home);
    load_end(&request.load);
    fake_answer_load(fake);
    assert_string_equal(fake_get(fake, "k"), "new");
    fake_destroy(&fake);
}

static void a_known_absence_lasts_as_long_as_its_request(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct fake_request first, second;
    keyspace_filter_lose(fake->keyspace);
    assert_true(fake_request_key(fake, &first, "k"));
    assert_true(fake_request_key(fake, &second, "k"));
    fake_settle(fake);
    assert_true(first.is_delivered && second.is_delivered);
    load_end(&first.load);
    assert_true(fake_is_decided(fake, "k"));
    fake_put(fake, "other", "x", NEVER);
    assert_null(fake_text(fake, "k"));
    load_end(&second.load);
    assert_int_equal(fake_state(fake, "k"), -1);
    assert_false(fake_is_decided(fake, "k"));
    assert_int_equal(keyspace_counts(fake->keyspace, 0).keys, 1);
    fake_destroy(&fake);
}

static void requests_that_share_a_marker_are_all_delivered(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct fake_request requests[4];
    make_cold(fake, "k", "v");
    for (int i = 0; i < 4; i++)
        assert_true(fake_request_key(fake, &requests[i], "k"));
    assert_int_equal(fake->load_count, 1);
    load_abandon(&requests[0].load); /* the one whose reader fetches it */
    fake_settle(fake);
    assert_false(requests[0].is_delivered);
    for (int i = 1; i < 4; i++) {
        assert_true(requests[i].is_delivered);
        fake_evict(fake);
        assert_string_equal(fake_text(fake, "k"), "v");
        load_end(&requests[i].load);
    }
    fake_evict(fake);
    assert_null(fake_text(fake, "k"));
    fake_destroy(&fake);
}

static void a_failed_read_reaches_every_request_and_leaves_the_key_cold(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct fake_request first, second;
    make_cold(fake, "k", "v");
    assert_true(fake_request_key(fake, &first, "k"));
    assert_true(fake_request_key(fake, &second, "k"));
    fake->read_status = STATUS_IO;
    fake_settle(fake);
    assert_int_equal(first.status, STATUS_IO);
    assert_int_equal(second.status, STATUS_IO);
    load_end(&first.load);
    load_end(&second.load);
    fake->read_status = STATUS_OK;
    assert_string_equal(fake_get(fake, "k"), "v");
    assert_int_equal(keyspace_counts(fake->keyspace, 0).keys, 1);
    fake_destroy(&fake);
}

static void flush(struct fake_backing *fake)
{
    assert_true(keyspace_try_all(fake->keyspace, 0));
    keyspace_flush(fake->keyspace, 0, ++fake->offset);
    keyspace_release_all(fake->keyspace, 0);
}

static void a_flush_holds_against_runs_and_reads_in_flight(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct fake_request request;
    make_cold(fake, "cold", "v");
    fake_put(fake, "k", "v", NEVER);
    fake_put(fake, "again", "before", NEVER);
    fake_capture(fake, 1000);
    assert_true(fake_request_key(fake, &request, "cold"));
    uint64_t flushed_at = fake->flushed_at[0];
    flush(fake);
    fake->flushed_at[0] = flushed_at; /* the reader has the row in hand */
    fake_answer_load(fake);
    fake->flushed_at[0] = fake->offset;
    mailbox_drain(&fake->home);
    assert_true(request.is_delivered);
    load_end(&request.load);
    fake_put(fake, "again", "after", NEVER);
    fake_ingest(fake);
    assert_null(fake_get(fake, "cold"));
    assert_null(fake_get(fake, "k"));
    assert_int_equal(fake_state(fake, "again"), ENTRY_DIRTY);
    assert_int_equal(keyspace_counts(fake->keyspace, 0).keys, 1);
    fake_remove(fake, "again");
    assert_int_equal(fake_state(fake, "again"), -1);
    assert_null(fake_get(fake, "again"));
    assert_int_equal(keyspace_dirty_count(fake->keyspace), 0);
    fake_destroy(&fake);
}

/* ---- many keys at once ---- */

#define MANY 1000

static void names_make(struct fake_backing *fake, struct key *keys, char (*names)[24], unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        snprintf(names[i], sizeof(names[i]), "key:%u", i);
        keys[i] = fake_key(fake, names[i]);
    }
}

static unsigned count_decided(struct fake_backing *fake, char (*names)[24], unsigned count)
{
    unsigned decided = 0;
    for (unsigned i = 0; i < count; i++)
        decided += fake_is_decided(fake, names[i]);
    return decided;
}

static void large_requests_end_while_all_that_may_be_evicted_is(void **state)
{
    (void)state;
    static char names[MANY][24];
    static struct key keys[MANY];
    struct fake_backing *fake = fake_create();
    struct fake_request requests[3];
    names_make(fake, keys, names, MANY);
    for (unsigned i = 0; i < MANY; i++)
        fake_put(fake, names[i], "v", NEVER);
    fake_cycle(fake);
    fake_evict(fake);
    assert_int_equal(count_decided(fake, names, MANY), 0);
    for (int i = 0; i < 3; i++) {
        assert_true(fake_begin(fake, &requests[i], keys, MANY));
        load_submit(requests[i].load);
    }
    for (int i = 0; i < 3; i++) {
        if (i == 1) {
            load_abandon(&requests[1].load);
            fake_settle(fake);
            continue;
        }
        while (fake->job_count > 0 || fake->load_count > 0) {
            fake_evict(fake);
            if (fake->job_count > 0)
                fake_run_job(fake);
            else
                fake_answer_load(fake);
        }
        mailbox_drain(&fake->home);
        fake_evict(fake);
        assert_true(requests[i].is_delivered);
        assert_int_equal(count_decided(fake, names, MANY), MANY);
        if (i == 0)
            assert_false(requests[2].is_delivered);
        load_end(&requests[i].load);
        fake_evict(fake);
        assert_int_equal(count_decided(fake, names, MANY), 0);
    }
    assert_int_equal(keyspace_counts(fake->keyspace, 0).keys, MANY);
    assert_int_equal(keyspace_counts(fake->keyspace, 0).resident, 0);
    fake_destroy(&fake);
}

static void present_keys_of_a_waiting_request_are_pinned_too(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct fake_request request;
    make_cold(fake, "cold", "c");
    fake_put(fake, "warm", "w", NEVER);
    fake_cycle(fake);
    struct key keys[] = {fake_key(fake, "warm"), fake_key(fake, "cold"), fake_key(fake, "cold")};
    assert_int_equal(fake_state(fake, "warm"), ENTRY_CLEAN);
    fake_evict(fake);
    assert_string_equal(fake_get(fake, "warm"), "w");
    assert_true(fake_begin(fake, &request, keys, 3));
    load_submit(request.load);
    fake_evict(fake);
    fake_settle(fake);
    fake_evict(fake);
    assert_string_equal(fake_text(fake, "warm"), "w");
    assert_string_equal(fake_text(fake, "cold"), "c");
    load_end(&request.load);
    fake_evict(fake);
    assert_null(fake_text(fake, "warm"));
    fake_destroy(&fake);
}

static void a_key_fetched_ahead_is_asked_for_with_its_partition_held(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    make_cold(fake, "k", "v");
    struct key key = fake_key(fake, "k");
    assert_true(keyspace_try_one(fake->keyspace, key_partition(&key)));
    struct load *load = load_ahead(fake->keyspace, &key);
    keyspace_release_one(fake->keyspace, key_partition(&key));
    if (load) {
        load_submit(load);
        fake_settle(fake);
        assert_string_equal(fake_text(fake, "k"), "v");
    }
    fake_destroy(&fake);
}

static void a_row_reported_expired_comes_to_memory_and_expires(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct key key = fake_key(fake, "k");
    bool more;
    fake_put(fake, "k", "v", 5000);
    fake_cycle(fake);
    fake_evict(fake);
    struct row_key row_key = {0, key.slot, key.hash, key.name};
    keyspace_report_expired(fake->keyspace, &row_key);
    keyspace_report_expired(fake->keyspace, &row_key);
    assert_int_equal(fake->load_count, 1);
    fake_settle(fake);
    assert_int_equal(fake_state(fake, "k"), ENTRY_CLEAN);
    assert_int_equal(keyspace_expire_step(fake->keyspace, key_partition(&key), 6000, 10, &more), 1);
    assert_int_equal(fake_state(fake, "k"), ENTRY_GONE);
    assert_int_equal(keyspace_counts(fake->keyspace, 0).keys, 0);
    assert_int_equal(keyspace_counts(fake->keyspace, 0).expires, 0);
    fake_cycle(fake);
    assert_int_equal(fake->rows.count, 0);
    keyspace_report_expired(fake->keyspace, &row_key); /* late: no such row any more */
    assert_int_equal(fake->load_count, 0);
    fake_destroy(&fake);
}

static void a_fetch_at_once_installs_the_row(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct fake_request request;
    struct key key = fake_key(fake, "k"), absent = fake_key(fake, "absent");
    uint64_t offset;
    make_cold(fake, "k", "v");
    assert_true(fake_request_key(fake, &request, "k"));
    assert_true(keyspace_try_one(fake->keyspace, key_partition(&key)));
    assert_int_equal(keyspace_fetch(fake->keyspace, &key, &offset), STATUS_OK);
    assert_true(offset > 0);
    keyspace_release_one(fake->keyspace, key_partition(&key));
    assert_true(keyspace_try_one(fake->keyspace, key_partition(&absent)));
    assert_int_equal(keyspace_fetch(fake->keyspace, &absent, &offset), STATUS_NOT_FOUND);
    keyspace_release_one(fake->keyspace, key_partition(&absent));
    fake_settle(fake);
    assert_true(request.is_delivered);
    assert_string_equal(fake_text(fake, "k"), "v");
    load_end(&request.load);
    fake_destroy(&fake);
}

static void fetch_end(struct fake_backing *fake, const struct key *key, struct fetched_row *fetched,
                      const char *expected)
{
    assert_true(keyspace_try_one(fake->keyspace, key_partition(key)));
    keyspace_fetch_end(fake->keyspace, key, fetched);
    assert_true(keyspace_is_decided(fake->keyspace, key) == (expected != NULL));
    keyspace_release_one(fake->keyspace, key_partition(key));
    if (expected)
        assert_string_equal(fake_text(fake, key->name.data), expected);
}

/* Whoever waits for the key gets it as well; who comes too late changes nothing. */
static void a_row_that_is_read_without_the_lock_is_put_in_once(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct fake_request request = {0};
    struct key key = fake_key(fake, "k"), absent = fake_key(fake, "absent");
    struct fetched_row first, second, none;
    make_cold(fake, "k", "v");
    assert_true(fake_request_key(fake, &request, "k"));
    keyspace_fetch_begin(fake->keyspace, &key, &first);
    keyspace_fetch_begin(fake->keyspace, &key, &second);
    keyspace_fetch_begin(fake->keyspace, &absent, &none);
    assert_null(none.entry);
    fetch_end(fake, &key, &first, "v");
    fake_put(fake, "k", "w", ENTRY_NO_EXPIRE);
    fetch_end(fake, &key, &second, "w");
    fake_settle(fake);
    assert_true(request.is_delivered);
    load_end(&request.load);
    make_cold(fake, "k", "x");
    fake->read_status = STATUS_IO;
    keyspace_fetch_begin(fake->keyspace, &key, &first);
    fetch_end(fake, &key, &first, NULL);
    fake->read_status = STATUS_OK;
    fake_destroy(&fake);
}

/* ---- the filter ---- */

static void rebuild(struct fake_backing *fake)
{
    for (uint32_t partition = 0; partition < PARTITION_COUNT; partition++) {
        keyspace_filter_rebuild_begin(fake->keyspace, partition);
        for (size_t i = 0; i < fake->rows.count; i++)
            if (fake->rows.rows[i].row.key.slot % PARTITION_COUNT == partition)
                keyspace_filter_rebuild_add(fake->keyspace, &fake->rows.rows[i].row.key, 1);
        keyspace_filter_rebuild_end(fake->keyspace, partition);
        assert_true(keyspace_filter_is_ready(fake->keyspace, partition));
    }
}

static void a_rebuilt_filter_knows_what_was_written_meanwhile(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    make_cold(fake, "cold", "c");
    make_cold(fake, "removed", "r");
    make_cold(fake, "changed", "old");
    keyspace_filter_lose(fake->keyspace);
    assert_false(fake_is_decided(fake, "nothing"));
    assert_string_equal(fake_get(fake, "removed"), "r");
    fake_remove(fake, "removed");
    fake_put(fake, "changed", "new", NEVER); /* blindly */
    fake_put(fake, "fresh", "f", NEVER);
    fake_put(fake, "fleeting", "f", NEVER);
    fake_remove(fake, "fleeting");
    assert_int_equal(fake_state(fake, "fleeting"), ENTRY_GONE);
    fake_put(fake, "captured", "c", NEVER);
    fake_cycle(fake);
    rebuild(fake);
    assert_int_equal(fake_state(fake, "fleeting"), -1);
    assert_true(fake_is_decided(fake, "nothing"));
    assert_int_equal(fake_filter_count(fake), fake->rows.count);
    fake_cycle(fake);
    fake_evict(fake);
    assert_int_equal(fake_filter_count(fake), fake->rows.count);
    assert_string_equal(fake_get(fake, "cold"), "c");
    assert_null(fake_get(fake, "removed"));
    assert_string_equal(fake_get(fake, "changed"), "new");
    assert_string_equal(fake_get(fake, "fresh"), "f");
    assert_string_equal(fake_get(fake, "captured"), "c");
    fake_destroy(&fake);
}

static void a_row_that_a_run_took_away_before_the_rebuild_is_found_when_it_comes_again(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    make_cold(fake, "k", "old");
    keyspace_filter_lose(fake->keyspace);
    assert_string_equal(fake_get(fake, "k"), "old");
    fake_remove(fake, "k");
    fake_capture(fake, 0);
    fake_put(fake, "k", "new", NEVER);
    fake_ingest(fake);
    rebuild(fake);
    fake_cycle(fake);
    fake_evict(fake);
    assert_int_equal(fake_filter_count(fake), fake->rows.count);
    assert_string_equal(fake_get(fake, "k"), "new");
    assert_int_equal(keyspace_counts(fake->keyspace, 0).keys, 1);
    fake_destroy(&fake);
}

static void a_flush_during_a_rebuild_leaves_no_fingerprints(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    make_cold(fake, "k", "c");
    struct row_key key = fake->rows.rows[0].row.key;
    uint32_t partition = key.slot % PARTITION_COUNT;
    keyspace_filter_lose(fake->keyspace);
    keyspace_filter_rebuild_begin(fake->keyspace, partition);
    flush(fake);
    keyspace_filter_rebuild_add(fake->keyspace, &key, 1);
    keyspace_filter_rebuild_end(fake->keyspace, partition);
    assert_true(fake_is_decided(fake, "k"));
    assert_null(fake_get(fake, "k"));
    assert_int_equal(fake_filter_count(fake), 0);
    fake_destroy(&fake);
}

/* ---- restart ---- */

static void note_called(void *context)
{
    *(bool *)context = true;
}

static void counts_survive_in_the_state_and_follow_replay(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct buffer saved = {0};
    bool called = false;
    char name[24];
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "k%d", i);
        fake_put(fake, name, "v", i % 3 ? NEVER : 100000);
    }
    assert_true(keyspace_try_all(fake->keyspace, 0));
    keyspace_swap(fake->keyspace, 0, 7);
    keyspace_release_all(fake->keyspace, 0);
    keyspace_save_state(fake->keyspace, note_called, &called, &saved);
    assert_true(called);
    fake_destroy(&fake);

    fake = fake_create();
    for (size_t cut = 0; cut < 40; cut++)
        assert_int_equal(keyspace_restore_state(fake->keyspace, bytes_of(saved.data, cut)), STATUS_CORRUPT);
    assert_int_equal(keyspace_restore_state(fake->keyspace, buffer_bytes(&saved)), STATUS_OK);
    keyspace_filter_lose(fake->keyspace);
    assert_int_equal(keyspace_physical_db(fake->keyspace, 7), 0);
    assert_int_equal(keyspace_counts(fake->keyspace, 7).keys, 3000);
    assert_int_equal(keyspace_counts(fake->keyspace, 7).expires, 1000);
    assert_int_equal(keyspace_counts(fake->keyspace, 7).resident, 0);

    struct key old = keyspace_key(fake->keyspace, BYTES("k1"), 7), fresh = keyspace_key(fake->keyspace, BYTES("n"), 7);
    struct object value = string_object_from_integer(5);
    keyspace_set_replaying(fake->keyspace, true);
    keyspace_replay_put(fake->keyspace, &old, &value, NEVER, false);
    keyspace_replay_put(fake->keyspace, &old, &value, NEVER, false);
    keyspace_replay_put(fake->keyspace, &fresh, &value, NEVER, true);
    assert_int_equal(keyspace_counts(fake->keyspace, 7).keys, 3001);
    keyspace_replay_remove(fake->keyspace, &fresh);
    old = keyspace_key(fake->keyspace, BYTES("k2"), 7);
    keyspace_replay_remove(fake->keyspace, &old);
    keyspace_set_replaying(fake->keyspace, false);
    assert_int_equal(keyspace_counts(fake->keyspace, 7).keys, 2999);
    assert_int_equal(keyspace_counts(fake->keyspace, 7).resident, 1);
    buffer_deinit(&saved);
    fake_destroy(&fake);
}

/* The node that wrote such a state must be able to start from it. */
static void no_replay_makes_more_keys_expire_than_there_are(void **state)
{
    (void)state;
    struct fake_backing *fake = fake_create();
    struct object value = string_object_from_integer(5);
    struct buffer saved = {0};
    bool called = false;
    fake_put(fake, "{s}cold", "v", 100000);
    fake_put(fake, "{s}other", "v", NEVER);
    keyspace_save_state(fake->keyspace, note_called, &called, &saved);
    fake_destroy(&fake);

    fake = fake_create();
    assert_int_equal(keyspace_restore_state(fake->keyspace, buffer_bytes(&saved)), STATUS_OK);
    keyspace_filter_lose(fake->keyspace);
    struct key cold = keyspace_key(fake->keyspace, BYTES("{s}cold"), 0);
    struct key other = keyspace_key(fake->keyspace, BYTES("{s}other"), 0);
    keyspace_set_replaying(fake->keyspace, true);
    keyspace_replay_put(fake->keyspace, &cold, &value, 200000, false);
    keyspace_replay_remove(fake->keyspace, &other);
    assert_int_equal(keyspace_counts(fake->keyspace, 0).expires, 1);
    keyspace_replay_remove(fake->keyspace, &cold);
    assert_int_equal(keyspace_counts(fake->keyspace, 0).expires, 0);
    keyspace_set_replaying(fake->keyspace, false);
    assert_int_equal(keyspace_counts(fake->keyspace, 0).keys, 0);

    saved.length = 0;
    keyspace_save_state(fake->keyspace, note_called, &called, &saved);
    assert_int_equal(keyspace_restore_state(fake->keyspace, buffer_bytes(&saved)), STATUS_OK);
    buffer_deinit(&saved);
    fake_destroy(&fake);
}

/* ---- against a model ---- */

#define MODEL_KEYS 400

struct tier_model {
    struct fake_backing *fake;
    struct random random;
    int64_t now_ms;
    bool has_run;
    bool has_lost;               /* the filter, which is rebuilt some steps later */
    char values[MODEL_KEYS][24]; /* "" : no such key */
    int64_t expiries[MODEL_KEYS];
};

static void model_name(unsigned index, char *name)
{
    sprintf(name, index % 2 ? "k%u" : "{tag}k%u", index);
}

static void model_write(struct tier_model *model, unsigned index, unsigned choice)
{
    char name[24];
    model_name(index, name);
    const char *text = fake_get(model->fake, name);
    if (model->values[index][0])
        assert_string_equal(text, model->values[index]);
    else
        assert_null(text);
    if (choice < 30) {
        assert_int_equal(fake_remove(model->fake, name), text != NULL);
        model->values[index][0] = 0;
    } else if (choice < 70) {
        sprintf(model->values[index], "%u", (unsigned)random_below(&model->random, 1u << 30));
        model->expiries[index] = choice % 3 ? NEVER : model->now_ms + (int64_t)random_below(&model->random, 3000);
        fake_put(model->fake, name, model->values[index], model->expiries[index]);
    }
}

static void model_expire(struct tier_model *model)
{
    model->now_ms += (int64_t)random_below(&model->random, 100);
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        char name[24];
        model_name(i, name);
        if (!model->values[i][0] || model->expiries[i] == NEVER || model->expiries[i] > model->now_ms)
            continue;
        fake_get(model->fake, name); /* a cold one is reported by its row */
        model->values[i][0] = 0;
    }
    for (uint32_t partition = 0; partition < PARTITION_COUNT; partition++) {
        bool more = true;
        while (more)
            keyspace_expire_step(model->fake->keyspace, partition, model->now_ms, 3, &more);
    }
}

static void model_step(struct tier_model *model)
{
    unsigned choice = (unsigned)random_below(&model->random, 1000);
    if (choice < 900) {
        model_write(model, (unsigned)random_below(&model->random, MODEL_KEYS), choice % 100);
    } else if (choice < 940) {
        fake_evict(model->fake);
    } else if (choice < 980) {
        if (!model->has_run)
            fake_capture(model->fake, choice % 7 * 50);
        else if (choice % 4 == 0)
            fake_fail(model->fake);
        else
            fake_ingest(model->fake);
        model->has_run = !model->has_run;
    } else if (choice < 995) {
        model_expire(model);
    } else if (choice == 995) {
        flush(model->fake);
        memset(model->values, 0, sizeof(model->values));
    } else if (!model->has_run && !model->has_lost) {
        keyspace_filter_lose(model->fake->keyspace);
        model->has_lost = true;
    }
    if (model->has_lost && !model->has_run && random_below(&model->random, 60) == 0) {
        rebuild(model->fake);
        model->has_lost = false;
    }
}

static void assert_counts(struct tier_model *model)
{
    uint64_t keys = 0, expires = 0;
    for (unsigned i = 0; i < MODEL_KEYS; i++)
        if (model->values[i][0]) {
            keys++;
            expires += model->expiries[i] != NEVER;
        }
    struct keyspace_counts counts = keyspace_counts(model->fake->keyspace, 0);
    assert_int_equal(counts.keys, keys);
    assert_int_equal(counts.expires, expires);
}

static void keys_are_what_was_last_done_to_them_in_every_tier(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 6; seed++) {
        struct tier_model *model = calloc(1, sizeof(*model));
        model->fake = fake_create();
        model->now_ms = 1000000;
        random_init(&model->random, seed);
        for (unsigned i = 0; i < 6000; i++) {
            model_step(model);
            if (i % 16 == 0)
                assert_counts(model);
        }
        if (model->has_run)
            fake_ingest(model->fake);
        fake_cycle(model->fake);
        assert_int_equal(keyspace_dirty_count(model->fake->keyspace), 0);
        fake_evict(model->fake);
        assert_int_equal(keyspace_counts(model->fake->keyspace, 0).resident, 0);
        for (unsigned i = 0; i < MODEL_KEYS; i++)
            model_write(model, i, 99);
        assert_counts(model);
        fake_destroy(&model->fake);
        free(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_captured_then_deleted_value_does_not_return),
        cmocka_unit_test(a_value_that_expired_in_memory_does_not_return_from_its_row),
        cmocka_unit_test(an_entry_is_not_clean_before_its_run_is_ingested),
        cmocka_unit_test(a_write_during_a_run_stays_dirty_when_it_is_ingested),
        cmocka_unit_test(a_failed_tombstone_is_written_again),
        cmocka_unit_test(a_row_read_before_a_write_is_not_installed_after_it),
        cmocka_unit_test(an_absence_read_before_a_write_is_not_believed_after_it),
        cmocka_unit_test(a_known_absence_lasts_as_long_as_its_request),
        cmocka_unit_test(requests_that_share_a_marker_are_all_delivered),
        cmocka_unit_test(a_failed_read_reaches_every_request_and_leaves_the_key_cold),
        cmocka_unit_test(a_flush_holds_against_runs_and_reads_in_flight),
        cmocka_unit_test(large_requests_end_while_all_that_may_be_evicted_is),
        cmocka_unit_test(present_keys_of_a_waiting_request_are_pinned_too),
        cmocka_unit_test(a_key_fetched_ahead_is_asked_for_with_its_partition_held),
        cmocka_unit_test(a_row_reported_expired_comes_to_memory_and_expires),
        cmocka_unit_test(a_fetch_at_once_installs_the_row),
        cmocka_unit_test(a_row_that_is_read_without_the_lock_is_put_in_once),
        cmocka_unit_test(a_rebuilt_filter_knows_what_was_written_meanwhile),
        cmocka_unit_test(a_row_that_a_run_took_away_before_the_rebuild_is_found_when_it_comes_again),
        cmocka_unit_test(a_flush_during_a_rebuild_leaves_no_fingerprints),
        cmocka_unit_test(counts_survive_in_the_state_and_follow_replay),
        cmocka_unit_test(no_replay_makes_more_keys_expire_than_there_are),
        cmocka_unit_test(keys_are_what_was_last_done_to_them_in_every_tier),
    };
    return cmocka_run_group_tests_name("residency", tests, NULL, NULL);
}
