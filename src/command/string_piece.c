/* SPDX-License-Identifier: BSD-3-Clause */
/* A part of a string is changed where it stands: in the entry if its length stays, in its block if nobody else holds that.
 * Otherwise it is built anew in a block, which becomes the value if it is long, and is copied into the entry if it is not.
 *
 * To build much anew, or to fill much with zeros, takes long: then the key is let go of meanwhile, which happens before
 * anything is changed.
 *
 * The effect of a short string is the whole, of a long one the piece; a long string that begins with its piece far behind
 * is told as a "setrange" that creates, which has no zeros in it. */
#include "command/string_piece.h"

#include "command/claims.h"
#include "command/effects.h"
#include "command/notify.h"

/* A changed string up to this length is told to the stream whole; beyond it, as the piece that changed. */
#define EFFECT_WHOLE_MAX 512
/* To move so many bytes takes longer than to let go of a key. */
#define APART_MIN ((size_t)256 << 10)

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

/* With the piece in it, of a block with room for it. */
static void block_put_piece(struct block *block, size_t offset, struct bytes piece)
{
    if (offset > block->length)
        memset(block->data + block->length, 0, offset - block->length);
    memcpy(block->data + offset, piece.data, piece.length);
    if (offset + piece.length > block->length)
        block->length = offset + piece.length;
}

static struct block *block_copy(struct bytes bytes, size_t capacity)
{
    struct block *block = block_create(bytes.length, capacity);
    if (block && bytes.length > 0)
        memcpy(block->data, bytes.data, bytes.length);
    return block;
}

/* A string that grows will do so again: one that stands in a block gets more room than it needs. */
static size_t room_for(const struct object *value, size_t length)
{
    return value->encoding == ENCODING_BLOCK && length > value->block->capacity ? length + length / 2 : length;
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

/* What is to be changed. */
struct change {
    struct object value;
    struct bytes before;
    size_t length; /* afterwards */
    char digits[BYTES_INTEGER_MAX];
};

static void change_of(struct change *change, const struct entry *old, size_t offset, struct bytes piece)
{
    change->value = old ? entry_object(old) : (struct object){.type = OBJECT_STRING, .encoding = ENCODING_RAW};
    change->before = old ? string_object_bytes(&change->value, change->digits) : (struct bytes){"", 0};
    change->length = offset + piece.length > change->before.length ? offset + piece.length : change->before.length;
}

/* The block becomes the entry's, in place of another, or a value to put. */
static void take_block(struct entry *old, struct block *block, struct object *changed, bool in_place,
                       struct block **room)
{
    *room = NULL;
    if (in_place) {
        memcpy(entry_value_field(old), &block, sizeof(struct block *));
        *changed = entry_object(old);
    } else {
        *changed = value_of_block(block, room);
    }
}

static bool change_at_once(const struct change *change, struct entry *old, size_t offset, struct bytes piece,
                           struct object *changed, bool *in_place, struct block **room)
{
    bool is_block = change->value.encoding == ENCODING_BLOCK;
    bool is_within = old && change->value.encoding == ENCODING_RAW && offset + piece.length <= change->before.length;
    *room = NULL;
    *in_place = is_block || is_within;
    if (is_within) {
        memcpy(entry_value_field(old) + offset, piece.data, piece.length);
        *changed = change->value;
        return true;
    }
    struct block *block = is_block ? block_make_private(change->value.block, room_for(&change->value, change->length))
                                   : block_copy(change->before, change->length);
    if (!block)
        return false;
    block_put_piece(block, offset, piece);
    take_block(old, block, changed, is_block, room);
    return true;
}

bool string_change_piece(struct entry *old, size_t offset, struct bytes piece, struct object *changed, bool *in_place,
                         struct block **room)
{
    struct change change;
    change_of(&change, old, offset, piece);
    return change_at_once(&change, old, offset, piece, changed, in_place, room);
}

/* How many bytes are moved or set for it. */
static size_t bytes_of_work(const struct change *change, size_t offset)
{
    const struct block *block = change->value.encoding == ENCODING_BLOCK ? change->value.block : NULL;
    size_t gap = offset > change->before.length ? offset - change->before.length : 0;
    return block && block_is_private(block) && block->capacity >= change->length ? gap : change->before.length + gap;
}

/* The same for a long string, which is copied without the lock, since others may read it meanwhile, and get hold of it. */
static bool change_apart(struct execution *x, const struct change *change, struct entry *old, size_t offset,
                         struct bytes piece, struct object *changed, bool *in_place, struct block **room)
{
    *in_place = change->value.encoding == ENCODING_BLOCK;
    execution_let_go_now(x);
    struct block *block = block_copy(change->before, room_for(&change->value, change->length));
    if (block)
        block_put_piece(block, offset, piece);
    execution_hold_again(x);
    if (!block)
        return false;
    if (*in_place)
        block_release(change->value.block);
    take_block(old, block, changed, *in_place, room);
    return true;
}

static bool change_piece(struct execution *x, struct entry *old, size_t offset, struct bytes piece,
                         struct object *changed, bool *in_place, struct block **room)
{
    struct change change;
    change_of(&change, old, offset, piece);
    if (__builtin_expect(bytes_of_work(&change, offset) >= APART_MIN, 0))
        return change_apart(x, &change, old, offset, piece, changed, in_place, room);
    return change_at_once(&change, old, offset, piece, changed, in_place, room);
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
    if (!change_piece(x, old, offset, piece, &changed, &in_place, &room)) {
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
