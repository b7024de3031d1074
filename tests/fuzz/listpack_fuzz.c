/* SPDX-License-Identifier: BSD-3-Clause */
/* Listpacks that somebody else wrote: what passes validation is read in both directions and edited. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "object/listpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool count_element(void *context, const uint8_t *position)
{
    char digits[BYTES_INTEGER_MAX];
    ++*(size_t *)context;
    return listpack_equals(position, listpack_get_bytes(position, digits));
}

static void walk(struct bytes listpack, size_t count)
{
    size_t forward = 0, backward = 0;
    for (const uint8_t *at = listpack_first(listpack); at != NULL; at = listpack_next(at))
        forward++;
    for (const uint8_t *at = listpack_last(listpack); at != NULL; at = listpack_prev(listpack, at))
        backward++;
    check(forward == count && backward == count && listpack_count(listpack) == count);
}

/* Writes every element again, which gives the shortest forms, and takes all but the last away. */
static void rewrite(struct bytes listpack, size_t count)
{
    char digits[BYTES_INTEGER_MAX];
    struct buffer copy = {0};
    buffer_append_bytes(&copy, listpack);
    size_t offset = LISTPACK_HEADER_BYTES;
    for (const uint8_t *at = listpack_first(listpack); at != NULL; at = listpack_next(at)) {
        check(listpack_replace(&copy, offset, listpack_get_bytes(at, digits)));
        check(listpack_equals(listpack_at(buffer_bytes(&copy), offset), listpack_get_bytes(at, digits)));
        offset += listpack_step((const uint8_t *)copy.data + offset);
    }
    if (count > 1) {
        check(listpack_delete(&copy, LISTPACK_HEADER_BYTES, count - 1) == count - 1);
        walk(buffer_bytes(&copy), 1);
    }
    buffer_deinit(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A first byte of 0 leaves the header alone; else it is made true, so that the elements are looked at. */
    struct buffer input = {0};
    size_t count = 0;
    if (size == 0)
        return 0;
    buffer_append(&input, data + 1, size - 1);
    if (data[0] != 0 && input.length >= LISTPACK_SIZE_BYTES + LISTPACK_HEADER_BYTES) {
        uint8_t length[] = {(uint8_t)input.length, (uint8_t)(input.length >> 8), (uint8_t)(input.length >> 16), 0};
        memcpy(input.data, length, sizeof(length));
        memset(input.data + 4, 0xff, 2);
    }
    if (listpack_is_valid(buffer_bytes(&input), count_element, &count)) {
        walk(listpack_of_dump(buffer_bytes(&input)), count);
        rewrite(listpack_of_dump(buffer_bytes(&input)), count);
    }
    buffer_deinit(&input);
    return 0;
}
