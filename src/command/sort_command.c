/* SPDX-License-Identifier: BSD-3-Clause */
/* SORT and SORT_RO. The elements are copied out of the collection, given what they are compared by, sorted, and told or
 * stored as a list. Meanwhile SORT lets go of its keys. BY and GET name other keys, which cannot be known before the elements
 * are: then it begins with all keys held, claims those that may be meant, by what their names have around the star, and looks
 * at one after the other; a cold one is read at once. */
#define _GNU_SOURCE /* qsort_r */
#include "command/dispatch.h"

#include "base/memory.h"
#include "command/args.h"
#include "command/claims.h"
#include "command/effects.h"
#include "command/notify.h"
#include "command/sort_lookup.h"
#include "object/list_object.h"
#include "object/string_object.h"
#include "resp/error_text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* One element. Texts lie in the sorting's 'texts' until they are all there. */
struct sort_item {
    size_t element, element_length;
    size_t weight, weight_length; /* what BY found */
    bool has_weight;
    double score;
};

struct sorting {
    struct execution *x;
    bool readonly, descending, alpha, has_by, keeps_order;
    bool is_refused; /* replied with an error */
    struct bytes by;
    int64_t first, count; /* LIMIT */
    size_t gets;          /* GET options, found again among the arguments */
    struct bytes store;   /* data NULL: none */
    struct buffer texts;
    struct sort_item *items;
    size_t item_count, item_capacity;
    size_t skipped, wanted; /* elements in front of those that are taken, and how many are */
    struct sort_lookup lookup;
};

/* ---- options ---- */

/* How many words follow the option's; 0 if it is none that takes any. */
static size_t sort_option_words(struct bytes word, bool readonly)
{
    if (arg_is(word, "LIMIT"))
        return 2;
    return arg_is(word, "BY") || arg_is(word, "GET") || (!readonly && arg_is(word, "STORE"));
}

static bool sort_more_keys(const struct bytes *argv, size_t argc,
                           void (*add)(void *context, size_t index, uint16_t flags), void *context)
{
    size_t destination = 0;
    for (size_t i = 2; i < argc; i++) {
        size_t words = sort_option_words(argv[i], false);
        if (arg_is(argv[i], "STORE") && i + 1 < argc)
            destination = i + 1;
        i += words;
    }
    if (destination > 0)
        add(context, destination, KEY_OW | KEY_UPDATE);
    return true;
}

/* Without other keys to look at, the collection and the destination are all. */
static bool sort_holds_all(const struct bytes *argv, size_t argc)
{
    for (size_t i = 2; i < argc; i++) {
        bool leads_on = arg_is(argv[i], "BY") || arg_is(argv[i], "GET");
        if (leads_on && i + 1 < argc && memchr(argv[i + 1].data, '*', argv[i + 1].length))
            return true;
        i += sort_option_words(argv[i], false);
    }
    return false;
}

static bool is_sort_flag(struct bytes word)
{
    return arg_is(word, "ASC") || arg_is(word, "DESC") || arg_is(word, "ALPHA");
}

static void take_flag(struct sorting *sorting, struct bytes word)
{
    if (arg_is(word, "ALPHA"))
        sorting->alpha = true;
    else
        sorting->descending = arg_is(word, "DESC");
}

static bool take_option(struct sorting *sorting, const struct bytes *words)
{
    struct execution *x = sorting->x;
    if (arg_is(words[0], "LIMIT"))
        return arg_int64(x, words[1], &sorting->first) && arg_int64(x, words[2], &sorting->count);
    if (arg_is(words[0], "BY")) {
        sorting->has_by = true;
        sorting->by = words[1];
        /* Redis lets no later BY undo this. */
        sorting->keeps_order |= !memchr(words[1].data, '*', words[1].length);
    } else if (arg_is(words[0], "GET")) {
        sorting->gets++;
    } else {
        sorting->store = words[1];
    }
    return true;
}

/* Replies and returns false if the options are not well-formed. */
static bool sort_parse(struct sorting *sorting)
{
    struct execution *x = sorting->x;
    for (size_t i = 2; i < x->argc; i++) {
        size_t words = sort_option_words(x->argv[i], sorting->readonly);
        if ((words == 0 && !is_sort_flag(x->argv[i])) || i + words >= x->argc) {
            reply_syntax_error(x);
            return false;
        }
        if (words == 0)
            take_flag(sorting, x->argv[i]);
        else if (!take_option(sorting, x->argv + i))
            return false;
        i += words;
    }
    return true;
}

/* ---- elements ---- */

