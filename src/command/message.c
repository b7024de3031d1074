/* SPDX-License-Identifier: BSD-3-Clause */
/* What subscribers receive differs in its head only (the protocol's type byte, "message" or "pmessage" and the pattern);
 * the rest, channel and payload as two bulk strings, is made once, behind the head that most receive. A short rest is
 * copied into outputs, of a long one they hold references. */
#include "command/message.h"

#include "base/memory.h"
#include "command/dispatch.h"

/* From this length on a copy for each subscriber costs more than a reference and a longer writev. */
#define REST_REFERENCE_MIN 4096
/* Reserved at once in an output that is empty; of the size that connections lend each other. */
#define OUTPUT_ROOM_MIN 1024

struct letter {
    struct mail mail;
    struct message *message;
    struct worker *worker;
};

struct message {
    _Atomic uint32_t references; /* letters, outputs, and the sender */
    enum channel_kind kind;
    struct audience audience;
    struct bytes channel; /* within rest */
    struct bytes head;    /* of those who subscribe to the channel; behind letters */
    struct bytes rest;    /* behind head */
    uint32_t letter_count;
    struct letter letters[];
};

static void message_release(void *owner)
{
    struct message *message = owner;
    if (atomic_fetch_sub_explicit(&message->references, 1, memory_order_acq_rel) == 1)
        memory_free(message);
}

/* ---- one session ---- */

/* Copies what begins with a type byte into the output, with the type of the session's protocol. */
static inline void push_frame(struct session *session, struct bytes frame)
{
    struct buffer *bytes = &session->reply.output->bytes;
    size_t size = bytes->data || frame.length > OUTPUT_ROOM_MIN ? frame.length : OUTPUT_ROOM_MIN;
    char *at = buffer_reserve(bytes, size);
    memcpy(at, frame.data, frame.length);
    *at = session->reply.protocol > 2 ? '>' : '*';
    bytes->length += frame.length;
}

void session_push(struct session *session, struct bytes head, struct bytes rest)
{
    if (session->flags & SESSION_CLOSING)
        return;
    push_frame(session, head);
    buffer_append_bytes(&session->reply.output->bytes, rest);
    session->transport->wants_send(session->connection);
}

/* ---- the subscribers of a worker ---- */

struct delivery {
    struct message *message;
    struct bytes frame;  /* a head, and the rest behind it unless that is referenced */
    struct buffer room;  /* of a pattern's frame */
    const char *pattern; /* whose frame it is, NULL: that of the channel */
};

static bool is_referenced(const struct message *message)
{
    return message->rest.length >= REST_REFERENCE_MIN;
}

static void deliver_frame(void *context, struct session *session)
{
    struct delivery *delivery = context;
    struct message *message = delivery->message;
    if (session->flags & SESSION_CLOSING)
        return;
    push_frame(session, delivery->frame);
    if (is_referenced(message)) {
        atomic_fetch_add_explicit(&message->references, 1, memory_order_relaxed);
        output_append_reference(session->reply.output, message->rest, message_release, message);
    }
    session->transport->wants_send(session->connection);
}

static void frame_of_pattern(struct delivery *delivery, struct bytes pattern)
{
    struct buffer *room = &delivery->room;
    room->length = 0;
    buffer_append_format(room, "*4\r\n$8\r\npmessage\r\n$%zu\r\n", pattern.length);
    buffer_append_bytes(room, pattern);
    buffer_append_text(room, "\r\n");
    if (!is_referenced(delivery->message))
        buffer_append_bytes(room, delivery->message->rest);
    delivery->frame = buffer_bytes(room);
    delivery->pattern = pattern.data;
}

static void deliver_pattern(void *context, struct session *session, struct bytes pattern)
{
    struct delivery *delivery = context;
    if (delivery->pattern != pattern.data)
        frame_of_pattern(delivery, pattern);
    deliver_frame(delivery, session);
}

