/* SPDX-License-Identifier: BSD-3-Clause */
#include "command/zset_source.h"

#include <math.h>

#include "command/effects.h"
#include "object/set_object.h"

bool zset_source_open(struct execution *x, const struct key *key, struct zset_source *source)
{
    struct entry *entry = lookup_read(x, key);
    *source = (struct zset_source){.key = key, .weight = 1};
    source->value = entry ? entry_object(entry) : object_empty(OBJECT_ZSET);
    source->count = entry ? object_count(&source->value) : 0;
    return !entry || entry_type(entry) == OBJECT_SET || require_type(x, entry, OBJECT_ZSET);
}

/* Nothing times infinity is nothing. */
static double weighted(const struct zset_source *source, double score)
{
    double product = score * source->weight;
    return isnan(product) ? 0 : product;
}

bool zset_source_score(const struct zset_source *source, struct bytes member, double *score)
{
    bool is_set = source->value.type == OBJECT_SET;
    *score = 1;
    bool found = is_set ? set_object_contains(&source->value, member) : zset_score(&source->value, member, score);
    if (found)
        *score *= source->weight;
    return found;
}

static void each_of_set(const struct zset_source *source,
                        bool (*visit)(void *context, struct bytes member, double score), void *context)
{
    struct set_walk walk;
    struct bytes member;
    set_walk_begin(&walk, &source->value);
    while (set_walk_next(&walk, &member) && visit(context, member, weighted(source, 1)))
        ;
}

void zset_source_each(const struct zset_source *source, bool (*visit)(void *context, struct bytes member, double score),
                      void *context)
{
    struct zset_cursor cursor;
    if (source->value.type == OBJECT_SET) {
        each_of_set(source, visit, context);
        return;
    }
    for (zset_seek(&source->value, 0, &cursor); !cursor.is_at_end; zset_step(&cursor, false))
        if (!visit(context, cursor.member, weighted(source, cursor.score)))
            return;
}
