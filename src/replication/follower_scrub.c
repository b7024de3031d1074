/* SPDX-License-Identifier: BSD-3-Clause */
/* A replica's part in a scrub. A question in the stream asks what some slots hold at that very offset: the feed is suspended, a
 * thread takes the partition's lock, notes that it begins (keyspace_show_slots), and the feed goes on while the slots are read.
 * Then the primary's answer has come, or comes, and the two are compared.
 *
 * The question that is being looked into is the last one; the primary waits for what is found before it asks the next. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/thread.h"
#include "command/function_durable.h"
#include "replication/follower_private.h"
#include "replication/scrub.h"
#include "replication/scrub_read.h"

/* How long the feed may wait for those who are at work in the partition. */
#define BEGIN_TRIES_MAX 20
#define BEGIN_PAUSE_NS 1000000

enum looking { LOOKING_NOT, LOOKING_TO_BEGIN, LOOKING_ON, LOOKED };

static struct {
    /* replication's thread */
    enum looking state;
    struct scrub_question question;
    bool feed_waits, is_answered, has_thread;
    struct scrub_answer answer;
    struct thread thread;
    struct mail begun, read;

    /* the thread's from the question to its letters */
    struct scrub_reading reading;
    bool has_begun;

    pthread_mutex_t lock; /* of what the thread waits for */
    pthread_cond_t wake;
    bool is_asked, must_end;
} scrub = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

/* ---- what is found ---- */

static void say(uint64_t id, const char *word)
{
    char text[96], digits[BYTES_INTEGER_MAX + 1];
    digits[bytes_from_uint64(digits, id)] = '\0';
    /* A Redis passes its primary's marks on, and takes no answer. */
    if (!follower_connection() || !follower.is_streaming || !follower.attempt->sync.is_forebay)
        return;
    int length = snprintf(text, sizeof(text), "*4\r\n$8\r\nREPLCONF\r\n$5\r\nSCRUB\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n",
                          strlen(digits), digits, strlen(word), word);
    follower_send(text, (size_t)length);
}

static void skip(uint64_t id)
{
    scrub_count(SCRUB_SKIPPED);
    say(id, "skipped");
}

static bool is_mended(void)
{
    return __atomic_load_n(&scrub_settings.repair, __ATOMIC_RELAXED) == SCRUB_REPAIR_FULL;
}

static const char *action(void)
{
    return is_mended() ? "everything is copied anew" : "none";
}

static void mend(uint64_t id)
{
    scrub_count(SCRUB_DIFFERS);
    say(id, "differs");
    if (is_mended())
        follower_copy_again();
}

static void differ(void)
{
    const struct slot_group *group = &scrub.question.group;
    const struct scrub_sum *here = &scrub.reading.held, *there = &scrub.answer.held;
    log_warning("what is here differs from the primary's",
                "db=%d slot=%u slots=%u keys=%llu primary_keys=%llu action=\"%s\"", group->db, group->first,
                group->count, (unsigned long long)here->keys, (unsigned long long)there->keys, action());
    mend(scrub.question.id);
}

static void compare(void)
{
    const struct scrub_sum *here = &scrub.reading.held, *there = &scrub.answer.held;
    scrub.state = LOOKING_NOT;
    if (!scrub.reading.is_exact) {
        skip(scrub.question.id);
    } else if (here->sum != there->sum || here->keys != there->keys) {
        differ();
    } else {
        scrub_count(SCRUB_SAME);
        say(scrub.question.id, "same");
    }
}

/* ---- the thread ---- */

static void let_feed_go_on(void)
{
    if (!scrub.feed_waits)
        return;
    scrub.feed_waits = false;
    session_resume(follower.feed.session);
}

static void has_begun(struct mail *mail)
{
    (void)mail;
    scrub.state = LOOKING_ON;
    let_feed_go_on();
}

static void has_read(struct mail *mail)
{
    (void)mail;
    scrub.state = LOOKED;
    if (scrub.is_answered)
        compare();
    let_feed_go_on();
}

static bool at_begin(void *context)
{
    (void)context;
    scrub.has_begun = true;
    mailbox_post(loop_mailbox(follower.loop), &scrub.begun);
    return true;
}