static void message_deliver(struct worker *worker, struct message *message)
{
    struct delivery delivery = {.message = message, .frame = message->head};
    if (!is_referenced(message))
        delivery.frame.length += message->rest.length;
    channels_each_subscriber(worker, message->kind, message->channel, deliver_frame, &delivery);
    if (message->kind == CHANNEL_PLAIN && channels_names(CHANNEL_PATTERN) > 0)
        channels_each_pattern(worker, message->channel, deliver_pattern, &delivery);
    buffer_deinit(&delivery.room);
}

static void letter_deliver(struct mail *mail)
{
    struct letter *letter = list_entry(mail, struct letter, mail);
    struct message *message = letter->message;
    message_deliver(letter->worker, message);
    message_release(message);
}

/* ---- sending ---- */

static uint32_t audience_workers(const struct audience *audience)
{
    uint32_t count = 0;
    for (size_t i = 0; i < sizeof(audience->workers) / sizeof(audience->workers[0]); i++)
        count += (uint32_t)__builtin_popcountll(audience->workers[i]);
    return count;
}

static bool audience_has(const struct audience *audience, uint32_t worker_number)
{
    uint32_t bit = worker_number - 1; /* that of the primary's feed has no clients, and no bit */
    if (bit >= CHANNELS_WORKERS_MAX)
        return false;
    return audience->workers[bit / 64] >> bit % 64 & 1;
}

static char *write_bulk(char *at, struct bytes value, struct bytes *place)
{
    *at++ = '$';
    at += bytes_from_int64(at, (int64_t)value.length);
    memcpy(at, "\r\n", 2);
    *place = bytes_of(at + 2, value.length);
    memcpy(at + 2, value.data, value.length);
    at += 2 + value.length;
    memcpy(at, "\r\n", 2);
    return at + 2;
}

struct message *message_create(enum channel_kind kind, struct bytes channel, struct bytes payload, uint64_t *receivers)
{
    struct audience audience;
    channels_audience(kind, channel, &audience);
    *receivers = audience.receivers;
    if (audience.receivers == 0)
        return NULL;
    size_t letters_size = audience_workers(&audience) * sizeof(struct letter);
    size_t rest_max = 2 * (1 + BYTES_INTEGER_MAX + 4) + channel.length + payload.length;
    struct bytes head = kind == CHANNEL_PLAIN ? BYTES("*3\r\n$7\r\nmessage\r\n") : BYTES("*3\r\n$8\r\nsmessage\r\n");
    struct message *message = memory_allocate(sizeof(*message) + letters_size + head.length + rest_max);
    char *text = (char *)message->letters + letters_size, *rest = text + head.length;
    struct bytes ignored;
    atomic_init(&message->references, 1);
    message->kind = kind;
    message->audience = audience;
    message->letter_count = 0;
    message->head = bytes_of(memcpy(text, head.data, head.length), head.length);
    char *end = write_bulk(write_bulk(rest, channel, &message->channel), payload, &ignored);
    message->rest = bytes_of(rest, (size_t)(end - rest));
    return message;
}

static void message_mail(struct message *message, struct worker *worker)
{
    struct letter *letter = &message->letters[message->letter_count++];
    *letter = (struct letter){.mail.deliver = letter_deliver, .message = message, .worker = worker};
    atomic_fetch_add_explicit(&message->references, 1, memory_order_relaxed);
    mailbox_post(worker->mailbox, &letter->mail);
}

void message_send(struct worker *worker, struct message **taken)
{
    struct message *message = *taken;
    const struct engine *engine = worker->engine;
    *taken = NULL;
    for (uint32_t i = 0; i < engine->worker_count; i++)
        if (engine->workers[i] != worker && audience_has(&message->audience, engine->workers[i]->number))
            message_mail(message, engine->workers[i]);
    if (audience_has(&message->audience, worker->number))
        message_deliver(worker, message);
    message_release(message);
}

uint64_t message_publish(struct worker *worker, enum channel_kind kind, struct bytes channel, struct bytes payload)
{
    uint64_t receivers;
    struct message *message = message_create(kind, channel, payload, &receivers);
    if (message)
        message_send(worker, &message);
    return receivers;
}
