/* SPDX-License-Identifier: BSD-3-Clause */
/* CLIENT LIST and CLIENT KILL. Both look at lines that all workers have written about their sessions, see
 * client_list.h; the order to close another client goes to its own thread by mail, and a client that is gone by then
 * is none of those killed. */
#include "base/memory.h"
#include "command/args.h"
#include "command/client_commands.h"
#include "command/client_list.h"
#include "resp/error_text.h"

static bool parse_type(struct execution *x, struct bytes word, enum client_type *type)
{
    *type = client_type_of(word);
    if (*type != CLIENT_TYPE_COUNT)
        return true;
    int shown = reply_quoted(word);
    reply_error_format(x->reply, "ERR Unknown client type '%.*s'", shown, word.data);
    return false;
}

static void append_line_of_id(const struct client_line *lines, size_t count, int64_t id, struct buffer *out)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((int64_t)lines[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < count && (int64_t)lines[low].id == id)
        buffer_append_bytes(out, lines[low].text);
}

/* How CLIENT LIST chooses: all, those of a type, or (from the word 'ids_at') those of the ids. */
struct list_choice {
    enum client_type type;
    size_t ids_at;
};

static bool list_parse(struct execution *x, struct list_choice *choice)
{
    *choice = (struct list_choice){.type = CLIENT_TYPE_COUNT};
    if (x->argc == 2)
        return true;
    if (x->argc == 4 && arg_is(x->argv[2], "TYPE"))
        return parse_type(x, x->argv[3], &choice->type);
    if (x->argc < 4 || !arg_is(x->argv[2], "ID")) {
        reply_syntax_error(x);
        return false;
    }
    choice->ids_at = 3;
    int64_t id;
    for (size_t i = 3; i < x->argc; i++)
        if (!arg_int64_in(x, x->argv[i], INT64_MIN, INT64_MAX, "ERR Invalid client ID", &id))
            return false;
    return true;
}

void client_list_command(struct execution *x)
{
    struct list_choice choice;
    struct client_gather *gather;
    if (!list_parse(x, &choice) || (gather = client_gather(x)) == NULL)
        return;
    struct buffer text = {0};
    size_t count;
    const struct client_line *lines = client_gather_lines(gather, &count);
    for (size_t i = 0; choice.ids_at == 0 && i < count; i++)
        if (choice.type == CLIENT_TYPE_COUNT || choice.type == lines[i].type)
            buffer_append_bytes(&text, lines[i].text);
    int64_t id;
    for (size_t i = choice.ids_at; i > 0 && i < x->argc; i++)
        if (bytes_to_int64(x->argv[i], &id))
            append_line_of_id(lines, count, id, &text);
    reply_verbatim(x->reply, "txt", buffer_bytes(&text));
    buffer_deinit(&text);
    client_gather_end(x, &gather);
}

/* ---- KILL ---- */

struct kill_filter {
    int64_t id;               /* 0: any */
    int64_t age_seconds;      /* at least; 0: any */
    enum client_type type;    /* CLIENT_TYPE_COUNT: any */
    struct bytes peer, local; /* NULL data: any */
    bool skip_me;
};

static bool kill_parse_user(struct execution *x, struct bytes name)
{
    int shown = reply_quoted(name);
    if (bytes_equal(name, BYTES("default")))
        return true;
    reply_error_format(x->reply, "ERR No such user '%.*s'", shown, name.data);
    return false;
}

static bool kill_parse_skip(struct execution *x, struct bytes word, bool *skip)
{
    *skip = arg_is(word, "YES");
    if (*skip || arg_is(word, "NO"))
        return true;
    reply_syntax_error(x);
    return false;
}

