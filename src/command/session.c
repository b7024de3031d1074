/* SPDX-License-Identifier: BSD-3-Clause */
#include "command/session.h"

#include "base/memory.h"
#include "command/blocked.h"
#include "command/channels.h"
#include "command/claim_wish.h"
#include "command/dispatch.h"
#include "command/lock_wait.h"
#include "command/met_keys.h"
#include "command/monitor.h"
#include "command/reply_wait.h"
#include "command/tracking.h"
#include "command/transaction.h"

static struct {
    struct lock lock;
    struct chain_table ids;
    _Atomic uint64_t next_id;
} registry;

void session_registry_setup(void)
{
    lock_init(&registry.lock, LOCK_LEAF, 0);
    atomic_store(&registry.next_id, 1);
}

_Static_assert(offsetof(struct session, id) == offsetof(struct session, id_node.hash), "an id is its own hash");
_Static_assert(sizeof(struct session) <= 224, "an allocator's size class");

struct session *session_create(struct worker *worker, void *connection, const struct transport *transport,
                               struct output *output)
{
    struct session *session = memory_allocate_zeroed(sizeof(*session));
    session->id = atomic_fetch_add(&registry.next_id, 1);
    session->last_command = -1;
    session->worker = worker;
    session->connection = connection;
    session->transport = transport;
    session->reply = (struct reply){.output = output, .protocol = 2};
    session->created_at_s = (uint32_t)(worker->now_ms / 1000);
    list_init(&session->worker_node);
    if (engine_password(worker->engine)[0] == '\0') {
        session->flags |= SESSION_AUTHENTICATED;
        transport->set_trusted(connection, true);
    }
    lock_acquire(&registry.lock);
    chain_table_add(&registry.ids, &session->id_node, session->id);
    lock_release(&registry.lock);
    return session;
}

void session_set_blocked(struct session *session, struct blocked *blocked)
{
    lock_acquire(&registry.lock);
    session->blocked = blocked;
    lock_release(&registry.lock);
}

static void session_free_names(struct session *session)
{
    if (!session->names)
        return;
    memory_free(session->names->name);
    memory_free(session->names->library_name);
    memory_free(session->names->library_version);
    memory_free(session->names->introduction);
    memory_free(session->names);
    session->names = NULL;
}

void session_unlist(struct session *session)
{
    lock_acquire(&registry.lock);
    chain_table_remove(&registry.ids, &session->id_node);
    lock_release(&registry.lock);
    session->flags |= SESSION_UNLISTED;
}

void session_destroy(struct session **taken)
{
    struct session *session = *taken;
    *taken = NULL;
    if (!(session->flags & SESSION_UNLISTED))
        session_unlist(session);

    list_remove(&session->worker_node);
    if (session->flags & SESSION_MONITOR)
        monitor_stop(session);
    channels_leave(session);
    tracking_stop(session);
    transaction_unwatch(session);
    transaction_discard(session);
    if (session->blocked)
        blocked_abandon(session);
    if (session->load)
        load_abandon(&session->load);
    if (session->met_keys)
        met_keys_forget(session);
    if (session->offload)
        offload_abandon(&session->offload);
    reply_wait_abandon(session);
    lock_wait_abandon(session);
    claim_wish_end(session);
    keyspace_abandon_all(session->worker->engine->keyspace, session->worker->number);
    resp_parser_reset(&session->parser);
    session_free_names(session);
    memory_free(session);
}

void session_reset(struct session *session)
{
    if (session->flags & SESSION_MONITOR)
        monitor_stop(session);
    channels_leave(session);
    tracking_stop(session);
    transaction_discard(session);
    transaction_unwatch(session);
    session->flags &= SESSION_CLOSING | SESSION_SUSPENDED;
    if (engine_password(session->worker->engine)[0] == '\0')
        session->flags |= SESSION_AUTHENTICATED;
    session->reply.protocol = 2;
    session->reply.silent = false;
    session->db = 0;
    if (session->names) {
        memory_free(session->names->name);
        session->names->name = NULL;
    }
}

void session_each(void (*visit)(void *context, struct session *session), void *context)
{
    lock_acquire(&registry.lock);
    for (struct chain_node *node = NULL; (node = chain_table_walk(&registry.ids, node)) != NULL;)
        visit(context, list_entry(node, struct session, id_node));
    lock_release(&registry.lock);
}

uint32_t session_count(void)
{
    lock_acquire(&registry.lock);
    uint32_t count = (uint32_t)registry.ids.count;
    lock_release(&registry.lock);
    return count;
}

/* A letter that finds its session again by id on arrival, since the session may have gone meanwhile. */
struct session_order {
    struct mail mail;
    uint64_t id;
    void (*act)(struct session *session, int64_t argument);
    void (*gone)(int64_t argument); /* may be NULL */
    int64_t argument;
};

static struct session *session_find_locked(uint64_t id)
{
    struct chain_node *node = chain_table_find(&registry.ids, id);
    return node ? list_entry(node, struct session, id_node) : NULL;
}

static void session_order_deliver(struct mail *mail)
{
    struct session_order *order = list_entry(mail, struct session_order, mail);
    lock_acquire(&registry.lock);
    struct session *session = session_find_locked(order->id);
    lock_release(&registry.lock);
    /* Sessions die on their own thread only, which is this one. */
    if (session)
        order->act(session, order->argument);
    else if (order->gone)
        order->gone(order->argument);
    memory_free(order);
}

bool session_act(uint64_t id, void (*act)(struct session *session, int64_t argument), int64_t argument)
{
    return session_act_or(id, act, NULL, argument);
}

bool session_act_or(uint64_t id, void (*act)(struct session *session, int64_t argument), void (*gone)(int64_t argument),
                    int64_t argument)
{
    struct session_order *order = memory_allocate(sizeof(*order));
    *order = (struct session_order){
        .mail.deliver = session_order_deliver, .id = id, .act = act, .gone = gone, .argument = argument};
    lock_acquire(&registry.lock);
    struct session *session = session_find_locked(id);
    struct mailbox *home = session ? session->worker->mailbox : NULL;
    lock_release(&registry.lock);
    if (home)
        mailbox_post(home, &order->mail);
    else
        memory_free(order);
    return home != NULL;
}

bool session_reach(struct worker *worker, uint64_t id, void (*act)(struct session *session, int64_t argument),
                   void (*gone)(int64_t argument), int64_t argument)
{
    lock_acquire(&registry.lock);
    struct session *session = session_find_locked(id);
    bool is_own = session && session->worker == worker;
    lock_release(&registry.lock);
    if (!is_own)
        return session_act_or(id, act, gone, argument);
    act(session, argument);
    return true;
}
