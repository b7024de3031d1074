/* SPDX-License-Identifier: BSD-3-Clause */
/* A save is a checkpoint of the rows, on a node that keeps them, and then the RDB file, if one is asked for: each part has its
 * own thread, and the letters of both come to whoever asked. */
#include "server/save.h"

#include "base/list.h"
#include "base/memory.h"
#include "command/engine.h"
#include "replication/rdb_save.h"
#include "server/config.h"
#include "tier/tier.h"

struct save_request {
    struct tier_save checkpoint;
    bool with_file;
    void (*done)(void *owner, int status);
    void *owner;
};

static struct tier *save_tier;

static void file_done(void *owner, int status)
{
    struct save_request *request = owner;
    request->done(request->owner, status);
    memory_free(request);
}

static void begin_file(struct save_request *request)
{
    rdb_save_start(&config.engine, request->checkpoint.home, file_done, request);
}

static void checkpoint_delivered(struct mail *mail)
{
    struct tier_save *checkpoint = list_entry(mail, struct tier_save, mail);
    struct save_request *request = list_entry(checkpoint, struct save_request, checkpoint);
    if (checkpoint->status == STATUS_OK && request->with_file)
        begin_file(request);
    else
        file_done(request, checkpoint->status);
}

static bool hook_save_start(bool with_file, struct mailbox *home, void (*done)(void *owner, int status), void *owner)
{
    bool has_checkpoint = save_tier && config.engine.durability != DURABILITY_NONE;
    with_file = with_file && rdb_save_has_name();
    if (!has_checkpoint && !with_file)
        return false;
    struct save_request *request = memory_allocate_zeroed(sizeof(*request));
    request->checkpoint.home = home;
    request->checkpoint.mail.deliver = checkpoint_delivered;
    request->with_file = with_file;
    request->done = done;
    request->owner = owner;
    if (has_checkpoint)
        tier_save_start(save_tier, &request->checkpoint);
    else
        begin_file(request);
    return true;
}

static int64_t hook_last_save_ms(void)
{
    struct tier_info info = {0};
    if (save_tier)
        tier_read_info(save_tier, &info);
    return info.checkpoint_ms;
}

void save_set_hooks(struct tier *tier)
{
    save_tier = tier;
    engine_hooks.save_start = hook_save_start;
    engine_hooks.save_has_file = rdb_save_has_name;
    engine_hooks.last_save_ms = hook_last_save_ms;
    engine_hooks.save_progress = rdb_save_progress;
}
