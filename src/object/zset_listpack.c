/* SPDX-License-Identifier: BSD-3-Clause */
/* A member and its score share an element, a string to the listpack:
 *
 *   1 byte: PAIR_INTEGER | PAIR_PREFIXED | form of the score   [score, low byte first]   member
 *
 * A form up to 7 is an integer score of so many bytes, 0 taking none; 8 is a double; the others are the scores from 1 on
 * themselves. A member that is the canonical spelling of a 64-bit integer is stored as that, in the fewest bytes. So a
 * pair takes one head and one back length instead of two, and a score is read without a look at digits.
 *
 * Most sets have members that begin alike ("user:17", "user:4711"). What they begin with stands once, in front of the
 * pairs, in an element of FORM_PREFIX.
 *
 * P1 A member is stored without the prefix exactly if it begins with it and is no longer than ZSET_MEMBER_ROOM; what is
 *    left may be an integer, too.
 * P2 The prefix is what the first two members have in common, and becomes shorter, all pairs being written anew, when a
 *    member comes that shares less of it, but PREFIX_MIN bytes. So a set is written anew PREFIX_MAX times at most. */
#include "object/zset_listpack.h"

#include <string.h>

#include "base/check.h"

#define PAIR_INTEGER 0x80
#define PAIR_PREFIXED 0x40
#define PAIR_FORM 0x3f
#define FORM_DOUBLE 8
#define FORM_PREFIX 0x3f
#define INTEGER_BYTES_MAX 8
/* The largest score that a form tells. */
#define FORM_SCORE_MAX (FORM_PREFIX - 1 - FORM_DOUBLE)
#define PREFIX_MIN 3
#define PREFIX_MAX 32
/* Scores beyond it are doubles, which take no more bytes. */
#define SCORE_INTEGER_MAX ((int64_t)1 << 53)

struct pair {
    unsigned head;
    const uint8_t *score;
    struct bytes name; /* as it is stored */
};

static inline size_t form_bytes(unsigned form)
{
    return form <= FORM_DOUBLE ? form : 0;
}

static inline struct pair pair_at(const uint8_t *position)
{
    struct listpack_value value;
    if ((*position & 0xc0) == 0x80) {
        value.data = (const char *)position + 1;
        value.length = *position & 0x3f;
    } else {
        listpack_get(position, &value);
    }
    struct pair pair = {.head = (uint8_t)value.data[0], .score = (const uint8_t *)value.data + 1};
    size_t before_name = 1 + form_bytes(pair.head & PAIR_FORM);
    pair.name = bytes_of(value.data + before_name, value.length - before_name);
    return pair;
}

/* ---- integers in the fewest bytes ---- */

static size_t integer_write(char to[INTEGER_BYTES_MAX], int64_t integer)
{
    uint64_t rest = (uint64_t)integer, magnitude = (uint64_t)(integer < 0 ? ~integer : integer);
    size_t length = integer == 0 ? 0 : (magnitude == 0 ? 0 : (size_t)(63 - __builtin_clzll(magnitude)) + 1) / 8 + 1;
    for (size_t i = 0; i < length; i++, rest >>= 8)
        to[i] = (char)rest;
    return length;
}

static inline int64_t integer_read(const uint8_t *from, size_t length)
{
    uint64_t integer = 0;
    for (size_t i = length; i-- > 0;)
        integer = integer << 8 | from[i];
    unsigned unused = 64 - 8 * (unsigned)length;
    return length == 0 ? 0 : (int64_t)(integer << unused) >> unused;
}

/* ---- what members begin with ---- */

static bool has_prefix(struct bytes listpack)
{
    const uint8_t *first = listpack_first(listpack);
    return first != NULL && (pair_at(first).head & PAIR_FORM) == FORM_PREFIX;
}

static struct bytes prefix_of(struct bytes listpack)
{
    return has_prefix(listpack) ? pair_at(listpack_first(listpack)).name : bytes_of("", 0);
}

static const uint8_t *first_pair(struct bytes listpack)
{
    const uint8_t *first = listpack_first(listpack);
    return has_prefix(listpack) ? listpack_next(first) : first;
}

static size_t common_length(struct bytes a, struct bytes b)
{
    size_t most = a.length < b.length ? a.length : b.length, length = 0;
    while (length < most && a.data[length] == b.data[length])
        length++;
    return length;
}

size_t zset_listpack_count(struct bytes listpack)
{
    return listpack_count(listpack) - has_prefix(listpack);
}

const uint8_t *zset_listpack_seek(struct bytes listpack, size_t rank)
{
    return listpack_seek(listpack, (int64_t)rank + has_prefix(listpack));
}

const uint8_t *zset_listpack_prev(struct bytes listpack, const uint8_t *pair)
{
    return pair == first_pair(listpack) ? NULL : listpack_prev(listpack, pair);
}

