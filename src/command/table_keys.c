/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys of a request: what the key specs of a command's row say about its words. Counts and keywords come from the client
 * and are held against the words that are there. */
#include "command/table.h"

/* The index of the first argument that a spec's search may call a key; 0 if the keyword is not there. */
static size_t spec_begin(const struct key_spec *spec, const struct bytes *argv, size_t argc)
{
    if (spec->keyword == NULL)
        return (size_t)spec->first;
    if (spec->first >= 0) {
        for (size_t i = (size_t)spec->first; i < argc; i++)
            if (bytes_equal_text(argv[i], spec->keyword))
                return i + 1;
        return 0;
    }
    size_t back = (size_t)-spec->first;
    for (size_t i = argc > back ? argc - back : 0; i > 0; i--)
        if (bytes_equal_text(argv[i], spec->keyword))
            return i + 1;
    return 0;
}

/* How far the keys of a range reach: *end is one past the last argument that may be one. */
static bool range_end(const struct key_spec *spec, size_t first, size_t argc, size_t *end)
{
    if (spec->last >= 0) {
        *end = first + (size_t)spec->last + 1;
    } else if (spec->limit > 1) {
        *end = first + (argc - first) / (size_t)spec->limit;
    } else {
        size_t spared = (size_t)(-spec->last - 1);
        if (argc < first + spared)
            return false;
        *end = argc - spared;
    }
    return *end <= argc && *end > first;
}

/* Keys that a number counts. It comes from the client: it is held against what the request has before it is used. */
static bool numbered_end(const struct key_spec *spec, const struct bytes *argv, size_t argc, size_t *first, size_t *end)
{
    size_t step = spec->step > 0 ? (size_t)spec->step : 1;
    size_t count_at = *first + (size_t)spec->count_at - 1;
    int64_t count;
    if (count_at >= argc || !bytes_to_int64(argv[count_at], &count) || count < 0)
        return false;
    *first += (size_t)spec->keys_at;
    *end = *first;
    if (count == 0)
        return true;
    if (*first >= argc || (uint64_t)count > (argc - *first + step - 1) / step)
        return false;
    *end = *first + ((size_t)count - 1) * step + 1;
    return true;
}

/* Further keys to the end of the request, of which there are none, if that is enough: the sources of a PFMERGE. */
static bool is_empty_rest(const struct command *command, const struct key_spec *spec, size_t first, size_t argc)
{
    return spec != command->keys && spec->last == -1 && first == argc && (int)argc >= -command->arity;
}

static bool spec_keys(const struct command *command, const struct key_spec *spec, const struct bytes *argv, size_t argc,
                      void (*add)(void *context, size_t index, uint16_t flags), void *context)
{
    size_t first = spec_begin(spec, argv, argc), end = 0;
    if (first == 0 || is_empty_rest(command, spec, first, argc))
        return true; /* an option that this request does not use */
    if (spec->count_at > 0) {
        if (!numbered_end(spec, argv, argc, &first, &end))
            return false;
    } else if (first >= argc || !range_end(spec, first, argc, &end)) {
        return false;
    }
    if (spec->flags & KEY_NOT_KEY)
        return true;
    size_t step = spec->step > 0 ? (size_t)spec->step : 1;
    for (size_t i = first; i < end; i += step)
        add(context, i, spec->flags);
    return true;
}

/* They tell clients what specs can tell; the keys themselves come from more_keys. */
static bool specs_are_incomplete(const struct command *row)
{
    for (int i = 0; i < KEY_SPECS_MAX; i++)
        if (row->more_keys && row->keys[i].flags & KEY_INCOMPLETE)
            return true;
    return false;
}

bool command_keys(const struct command_entry *command, const struct bytes *argv, size_t argc,
                  void (*add)(void *context, size_t index, uint16_t flags), void *context)
{
    const struct command *row = command->row;
    for (int i = 0; i < KEY_SPECS_MAX && row->keys[i].flags != 0 && !specs_are_incomplete(row); i++)
        if (!spec_keys(row, &row->keys[i], argv, argc, add, context))
            return false;
    return row->more_keys == NULL || row->more_keys(argv, argc, add, context);
}
