/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE
#include "object/member.h"

#include "base/memory.h"

#define SHORT_MAX 255

static size_t member_length(const struct member *member)
{
    struct bytes last = member->head & MEMBER_VALUE ? member_value(member) : member_name(member);
    return (size_t)(last.data + last.length - (const char *)member);
}

static char *put_length(char *place, size_t length, bool is_long)
{
    uint32_t wide = (uint32_t)length;
    if (is_long)
        return mempcpy(place, &wide, sizeof(wide));
    *place = (char)(uint8_t)length;
    return place + 1;
}

struct member *member_create(struct bytes name, const struct bytes *value, const int64_t *extra)
{
    bool name_long = name.length > SHORT_MAX, value_long = value && value->length > SHORT_MAX;
    size_t widths = (name_long ? 4 : 1) + (value ? value_long ? 4 : 1 : 0) + (extra ? sizeof(*extra) : 0);
    struct member *member = memory_allocate(1 + widths + name.length + (value ? value->length : 0));
    member->head = (uint8_t)((extra ? MEMBER_EXTRA : 0) | (value ? MEMBER_VALUE : 0) |
                             (name_long ? MEMBER_NAME_LONG : 0) | (value_long ? MEMBER_VALUE_LONG : 0));
    char *place = put_length(member->rest, name.length, name_long);
    if (value)
        place = put_length(place, value->length, value_long);
    if (extra)
        place = mempcpy(place, extra, sizeof(*extra));
    place = mempcpy(place, name.data, name.length);
    if (value)
        memcpy(place, value->data, value->length);
    return member;
}

void member_destroy(struct member *member)
{
    memory_free(member);
}

size_t member_bytes(const struct member *member)
{
    return memory_size_class(member_length(member));
}

struct member *member_copy(const struct member *member)
{
    size_t length = member_length(member);
    return memcpy(memory_allocate(length), member, length);
}

void member_overwrite_value(struct member *member, struct bytes value)
{
    memcpy((char *)member_value(member).data, value.data, value.length);
}
