/* SPDX-License-Identifier: BSD-3-Clause */
#include "command/script_private.h"

const char *const script_flag_names[] = {"no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys",
                                         NULL};

uint32_t script_flag_of(struct bytes name)
{
    for (int i = 0; script_flag_names[i]; i++)
        if (bytes_equal(name, bytes_of_text(script_flag_names[i])))
            return 1u << i;
    return 0;
}

static struct bytes word_until(struct bytes *text, char end)
{
    const char *at = memchr(text->data, end, text->length);
    struct bytes word = {text->data, at ? (size_t)(at - text->data) : text->length};
    size_t taken = word.length + (at ? 1 : 0);
    *text = bytes_of(text->data + taken, text->length - taken);
    return word;
}

static bool parse_flags(struct bytes list, uint32_t *flags, struct buffer *error)
{
    while (list.length > 0) {
        struct bytes name = word_until(&list, ',');
        uint32_t flag = script_flag_of(name);
        if (!flag) {
            buffer_append_format(error, "ERR Unexpected flag in script shebang: %.*s", (int)name.length, name.data);
            return false;
        }
        *flags |= flag;
    }
    return true;
}

static bool parse_option(struct bytes option, uint32_t *flags, struct bytes *name, struct buffer *error)
{
    struct bytes value = option, key = word_until(&value, '=');
    if (!name && bytes_equal(key, BYTES("flags")))
        return parse_flags(value, flags, error);
    if (name && bytes_equal(key, BYTES("name"))) {
        if (name->data)
            buffer_append_text(error, "ERR Invalid metadata value, name argument was given multiple times");
        *name = value;
        return error->length == 0;
    }
    buffer_append_format(error,
                         name ? "ERR Invalid metadata value given: %.*s" : "ERR Unknown lua shebang option: %.*s",
                         (int)option.length, option.data);
    return false;
}

bool script_shebang(struct bytes code, uint32_t *flags, struct bytes *name, size_t *length, struct buffer *error)
{
    *length = 0;
    if (code.length < 2 || memcmp(code.data, "#!", 2) != 0)
        return true;
    const char *end = memchr(code.data, '\n', code.length);
    if (!end) {
        buffer_append_text(error, name ? "ERR Invalid library metadata" : "ERR Invalid script shebang");
        return false;
    }
    *length = (size_t)(end - code.data);
    struct bytes line = bytes_of(code.data, *length), engine = word_until(&line, ' ');
    if (!name && !bytes_equal(engine, BYTES("#!lua"))) {
        buffer_append_format(error, "ERR Unexpected engine in script shebang: %.*s", (int)engine.length, engine.data);
        return false;
    }
    if (name && !bytes_equal_text(engine, "#!lua")) {
        buffer_append_format(error, "ERR Engine '%.*s' not found", (int)engine.length - 2, engine.data + 2);
        return false;
    }
    while (line.length > 0) {
        struct bytes option = word_until(&line, ' ');
        if (option.length > 0 && !parse_option(option, flags, name, error))
            return false;
    }
    return true;
}
