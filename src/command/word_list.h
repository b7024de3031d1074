/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/bytes.h"
#include "base/memory.h"

/* Borrowed words, collected by a handler to be told to the stream. Few of them need no allocation. */
#define WORD_LIST_INLINE 32

struct word_list {
    struct bytes *words;
    size_t count, capacity;
    struct bytes inline_words[WORD_LIST_INLINE];
};

static inline void word_list_init(struct word_list *list)
{
    list->words = list->inline_words;
    list->count = 0;
    list->capacity = WORD_LIST_INLINE;
}

static inline void word_list_grow(struct word_list *list)
{
    bool is_inline = list->words == list->inline_words;
    list->capacity *= 2;
    list->words = memory_resize(is_inline ? NULL : list->words, list->capacity * sizeof(*list->words));
    if (is_inline)
        memcpy(list->words, list->inline_words, sizeof(list->inline_words));
}

static inline void word_list_add(struct word_list *list, struct bytes word)
{
    if (list->count == list->capacity)
        word_list_grow(list);
    list->words[list->count++] = word;
}

static inline void word_list_deinit(struct word_list *list)
{
    if (list->words != list->inline_words)
        memory_free(list->words);
}

/* Copies of words that end before their effect is told: each length and bytes, in one buffer; listed when all are there,
 * since the buffer moves. */
static inline void word_list_keep(struct buffer *kept, struct bytes word)
{
    buffer_append(kept, &word.length, sizeof(word.length));
    buffer_append_bytes(kept, word);
}

static inline void word_list_add_kept(struct word_list *list, const struct buffer *kept)
{
    size_t at = 0, length;
    while (at < kept->length) {
        memcpy(&length, kept->data + at, sizeof(length));
        word_list_add(list, bytes_of(kept->data + at + sizeof(length), length));
        at += sizeof(length) + length;
    }
}
