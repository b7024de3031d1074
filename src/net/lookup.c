/* SPDX-License-Identifier: BSD-3-Clause */
/* Who comes first decides, by one exchange of 'state': a thread that has found posts its letter, and a lookup that was ended
 * before is the thread's to free. */
#include "net/lookup.h"

#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mailbox.h"
#include "base/memory.h"
#include "base/list.h"
#include "base/thread.h"

/* As many look at one time, with those that nobody waits for any more. */
#define LOOKUPS_MAX 16

static _Atomic unsigned looking_count;

enum lookup_state { LOOKING, FOUND, ABANDONED };

struct lookup {
    /* immutable while the thread runs */
    char host[256], service[12];
    struct mailbox *home;

    _Atomic int state;

    /* the thread's until FOUND */
    struct addrinfo *addresses;
    char error[320];

    /* the owner's */
    void (*found)(void *context, struct lookup *lookup); /* NULL: it was ended */
    void *context;
    bool has_thread, is_delivered;
    struct mail mail;
    struct thread thread;
};

static void lookup_free(struct lookup *lookup)
{
    if (lookup->addresses)
        freeaddrinfo(lookup->addresses);
    memory_free(lookup);
}

static bool look(struct lookup *lookup, int more_flags)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | more_flags};
    int failure = getaddrinfo(lookup->host, lookup->service, &hints, &lookup->addresses);
    if (failure)
        lookup->addresses = NULL;
    if (failure)
        snprintf(lookup->error, sizeof(lookup->error), "%s: %s", lookup->host, gai_strerror(failure));
    return !failure;
}

static void run(void *argument)
{
    struct lookup *lookup = argument;
    int looking = LOOKING;
    look(lookup, 0);
    atomic_fetch_sub(&looking_count, 1);
    if (atomic_compare_exchange_strong(&lookup->state, &looking, FOUND))
        mailbox_post(lookup->home, &lookup->mail);
    else
        lookup_free(lookup);
}

static void join(struct lookup *lookup)
{
    if (lookup->has_thread)
        thread_stop(&lookup->thread);
    lookup->has_thread = false;
}

static void delivered(struct mail *mail)
{
    struct lookup *lookup = list_entry(mail, struct lookup, mail);
    lookup->is_delivered = true;
    join(lookup);
    if (lookup->found)
        lookup->found(lookup->context, lookup);
    else
        lookup_free(lookup);
}

struct lookup *lookup_start(const char *host, int port, struct mailbox *home,
                            void (*found)(void *context, struct lookup *lookup), void *context)
{
    struct lookup *lookup = memory_allocate_zeroed(sizeof(*lookup));
    snprintf(lookup->host, sizeof(lookup->host), "%s", host);
    snprintf(lookup->service, sizeof(lookup->service), "%d", port);
    lookup->home = home;
    lookup->found = found;
    lookup->context = context;
    lookup->mail.deliver = delivered;
    bool is_known = look(lookup, AI_NUMERICHOST), has_room = atomic_fetch_add(&looking_count, 1) < LOOKUPS_MAX;
    if (!is_known && has_room) {
        lookup->has_thread = true;
        thread_start(&lookup->thread, "lookup", run, lookup);
        return lookup;
    }
    if (!is_known)
        snprintf(lookup->error, sizeof(lookup->error), "%s: too many names are being looked up", host);
    atomic_fetch_sub(&looking_count, 1);
    atomic_store(&lookup->state, FOUND);
    mailbox_post(home, &lookup->mail);
    return lookup;
}

const struct addrinfo *lookup_addresses(const struct lookup *lookup, const char **error)
{
    *error = lookup->error;
    return lookup->addresses;
}

void lookup_end(struct lookup **taken)
{
    struct lookup *lookup = *taken;
    *taken = NULL;
    if (!lookup)
        return;
    if (lookup->is_delivered) {
        lookup_free(lookup);
        return;
    }
    pthread_t thread = lookup->thread.id;
    int looking = LOOKING;
    lookup->found = NULL;
    if (atomic_compare_exchange_strong(&lookup->state, &looking, ABANDONED))
        pthread_detach(thread);
    else
        join(lookup); /* it ends now, and its letter is on the way then */
}
