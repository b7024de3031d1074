/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/output.h"

#include "base/check.h"
#include "base/memory.h"

void output_append_reference(struct output *output, struct bytes bytes, void (*release)(void *owner), void *owner)
{
    if (output->reference_count == output->reference_capacity) {
        output->reference_capacity = output->reference_capacity ? output->reference_capacity * 2 : 4;
        output->references =
            memory_resize(output->references, output->reference_capacity * sizeof(*output->references));
    }
    output->references[output->reference_count++] = (struct output_reference){
        .position = output->bytes.length,
        .data = bytes.data,
        .length = bytes.length,
        .release = release,
        .owner = owner,
    };
    output->referenced_length += bytes.length;
}

void output_rewind(struct output *output, struct output_mark mark)
{
    check(mark.length <= output->bytes.length && mark.reference_count <= output->reference_count);
    while (output->reference_count > mark.reference_count) {
        struct output_reference *reference = &output->references[--output->reference_count];
        output->referenced_length -= reference->length;
        reference->release(reference->owner);
    }
    output->bytes.length = mark.length;
}

void output_replace(struct output *output, struct output_mark from, struct output_mark to, struct bytes with)
{
    check(from.length <= to.length && to.length <= output->bytes.length);
    check(from.reference_count <= to.reference_count && to.reference_count <= output->reference_count);
    uint32_t dropped = to.reference_count - from.reference_count;
    size_t behind = output->bytes.length - to.length;
    for (uint32_t i = from.reference_count; i < to.reference_count; i++) {
        output->referenced_length -= output->references[i].length;
        output->references[i].release(output->references[i].owner);
    }
    for (uint32_t i = to.reference_count; i < output->reference_count; i++) {
        output->references[i - dropped] = output->references[i];
        output->references[i - dropped].position += from.length + with.length - to.length;
    }
    output->reference_count -= dropped;
    buffer_reserve(&output->bytes, with.length);
    memmove(output->bytes.data + from.length + with.length, output->bytes.data + to.length, behind);
    memcpy(output->bytes.data + from.length, with.data, with.length);
    output->bytes.length = from.length + with.length + behind;
}

void output_move(struct output *to, struct output *from)
{
    size_t at = 0;
    for (uint32_t i = 0; i < from->reference_count; i++) {
        struct output_reference *reference = &from->references[i];
        buffer_append(&to->bytes, from->bytes.data + at, reference->position - at);
        at = reference->position;
        output_append_reference(to, bytes_of(reference->data, reference->length), reference->release, reference->owner);
    }
    if (from->bytes.length > at)
        buffer_append(&to->bytes, from->bytes.data + at, from->bytes.length - at);
    from->reference_count = 0;
    from->referenced_length = 0;
    output_deinit(from);
}

void output_deinit(struct output *output)
{
    output_rewind(output, (struct output_mark){0, 0});
    buffer_deinit(&output->bytes);
    memory_free(output->references);
    *output = (struct output){0};
}
