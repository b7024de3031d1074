/* SPDX-License-Identifier: BSD-3-Clause */
/* Notices are staged in their worker one behind the other, each a header, the key's name, and padding to the next header's
 * alignment. What an execution staged is told when it has released its keys: notices of one worker in their order; those
 * of two workers about one key may overtake each other. */
#include "command/notify.h"

#include <stdio.h>

#include "base/memory.h"
#include "command/message.h"
#include "command/tracking.h"
#include "command/worker.h"

#define NOTIFY_ALL                                                                                                     \
    (NOTIFY_GENERIC | NOTIFY_STRING | NOTIFY_LIST | NOTIFY_SET | NOTIFY_HASH | NOTIFY_ZSET | NOTIFY_EXPIRED |          \
     NOTIFY_EVICTED | NOTIFY_STREAM | NOTIFY_MODULE)

_Atomic uint32_t notify_wanted;
static _Atomic(struct engine *) engine; /* for what has no execution */
static uint32_t notify_configured;      /* as set; without K and E nothing of it is wanted */

/* After a flood of notices (DEL of a million keys) their room is given back. */
#define NOTICES_KEPT_MAX 65536

enum notice_kind { NOTICE_EVENT, NOTICE_FORGOTTEN, NOTICE_FLUSHED, NOTICE_MESSAGE };

/* The key's name follows. */
struct notice {
    union {
        const char *event;       /* NOTICE_EVENT */
        struct message *message; /* NOTICE_MESSAGE */
    };
    uint64_t writer; /* session that changed the key, 0: none did */
    size_t key_length;
    uint16_t class;
    int16_t db;
    enum notice_kind kind;
};

static size_t notice_size(size_t key_length)
{
    size_t alignment = _Alignof(struct notice);
    return (sizeof(struct notice) + key_length + alignment - 1) / alignment * alignment;
}

static void stage(struct worker *worker, struct notice notice, struct bytes key)
{
    struct buffer *notices = &worker->notices;
    size_t size = notice_size(key.length);
    struct notice *place = (struct notice *)buffer_reserve(notices, size);
    notice.key_length = key.length;
    *place = notice;
    if (key.length > 0)
        memcpy(place + 1, key.data, key.length);
    notices->length += size;
}

void notify_stage(struct execution *x, enum notify_class class, const char *event, const struct key *key)
{
    struct notice notice = {.kind = NOTICE_EVENT, .event = event, .class = (uint16_t) class, .db = key->db};
    if (class != NOTIFY_EXPIRED)
        notice.writer = x->session->id;
    stage(x->worker, notice, key->name);
}

void notify_stage_message(struct worker *worker, struct message *message)
{
    stage(worker, (struct notice){.kind = NOTICE_MESSAGE, .message = message}, bytes_of(NULL, 0));
}

void notify_stage_forgotten(struct worker *worker, struct bytes key)
{
    stage(worker, (struct notice){.kind = NOTICE_FORGOTTEN}, key);
}

void notify_stage_flushed(struct worker *worker)
{
    stage(worker, (struct notice){.kind = NOTICE_FLUSHED}, bytes_of(NULL, 0));
}

/* ---- telling ---- */

static bool anybody_listens(void)
{
    return channels_names(CHANNEL_PLAIN) + channels_names(CHANNEL_PATTERN) > 0;
}

static void publish_event(struct worker *worker, const char *prefix, int db, struct bytes about, struct bytes what)
{
    struct buffer channel = {0};
    buffer_append_format(&channel, "%s@%d__:", prefix, db);
    buffer_append_bytes(&channel, about);
    message_publish(worker, CHANNEL_PLAIN, buffer_bytes(&channel), what);
    buffer_deinit(&channel);
}

static void event_publish(struct worker *worker, const struct notice *notice, struct bytes key, uint32_t wanted)
{
    struct bytes event = bytes_of_text(notice->event);
    if (wanted & NOTIFY_KEYSPACE)
        publish_event(worker, "__keyspace", notice->db, key, event);
    if (wanted & NOTIFY_KEYEVENT)
        publish_event(worker, "__keyevent", notice->db, event, key);
}

static void event_tell(struct worker *worker, const struct notice *notice, struct bytes key)
{
    uint32_t wanted = atomic_load_explicit(&notify_wanted, memory_order_relaxed);
    bool changed = !(notice->class & (NOTIFY_MISSED | NOTIFY_CREATED));
    if (wanted & notice->class && anybody_listens())
        event_publish(worker, notice, key, wanted);
    if (changed && wanted & NOTIFY_TRACKED)
        tracking_changed(worker, key, notice->writer);
}

static void notice_tell(struct worker *worker, struct notice *notice)
{
    struct bytes key = bytes_of(notice + 1, notice->key_length);
    if (notice->kind == NOTICE_MESSAGE)
        message_send(worker, &notice->message);
    else if (notice->kind == NOTICE_FLUSHED)
        tracking_flushed(worker);
    else if (notice->kind == NOTICE_FORGOTTEN)
        tracking_forget(worker, key);
    else
        event_tell(worker, notice, key);
}