static bool take_element(void *context, struct bytes element)
{
    struct sorting *sorting = context;
    if (sorting->skipped > 0) {
        sorting->skipped--;
        return true;
    }
    if (sorting->item_count == sorting->item_capacity) {
        sorting->item_capacity = sorting->item_capacity ? sorting->item_capacity * 2 : 64;
        sorting->items = memory_resize(sorting->items, sorting->item_capacity * sizeof(*sorting->items));
    }
    sorting->items[sorting->item_count++] =
        (struct sort_item){.element = sorting->texts.length, .element_length = element.length};
    buffer_append_bytes(&sorting->texts, element);
    return sorting->item_count < sorting->wanted;
}

static struct bytes element_of(const struct sorting *sorting, const struct sort_item *item)
{
    return bytes_of(sorting->texts.data + item->element, item->element_length);
}

static struct bytes weight_of(const struct sorting *sorting, const struct sort_item *item)
{
    return bytes_of(sorting->texts.data + item->weight, item->weight_length);
}

/* ---- other keys ---- */

/* Lets go of everything while the keys that BY and GET may mean stay as they are, or of the sort's own if these mean none. */
static void let_go(struct sorting *sorting, size_t elements)
{
    struct execution *x = sorting->x;
    struct name_claim *names = memory_allocate(x->argc * sizeof(*names));
    size_t count = 0;
    for (size_t i = 2; i < x->argc; i++) {
        bool is_pattern = arg_is(x->argv[i], "BY") || arg_is(x->argv[i], "GET");
        struct sort_pattern pattern = is_pattern ? sort_pattern_of(x->argv[i + 1]) : (struct sort_pattern){0};
        if (pattern.has_star)
            names[count++] = (struct name_claim){.begin = pattern.begin, .end = pattern.end, .db = x->db};
        i += sort_option_words(x->argv[i], sorting->readonly);
    }
    if (count == 0)
        execution_let_go(x, elements);
    else if (elements >= CLAIMS_WORK_MIN)
        execution_let_go_of_all(x, names, count);
    memory_free(names);
}

/* The same value may be found for any number of elements, so there is more of it than of what is sorted. Replies and
 * returns false beyond what a reply may take. */
static bool found_fits(struct sorting *sorting, size_t bytes)
{
    struct execution *x = sorting->x;
    int64_t bytes_max = __atomic_load_n(&x->engine->reply_bytes_max, __ATOMIC_RELAXED);
    if (bytes_max == 0 || bytes <= (size_t)bytes_max)
        return true;
    if (!sorting->is_refused)
        reply_error(x->reply, "ERR what BY and GET find is longer than reply-bytes-max allows");
    sorting->is_refused = true;
    return false;
}

static void find_weights(struct sorting *sorting)
{
    struct buffer element = {0};
    struct sort_pattern pattern = sort_pattern_of(sorting->by);
    size_t before = sorting->texts.length;
    for (size_t i = 0; i < sorting->item_count && found_fits(sorting, sorting->texts.length - before); i++) {
        struct sort_item *item = &sorting->items[i];
        element.length = 0;
        buffer_reserve(&element, 1);
        buffer_append_bytes(&element, element_of(sorting, item));
        item->weight = sorting->texts.length;
        item->has_weight = sort_lookup(&sorting->lookup, &pattern, buffer_bytes(&element), &sorting->texts);
        item->weight_length = sorting->texts.length - item->weight;
    }
    buffer_deinit(&element);
}

/* ---- order ---- */

/* As strtod reads it, blanks in front and hexadecimal digits included; nothing is 0. */
static bool to_score(struct bytes text, double *score)
{
    char copy[512], *end;
    if (text.length >= sizeof(copy))
        return false;
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    errno = 0;
    *score = strtod(copy, &end);
    return *end == '\0' && errno != ERANGE && !isnan(*score);
}

static bool find_scores(struct sorting *sorting)
{
    for (size_t i = 0; i < sorting->item_count; i++) {
        struct sort_item *item = &sorting->items[i];
        bool counts = !sorting->has_by || item->has_weight;
        struct bytes text = sorting->has_by ? weight_of(sorting, item) : element_of(sorting, item);
        if (counts && !to_score(text, &item->score)) {
            reply_error(sorting->x->reply, "ERR One or more scores can't be converted into double");
            return false;
        }
    }
    return true;
}

static int compare_weights(const struct sorting *sorting, const struct sort_item *a, const struct sort_item *b)
{
    if (!sorting->has_by)
        return bytes_compare(element_of(sorting, a), element_of(sorting, b));
    if (a->has_weight && b->has_weight)
        return bytes_compare(weight_of(sorting, a), weight_of(sorting, b));
    return a->has_weight - b->has_weight;
}

