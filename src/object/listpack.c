/* SPDX-License-Identifier: BSD-3-Clause */
/* The layout, numbers low byte first unless said otherwise:
 *
 *   count (2)  element ...  0xff
 *
 * and in a dump all bytes (4) in front of it, these included.
 *
 * A count of 65,535 means that there are as many or more, and that they must be counted. An element is
 *
 *   form and data       back length
 *   0iiiiiii            7 bits, unsigned
 *   10llllll data       string of up to 63 bytes
 *   110iiiii i          13 bits, signed, high byte first
 *   1110llll l data     string of up to 4,095 bytes, the length high byte first
 *   0xf0 llll data      string
 *   0xf1 to 0xf4        integer of 2, 3, 4, 8 bytes, signed
 *
 * The back length is what the column on the left takes, 7 bits a byte, high byte first. It is read from its end: every
 * byte but the first has its high bit set. Writers choose the shortest form, readers take any; but the number of bytes
 * in a back length follows from its value, so that both directions agree where elements begin. */
#include "object/listpack.h"

#include <endian.h>

#include "base/check.h"
#include "object/rdb_string.h"

#define COUNT_UNKNOWN UINT16_MAX
#define END 0xff

#define FORM_STRING_6 0x80
#define FORM_INTEGER_13 0xc0
#define FORM_STRING_12 0xe0
#define FORM_STRING_32 0xf0
#define FORM_INTEGER_16 0xf1
#define FORM_INTEGER_24 0xf2
#define FORM_INTEGER_32 0xf3
#define FORM_INTEGER_64 0xf4

#define STRING_HEAD_MAX 5
#define BACK_BYTES_MAX 5

/* An element to be written. The front of a joined one follows its head. */
struct entry {
    uint8_t head[STRING_HEAD_MAX + LISTPACK_FRONT_MAX], back[BACK_BYTES_MAX];
    uint8_t head_length, back_length;
    struct bytes data;
    size_t length; /* of all three */
};

static inline uint32_t load_32(const void *from)
{
    uint32_t wire;
    memcpy(&wire, from, sizeof(wire));
    return le32toh(wire);
}

static inline void store_32(void *to, uint32_t value)
{
    uint32_t wire = htole32(value);
    memcpy(to, &wire, sizeof(wire));
}

static inline unsigned header_count(struct bytes listpack)
{
    const uint8_t *at = (const uint8_t *)listpack.data;
    return at[0] | (unsigned)at[1] << 8;
}

/* Bytes of a form before its data, 0 if there is no such form. An integer's bytes belong to its form. */
static inline size_t head_bytes(uint8_t form)
{
    static const uint8_t of_high_forms[16] = {5, 3, 4, 5, 9};
    if (form < FORM_INTEGER_13)
        return 1;
    return form < FORM_STRING_32 ? 2 : of_high_forms[form & 0xf];
}

/* Bytes of the string behind a head that is there as a whole; 0 for integers. */
static inline size_t data_bytes(const uint8_t *position)
{
    uint8_t form = *position;
    if ((form & 0xc0) == FORM_STRING_6)
        return form & 0x3f;
    if ((form & 0xf0) == FORM_STRING_12)
        return (size_t)(form & 0xf) << 8 | position[1];
    return form == FORM_STRING_32 ? load_32(position + 1) : 0;
}

/* Redis goes over to the next size one before the bits of the former are used up, except for the first. */
static inline size_t back_bytes(size_t length)
{
    if (length < 128)
        return 1;
    if (length < (1 << 14) - 1)
        return 2;
    if (length < (1 << 21) - 1)
        return 3;
    return length < (1 << 28) - 1 ? 4 : 5;
}

size_t listpack_step_long(const uint8_t *position)
{
    size_t length = head_bytes(*position) + data_bytes(position);
    return length + back_bytes(length);
}

static inline size_t write_back(uint8_t to[BACK_BYTES_MAX], size_t length)
{
    size_t bytes = back_bytes(length);
    for (size_t i = bytes; i-- > 0; length >>= 7)
        to[i] = (uint8_t)((length & 0x7f) | (i > 0 ? 0x80 : 0));
    return bytes;
}

