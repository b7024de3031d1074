/* SPDX-License-Identifier: BSD-3-Clause */
/* A part of a string is changed where it stands: in the entry if its length stays, in its block if nobody else holds that.
 * Otherwise it is built anew in a block, which becomes the value if it is long, and is copied into the entry if it is not.
 *
 * The effect of a short string is the whole, of a long one the piece; a long string that begins with its piece far behind
 * is told as a "setrange" that creates, which has no zeros in it. */
#include "command/string_piece.h"

#include "command/effects.h"
#include "command/notify.h"

/* A changed string up to this length is told to the stream whole; beyond it, as the piece that changed. */
#define EFFECT_WHOLE_MAX 512

bool string_length_allowed(struct execution *x, uint64_t length)
{
    if (length <= (uint64_t)x->engine->bulk_bytes_max)
        return true;
    reply_error(x->reply, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return false;
}

size_t string_entry_length(const struct entry *entry)
{
    if (!entry)
        return 0;
    struct object value = entry_object(entry);
    return string_object_length(&value);
}

void string_view_of(const struct entry *entry, struct string_view *view)
{
    view->bytes = (struct bytes){"", 0};
    if (!entry)
        return;
    view->value = entry_object(entry);
    view->bytes = string_object_bytes(&view->value, view->digits);
}

bool string_make_raw(struct entry *entry)
{
    struct object value = entry_object(entry);
    if (value.encoding == ENCODING_EMBSTR)
        entry->kind = OBJECT_STRING | ENCODING_RAW << 4;
    return value.encoding != ENCODING_INTEGER;
}

/* The old bytes and the piece in a block with the new length, which is the old block if it can be. */
static struct block *block_with_piece(struct block *block, struct bytes before, size_t offset, struct bytes piece)
{
    size_t length = offset + piece.length > before.length ? offset + piece.length : before.length;
    if (block) {
        block = block_make_private(block, length > block->capacity ? length + length / 2 : length);
    } else {
        block = block_create(before.length, length);
        if (block && before.length > 0)
            memcpy(block->data, before.data, before.length);
    }
    if (!block)
        return NULL;
    if (offset > before.length)
        memset(block->data + before.length, 0, offset - before.length);
    memcpy(block->data + offset, piece.data, piece.length);
    block->length = length;
    return block;
}

/* A value of the block's bytes; a short one stands in the entry, and the block is to be released. */
static struct object value_of_block(struct block *block, struct block **room)
{
    if (block->length > OBJECT_INLINE_MAX)
        return (struct object){.type = OBJECT_STRING, .encoding = ENCODING_BLOCK, .block = block};
    *room = block;
    return (struct object){
        .type = OBJECT_STRING, .encoding = ENCODING_RAW, .bytes = bytes_of(block->data, block->length)};
}

bool string_change_piece(struct entry *old, size_t offset, struct bytes piece, struct object *changed, bool *in_place,
                         struct block **room)
{
    struct object value = {.type = OBJECT_STRING, .encoding = ENCODING_RAW};
    char digits[BYTES_INTEGER_MAX];
    struct bytes before = {"", 0};
    if (old) {
        value = entry_object(old);
        before = string_object_bytes(&value, digits);
    }
    *room = NULL;
    *in_place = value.encoding == ENCODING_BLOCK ||
                (old && value.encoding == ENCODING_RAW && offset + piece.length <= before.length);
    if (*in_place && value.encoding == ENCODING_RAW) {
        memcpy(entry_value_field(old) + offset, piece.data, piece.length);
        *changed = value;
        return true;
    }
    struct block *block =
        block_with_piece(value.encoding == ENCODING_BLOCK ? value.block : NULL, before, offset, piece);
    if (!block)
        return false;
    if (*in_place) {
        memcpy(entry_value_field(old), &block, sizeof(struct block *));
        *changed = entry_object(old);
    } else {
        *changed = value_of_block(block, room);
    }
    return true;
}

static void stage_piece(struct execution *x, const struct key *key, const struct entry *old,
                        const struct object *changed, size_t old_length, size_t offset, struct bytes piece)
{
    if (string_object_length(changed) <= EFFECT_WHOLE_MAX)
        stage_set(x, key, changed, old ? entry_expire_at_ms(old) : ENTRY_NO_EXPIRE, !old);
    else if (old && offset == old_length)
        stage_append(x, key, piece);
    else
        stage_setrange(x, key, (int64_t)offset, piece, !old);
}

struct entry *string_write_piece(struct execution *x, const struct key *key, struct entry *old, size_t offset,
                                 struct bytes piece)
{
    struct object changed;
    struct block *room;
    bool in_place;
    size_t old_length = string_entry_length(old);
    if (!string_change_piece(old, offset, piece, &changed, &in_place, &room)) {
        reply_error(x->reply, "OOM the value does not fit in memory");
        return NULL;
    }
    stage_piece(x, key, old, &changed, old_length, offset, piece);
    struct entry *entry = old;
    if (in_place)
        keyspace_written(x->keyspace, key, old);
    else
        entry = keyspace_put(x->keyspace, key, &changed, old ? entry_expire_at_ms(old) : ENTRY_NO_EXPIRE);
    if (room)
        block_release(room);
    if (!old)
        notify(x, NOTIFY_CREATED, "new", key);
    return entry;
}