static int compare_items(const void *left, const void *right, void *context)
{
    const struct sorting *sorting = context;
    const struct sort_item *a = left, *b = right;
    int order = 0;
    if (sorting->alpha)
        order = compare_weights(sorting, a, b);
    else if (a->score != b->score)
        order = a->score < b->score ? -1 : 1;
    else
        order = bytes_compare(element_of(sorting, a), element_of(sorting, b));
    return sorting->descending ? -order : order;
}

static void turn_items(struct sorting *sorting)
{
    for (size_t i = 0, j = sorting->item_count; i + 1 < j; i++) {
        struct sort_item item = sorting->items[i];
        sorting->items[i] = sorting->items[--j];
        sorting->items[j] = item;
    }
}

/* LIMIT of so many elements. */
static void apply_limit(const struct sorting *sorting, size_t elements, size_t *first, size_t *end)
{
    int64_t length = (int64_t)elements;
    int64_t from = sorting->first < 0 ? 0 : sorting->first > length ? length : sorting->first;
    int64_t count = sorting->count < 0 || sorting->count > length - from ? length - from : sorting->count;
    *first = (size_t)from;
    *end = (size_t)(from + count);
}

/* Of those that keep their order no more are copied than LIMIT lets through: it is done then. */
static void take_limited(struct sorting *sorting, const struct object *collection)
{
    size_t elements = object_count(collection), first, end;
    bool turns = sorting->descending && collection->type != OBJECT_SET;
    apply_limit(sorting, elements, &first, &end);
    sorting->skipped = turns ? elements - end : first;
    sorting->wanted = end - first;
    sorting->first = 0;
    sorting->count = -1;
    if (sorting->wanted > 0)
        object_each(collection, take_element, sorting);
    if (turns)
        turn_items(sorting);
}

/* Gathers and sorts; false, and replied, if they cannot be compared. */
static bool sort_items(struct sorting *sorting, const struct object *collection)
{
    /* What has no order of its own gets one where it would be stored. */
    bool must_order = sorting->keeps_order && collection->type == OBJECT_SET && sorting->store.data;
    if (must_order) {
        sorting->alpha = true;
        sorting->has_by = false;
    }
    if (sorting->keeps_order && !must_order) {
        take_limited(sorting, collection);
        return true;
    }
    sorting->wanted = SIZE_MAX;
    object_each(collection, take_element, sorting);
    if (sorting->has_by)
        find_weights(sorting);
    if (sorting->is_refused || (!sorting->alpha && !find_scores(sorting)))
        return false;
    if (sorting->item_count > 0)
        qsort_r(sorting->items, sorting->item_count, sizeof(*sorting->items), compare_items, sorting);
    return true;
}

/* ---- the result ---- */

/* Calls 'take' for every value of the result; has is false where GET found nothing. */
static void each_result(struct sorting *sorting, void (*take)(void *context, bool has, struct bytes value),
                        void *context)
{
    struct execution *x = sorting->x;
    struct buffer found = {0};
    size_t first, end;
    buffer_reserve(&found, 1);
    apply_limit(sorting, sorting->item_count, &first, &end);
    for (size_t i = first; i < end; i++) {
        struct bytes element = element_of(sorting, &sorting->items[i]);
        if (sorting->gets == 0)
            take(context, true, element);
        for (size_t j = 2; j < x->argc && sorting->gets > 0; j++) {
            if (arg_is(x->argv[j], "GET")) {
                struct sort_pattern pattern = sort_pattern_of(x->argv[j + 1]);
                found.length = 0;
                bool has = sort_lookup(&sorting->lookup, &pattern, element, &found);
                take(context, has, buffer_bytes(&found));
            }
            j += sort_option_words(x->argv[j], sorting->readonly);
        }
    }
    buffer_deinit(&found);
}

static void reply_result(void *context, bool has, struct bytes value)
{
    struct execution *x = context;
    if (has)
        reply_bulk(x->reply, value);
    else
        reply_null(x->reply);
}

struct stored {
    struct sorting *sorting;
    struct object list;
    struct buffer room;
    size_t found_bytes; /* by GET */
};

static void push_result(void *context, bool has, struct bytes value)
{
    struct stored *stored = context;
    stored->found_bytes += stored->sorting->gets > 0 ? value.length : 0;
    if (found_fits(stored->sorting, stored->found_bytes))
        list_object_push(&stored->list, &stored->room, LIST_TAIL, has ? value : BYTES(""));
}

/* To give much memory back takes long: before the keys are held again. */
static void forget_items(struct sorting *sorting)
{
    buffer_deinit(&sorting->texts);
    memory_free(sorting->items);
    sorting->items = NULL;
}