/* The length that ends before 'end'. */
static inline size_t read_back(const uint8_t *end)
{
    size_t length = 0;
    for (unsigned i = 0; i < BACK_BYTES_MAX; i++) {
        uint8_t byte = *--end;
        length |= (size_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80)
            break;
    }
    return length;
}

static const uint8_t *before(struct bytes listpack, const uint8_t *position)
{
    if (listpack_offset(listpack, position) == LISTPACK_HEADER_BYTES)
        return NULL;
    size_t length = read_back(position);
    return position - back_bytes(length) - length;
}

const uint8_t *listpack_prev(struct bytes listpack, const uint8_t *position)
{
    return before(listpack, position);
}

const uint8_t *listpack_last(struct bytes listpack)
{
    return before(listpack, (const uint8_t *)listpack.data + listpack.length - 1);
}

static size_t count_up_to(struct bytes listpack, size_t limit)
{
    size_t count = 0;
    for (const uint8_t *at = listpack_first(listpack); at != NULL && count < limit; at = listpack_next(at))
        count++;
    return count;
}

size_t listpack_count(struct bytes listpack)
{
    size_t count = header_count(listpack);
    return count < COUNT_UNKNOWN ? count : count_up_to(listpack, SIZE_MAX);
}

static const uint8_t *seek_forward(struct bytes listpack, uint64_t steps)
{
    const uint8_t *at = listpack_first(listpack);
    while (at != NULL && steps-- > 0)
        at = listpack_next(at);
    return at;
}

static const uint8_t *seek_backward(struct bytes listpack, uint64_t steps)
{
    const uint8_t *at = listpack_last(listpack);
    while (at != NULL && steps-- > 0)
        at = listpack_prev(listpack, at);
    return at;
}

const uint8_t *listpack_seek(struct bytes listpack, int64_t index)
{
    int64_t count = header_count(listpack);
    if (count < COUNT_UNKNOWN) {
        if (index >= count || index < -count)
            return NULL;
        if (index < 0)
            index += count;
        if (index > count / 2)
            index -= count;
    }
    return index >= 0 ? seek_forward(listpack, (uint64_t)index) : seek_backward(listpack, (uint64_t) - (index + 1));
}

/* What stands behind one of the wide integer forms. */
static inline int64_t load_wide(const uint8_t *from, uint8_t form)
{
    uint64_t wire;
    switch (form) {
    case FORM_INTEGER_16:
        return (int16_t)(from[0] | from[1] << 8);
    case FORM_INTEGER_24:
        return (int32_t)((uint32_t)from[0] << 8 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 24) >> 8;
    case FORM_INTEGER_32:
        return (int32_t)load_32(from);
    default:
        memcpy(&wire, from, sizeof(wire));
        return (int64_t)le64toh(wire);
    }
}

/* False if the element is a string. */
static inline bool read_integer(const uint8_t *position, int64_t *integer)
{
    uint8_t form = *position;
    if (form < FORM_STRING_6) {
        *integer = form;
    } else if ((form & 0xe0) == FORM_INTEGER_13) {
        int64_t raw = (form & 0x1f) << 8 | position[1];
        *integer = raw < 1 << 12 ? raw : raw - (1 << 13);
    } else if (form > FORM_STRING_32) {
        *integer = load_wide(position + 1, form);
    } else {
        return false;
    }
    return true;
}

void listpack_get(const uint8_t *position, struct listpack_value *value)
{
    if (read_integer(position, &value->integer)) {
        value->data = NULL;
        value->length = 0;
        return;
    }
    value->data = (const char *)position + head_bytes(*position);
    value->length = (uint32_t)data_bytes(position);
    value->integer = 0;
}

int64_t listpack_integer_long(const uint8_t *position)
{
    int64_t integer = 0;
    read_integer(position, &integer);
    return integer;
}

struct bytes listpack_value_bytes(const struct listpack_value *value, char digits[BYTES_INTEGER_MAX])
{
    if (value->data != NULL)
        return bytes_of(value->data, value->length);
    return bytes_of(digits, bytes_from_int64(digits, value->integer));
}

struct bytes listpack_get_bytes(const uint8_t *position, char digits[BYTES_INTEGER_MAX])
{
    struct listpack_value value;
    listpack_get(position, &value);
    return listpack_value_bytes(&value, digits);
}

/* What is looked for, parsed once. */
struct wanted {
    struct bytes bytes;
    int64_t integer;
    bool is_integer;
};