static void look(void)
{
    enum status status = STATUS_BUSY;
    scrub.has_begun = false;
    for (int i = 0; i < BEGIN_TRIES_MAX && status == STATUS_BUSY; i++) {
        if (i > 0)
            nanosleep(&(struct timespec){.tv_nsec = BEGIN_PAUSE_NS}, NULL);
        status = scrub_read(&scrub.reading);
    }
    if (!scrub.has_begun)
        mailbox_post(loop_mailbox(follower.loop), &scrub.begun);
    mailbox_post(loop_mailbox(follower.loop), &scrub.read);
}

static bool wait_for_question(void)
{
    pthread_mutex_lock(&scrub.lock);
    while (!scrub.is_asked && !scrub.must_end)
        pthread_cond_wait(&scrub.wake, &scrub.lock);
    bool goes_on = !scrub.must_end;
    scrub.is_asked = false;
    pthread_mutex_unlock(&scrub.lock);
    return goes_on;
}

static void run(void *context)
{
    (void)context;
    while (wait_for_question())
        look();
}

static void wake(bool must_end)
{
    pthread_mutex_lock(&scrub.lock);
    scrub.is_asked = true;
    scrub.must_end |= must_end;
    pthread_cond_signal(&scrub.wake);
    pthread_mutex_unlock(&scrub.lock);
}

/* ---- questions and answers ---- */

static void have_feed_wait(void)
{
    scrub.feed_waits = true;
    session_suspend(follower.feed.session, SUSPENDED_JOB);
}

static void begin_to_look(void)
{
    scrub.reading =
        (struct scrub_reading){.keyspace = follower.engine->keyspace, .group = scrub.question.group, .begin = at_begin};
    scrub.state = LOOKING_TO_BEGIN;
    scrub.begun.deliver = has_begun;
    scrub.read.deliver = has_read;
    if (!scrub.has_thread)
        thread_start(&scrub.thread, "scrub-read", run, NULL);
    scrub.has_thread = true;
    wake(false);
    have_feed_wait();
}

/* All of a db: nothing changes it while this thread does not. */
static void look_at_unused(void)
{
    uint64_t keys = keyspace_counts(follower.engine->keyspace, scrub.question.group.db).keys;
    scrub.reading = (struct scrub_reading){.held = {.keys = keys}, .is_exact = true};
    scrub.state = LOOKED;
}

/* What a copy has brought may be of later than the stream is at. */
static bool is_whole(void)
{
    return follower.is_apart || (engine_follows_bytes(follower.engine) && follower_is_whole());
}

/* A primary's primary does not wait for us: its next question may come while the last one is looked into. */
static bool hear_question(const struct scrub_question *question)
{
    bool is_known = question->id == scrub.question.id;
    if (scrub.state == LOOKING_TO_BEGIN || (scrub.state == LOOKING_ON && !is_known)) {
        have_feed_wait();
        return false;
    }
    if (is_known || !is_whole())
        return true;
    scrub.question = *question;
    scrub.is_answered = false;
    if (question->group.count == 0)
        look_at_unused();
    else
        begin_to_look();
    return scrub.state == LOOKED;
}

static void hear_answer(const struct scrub_answer *answer)
{
    if (answer->id != scrub.question.id || scrub.state == LOOKING_NOT) {
        skip(answer->id);
        return;
    }
    scrub.answer = *answer;
    scrub.is_answered = true;
    if (scrub.state == LOOKED)
        compare();
}

/* All that came before has been executed. */
static void hear_of_functions(const struct scrub_answer *there)
{
    struct scrub_sum here;
    if (!is_whole())
        return;
    functions_digest(&here.sum, &here.keys);
    if (here.sum == there->held.sum && here.keys == there->held.keys)
        return;
    log_warning("functions here differ from the primary's", "libraries=%llu primary_libraries=%llu action=\"%s\"",
                (unsigned long long)here.keys, (unsigned long long)there->held.keys, action());
    mend(there->id);
}

bool follower_scrub_hear(struct bytes message)
{
    struct scrub_question question;
    struct scrub_answer answer;
    enum scrub_mark mark = scrub_read_mark(message, &question, &answer);
    if (mark == SCRUB_QUESTION)
        return hear_question(&question);
    if (mark == SCRUB_ANSWER)
        hear_answer(&answer);
    if (mark == SCRUB_FUNCTIONS)
        hear_of_functions(&answer);
    return true;
}

void follower_scrub_forget(void)
{
    scrub.feed_waits = scrub.is_answered = false;
    scrub.question.id = 0;
}

void follower_scrub_stop(void)
{
    if (!scrub.has_thread)
        return;
    wake(true);
    thread_stop(&scrub.thread);
    scrub.has_thread = false;
}