void notify_flush(struct worker *worker)
{
    struct buffer notices = worker->notices;
    worker->notices = (struct buffer){0};
    for (size_t at = 0; at < notices.length;) {
        struct notice *notice = (struct notice *)(notices.data + at);
        at += notice_size(notice->key_length);
        notice_tell(worker, notice);
    }
    notices.length = 0;
    if (notices.capacity > NOTICES_KEPT_MAX)
        buffer_deinit(&notices);
    worker->notices = notices;
}

void notify_forget(struct worker *worker)
{
    worker->notices.length = 0;
}

/* ---- by itself: a worker is asked by mail to tell ---- */

struct event_letter {
    struct mail mail;
    struct worker *worker;
    struct notice notice;
    char key[];
};

static void event_letter_deliver(struct mail *mail)
{
    struct event_letter *letter = list_entry(mail, struct event_letter, mail);
    event_tell(letter->worker, &letter->notice, bytes_of(letter->key, letter->notice.key_length));
    memory_free(letter);
}

void notify_setup(struct engine *ready)
{
    atomic_store_explicit(&engine, ready, memory_order_release);
}

void notify_by_itself(enum notify_class class, const char *event, const struct key *key)
{
    struct engine *ready = atomic_load_explicit(&engine, memory_order_acquire);
    uint32_t wanted_by = class | NOTIFY_TRACKED;
    if (!(atomic_load_explicit(&notify_wanted, memory_order_relaxed) & wanted_by) || !ready)
        return;
    struct event_letter *letter = memory_allocate(sizeof(*letter) + key->name.length);
    letter->mail.deliver = event_letter_deliver;
    letter->worker = ready->workers[key_partition(key) % ready->worker_count];
    letter->notice =
        (struct notice){.event = event, .key_length = key->name.length, .class = (uint16_t) class, .db = key->db};
    memcpy(letter->key, key->name.data, key->name.length);
    mailbox_post(letter->worker->mailbox, &letter->mail);
}

/* ---- the directive ---- */

static const struct {
    char letter;
    uint32_t classes;
} letters[] = {{'A', NOTIFY_ALL},      {'g', NOTIFY_GENERIC},  {'$', NOTIFY_STRING}, {'l', NOTIFY_LIST},
               {'s', NOTIFY_SET},      {'h', NOTIFY_HASH},     {'z', NOTIFY_ZSET},   {'x', NOTIFY_EXPIRED},
               {'e', NOTIFY_EVICTED},  {'t', NOTIFY_STREAM},   {'d', NOTIFY_MODULE}, {'n', NOTIFY_CREATED},
               {'K', NOTIFY_KEYSPACE}, {'E', NOTIFY_KEYEVENT}, {'m', NOTIFY_MISSED}};
#define LETTER_COUNT (sizeof(letters) / sizeof(letters[0]))

static uint32_t classes_of_letter(char letter)
{
    for (size_t i = 0; i < LETTER_COUNT; i++)
        if (letters[i].letter == letter)
            return letters[i].classes;
    return 0;
}

/* CONFIG SET and those who begin to track come from different threads: each changes its own bits only. */
static void wanted_change(uint32_t mask, uint32_t bits)
{
    uint32_t old = atomic_load_explicit(&notify_wanted, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&notify_wanted, &old, (old & ~mask) | bits, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

void notify_track(bool tracked)
{
    wanted_change(NOTIFY_TRACKED, tracked ? NOTIFY_TRACKED : 0);
}

static bool notify_parse(const struct option *option, struct bytes text, char *error, size_t error_size)
{
    (void)option;
    uint32_t classes = 0;
    for (size_t i = 0; i < text.length; i++) {
        uint32_t named = classes_of_letter(text.data[i]);
        if (named == 0) {
            snprintf(error, error_size, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
            return false;
        }
        classes |= named;
    }
    __atomic_store_n(&notify_configured, classes, __ATOMIC_RELAXED);
    bool heard = classes & (NOTIFY_KEYSPACE | NOTIFY_KEYEVENT);
    wanted_change(~(uint32_t)NOTIFY_TRACKED, heard ? classes : 0);
    return true;
}

/* In the order of the table; A stands for its ten, and beside it n is not told, as in Redis. */
static void notify_print(const struct option *option, struct buffer *out)
{
    (void)option;
    uint32_t left = __atomic_load_n(&notify_configured, __ATOMIC_RELAXED);
    for (size_t i = 0; i < LETTER_COUNT; i++) {
        if ((left & letters[i].classes) != letters[i].classes)
            continue;
        left &= ~(letters[i].letter == 'A' ? NOTIFY_ALL | NOTIFY_CREATED : letters[i].classes);
        buffer_append(out, &letters[i].letter, 1);
    }
}

const struct option notify_options[] = {
    {.name = "notify-keyspace-events",
     .type = OPTION_SPECIAL,
     .initial = "",
     .help =
         "which events of keys are published: K and E for __keyspace and __keyevent channels, g $ l s h z x e t d or "
         "A for their classes, m and n for misses and new keys",
     .parse = notify_parse,
     .print = notify_print},
    {.name = NULL},
};
