/* SPDX-License-Identifier: BSD-3-Clause */
#include "command/zset_source.h"

#include <math.h>

#include "command/effects.h"

bool zset_source_open(struct execution *x, const struct key *key, struct zset_source *source)
{
    struct entry *entry = lookup_read(x, key);
    *source = (struct zset_source){.key = key, .weight = 1};
    source->value = entry ? entry_object(entry) : object_empty(OBJECT_ZSET);
    source->count = entry ? object_count(&source->value) : 0;
    return require_type(x, entry, OBJECT_ZSET);
}

/* Nothing times infinity is nothing. */
static double weighted(const struct zset_source *source, double score)
{
    double product = score * source->weight;
    return isnan(product) ? 0 : product;
}

bool zset_source_score(const struct zset_source *source, struct bytes member, double *score)
{
    bool found = zset_score(&source->value, member, score);
    if (found)
        *score = weighted(source, *score);
    return found;
}

void zset_source_each(const struct zset_source *source, bool (*visit)(void *context, struct bytes member, double score),
                      void *context)
{
    struct zset_cursor cursor;
    for (zset_seek(&source->value, 0, &cursor); !cursor.is_at_end; zset_step(&cursor, false))
        if (!visit(context, cursor.member, weighted(source, cursor.score)))
            return;
}
