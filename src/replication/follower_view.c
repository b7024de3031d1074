/* SPDX-License-Identifier: BSD-3-Clause */
/* What others see of the primary that is followed: kept under a lock of its own, and changed by replication's thread after
 * anything has. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "replication/follower_private.h"

static struct {
    pthread_mutex_t lock;
    struct follower_view view;
    unsigned announced; /* orders on their way: whom the last one names is shown already */
} shown = {.lock = PTHREAD_MUTEX_INITIALIZER};

_Atomic unsigned follower_refusals;

int64_t follower_heard_at_ms(void)
{
    return shown.view.io_at_ms;
}

static const char *state_word(void)
{
    if (follower.is_streaming && !follower.lacks_copied)
        return "connected";
    if (follower.is_copying || follower.is_streaming)
        return "sync";
    if (!follower.attempt)
        return follower.lookup ? "connecting" : "connect";
    return follower.attempt->link.connection ? "handshake" : "connecting";
}

bool follower_has_part_of_a_copy(void)
{
    struct stream_info info;
    stream_read_info(follower.engine->stream, &info);
    return info.is_partial;
}

void follower_show(void)
{
    bool is_whole = follower_is_whole();
    pthread_mutex_lock(&shown.lock);
    struct follower_view *view = &shown.view;
    bool was_up = view->is_up;
    if (shown.announced == 0) {
        memcpy(view->host, follower.host, sizeof(view->host));
        view->port = follower.port;
    }
    view->state = state_word();
    view->is_up = follower.is_streaming && is_whole;
    memcpy(view->known_id, follower.known_id, sizeof(view->known_id));
    view->is_copying = follower.is_copying;
    if (follower.is_copying)
        view->copy = follower_copy_progress();
    view->primary_has_lost = follower.primary_has_lost;
    memcpy(view->down_reason, follower.down_reason, sizeof(view->down_reason));
    bool was_empty_handed = view->is_empty_handed;
    view->is_empty_handed = !is_whole && follower.host[0];
    if (view->is_empty_handed && !was_empty_handed)
        view->empty_since_ms = loop_now_ms(follower.loop);
    if ((was_up || view->down_since_ms == 0) && !view->is_up)
        view->down_since_ms = loop_now_ms(follower.loop);
    pthread_mutex_unlock(&shown.lock);
    unsigned refusals = 0;
    if (view->is_empty_handed)
        refusals |= REFUSE_LOADING;
    if (follower.host[0] && !follower.is_streaming)
        refusals |= REFUSE_STALE;
    if (!follower.has_own_history)
        refusals |= follower.cannot_part ? PART_FIRST | REFUSE_WRITES : PART_FIRST;
    atomic_store(&follower_refusals, refusals);
}

void follower_announce(const char *host, int port)
{
    pthread_mutex_lock(&shown.lock);
    snprintf(shown.view.host, sizeof(shown.view.host), "%s", host);
    shown.view.port = port;
    shown.view.state = "connect";
    shown.view.down_reason[0] = '\0';
    shown.view.is_up = false;
    shown.announced++;
    pthread_mutex_unlock(&shown.lock);
}

void follower_announced(void)
{
    pthread_mutex_lock(&shown.lock);
    shown.announced--;
    pthread_mutex_unlock(&shown.lock);
}

void follower_show_heard(void)
{
    pthread_mutex_lock(&shown.lock);
    shown.view.io_at_ms = loop_now_ms(follower.loop);
    if (follower.is_copying)
        shown.view.copy = follower_copy_progress();
    pthread_mutex_unlock(&shown.lock);
}

/* What is not executed yet is nothing that others may know of. */
uint64_t follower_offset(enum stream_level level)
{
    struct stream_info info;
    stream_read_info(follower.engine->stream, &info);
    uint64_t offset = level == STREAM_APPENDED ? info.end : level == STREAM_WRITTEN ? info.written : info.synced;
    return keyspace_settled(follower.engine->keyspace, offset) + (uint64_t)info.bias;
}

void follower_read(struct follower_view *view)
{
    pthread_mutex_lock(&shown.lock);
    *view = shown.view;
    pthread_mutex_unlock(&shown.lock);
    view->offset = follower.engine && engine_follows_bytes(follower.engine) ? follower_offset(STREAM_APPENDED)
                                                                            : atomic_load(&follower.feed.offset);
}

bool follower_read_loading(struct loading_state *state)
{
    struct follower_view view;
    follower_read(&view);
    if (!view.is_empty_handed)
        return false;
    *state = (struct loading_state){.since_ms = view.empty_since_ms};
    if (view.is_copying) {
        state->bytes = view.copy.bytes;
        state->bytes_total = copy_progress_bytes_total(&view.copy);
        state->percent = copy_progress_percent(&view.copy);
    }
    return true;
}
