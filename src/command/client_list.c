/* SPDX-License-Identifier: BSD-3-Clause */
/* A gather is an offload whose work is done by the workers themselves. Each has a part of it: a letter that, on its
 * thread, describes the sessions it owns; replication's worker describes the links of replicas as well, which are no
 * sessions any more. Who answers last sends the gather home, where the session that asked is resumed, or, if it has gone
 * meanwhile, the gather is freed.
 *
 * I1  a part is written by its worker's thread before 'left' falls, and read at home after it has fallen to zero.
 * I2  sessions are collected under the registry's lock and described outside of it: they die on their own thread only,
 *     which is the one that describes them.
 * I3  a part notes places in its text, which moves while it grows; only at home do they become pointers. */
#include "command/client_list.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "command/client_commands.h"
#include "command/client_line.h"

#include <stdlib.h>

struct gather_part {
    struct mail mail;
    struct client_gather *gather;
    struct worker *worker;
    struct session **sessions;
    size_t session_count, session_capacity;
    struct part_line *lines;
    size_t count, capacity;
    struct buffer text;
};

struct client_gather {
    struct offload offload; /* first: the session knows the gather as this */
    _Atomic uint32_t left;
    uint32_t part_count;
    struct client_line *lines; /* of all parts; at home */
    size_t line_count;
    struct gather_part parts[];
};

/* ---- a worker's part ---- */

static void part_note_session(void *context, struct session *session)
{
    struct gather_part *part = context;
    if (session->worker != part->worker)
        return;
    if (part->session_count == part->session_capacity) {
        part->session_capacity = part->session_capacity > 0 ? 2 * part->session_capacity : 16;
        part->sessions = memory_resize(part->sessions, part->session_capacity * sizeof(part->sessions[0]));
    }
    part->sessions[part->session_count++] = session;
}

static void part_add(struct gather_part *part, struct part_line line)
{
    if (part->count == part->capacity) {
        part->capacity = part->capacity > 0 ? 2 * part->capacity : 16;
        part->lines = memory_resize(part->lines, part->capacity * sizeof(part->lines[0]));
    }
    part->lines[part->count++] = line;
}

static void part_note_replica(void *context, const struct replica_link *link)
{
    struct gather_part *part = context;
    part_add(part, client_line_of_replica(link, clock_now_ms(), &part->text));
}

/* Replication's worker has few turns, and looks at the clock. */
static void part_fill(struct gather_part *part)
{
    bool has_links = part->worker == part->worker->engine->link_worker;
    int64_t now_ms = has_links ? clock_now_ms() : part->worker->now_ms;
    session_each(part_note_session, part);
    for (size_t i = 0; i < part->session_count; i++)
        part_add(part, client_line_of_session(part->sessions[i], now_ms, &part->text));
    if (has_links && engine_hooks.replicas_each != NULL)
        engine_hooks.replicas_each(part_note_replica, part);
    memory_free(part->sessions);
    part->sessions = NULL;
}

/* True for who answers last. After it said false the gather may be gone. */
static bool part_answer(struct gather_part *part)
{
    check(part != NULL);
    part_fill(part);
    return atomic_fetch_sub_explicit(&part->gather->left, 1, memory_order_acq_rel) == 1;
}

static void part_deliver(struct mail *mail)
{
    struct gather_part *part = list_entry(mail, struct gather_part, mail);
    struct client_gather *gather = part->gather;
    if (part_answer(part))
        mailbox_post(gather->offload.home, &gather->offload.mail);
}

/* ---- the gather ---- */

static void gather_destroy(struct offload *offload)
{
    struct client_gather *gather = list_entry(offload, struct client_gather, offload);
    for (uint32_t i = 0; i < gather->part_count; i++) {
        memory_free(gather->parts[i].lines);
        buffer_deinit(&gather->parts[i].text);
    }
    memory_free(gather->lines);
}

static void gather_free(struct client_gather *gather)
{
    gather_destroy(&gather->offload);
    memory_free(gather);
}

static void gather_come_home(struct mail *mail)
{
    struct offload *offload = list_entry(mail, struct offload, mail);
    offload->done = true;
    if (offload->session != NULL)
        session_resume(offload->session);
    else
        gather_free(list_entry(offload, struct client_gather, offload));
}

static int compare_lines(const void *a, const void *b)
{
    uint64_t first = ((const struct client_line *)a)->id, second = ((const struct client_line *)b)->id;
    return first < second ? -1 : first > second;
}

static struct bytes text_at(const struct gather_part *part, struct place place)
{
    return bytes_of(part->text.data + place.start, place.length);
}

