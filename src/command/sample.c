/* SPDX-License-Identifier: BSD-3-Clause */
/* Few of many are drawn by Floyd's method, which needs to know what it has drawn; many of few by walking over all of
 * them, each taken with the chance that the rest leaves it. Neither draws in vain. */
#include "command/sample.h"

#include "base/memory.h"
#include "object/object.h"

/* Of an element, beside its bytes. */
#define ELEMENT_BYTES 16

/* Open addressing; a place holds a rank and one. False if the rank was there. */
static bool note_rank(size_t *places, size_t mask, size_t rank)
{
    size_t place = (rank * 0x9e3779b97f4a7c15u >> 20) & mask;
    while (places[place] != 0 && places[place] != rank + 1)
        place = (place + 1) & mask;
    bool is_new = places[place] == 0;
    places[place] = rank + 1;
    return is_new;
}

static void draw_few(struct random *random, size_t total, size_t count, size_t *ranks)
{
    size_t mask = 15;
    while (mask < count * 2)
        mask = mask * 2 + 1;
    size_t *places = memory_allocate_zeroed((mask + 1) * sizeof(*places));
    for (size_t i = total - count; i < total; i++) {
        size_t rank = random_below(random, i + 1);
        if (!note_rank(places, mask, rank)) {
            rank = i;
            note_rank(places, mask, rank);
        }
        *ranks++ = rank;
    }
    memory_free(places);
}

void sample_ranks(struct random *random, size_t total, size_t count, size_t *ranks)
{
    if (count < total / 4) {
        draw_few(random, total, count, ranks);
        return;
    }
    for (size_t rank = 0; count > 0; rank++)
        if (random_below(random, total - rank) < count) {
            *ranks++ = rank;
            count--;
        }
}

bool sample_fits(struct execution *x, const struct object *value, uint64_t repeats)
{
    size_t bytes = object_is_inline(value) ? value->bytes.length : object_external_bytes(value);
    uint64_t each = bytes / object_count(value) + ELEMENT_BYTES;
    int64_t bytes_max = __atomic_load_n(&x->engine->reply_bytes_max, __ATOMIC_RELAXED);
    if (repeats <= (uint64_t)bytes_max / each)
        return true;
    reply_error(x->reply, "ERR value is out of range, the reply would not fit");
    return false;
}