/* ---- members ---- */

/* A member as it is stored, and the bits that tell how. */
struct name {
    struct bytes bytes;
    unsigned bits;
    char packed[INTEGER_BYTES_MAX];
};

static inline void name_set(struct name *name, struct bytes member, struct bytes prefix)
{
    int64_t integer;
    name->bits = 0;
    if (prefix.length > 0 && member.length >= prefix.length && member.length <= ZSET_MEMBER_ROOM &&
        memcmp(member.data, prefix.data, prefix.length) == 0) {
        name->bits = PAIR_PREFIXED;
        member = bytes_of(member.data + prefix.length, member.length - prefix.length);
    }
    bool maybe = member.length > 0 && member.length <= BYTES_INTEGER_MAX && (unsigned char)member.data[0] <= '9';
    name->bytes = member;
    if (maybe && bytes_to_int64(member, &integer)) {
        name->bits |= PAIR_INTEGER;
        name->bytes = bytes_of(name->packed, integer_write(name->packed, integer));
    }
}

static inline bool is_named(const struct pair *pair, const struct name *name)
{
    size_t length = pair->name.length;
    if (length != name->bytes.length || (pair->head & (PAIR_INTEGER | PAIR_PREFIXED)) != name->bits)
        return false;
    return length == 0 ||
           (pair->name.data[0] == name->bytes.data[0] && memcmp(pair->name.data, name->bytes.data, length) == 0);
}

const uint8_t *zset_listpack_find(struct bytes listpack, struct bytes member)
{
    struct name name;
    name_set(&name, member, prefix_of(listpack));
    for (const uint8_t *at = first_pair(listpack); at != NULL; at = listpack_next(at)) {
        struct pair pair = pair_at(at);
        if (is_named(&pair, &name))
            return at;
    }
    return NULL;
}

size_t zset_listpack_room(struct bytes listpack, char room[ZSET_MEMBER_ROOM])
{
    struct bytes prefix = prefix_of(listpack);
    memcpy(room, prefix.data, prefix.length);
    return prefix.length;
}

/* The room has the prefix; what is put together stands behind it, with it or without. */
static inline struct bytes member_of(const struct pair *pair, char room[ZSET_MEMBER_ROOM], size_t in_room)
{
    if (!(pair->head & (PAIR_INTEGER | PAIR_PREFIXED)))
        return pair->name;
    char *rest = room + in_room;
    size_t length = pair->name.length;
    if (pair->head & PAIR_INTEGER)
        length = bytes_from_int64(rest, integer_read((const uint8_t *)pair->name.data, length));
    else
        memcpy(rest, pair->name.data, length);
    return pair->head & PAIR_PREFIXED ? bytes_of(room, in_room + length) : bytes_of(rest, length);
}

/* ---- scores ---- */

static inline double score_of(const struct pair *pair)
{
    unsigned form = pair->head & PAIR_FORM;
    double score;
    if (form > FORM_DOUBLE)
        return form - FORM_DOUBLE;
    if (form < FORM_DOUBLE)
        return (double)integer_read(pair->score, form);
    memcpy(&score, pair->score, sizeof(score));
    return score;
}

struct bytes zset_listpack_read(const uint8_t *position, char room[ZSET_MEMBER_ROOM], size_t in_room, double *score)
{
    struct pair pair = pair_at(position);
    *score = score_of(&pair);
    return member_of(&pair, room, in_room);
}

double zset_listpack_score(const uint8_t *position)
{
    struct pair pair = pair_at(position);
    return score_of(&pair);
}

/* Writes head and score. A zero loses its sign, as in Redis. */
static size_t front_write(char to[1 + INTEGER_BYTES_MAX], double score, unsigned name_bits)
{
    bool is_integer = score >= -(double)SCORE_INTEGER_MAX && score <= (double)SCORE_INTEGER_MAX;
    int64_t integer = is_integer ? (int64_t)score : 0;
    size_t form = FORM_DOUBLE;
    if (!is_integer || (double)integer != score)
        memcpy(to + 1, &score, sizeof(score));
    else if (integer > 0 && integer <= FORM_SCORE_MAX)
        form = FORM_DOUBLE + (size_t)integer;
    else
        form = integer_write(to + 1, integer);
    to[0] = (char)(name_bits | form);
    return 1 + form_bytes((unsigned)form);
}

/* ---- order ---- */

/* Most pairs are told by their score. */
static bool pair_follows(struct bytes listpack, const struct score_cut *cut, const uint8_t *position)
{
    char room[ZSET_MEMBER_ROOM];
    struct pair pair = pair_at(position);
    double score = score_of(&pair);
    if (cut->kind == CUT_BEFORE_MEMBER && score != cut->score)
        return score < cut->score;
    size_t in_room = zset_listpack_room(listpack, room);
    return score_cut_follows(cut, score, member_of(&pair, room, in_room));
}

