/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/mailbox.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/thread.h"

#define WRITERS 4
#define LETTERS 20000

struct letter {
    struct mail mail;
    int writer, number;
};

static struct mailbox box;
static sem_t woken;
static unsigned wakes;
static int last_number[WRITERS];

static void wake_by_semaphore(void *context)
{
    sem_post(context);
}

static void wake_by_counting(void *context)
{
    ++*(unsigned *)context;
}

static void read_letter(struct mail *mail)
{
    struct letter *letter = (struct letter *)mail;
    assert_int_equal(letter->number, last_number[letter->writer] + 1);
    last_number[letter->writer] = letter->number;
    memory_free(letter);
}

static void write_letters(void *argument)
{
    for (int i = 1; i <= LETTERS; i++) {
        struct letter *letter = memory_allocate(sizeof(*letter));
        letter->mail.deliver = read_letter;
        letter->writer = (int)(intptr_t)argument;
        letter->number = i;
        mailbox_post(&box, &letter->mail);
    }
}

static void letters_of_many_writers_arrive_once_and_in_their_order(void **state)
{
    (void)state;
    struct thread writers[WRITERS];
    sem_init(&woken, 0, 0);
    mailbox_init(&box, wake_by_semaphore, &woken);
    for (int i = 0; i < WRITERS; i++)
        thread_start(&writers[i], "writer", write_letters, (void *)(intptr_t)i);
    /* Sleeping on the wake-ups alone: a lost one would leave this loop here for ever. */
    for (unsigned got = 0; got < WRITERS * LETTERS;) {
        sem_wait(&woken);
        got += mailbox_drain(&box);
    }
    for (int i = 0; i < WRITERS; i++) {
        thread_stop(&writers[i]);
        assert_int_equal(last_number[i], LETTERS);
    }
    assert_int_equal(mailbox_drain(&box), 0);
    sem_destroy(&woken);
}

static void ignore(struct mail *mail)
{
    (void)mail;
}

static unsigned deliveries;
static struct mail *delivered[4];

static void note(struct mail *mail)
{
    delivered[deliveries++] = mail;
}

static struct mail first = {.deliver = note}, urgent = {.deliver = note}, last = {.deliver = note};

static bool is_urgent(const struct mail *mail)
{
    return mail == &urgent;
}

static void what_is_picked_comes_at_once_and_the_others_keep_their_order(void **state)
{
    (void)state;
    deliveries = 0;
    mailbox_init(&box, wake_by_counting, &wakes);
    mailbox_post(&box, &first);
    mailbox_post(&box, &urgent);
    mailbox_pick(&box, is_urgent);
    assert_true(mailbox_has_mail(&box));
    mailbox_post(&box, &last);
    mailbox_pick(&box, is_urgent);
    assert_int_equal(mailbox_drain(&box), 2);
    assert_false(mailbox_has_mail(&box));
    assert_ptr_equal(delivered[0], &urgent);
    assert_ptr_equal(delivered[1], &first);
    assert_ptr_equal(delivered[2], &last);
}

static void only_the_first_letter_in_an_empty_box_wakes(void **state)
{
    (void)state;
    struct mail a = {.deliver = ignore}, b = {.deliver = ignore};
    wakes = 0;
    mailbox_init(&box, wake_by_counting, &wakes);
    mailbox_post(&box, &a);
    mailbox_post(&box, &b);
    assert_int_equal(wakes, 1);
    assert_int_equal(mailbox_drain(&box), 2);
    mailbox_post(&box, &a);
    assert_int_equal(wakes, 2);
    assert_int_equal(mailbox_drain(&box), 1);
}

static void post_again(struct mail *mail)
{
    mail->deliver = ignore;
    mailbox_post(&box, mail);
}

static void a_letter_posted_by_its_own_delivery_waits_for_the_next_drain(void **state)
{
    (void)state;
    struct mail mail = {.deliver = post_again};
    wakes = 0;
    mailbox_init(&box, wake_by_counting, &wakes);
    mailbox_post(&box, &mail);
    assert_int_equal(mailbox_drain(&box), 1);
    assert_int_equal(wakes, 2);
    assert_int_equal(mailbox_drain(&box), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_of_many_writers_arrive_once_and_in_their_order),
        cmocka_unit_test(what_is_picked_comes_at_once_and_the_others_keep_their_order),
        cmocka_unit_test(only_the_first_letter_in_an_empty_box_wakes),
        cmocka_unit_test(a_letter_posted_by_its_own_delivery_waits_for_the_next_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
