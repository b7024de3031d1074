/* SPDX-License-Identifier: BSD-3-Clause */
#include "command/member_scan.h"

#include "base/memory.h"
#include "command/args.h"
#include "resp/error_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#define COUNT_DEFAULT 10

bool scan_parse_cursor(struct bytes word, uint64_t *cursor)
{
    char text[32], *end;
    if (word.length >= sizeof(text) || (word.length > 0 && isspace((unsigned char)word.data[0])))
        return false;
    memcpy(text, word.data, word.length);
    text[word.length] = '\0';
    errno = 0;
    *cursor = strtoull(text, &end, 10);
    return *end == '\0' && errno != ERANGE;
}

bool member_scan_parse_cursor(struct execution *x, struct member_scan *scan)
{
    *scan = (struct member_scan){.count = COUNT_DEFAULT};
    if (scan_parse_cursor(x->argv[2], &scan->cursor))
        return true;
    reply_error(x->reply, ERROR_CURSOR);
    return false;
}

bool member_scan_parse_options(struct execution *x, bool knows_no_values, struct member_scan *scan)
{
    for (size_t i = 3; i < x->argc; i++) {
        bool has_value = i + 1 < x->argc;
        if (has_value && arg_is(x->argv[i], "COUNT")) {
            if (!arg_int64(x, x->argv[++i], &scan->count))
                return false;
        } else if (has_value && arg_is(x->argv[i], "MATCH")) {
            struct bytes pattern = x->argv[++i];
            scan->pattern = pattern;
            if (bytes_equal(pattern, BYTES("*")))
                scan->pattern = (struct bytes){0};
        } else if (knows_no_values && arg_is(x->argv[i], "NOVALUES")) {
            scan->no_values = true;
        } else {
            scan->count = 0;
        }
        if (scan->count < 1) {
            reply_syntax_error(x);
            return false;
        }
    }
    return true;
}

void member_scan_reply_cursor(struct execution *x, uint64_t cursor)
{
    reply_array(x->reply, 2);
    reply_bulk_integer(x->reply, (int64_t)cursor);
}

void member_scan_reply_empty(struct execution *x)
{
    member_scan_reply_cursor(x, 0);
    reply_array(x->reply, 0);
}

static void list_member(void *context, struct member *member)
{
    struct member_list *list = context;
    if (!member_scan_matches(list->scan, member_name(member)))
        return;
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 64;
        list->members = memory_resize(list->members, list->capacity * sizeof(struct member *));
    }
    list->members[list->count++] = member;
}

uint64_t member_scan_table(const struct member_scan *scan, const struct member_table *table, struct member_list *list)
{
    *list = (struct member_list){.scan = scan};
    return member_table_scan(table, scan->cursor, (size_t)scan->count, list_member, list);
}