static inline struct wanted wanted_of(struct bytes bytes)
{
    struct wanted wanted = {.bytes = bytes};
    /* No other bytes begin an integer, and most keys are none. */
    bool maybe = bytes.length > 0 && bytes.length <= BYTES_INTEGER_MAX && (unsigned char)bytes.data[0] <= '9';
    wanted.is_integer = maybe && bytes_to_int64(bytes, &wanted.integer);
    return wanted;
}

static bool is_wanted_long(const uint8_t *position, const struct wanted *wanted)
{
    int64_t integer;
    if (read_integer(position, &integer))
        return wanted->is_integer && wanted->integer == integer;
    return data_bytes(position) == wanted->bytes.length &&
           memcmp(position + head_bytes(*position), wanted->bytes.data, wanted->bytes.length) == 0;
}

/* memcmp is not called where the first bytes already differ. */
static inline bool is_wanted(const uint8_t *position, const struct wanted *wanted)
{
    uint8_t form = *position;
    if ((form & 0xc0) != FORM_STRING_6)
        return is_wanted_long(position, wanted);
    size_t length = form & 0x3f;
    if (length != wanted->bytes.length)
        return false;
    return length == 0 ||
           (position[1] == (uint8_t)wanted->bytes.data[0] && memcmp(position + 1, wanted->bytes.data, length) == 0);
}

bool listpack_equals(const uint8_t *position, struct bytes bytes)
{
    struct wanted wanted = wanted_of(bytes);
    return is_wanted(position, &wanted);
}

const uint8_t *listpack_find(const uint8_t *from, struct bytes bytes, size_t skip)
{
    struct wanted wanted = wanted_of(bytes);
    while (from != NULL) {
        if (is_wanted(from, &wanted))
            return from;
        from = listpack_next(from);
        for (size_t i = 0; i < skip && from != NULL; i++)
            from = listpack_next(from);
    }
    return NULL;
}

static void entry_finish(struct entry *entry)
{
    size_t length = entry->head_length + entry->data.length;
    entry->back_length = (uint8_t)write_back(entry->back, length);
    entry->length = length + entry->back_length;
}

static void entry_set_wide(struct entry *entry, uint8_t form, uint64_t value)
{
    uint64_t wire = htole64(value);
    entry->head[0] = form;
    entry->head_length = (uint8_t)head_bytes(form);
    memcpy(entry->head + 1, &wire, sizeof(wire));
}

static void entry_of_integer(struct entry *entry, int64_t integer)
{
    entry->data = bytes_of("", 0);
    if (integer >= 0 && integer < 1 << 7) {
        entry->head[0] = (uint8_t)integer;
        entry->head_length = 1;
    } else if (integer >= -(1 << 12) && integer < 1 << 12) {
        entry->head[0] = (uint8_t)(FORM_INTEGER_13 | ((uint64_t)integer >> 8 & 0x1f));
        entry->head[1] = (uint8_t)integer;
        entry->head_length = 2;
    } else if (integer >= INT16_MIN && integer <= INT16_MAX) {
        entry_set_wide(entry, FORM_INTEGER_16, (uint64_t)integer);
    } else if (integer >= -(1 << 23) && integer < 1 << 23) {
        entry_set_wide(entry, FORM_INTEGER_24, (uint64_t)integer);
    } else if (integer >= INT32_MIN && integer <= INT32_MAX) {
        entry_set_wide(entry, FORM_INTEGER_32, (uint64_t)integer);
    } else {
        entry_set_wide(entry, FORM_INTEGER_64, (uint64_t)integer);
    }
    entry_finish(entry);
}

/* Lengths that are too long for any listpack get one here that every edit refuses. */
static inline void entry_set_string(struct entry *entry, size_t length)
{
    if (length < 1 << 6) {
        entry->head[0] = (uint8_t)(FORM_STRING_6 | length);
        entry->head_length = 1;
    } else if (length < 1 << 12) {
        entry->head[0] = (uint8_t)(FORM_STRING_12 | length >> 8);
        entry->head[1] = (uint8_t)length;
        entry->head_length = 2;
    } else {
        entry_set_wide(entry, FORM_STRING_32, length);
    }
}

