/* SPDX-License-Identifier: BSD-3-Clause */
/* Orders: whom to follow, or that the node leads; and what a client's write is to a node that follows (replica-read-only no).
 *
 * While a Forebay's bytes are our own, nothing else may be appended: what a client has written would be in rows and counts, but
 * in no log, and replay would miscount and misapply what follows it. So before the first such write the node parts with its
 * primary's history: its stream is its own from there on, and the primary's commands, from the same offset on, are executed and
 * become effects in it, as those of a Redis are (F2). The next whole copy ends that. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "command/blocked.h"
#include "replication/follower_private.h"
#include "replication/quorum.h"
#include "replication/replication_private.h"

/* ---- following ---- */

void follower_follow(const char *host, int port)
{
    bool is_new = strcmp(host, follower.host) != 0 || port != follower.port, has_led = !follower.host[0];
    if (!is_new)
        return;
    follower_drop_attempt();
    follower.known_id[0] = '\0';
    follower.primary_has_lost = follower.wants_copy = false;
    follower.has_own_history = has_led; /* nobody has more of it than this node */
    follower.is_apart = false;
    snprintf(follower.host, sizeof(follower.host), "%s", host);
    follower.port = port;
    follower.failures = 0;
    follower.down_reason[0] = '\0';
    if (!engine_is_following(follower.engine))
        follower_follow_as(FOLLOWS_COMMANDS);
    if (has_led)
        follower_wait_for_writers();
    blocked_end_all();
    follower_connect_now();
    follower_show();
}

/* ---- writes of our own ---- */

bool follower_is_whole(void)
{
    struct stream_info info;
    stream_read_info(follower.engine->stream, &info);
    return !info.is_partial && keyspace_settled(follower.engine->keyspace, info.end) >= info.history_first;
}

static enum status begin_stream_of_our_own(void)
{
    struct stream *stream = follower.engine->stream;
    enum status status = stream_continue_history(stream, NULL);
    if (status == STATUS_OK) /* also without a log: what is written moves the offset */
        stream_feed(stream, replication_ring_bytes_max(), NULL);
    return status;
}

void follower_go_apart(void)
{
    struct stream_info info;
    feed_settle(&follower.feed);
    if (!follower.host[0] || follower.has_own_history || !follower_is_whole())
        return;
    bool was_bytes = engine_follows_bytes(follower.engine);
    uint64_t offset = follower_offset(STREAM_APPENDED);
    int32_t db = stream_db(follower.engine->stream);
    stream_read_info(follower.engine->stream, &info);
    follower_drop_attempt();
    follower.cannot_part = begin_stream_of_our_own() != STATUS_OK;
    if (!follower.cannot_part) {
        if (was_bytes) {
            snprintf(follower.known_id, sizeof(follower.known_id), "%s", info.replication_id);
            atomic_store(&follower.feed.offset, offset);
            follower.feed.db = db;
        }
        follower_follow_as(FOLLOWS_COMMANDS);
        follower.has_own_history = true;
        follower.is_apart = was_bytes;
        leader_drop_all("the history goes on under another id");
        log_notice("clients write here: the primary's stream is not this node's own any more", "offset=%llu",
                   (unsigned long long)offset);
    }
    follower_connect_now();
    follower_show();
}

/* ---- leading ---- */

/* A primary that is no Forebay knows its own history alone. It may go on with it here, unless we have more than it has sent. */
static enum status begin_own_history(bool takes_over)
{
    struct stream *stream = follower.engine->stream;
    if (takes_over && follower.known_id[0] && !follower.is_apart)
        return stream_inherit_history(stream, follower.known_id, atomic_load(&follower.feed.offset));
    return stream_continue_history(stream, NULL);
}

static void stop_following(bool takes_over)
{
    if (!engine_is_following(follower.engine))
        return;
    follower_drop_attempt();
    loop_timer_stop(&follower.retry);
    follower.host[0] = '\0';
    if (follower_has_part_of_a_copy())
        follower_empty_everything();
    else if (!follower_is_whole())
        log_warning("keys are of different moments: the copy was not whole yet", "offset=%llu",
                    (unsigned long long)follower_offset(STREAM_APPENDED));
    if (begin_own_history(takes_over) != STATUS_OK)
        log_warning("the new history could not be written", "error=\"see the log's\"");
    follower.known_id[0] = '\0';
    follower.primary_has_lost = false;
    follower.has_own_history = follower.is_apart = false;
    leader_drop_all("the history goes on under another id");
    /* What is written from here on moves the offset: who follows again later is not taken for one that wrote nothing. */
    stream_feed(follower.engine->stream, replication_ring_bytes_max(), NULL);
    quorum_begin();
    follower_follow_as(FOLLOWS_NOBODY);
    log_notice("following nobody", "offset=%llu", (unsigned long long)follower_offset(STREAM_APPENDED));
    follower_show();
}

void follower_lead(void)
{
    stop_following(false);
}

void follower_take_over(void)
{
    stop_following(true);
}
