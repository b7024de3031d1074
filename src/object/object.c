/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of types: everything that differs by type is reached through a row of it. */
#include "object/object.h"

#include "base/check.h"
#include "object/hash_object.h"
#include "object/list_private.h"
#include "object/object_capture.h"
#include "object/object_private.h"
#include "object/stream_private.h"

static const struct object_class *const classes[OBJECT_TYPE_COUNT] = {
    [OBJECT_ZSET] = &zset_object_class, [OBJECT_STRING] = &string_object_class, [OBJECT_LIST] = &list_object_class,
    [OBJECT_SET] = &set_object_class,   [OBJECT_HASH] = &hash_object_class,     [OBJECT_STREAM] = &stream_object_class,
};

/* TYPE names a type by what users call it, also where only its number is known. */
static const char *const type_names[OBJECT_TYPE_COUNT] = {
    [OBJECT_STRING] = "string", [OBJECT_LIST] = "list", [OBJECT_SET] = "set",
    [OBJECT_ZSET] = "zset",     [OBJECT_HASH] = "hash", [OBJECT_STREAM] = "stream",
};

static const char *const encoding_names[ENCODING_COUNT] = {
    [ENCODING_INTEGER] = "int",         [ENCODING_EMBSTR] = "embstr",     [ENCODING_RAW] = "raw",
    [ENCODING_BLOCK] = "raw",           [ENCODING_LISTPACK] = "listpack", [ENCODING_LISTPACK_EXPIRY] = "listpackex",
    [ENCODING_INTSET] = "intset",       [ENCODING_TABLE] = "hashtable",   [ENCODING_SKIPLIST] = "skiplist",
    [ENCODING_QUICKLIST] = "quicklist", [ENCODING_STREAM] = "stream",
};

const struct object_class *object_class_of(uint8_t type)
{
    return type < OBJECT_TYPE_COUNT ? classes[type] : NULL;
}

static const struct object_class *class_of(const struct object *object)
{
    const struct object_class *class = object_class_of(object->type);
    check(class != NULL);
    return class;
}

const char *object_type_name(uint8_t type)
{
    check(type < OBJECT_TYPE_COUNT);
    return type_names[type];
}

const char *object_encoding_name(const struct object *object)
{
    check(object->encoding < ENCODING_COUNT);
    if (class_of(object)->encoding_name)
        return class_of(object)->encoding_name(object);
    return encoding_names[object->encoding];
}

void object_release(struct object *object)
{
    if (!object_capture_keeps(object))
        class_of(object)->release(object);
}

size_t object_external_bytes(const struct object *object)
{
    return class_of(object)->external_bytes(object);
}

size_t object_count(const struct object *object)
{
    return class_of(object)->count(object);
}

struct object object_copy(const struct object *object)
{
    return object_is_inline(object) ? *object : class_of(object)->copy(object);
}

int64_t object_due_ms(const struct object *object)
{
    return object->type == OBJECT_HASH ? hash_object_due_ms(object) : OBJECT_NEVER_DUE;
}

struct object object_empty(enum object_type type)
{
    const struct object_class *class = object_class_of(type);
    check(class != NULL);
    return class->empty;
}

struct buffer *object_edit_begin(const struct object *object, struct buffer *room)
{
    if (object->bytes.data == room->data && room->data)
        return room;
    room->length = 0;
    buffer_append_bytes(room, object->bytes);
    return room;
}

void object_each(const struct object *object, bool (*visit)(void *context, struct bytes element), void *context)
{
    check(class_of(object)->each != NULL);
    class_of(object)->each(object, visit, context);
}
