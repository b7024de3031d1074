/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists as bytes. Written is the form of Redis 7,
 *
 *   18 | number of nodes | for each: container (1: one string, 2: a listpack) | string
 *
 * Read are its ancestors, too: 1, strings one by one; 10, one ziplist; 14, a number of ziplists. */
#include "base/memory.h"
#include "object/list_object.h"
#include "object/list_private.h"
#include "object/listpack.h"
#include "object/ziplist.h"

enum container { CONTAINER_PLAIN = 1, CONTAINER_PACKED = 2 };

/* ---- writing ---- */

void list_node_encode(struct bytes listpack, struct buffer *out)
{
    rdb_write_length(out, CONTAINER_PACKED);
    listpack_dump(out, listpack);
}

void list_object_encode(const struct object *list, struct buffer *out)
{
    const struct list_body *body = list->encoding == ENCODING_QUICKLIST ? list->body : NULL;
    *buffer_reserve(out, 1) = RDB_TYPE_LIST_QUICKLIST_2;
    out->length++;
    rdb_write_length(out, body ? body->nodes : 1);
    if (!body)
        list_node_encode(list->bytes, out);
    for (const struct list_node *node = body ? body->head : NULL; node; node = node->next)
        list_node_encode(buffer_bytes(&node->listpack), out);
}

/* ---- reading ---- */

struct decoding {
    struct object list;
    struct buffer room;
    struct buffer expanded; /* of the present string */
};

static bool push(void *context, struct bytes element)
{
    struct decoding *decoding = context;
    if (listpack_entry_bytes(element) > LISTPACK_BYTES_MAX - LISTPACK_EMPTY_BYTES)
        return false;
    list_object_push(&decoding->list, &decoding->room, LIST_TAIL, element);
    return true;
}

static bool read_string(struct decoding *decoding, struct rdb_reader *reader, char *digits, struct bytes *bytes)
{
    struct rdb_string string;
    if (!rdb_read_string(reader, &string))
        return false;
    *bytes = string.bytes;
    if (string.form == RDB_STRING_INTEGER)
        *bytes = bytes_of(digits, bytes_from_int64(digits, string.integer));
    if (string.form != RDB_STRING_COMPRESSED)
        return true;
    decoding->expanded.length = 0;
    if (!rdb_string_expand(&string, buffer_reserve(&decoding->expanded, string.length ? string.length : 1)))
        return false;
    decoding->expanded.length = string.length;
    *bytes = buffer_bytes(&decoding->expanded);
    return true;
}

static bool push_listpack(struct decoding *decoding, struct bytes dumped)
{
    if (!listpack_is_valid(dumped, NULL, NULL))
        return false;
    struct bytes listpack = listpack_of_dump(dumped);
    if (!listpack_first(listpack))
        return false;
    char digits[BYTES_INTEGER_MAX];
    for (const uint8_t *position = listpack_first(listpack); position; position = listpack_next(position))
        push(decoding, listpack_get_bytes(position, digits));
    return true;
}

static bool read_container(struct decoding *decoding, struct rdb_reader *reader)
{
    uint64_t container;
    struct bytes bytes;
    char digits[BYTES_INTEGER_MAX];
    if (!rdb_read_length(reader, &container) || !read_string(decoding, reader, digits, &bytes))
        return false;
    if (container == CONTAINER_PLAIN)
        return push(decoding, bytes);
    return container == CONTAINER_PACKED && push_listpack(decoding, bytes);
}

static bool read_part(struct decoding *decoding, uint8_t type_byte, struct rdb_reader *reader)
{
    struct bytes bytes;
    char digits[BYTES_INTEGER_MAX];
    if (type_byte == RDB_TYPE_LIST_QUICKLIST_2)
        return read_container(decoding, reader);
    if (!read_string(decoding, reader, digits, &bytes))
        return false;
    return type_byte == RDB_TYPE_LIST ? push(decoding, bytes) : ziplist_each(bytes, push, decoding);
}

enum status list_object_decode(uint8_t type_byte, struct rdb_reader *reader, struct buffer *scratch,
                               struct object *object)
{
    struct decoding decoding = {.list = list_object_class.empty};
    uint64_t parts = 1;
    bool good = type_byte == RDB_TYPE_LIST_ZIPLIST || rdb_read_length(reader, &parts);
    for (uint64_t i = 0; i < parts && good; i++)
        good = read_part(&decoding, type_byte, reader);
    good = good && rdb_reader_left(reader) == 0 && list_object_length(&decoding.list) > 0;
    buffer_deinit(&decoding.expanded);
    if (good && object_is_inline(&decoding.list)) {
        scratch->length = 0;
        buffer_append_bytes(scratch, decoding.list.bytes);
        decoding.list.bytes = buffer_bytes(scratch);
    }
    buffer_deinit(&decoding.room);
    if (good)
        *object = decoding.list;
    else
        object_release(&decoding.list);
    return good ? STATUS_OK : STATUS_CORRUPT;
}