static void store_result(struct sorting *sorting)
{
    struct execution *x = sorting->x;
    const struct key *destination = &x->keys[x->key_count - 1];
    struct stored stored = {.sorting = sorting, .list = object_empty(OBJECT_LIST)};
    each_result(sorting, push_result, &stored);
    forget_items(sorting);
    execution_hold_again(x);
    if (sorting->is_refused) {
        object_release(&stored.list);
        buffer_deinit(&stored.room);
        return;
    }
    size_t length = list_object_length(&stored.list);
    struct entry *old = lookup_write(x, destination);
    if (length > 0) {
        store(x, destination, old, &stored.list, ENTRY_NO_EXPIRE);
        notify(x, NOTIFY_LIST, "sortstore", destination);
    } else if (old) {
        delete_key(x, destination, old);
        notify(x, NOTIFY_GENERIC, "del", destination);
    }
    buffer_deinit(&stored.room);
    reply_integer(x->reply, (int64_t)length);
}

static void sort_generic(struct execution *x, bool readonly)
{
    struct sorting sorting = {.x = x, .lookup.x = x, .readonly = readonly, .count = -1};
    if (!sort_parse(&sorting))
        return;
    struct entry *entry = lookup_read(x, &x->keys[0]);
    int type = entry ? entry_type(entry) : OBJECT_LIST;
    if (type != OBJECT_LIST && type != OBJECT_SET && type != OBJECT_ZSET) {
        reply_error(x->reply, ERROR_WRONG_TYPE);
        return;
    }
    struct object collection = entry ? entry_object(entry) : object_empty(OBJECT_LIST);
    buffer_reserve(&sorting.texts, 1);
    let_go(&sorting, object_count(&collection));
    if (sort_items(&sorting, &collection)) {
        size_t first, end;
        apply_limit(&sorting, sorting.item_count, &first, &end);
        if (sorting.store.data) {
            store_result(&sorting);
        } else {
            reply_array(x->reply, (end - first) * (sorting.gets ? sorting.gets : 1));
            each_result(&sorting, reply_result, x);
        }
    }
    forget_items(&sorting);
    sort_lookup_deinit(&sorting.lookup);
}

static void sort_command(struct execution *x)
{
    sort_generic(x, false);
}

static void sort_ro_command(struct execution *x)
{
    sort_generic(x, true);
}

/* ---- the table ---- */

#define SORT_ARGUMENTS                                                                                                 \
    ARG_KEY("key"), ARG_OPTION("by-pattern", "BY", ARGUMENT_PATTERN, NULL),                                            \
        {.name = "limit",                                                                                              \
         .type = ARGUMENT_BLOCK,                                                                                       \
         .token = "LIMIT",                                                                                             \
         .flags = ARGUMENT_OPTIONAL,                                                                                   \
         .children = ARGUMENTS(ARG_INTEGER("offset"), ARG_INTEGER("count"))},                                          \
        {.name = "get-pattern",                                                                                        \
         .type = ARGUMENT_PATTERN,                                                                                     \
         .token = "GET",                                                                                               \
         .flags = ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE | ARGUMENT_MULTIPLE_TOKEN},                                    \
        {.name = "order",                                                                                              \
         .type = ARGUMENT_ONEOF,                                                                                       \
         .flags = ARGUMENT_OPTIONAL,                                                                                   \
         .children = ARGUMENTS(ARG_TOKEN("asc", "ASC"), ARG_TOKEN("desc", "DESC"))},                                   \
        ARG_FLAG("sorting", "ALPHA")

const struct command sort_commands[] = {
    {
        .name = "SORT",
        .run = sort_command,
        .arity = -2,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_DANGEROUS | COMMAND_ALL_KEYS,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "generic",
        .since = "1.0.0",
        .complexity = "O(N+M*log(M)), when N is the number of elements and M how many are returned; O(N) unsorted",
        .summary = "Sorts the elements of a list, set or sorted set; may store the result.",
        .arguments = ARGUMENTS(
            SORT_ARGUMENTS,
            {.name = "destination", .type = ARGUMENT_KEY, .token = "STORE", .flags = ARGUMENT_OPTIONAL, .key_spec = 2}),
        .more_keys = sort_more_keys,
        .holds_all = sort_holds_all,
    },
    {
        .name = "SORT_RO",
        .run = sort_ro_command,
        .arity = -2,
        .flags = COMMAND_READONLY | COMMAND_DANGEROUS | COMMAND_MOVABLEKEYS | COMMAND_ALL_KEYS,
        .keys = {KEY_ONE(1, KEY_RO | KEY_ACCESS)},
        .group = "generic",
        .since = "7.0.0",
        .complexity = "O(N+M*log(M)), when N is the number of elements and M how many are returned; O(N) unsorted",
        .summary = "Returns the sorted elements of a list, set or sorted set.",
        .holds_all = sort_holds_all,
        .arguments = ARGUMENTS(SORT_ARGUMENTS),
    },
    {.name = NULL},
};
