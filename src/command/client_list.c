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
#include "command/channels.h"
#include "command/client_commands.h"
#include "command/tracking.h"
#include "command/transaction.h"

#include <stdlib.h>

struct place {
    size_t start, length;
};

/* A described session: where its line and what of it stand in the part's text. */
struct part_line {
    uint64_t id;
    int64_t created_at_ms;
    enum client_type type;
    bool blocked;
    struct place text, peer, local;
};

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

/* ---- one line ---- */

static const char *const client_type_names[] = {"normal", "master", "replica", "pubsub"};

enum client_type client_type_of(struct bytes name)
{
    for (int type = 0; type < CLIENT_TYPE_COUNT; type++)
        if (bytes_equal_text(name, client_type_names[type]))
            return (enum client_type)type;
    return bytes_equal_text(name, "slave") ? CLIENT_REPLICA : CLIENT_TYPE_COUNT;
}

static void append_tracking_letters(struct buffer *out, unsigned flags)
{
    buffer_append_text(out, "t");
    if (flags & TRACKING_BROKEN)
        buffer_append_text(out, "R");
    if (flags & TRACKING_BCAST)
        buffer_append_text(out, "B");
}

static void append_flag_letters(struct buffer *out, const struct session *session, bool unix_socket)
{
    size_t before = out->length;
    if (session->flags & SESSION_FEED)
        buffer_append_text(out, "M");
    if (session->flags & SESSION_MONITOR)
        buffer_append_text(out, "O");
    if (session->flags & SESSION_SUBSCRIBER)
        buffer_append_text(out, "P");
    if (session->flags & SESSION_MULTI)
        buffer_append_text(out, "x");
    if (session->suspension == SUSPENDED_BLOCKED)
        buffer_append_text(out, "b");
    if (session->tracking != NULL)
        append_tracking_letters(out, session->tracking->flags);
    if (transaction_is_touched(session))
        buffer_append_text(out, "d");
    if (session->flags & SESSION_CLOSING)
        buffer_append_text(out, "c");
    if (unix_socket)
        buffer_append_text(out, "U");
    if (session->flags & SESSION_NO_EVICT)
        buffer_append_text(out, "e");
    if (session->flags & SESSION_NO_TOUCH)
        buffer_append_text(out, "T");
    if (session->flags & SESSION_IMPORT_SOURCE)
        buffer_append_text(out, "I");
    if (out->length == before)
        buffer_append_text(out, "N");
}

static int64_t seconds_since(int64_t then_ms, int64_t now_ms)
{
    return now_ms > then_ms ? (now_ms - then_ms) / 1000 : 0;
}

static const char *text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

/* Output is one buffer that grows, where Redis has a fixed one and then a list: the list is always empty. */
static void append_sizes(struct buffer *out, const struct session *session, const struct session_measures *measures)
{
    size_t queued = transaction_bytes(session);
    size_t spare =
        measures->query_capacity > measures->query_bytes ? measures->query_capacity - measures->query_bytes : 0;
    size_t total = sizeof(*session) + measures->query_capacity + measures->output_capacity + queued;
    buffer_append_format(out, " qbuf=%zu qbuf-free=%zu argv-mem=0 multi-mem=%zu", measures->query_bytes, spare, queued);
    buffer_append_format(out, " rbs=%zu rbp=%zu obl=%zu oll=0 omem=0 tot-mem=%zu", measures->output_capacity,
                         measures->output_capacity, measures->output_bytes, total);
    buffer_append_format(out, " events=%s", measures->output_bytes > 0 ? "rw" : "r");
}

static struct place append_place(struct buffer *out, const char *text)
{
    struct place place = {out->length, strlen(text)};
    buffer_append(out, text, place.length);
    return place;
}

static enum client_type type_of(const struct session *session)
{
    if (session->flags & SESSION_FEED)
        return CLIENT_MASTER;
    return session->flags & SESSION_SUBSCRIBER ? CLIENT_PUBSUB : CLIENT_NORMAL;
}