static void entry_of_bytes(struct entry *entry, struct bytes bytes)
{
    struct wanted wanted = wanted_of(bytes);
    if (wanted.is_integer) {
        entry_of_integer(entry, wanted.integer);
        return;
    }
    entry->data = bytes;
    entry_set_string(entry, bytes.length);
    entry_finish(entry);
}

static void entry_write(const struct entry *entry, char *to)
{
    memcpy(to, entry->head, entry->head_length);
    to += entry->head_length;
    if (entry->data.length > 0)
        memcpy(to, entry->data.data, entry->data.length);
    memcpy(to + entry->data.length, entry->back, entry->back_length);
}

size_t listpack_entry_bytes(struct bytes bytes)
{
    struct entry entry;
    entry_of_bytes(&entry, bytes);
    return entry.length;
}

static void header_set(struct buffer *buffer, size_t count)
{
    buffer->data[0] = (char)count;
    buffer->data[1] = (char)(count >> 8);
}

void listpack_init(struct buffer *buffer)
{
    check(buffer->length == 0);
    buffer_reserve(buffer, LISTPACK_EMPTY_BYTES);
    buffer->length = LISTPACK_EMPTY_BYTES;
    buffer->data[LISTPACK_HEADER_BYTES] = (char)END;
    header_set(buffer, 0);
}

/* Makes 'room' bytes out of the 'removed' ones at the offset. */
static bool resize_at(struct buffer *buffer, size_t offset, size_t removed, size_t room)
{
    check(offset >= LISTPACK_HEADER_BYTES && offset + removed < buffer->length);
    size_t kept = buffer->length - removed;
    if (room > LISTPACK_BYTES_MAX || LISTPACK_SIZE_BYTES + kept + room > LISTPACK_BYTES_MAX)
        return false;
    if (room > removed)
        buffer_reserve(buffer, room - removed);
    if (room != removed)
        memmove(buffer->data + offset + room, buffer->data + offset + removed, buffer->length - offset - removed);
    buffer->length = kept + room;
    return true;
}

static bool insert_entry(struct buffer *buffer, size_t offset, const struct entry *entry)
{
    size_t count = header_count(buffer_bytes(buffer));
    if (!resize_at(buffer, offset, 0, entry->length))
        return false;
    entry_write(entry, buffer->data + offset);
    header_set(buffer, count < COUNT_UNKNOWN ? count + 1 : count);
    return true;
}

bool listpack_insert(struct buffer *buffer, size_t offset, struct bytes bytes)
{
    struct entry entry;
    entry_of_bytes(&entry, bytes);
    return insert_entry(buffer, offset, &entry);
}

bool listpack_insert_joined(struct buffer *buffer, size_t offset, struct bytes front, struct bytes bytes)
{
    struct entry entry = {.data = bytes};
    check(front.length <= LISTPACK_FRONT_MAX);
    entry_set_string(&entry, front.length + bytes.length);
    memcpy(entry.head + entry.head_length, front.data, front.length);
    entry.head_length = (uint8_t)(entry.head_length + front.length);
    entry_finish(&entry);
    return insert_entry(buffer, offset, &entry);
}

bool listpack_append(struct buffer *buffer, struct bytes bytes)
{
    return listpack_insert(buffer, buffer->length - 1, bytes);
}

bool listpack_prepend(struct buffer *buffer, struct bytes bytes)
{
    return listpack_insert(buffer, LISTPACK_HEADER_BYTES, bytes);
}

bool listpack_append_integer(struct buffer *buffer, int64_t integer)
{
    struct entry entry;
    entry_of_integer(&entry, integer);
    return insert_entry(buffer, buffer->length - 1, &entry);
}

static bool replace_entry(struct buffer *buffer, size_t offset, const struct entry *entry)
{
    size_t removed = listpack_step((const uint8_t *)buffer->data + offset);
    if (!resize_at(buffer, offset, removed, entry->length))
        return false;
    entry_write(entry, buffer->data + offset);
    return true;
}

bool listpack_replace(struct buffer *buffer, size_t offset, struct bytes bytes)
{
    struct entry entry;
    entry_of_bytes(&entry, bytes);
    return replace_entry(buffer, offset, &entry);
}