static bool kill_parse_pair(struct execution *x, struct kill_filter *filter, struct bytes option, struct bytes value)
{
    if (arg_is(option, "ID"))
        return arg_int64_in(x, value, 1, INT64_MAX, "ERR client-id should be greater than 0", &filter->id);
    if (arg_is(option, "MAXAGE"))
        return arg_int64_in(x, value, 1, INT64_MAX, "ERR maxage is not an integer or out of range",
                            &filter->age_seconds);
    if (arg_is(option, "TYPE"))
        return parse_type(x, value, &filter->type);
    if (arg_is(option, "USER"))
        return kill_parse_user(x, value);
    if (arg_is(option, "SKIPME"))
        return kill_parse_skip(x, value, &filter->skip_me);
    if (arg_is(option, "ADDR"))
        filter->peer = value;
    else if (arg_is(option, "LADDR"))
        filter->local = value;
    else
        reply_syntax_error(x);
    return arg_is(option, "ADDR") || arg_is(option, "LADDR");
}

/* The old form, a lone address, may kill its own client. */
static bool kill_parse(struct execution *x, struct kill_filter *filter)
{
    *filter = (struct kill_filter){.type = CLIENT_TYPE_COUNT, .skip_me = x->argc > 3};
    if (x->argc == 3)
        filter->peer = x->argv[2];
    for (size_t i = 2; x->argc > 3 && i < x->argc; i += 2) {
        if (i + 1 == x->argc) {
            reply_syntax_error(x);
            return false;
        }
        if (!kill_parse_pair(x, filter, x->argv[i], x->argv[i + 1]))
            return false;
    }
    return true;
}

static bool kill_matches(const struct kill_filter *filter, const struct execution *x, const struct client_line *line)
{
    if (filter->id != 0 && (uint64_t)filter->id != line->id)
        return false;
    if (filter->type != CLIENT_TYPE_COUNT && filter->type != line->type)
        return false;
    if (filter->peer.data != NULL && !bytes_equal(filter->peer, line->peer))
        return false;
    if (filter->local.data != NULL && !bytes_equal(filter->local, line->local))
        return false;
    if (filter->age_seconds != 0 && (x->now_ms - line->created_at_ms) / 1000 < filter->age_seconds)
        return false;
    return !(filter->skip_me && line->id == x->session->id);
}

static void kill_session(struct session *session, int64_t unused)
{
    (void)unused;
    session->flags |= SESSION_CLOSING;
    session->transport->close(session->connection);
}

struct replica_order {
    struct mail mail;
    uint64_t id;
};

static void close_replica(struct mail *mail)
{
    struct replica_order *order = list_entry(mail, struct replica_order, mail);
    engine_hooks.replica_close(order->id);
    memory_free(order);
}

static bool kill_replica(const struct engine *engine, uint64_t id)
{
    struct replica_order *order = memory_allocate(sizeof(*order));
    *order = (struct replica_order){.mail.deliver = close_replica, .id = id};
    mailbox_post(engine->link_worker->mailbox, &order->mail);
    return true;
}

static int64_t kill_lines(struct execution *x, const struct kill_filter *filter, const struct client_gather *gather)
{
    int64_t killed = 0;
    size_t count;
    const struct client_line *lines = client_gather_lines(gather, &count);
    for (size_t i = 0; i < count; i++) {
        if (!kill_matches(filter, x, &lines[i]))
            continue;
        if (lines[i].type == CLIENT_REPLICA) {
            killed += kill_replica(x->engine, lines[i].id);
            continue;
        }
        if (lines[i].id != x->session->id) {
            killed += session_act(lines[i].id, kill_session, 0);
            continue;
        }
        killed++; /* it still gets its reply */
        x->session->flags |= SESSION_CLOSING;
        x->session->transport->close_after_send(x->session->connection);
    }
    return killed;
}

void client_kill_command(struct execution *x)
{
    struct kill_filter filter;
    struct client_gather *gather;
    if (!kill_parse(x, &filter) || (gather = client_gather(x)) == NULL)
        return;
    int64_t killed = kill_lines(x, &filter, gather);
    client_gather_end(x, &gather);
    if (x->argc > 3)
        reply_integer(x->reply, killed);
    else if (killed > 0)
        reply_status(x->reply, "OK");
    else
        reply_error(x->reply, ERROR_NO_SUCH_CLIENT);
}