size_t zset_listpack_rank(struct bytes listpack, const struct score_cut *cut, size_t from)
{
    size_t rank = from;
    const uint8_t *at = zset_listpack_seek(listpack, from);
    for (; at != NULL && pair_follows(listpack, cut, at); at = listpack_next(at))
        rank++;
    return rank;
}

/* The offset of the first pair that does not stand before the cut. Many sets grow at their end. */
static size_t offset_of(struct bytes listpack, const struct score_cut *cut)
{
    const uint8_t *at = first_pair(listpack);
    if (at == NULL || pair_follows(listpack, cut, listpack_last(listpack)))
        return listpack.length - 1;
    while (pair_follows(listpack, cut, at))
        at = listpack_next(at);
    return listpack_offset(listpack, at);
}

/* ---- insertion ---- */

static bool pair_put(struct buffer *buffer, size_t offset, struct bytes prefix, struct bytes member, double score)
{
    char front[1 + INTEGER_BYTES_MAX];
    struct name name;
    name_set(&name, member, prefix);
    size_t length = front_write(front, score, name.bits);
    return listpack_insert_joined(buffer, offset, bytes_of(front, length), name.bytes);
}

/* Writes all anew with a prefix that is no part of the buffer. */
static void prefix_set(struct buffer *buffer, struct bytes prefix)
{
    static const char head = FORM_PREFIX;
    struct buffer before = {0};
    char room[ZSET_MEMBER_ROOM];
    buffer_append_bytes(&before, buffer_bytes(buffer));
    struct bytes listpack = buffer_bytes(&before);
    size_t in_room = zset_listpack_room(listpack, room);
    buffer->length = 0;
    listpack_init(buffer);
    check(listpack_insert_joined(buffer, LISTPACK_HEADER_BYTES, bytes_of(&head, 1), prefix));
    for (const uint8_t *at = first_pair(listpack); at != NULL; at = listpack_next(at)) {
        struct pair pair = pair_at(at);
        check(pair_put(buffer, buffer->length - 1, prefix, member_of(&pair, room, in_room), score_of(&pair)));
    }
    buffer_deinit(&before);
}

/* P2, before this member comes. Integers are short as they are. */
static void prefix_adapt(struct buffer *buffer, struct bytes member)
{
    char copy[PREFIX_MAX];
    struct bytes listpack = buffer_bytes(buffer), prefix = prefix_of(listpack);
    if (member.length > ZSET_MEMBER_ROOM)
        return;
    if (prefix.length == 0) {
        if (listpack_count(listpack) != 1)
            return;
        struct pair only = pair_at(listpack_first(listpack));
        if (only.head & PAIR_INTEGER || only.name.length > ZSET_MEMBER_ROOM)
            return;
        prefix = only.name;
    }
    size_t length = common_length(prefix, member);
    length = length < PREFIX_MAX ? length : PREFIX_MAX;
    if (length < PREFIX_MIN || length == prefix_of(listpack).length)
        return;
    memcpy(copy, prefix.data, length);
    prefix_set(buffer, bytes_of(copy, length));
}

bool zset_listpack_insert(struct buffer *buffer, struct bytes member, double score)
{
    const struct score_cut cut = {CUT_BEFORE_MEMBER, score, member};
    prefix_adapt(buffer, member);
    struct bytes listpack = buffer_bytes(buffer);
    return pair_put(buffer, offset_of(listpack, &cut), prefix_of(listpack), member, score);
}

/* ---- Redis's ---- */

#define DUMPED_PAIR_MAX (LISTPACK_ELEMENT_MAX(ZSET_SCORE_TEXT_MAX) + LISTPACK_ELEMENT_MAX(ZSET_MEMBER_ROOM))

void zset_listpack_dump(struct buffer *out, struct bytes listpack)
{
    char room[ZSET_MEMBER_ROOM], text[ZSET_SCORE_TEXT_MAX];
    struct buffer pairs = {0};
    struct listpack_run run;
    size_t in_room = zset_listpack_room(listpack, room);
    listpack_init(&pairs);
    check(listpack_run_begin(&run, &pairs, listpack.length + listpack_count(listpack) * DUMPED_PAIR_MAX));
    for (const uint8_t *at = first_pair(listpack); at != NULL; at = listpack_next(at)) {
        struct pair pair = pair_at(at);
        listpack_run_add(&run, member_of(&pair, room, in_room));
        listpack_run_add(&run, zset_score_text(score_of(&pair), text));
    }
    listpack_run_end(&run);
    listpack_dump(out, buffer_bytes(&pairs));
    buffer_deinit(&pairs);
}
