/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/lookup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netdb.h>
#include <netinet/in.h>
#include <semaphore.h>

#include "base/mailbox.h"

struct home {
    struct mailbox mailbox;
    sem_t woken;
    unsigned found;
    struct lookup *lookup;
};

static void wake(void *context)
{
    sem_post(&((struct home *)context)->woken);
}

static void home_init(struct home *home)
{
    *home = (struct home){.found = 0};
    sem_init(&home->woken, 0, 0);
    mailbox_init(&home->mailbox, wake, home);
}

static void found(void *context, struct lookup *lookup)
{
    struct home *home = context;
    home->found++;
    home->lookup = lookup;
}

static const struct addrinfo *await(struct home *home, const char **error)
{
    sem_wait(&home->woken);
    mailbox_drain(&home->mailbox);
    assert_int_equal(home->found, 1);
    return lookup_addresses(home->lookup, error);
}

static void an_address_in_digits_is_found_before_anybody_waits(void **unused)
{
    (void)unused;
    struct home home;
    const char *error;
    home_init(&home);
    struct lookup *lookup = lookup_start("127.0.0.1", 7000, &home.mailbox, found, &home);
    assert_true(mailbox_has_mail(&home.mailbox));
    const struct addrinfo *addresses = await(&home, &error);
    assert_non_null(addresses);
    const struct sockaddr_in *address = (const void *)addresses->ai_addr;
    assert_int_equal(ntohs(address->sin_port), 7000);
    assert_int_equal(ntohl(address->sin_addr.s_addr), INADDR_LOOPBACK);
    lookup_end(&lookup);
    assert_null(lookup);
}

static void a_name_is_found(void **unused)
{
    (void)unused;
    struct home home;
    const char *error;
    home_init(&home);
    struct lookup *lookup = lookup_start("localhost", 7000, &home.mailbox, found, &home);
    assert_non_null(await(&home, &error));
    lookup_end(&lookup);
}

static void a_name_that_cannot_be_is_told_with_the_reason(void **unused)
{
    (void)unused;
    struct home home;
    const char *error;
    home_init(&home);
    struct lookup *lookup = lookup_start("no such host", 7000, &home.mailbox, found, &home);
    assert_null(await(&home, &error));
    assert_true(strncmp(error, "no such host: ", 14) == 0 && strlen(error) > 14);
    lookup_end(&lookup);
}

static void nobody_is_told_of_what_was_ended(void **unused)
{
    (void)unused;
    struct home home;
    home_init(&home);
    for (int i = 0; i < 8; i++) {
        struct lookup *lookup = lookup_start(i % 2 ? "localhost" : "127.0.0.1", 7000, &home.mailbox, found, &home);
        lookup_end(&lookup);
        assert_null(lookup);
    }
    mailbox_drain(&home.mailbox);
    assert_int_equal(home.found, 0);
}

static void end_it(void *context, struct lookup *lookup)
{
    struct lookup **owned = context;
    assert_ptr_equal(*owned, lookup);
    lookup_end(owned);
}

static void it_can_be_ended_where_it_is_told(void **unused)
{
    (void)unused;
    struct home home;
    home_init(&home);
    struct lookup *lookup;
    lookup = lookup_start("::1", 7000, &home.mailbox, end_it, &lookup);
    sem_wait(&home.woken);
    mailbox_drain(&home.mailbox);
    assert_null(lookup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_in_digits_is_found_before_anybody_waits),
        cmocka_unit_test(a_name_is_found),
        cmocka_unit_test(a_name_that_cannot_be_is_told_with_the_reason),
        cmocka_unit_test(nobody_is_told_of_what_was_ended),
        cmocka_unit_test(it_can_be_ended_where_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