bool listpack_replace_integer(struct buffer *buffer, size_t offset, int64_t integer)
{
    struct entry entry;
    if ((uint8_t)buffer->data[offset] < FORM_STRING_6 && integer >= 0 && integer < FORM_STRING_6) {
        buffer->data[offset] = (char)integer;
        return true;
    }
    entry_of_integer(&entry, integer);
    return replace_entry(buffer, offset, &entry);
}

bool listpack_run_begin(struct listpack_run *run, struct buffer *buffer, size_t bytes)
{
    if (bytes > LISTPACK_BYTES_MAX || LISTPACK_SIZE_BYTES + buffer->length + bytes > LISTPACK_BYTES_MAX)
        return false;
    /* The first element takes the place of the end mark. */
    *run = (struct listpack_run){.buffer = buffer, .at = (uint8_t *)buffer_reserve(buffer, bytes) - 1};
    return true;
}

static void run_add_entry(struct listpack_run *run, const struct entry *entry)
{
    entry_write(entry, (char *)run->at);
    run->at += entry->length;
    run->count++;
}

void listpack_run_add(struct listpack_run *run, struct bytes bytes)
{
    struct entry entry;
    entry_of_bytes(&entry, bytes);
    run_add_entry(run, &entry);
}

void listpack_run_add_integer(struct listpack_run *run, int64_t integer)
{
    struct entry entry;
    if (integer < 0 || integer >= FORM_STRING_6) {
        entry_of_integer(&entry, integer);
        run_add_entry(run, &entry);
        return;
    }
    *run->at++ = (uint8_t)integer;
    *run->at++ = 1;
    run->count++;
}

void listpack_run_end(struct listpack_run *run)
{
    size_t count = header_count(buffer_bytes(run->buffer)) + run->count;
    *run->at++ = END;
    run->buffer->length = (size_t)(run->at - (uint8_t *)run->buffer->data);
    check(run->buffer->length <= run->buffer->capacity);
    header_set(run->buffer, count < COUNT_UNKNOWN ? count : COUNT_UNKNOWN);
}

size_t listpack_delete(struct buffer *buffer, size_t offset, size_t elements)
{
    size_t count = header_count(buffer_bytes(buffer)), deleted = 0;
    const uint8_t *from = (const uint8_t *)buffer->data + offset, *to = from;
    for (; deleted < elements && *to != END; deleted++)
        to += listpack_step(to);
    if (deleted == 0)
        return 0;
    check(resize_at(buffer, offset, (size_t)(to - from), 0));
    header_set(buffer, count < COUNT_UNKNOWN ? count - deleted : count_up_to(buffer_bytes(buffer), COUNT_UNKNOWN));
    return deleted;
}

/* The element's bytes, or 0 if it is not sound or does not end within 'left'. */
static size_t valid_step(const uint8_t *position, size_t left)
{
    uint8_t expected[BACK_BYTES_MAX];
    size_t head = head_bytes(*position);
    if (head == 0 || head > left)
        return 0;
    size_t length = head + data_bytes(position), back = write_back(expected, length);
    if (length + back > left || memcmp(position + length, expected, back) != 0)
        return 0;
    return length + back;
}

void listpack_dump(struct buffer *out, struct bytes listpack)
{
    size_t length = LISTPACK_SIZE_BYTES + listpack.length;
    rdb_write_length(out, length);
    store_32(buffer_reserve(out, length), (uint32_t)length);
    out->length += LISTPACK_SIZE_BYTES;
    buffer_append_bytes(out, listpack);
}

bool listpack_is_valid(struct bytes dumped, bool (*each)(void *context, const uint8_t *position), void *context)
{
    if (dumped.length < LISTPACK_SIZE_BYTES + LISTPACK_EMPTY_BYTES || dumped.length > LISTPACK_BYTES_MAX ||
        load_32(dumped.data) != dumped.length)
        return false;
    struct bytes listpack = listpack_of_dump(dumped);
    const uint8_t *at = (const uint8_t *)listpack.data + LISTPACK_HEADER_BYTES;
    const uint8_t *end = (const uint8_t *)listpack.data + listpack.length - 1;
    size_t count = 0;
    for (; at < end; count++) {
        size_t step = valid_step(at, (size_t)(end - at));
        if (step == 0 || (each != NULL && !each(context, at)))
            return false;
        at += step;
    }
    size_t told = header_count(listpack);
    return *end == END && (told == COUNT_UNKNOWN || told == count);
}