/* "id=... fd=N": who it is. */
static void begin_line(struct part_line *line, const char *peer, const char *local, int fd, struct buffer *out)
{
    line->text.start = out->length;
    buffer_append_format(out, "id=%llu addr=", (unsigned long long)line->id);
    line->peer = append_place(out, peer);
    buffer_append_text(out, " laddr=");
    line->local = append_place(out, local);
    buffer_append_format(out, " fd=%d", fd);
}

static struct part_line describe(struct session *session, int64_t now_ms, struct buffer *out)
{
    static const struct session_names no_names;
    const struct session_names *names = session->names != NULL ? session->names : &no_names;
    struct session_measures measures = {0};
    char peer[160], local[160];
    session->transport->measure(session->connection, &measures);
    session->transport->describe(session->connection, peer, local, sizeof(peer));
    struct part_line line = {.id = session->id,
                             .created_at_ms = (int64_t)session->created_at_s * 1000,
                             .type = type_of(session),
                             .blocked = session->suspension == SUSPENDED_BLOCKED};
    begin_line(&line, peer, local, measures.fd, out);
    buffer_append_format(out, " name=%s age=%lld idle=%lld flags=", text_or_empty(names->name),
                         (long long)seconds_since((int64_t)session->created_at_s * 1000, now_ms),
                         (long long)seconds_since(measures.active_at_ms, now_ms));
    append_flag_letters(out, session, measures.unix_socket);
    buffer_append_format(out, " db=%d sub=%u psub=%u ssub=%u multi=%d", session->db,
                         channels_count(session, CHANNEL_PLAIN), channels_count(session, CHANNEL_PATTERN),
                         channels_count(session, CHANNEL_SHARD), transaction_length(session));
    append_sizes(out, session, &measures);
    buffer_append_format(
        out, " cmd=%s user=default redir=%lld resp=%d lib-name=%s lib-ver=%s\n",
        session->last_command >= 0 ? command_by_id((uint32_t)session->last_command)->full_name : "NULL",
        session->tracking != NULL ? (long long)session->tracking->redirect : -1LL, session->reply.protocol,
        text_or_empty(names->library_name), text_or_empty(names->library_version));
    line.text.length = out->length - line.text.start;
    return line;
}

void client_describe(struct session *session, int64_t now_ms, struct buffer *out)
{
    describe(session, now_ms, out);
}

/* The form of a line is the same; what a link has not is 0. */
static struct part_line describe_replica(const struct replica_link *link, int64_t now_ms, struct buffer *out)
{
    struct part_line line = {.id = link->id, .created_at_ms = link->created_at_ms, .type = CLIENT_REPLICA};
    begin_line(&line, link->peer, link->local, link->fd, out);
    buffer_append_format(out, " name= age=%lld idle=%lld flags=S%s db=0 sub=0 psub=0 ssub=0 multi=-1",
                         (long long)seconds_since(link->created_at_ms, now_ms),
                         (long long)seconds_since(link->active_at_ms, now_ms), link->is_unix ? "U" : "");
    buffer_append_format(out,
                         " qbuf=%zu qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=%zu oll=0 omem=0 tot-mem=%zu",
                         link->query_bytes, link->output_bytes, link->query_bytes + link->output_bytes);
    buffer_append_format(out, " events=%s cmd=psync user=default redir=-1 resp=2 lib-name= lib-ver=\n",
                         link->output_bytes > 0 ? "rw" : "r");
    line.text.length = out->length - line.text.start;
    return line;
}

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
    part_add(part, describe_replica(link, clock_now_ms(), &part->text));
}

/* Replication's worker has few turns, and looks at the clock. */
static void part_fill(struct gather_part *part)
{
    bool has_links = part->worker == part->worker->engine->link_worker;
    int64_t now_ms = has_links ? clock_now_ms() : part->worker->now_ms;
    session_each(part_note_session, part);
    for (size_t i = 0; i < part->session_count; i++)
        part_add(part, describe(part->sessions[i], now_ms, &part->text));
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
