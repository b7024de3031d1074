/* SPDX-License-Identifier: BSD-3-Clause */
/* Which replicas a scrub waits for, and what they have found. */

#include "replication/leader_private.h"
#include "replication/scrub.h"

/* Under leader.lock: of the last question. They last longer than a replica that differs, which ends its link. */
static uint64_t scrub_id;
static struct scrub_findings findings;
static uint64_t functions_id; /* of the present pass */
static unsigned functions_differ;

/* What changes all the time is passed over by anybody now and then. */
#define SKIPS_MAX 100

static bool is_forebay(const struct replica *replica)
{
    return replica->about.knows_all_types && !replica->about.wants_rdb_only;
}

/* Not before its copy is whole: until then it has some keys of later than the stream it is at. */
static bool can_be_asked(const struct replica *replica)
{
    return state_of(replica) == REPLICA_ONLINE && is_forebay(replica) &&
           atomic_load(&replica->acked) >= replica->whole_from;
}

const char *leader_scrub_refusal(void)
{
    bool any = false, any_forebay = false, any_about_to = false;
    lock_acquire(&leader.lock);
    for (struct list *node = leader.replicas.next; node != &leader.replicas; node = node->next) {
        const struct replica *replica = replica_of(node);
        any = true;
        any_forebay |= is_forebay(replica);
        any_about_to |= is_forebay(replica) && state_of(replica) != REPLICA_COPYING;
    }
    lock_release(&leader.lock);
    if (any_about_to)
        return NULL;
    return any_forebay ? "ERR there is no replica to compare with: a full sync is under way"
           : any       ? "ERR there is no replica to compare with: none of them is a Forebay"
                       : "ERR there is no replica to compare with";
}

void leader_scrub_begin(uint64_t id)
{
    lock_acquire(&leader.lock);
    functions_id = id;
    functions_differ = 0;
    for (struct list *node = leader.replicas.next; node != &leader.replicas; node = node->next)
        replica_of(node)->scrub_skips = 0;
    lock_release(&leader.lock);
}

unsigned leader_scrub_functions_differ(void)
{
    lock_acquire(&leader.lock);
    unsigned count = functions_differ;
    lock_release(&leader.lock);
    return count;
}

unsigned leader_scrub_ask(uint64_t id, bool *pass_over)
{
    unsigned count = 0;
    *pass_over = false;
    lock_acquire(&leader.lock);
    scrub_id = id;
    findings = (struct scrub_findings){0};
    for (struct list *node = leader.replicas.next; node != &leader.replicas; node = node->next) {
        struct replica *replica = replica_of(node);
        bool is_asked = can_be_asked(replica) && replica->scrub_skips < SKIPS_MAX;
        *pass_over |= replica->scrub_skips >= SKIPS_MAX;
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
    bool is_same = bytes_equal_text(args->values[3], "same");
    bool differs = bytes_equal_text(args->values[3], "differs");
    lock_acquire(&leader.lock);
    functions_differ += differs && id == functions_id;
    if (id == scrub_id && replica->scrub_asked == id) {
        replica->scrub_skips = is_same || differs ? 0 : replica->scrub_skips + 1;
        findings.same += is_same;
        findings.differs += differs;
        findings.skipped += !differs && !is_same;
        replica->scrub_asked = 0;
    }
    lock_release(&leader.lock);
    scrub_heard();
}