static void gather_join_part(struct client_gather *gather, const struct gather_part *part)
{
    for (size_t i = 0; i < part->count; i++) {
        const struct part_line *line = &part->lines[i];
        gather->lines[gather->line_count++] = (struct client_line){
            .id = line->id,
            .created_at_ms = line->created_at_ms,
            .type = line->type,
            .blocked = line->blocked,
            .text = text_at(part, line->text),
            .peer = text_at(part, line->peer),
            .local = text_at(part, line->local),
        };
    }
}

static void gather_join(struct client_gather *gather)
{
    size_t total = 0;
    for (uint32_t i = 0; i < gather->part_count; i++)
        total += gather->parts[i].count;
    gather->lines = memory_allocate((total + 1) * sizeof(gather->lines[0]));
    for (uint32_t i = 0; i < gather->part_count; i++)
        gather_join_part(gather, &gather->parts[i]);
    qsort(gather->lines, gather->line_count, sizeof(gather->lines[0]), compare_lines);
}

/* Replication's is the last. */
static struct worker *worker_at(const struct engine *engine, uint32_t index)
{
    return index < engine->worker_count ? engine->workers[index] : engine->link_worker;
}

/* Asks everybody, or, where nobody can be waited for, the own worker alone. True if all have answered already. */
static bool gather_ask(struct client_gather *gather, struct execution *x, bool everybody)
{
    struct gather_part *own = NULL;
    atomic_init(&gather->left, everybody ? gather->part_count : 1);
    for (uint32_t i = 0; i < gather->part_count; i++) {
        struct gather_part *part = &gather->parts[i];
        *part = (struct gather_part){.mail.deliver = part_deliver, .gather = gather, .worker = worker_at(x->engine, i)};
        if (part->worker == x->worker)
            own = part;
        else if (everybody)
            mailbox_post(part->worker->mailbox, &part->mail);
    }
    return part_answer(own);
}

static struct client_gather *gather_create(struct execution *x)
{
    uint32_t count = x->engine->worker_count + (x->engine->link_worker != NULL);
    struct client_gather *gather = memory_allocate_zeroed(sizeof(*gather) + count * sizeof(gather->parts[0]));
    gather->part_count = count;
    gather->offload.engine = x->engine;
    gather->offload.session = x->session;
    gather->offload.home = x->worker->mailbox;
    gather->offload.destroy = gather_destroy;
    gather->offload.mail.deliver = gather_come_home;
    return gather;
}

/* The gather that the session was resumed from, or that EXEC prepared. */
static struct client_gather *gather_of(struct session *session)
{
    struct offload *offload = session->offload;
    if (offload == NULL || offload->destroy != gather_destroy || !offload->done)
        return NULL;
    struct client_gather *gather = list_entry(offload, struct client_gather, offload);
    if (gather->lines == NULL)
        gather_join(gather);
    return gather;
}

static struct client_gather *gather_begin(struct execution *x)
{
    struct client_gather *gather = gather_create(x);
    x->session->offload = &gather->offload;
    if (gather_ask(gather, x, true)) {
        gather->offload.done = true;
        return gather_of(x->session);
    }
    execution_suspend(x, SUSPENDED_JOB);
    return NULL;
}

struct client_gather *client_gather(struct execution *x)
{
    struct client_gather *gather = gather_of(x->session);
    if (gather != NULL)
        return gather;
    if (!(x->session->flags & SESSION_EXECUTING_MULTI))
        return gather_begin(x);
    gather = gather_create(x);
    gather_ask(gather, x, false);
    gather_join(gather);
    return gather;
}

const struct client_line *client_gather_lines(const struct client_gather *gather, size_t *count)
{
    *count = gather->line_count;
    return gather->lines;
}

void client_gather_end(struct execution *x, struct client_gather **taken)
{
    struct client_gather *gather = *taken;
    *taken = NULL;
    if (x->session->offload != &gather->offload)
        gather_free(gather);
    else if (!(x->session->flags & SESSION_EXECUTING_MULTI))
        client_gather_finish(x);
}

bool client_gather_is_needed(const struct command_entry *command)
{
    return command->parent != NULL && command->parent->row->subcommands == client_subcommands &&
           (strcmp(command->row->name, "LIST") == 0 || strcmp(command->row->name, "KILL") == 0);
}

bool client_gather_prepare(struct execution *x)
{
    return gather_of(x->session) != NULL || gather_begin(x) != NULL;
}

void client_gather_finish(struct execution *x)
{
    if (gather_of(x->session) != NULL)
        offload_end(x, &x->session->offload);
}
