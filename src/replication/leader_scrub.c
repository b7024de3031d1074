/* SPDX-License-Identifier: BSD-3-Clause */
/* Which replicas a scrub waits for, and what they have found. */

#include "replication/leader_private.h"
#include "replication/scrub.h"

/* Under leader.lock: of the last question. They last longer than a replica that differs, which ends its link. */
static uint64_t scrub_id;
static struct scrub_findings findings;

/* Not before its copy is whole: until then it has some keys of later than the stream it is at. */
static bool can_be_asked(const struct replica *replica)
{
    return state_of(replica) == REPLICA_ONLINE && replica->about.knows_all_types && !replica->about.wants_rdb_only &&
           atomic_load(&replica->acked) >= replica->whole_from;
}

unsigned leader_scrub_ask(uint64_t id)
{
    unsigned count = 0;
    lock_acquire(&leader.lock);
    scrub_id = id;
    findings = (struct scrub_findings){0};
    for (struct list *node = leader.replicas.next; node != &leader.replicas; node = node->next) {
        struct replica *replica = replica_of(node);
        bool is_asked = can_be_asked(replica);
        replica->scrub_asked = is_asked ? id : 0;
        count += is_asked;
    }
    lock_release(&leader.lock);
    return count;
}

bool leader_scrub_hear(struct scrub_findings *found)
{
    bool is_waiting = false;
    lock_acquire(&leader.lock);
    *found = findings;
    for (struct list *node = leader.replicas.next; node != &leader.replicas; node = node->next)
        is_waiting |= replica_of(node)->scrub_asked != 0;
    lock_release(&leader.lock);
    return is_waiting;
}

void replica_scrubbed(struct replica *replica, const struct resp_args *args)
{
    uint64_t id;
    if (args->count != 4 || !bytes_to_uint64(args->values[2], &id))
        return;
    lock_acquire(&leader.lock);
    if (id == scrub_id && replica->scrub_asked == id) {
        bool is_same = bytes_equal_text(args->values[3], "same");
        bool differs = bytes_equal_text(args->values[3], "differs");
        findings.same += is_same;
        findings.differs += differs;
        findings.skipped += !differs && !is_same;
        replica->scrub_asked = 0;
    }
    lock_release(&leader.lock);
    scrub_heard();
}
