/* SPDX-License-Identifier: BSD-3-Clause */
/* An effect is decoded as replay does, which takes one form only (feed_check.c), so that what is gathered can be logged as it
 * is. Whatever is not understood here ends what is gathered, and is looked at by who executes it. */
#include "command/feed_gather.h"

#include <string.h>

#include "base/memory.h"
#include "stream/effect.h"

#define WORDS_AT_FIRST 1024
#define KEPT_OUT (COMMAND_SCRIPT | COMMAND_ALL_KEYS | COMMAND_WALKS | COMMAND_BLOCKING | COMMAND_MOVABLEKEYS)

enum gathered_kind { KIND_OTHER, KIND_EFFECT, KIND_SELECT, KIND_MULTI, KIND_EXEC };

static bool is_word(const struct effect *effect, const char *word)
{
    return bytes_equal_text(effect->words[0], word);
}

static bool selects(const struct effect *effect, int32_t *db)
{
    int64_t number;
    if (effect->count != 2 || !bytes_equal(effect->words[0], BYTES("SELECT")) ||
        !bytes_to_int64(effect->words[1], &number) || number < 0 || number >= DATABASE_COUNT)
        return false;
    *db = (int32_t)number;
    return true;
}

/* Exactly one key, the first word behind the name. */
static bool has_one_key(const struct command_entry *command, const struct effect *effect)
{
    return (command->flags & (COMMAND_WRITE | KEPT_OUT)) == COMMAND_WRITE && effect->count > 1 &&
           (command->simple_key || (command->first_key == 1 && command->key_step == 1 && effect->count == 2));
}

static enum gathered_kind kind_of(const struct effect *effect, const struct command_entry **command, int32_t *db)
{
    if (effect->count == 1 && is_word(effect, "multi"))
        return KIND_MULTI;
    if (effect->count == 1 && is_word(effect, "exec"))
        return KIND_EXEC;
    if (selects(effect, db))
        return KIND_SELECT;
    *command = command_resolve(effect->words, effect->count);
    return *command && has_one_key(*command, effect) ? KIND_EFFECT : KIND_OTHER;
}

/* Nothing that is larger is gathered, nor is it looked through more than once. */
static bool read_next(struct bytes input, size_t at, struct effect *effect, size_t *length)
{
    size_t window = input.length < GATHERED_BYTES_MAX ? input.length : GATHERED_BYTES_MAX;
    return at < window && effect_decode(bytes_of(input.data + at, window - at), effect, length);
}

static void add(struct gathered *gathered, const struct keyspace *keyspace, const struct command_entry *command,
                const struct effect *effect, size_t end)
{
    if (gathered->word_count + effect->count > gathered->word_capacity) {
        uint32_t doubled = gathered->word_capacity ? 2 * gathered->word_capacity : WORDS_AT_FIRST;
        uint32_t needed = gathered->word_count + effect->count;
        gathered->word_capacity = doubled > needed ? doubled : needed;
        gathered->words = memory_resize(gathered->words, gathered->word_capacity * sizeof(struct bytes));
    }
    memcpy(gathered->words + gathered->word_count, effect->words, effect->count * sizeof(struct bytes));
    gathered->effects[gathered->count++] =
        (struct gathered_effect){.command = command,
                                 .key = keyspace_key(keyspace, effect->words[1], gathered->db),
                                 .first_word = gathered->word_count,
                                 .word_count = effect->count,
                                 .end = (uint32_t)end};
    gathered->word_count += effect->count;
}

/* The input may go while the effects are executed. */
static void copy_bytes(struct gathered *gathered, struct bytes input)
{
    gathered->bytes.length = 0;
    buffer_append_bytes(&gathered->bytes, input);
    for (uint32_t i = 0; i < gathered->word_count; i++)
        gathered->words[i].data = gathered->bytes.data + (gathered->words[i].data - input.data);
    for (uint32_t i = 0; i < gathered->count; i++)
        gathered->effects[i].key.name = gathered->words[gathered->effects[i].first_word + 1];
}

static void sort_by_partition(struct gathered *gathered)
{
    uint16_t next[PARTITION_COUNT];
    memset(gathered->begins, 0, sizeof(gathered->begins));
    for (uint32_t i = 0; i < gathered->count; i++)
        gathered->begins[key_partition(&gathered->effects[i].key) + 1]++;
    for (uint32_t i = 0; i < PARTITION_COUNT; i++) {
        next[i] = gathered->begins[i];
        gathered->begins[i + 1] = (uint16_t)(gathered->begins[i + 1] + gathered->begins[i]);
    }
    for (uint32_t i = 0; i < gathered->count; i++)
        gathered->order[next[key_partition(&gathered->effects[i].key)]++] = (uint16_t)i;
}

bool gather_effects(struct gathered *gathered, const struct keyspace *keyspace, struct bytes input, int32_t db,
                    uint32_t least)
{
    struct effect effect;
    const struct command_entry *command = NULL;
    size_t at = 0, length;
    if (!gathered->effects)
        gathered->effects = memory_allocate(GATHERED_EFFECTS_MAX * sizeof(*gathered->effects));
    gathered->count = gathered->word_count = 0;
    gathered->db = db;
    effect_init(&effect);
    while (gathered->count < GATHERED_EFFECTS_MAX && read_next(input, at, &effect, &length)) {
        enum gathered_kind kind = kind_of(&effect, &command, &gathered->db);
        if (kind == KIND_EFFECT)
            add(gathered, keyspace, command, &effect, at + length);
        else if (kind != KIND_SELECT)
            break;
        at += length;
    }
    effect_deinit(&effect);
    if (gathered->count == 0 || gathered->count < least)
        return false;
    copy_bytes(gathered, bytes_of(input.data, at));
    sort_by_partition(gathered);
    return true;
}

size_t gather_begin(struct bytes input, uint32_t least)
{
    struct effect effect;
    const struct command_entry *command = NULL;
    size_t at = 0, begin = 0, length;
    uint32_t count = 0;
    int32_t db;
    bool in_bracket = false;
    effect_init(&effect);
    while (count < least && read_next(input, at, &effect, &length)) {
        enum gathered_kind kind = kind_of(&effect, &command, &db);
        at += length;
        in_bracket = kind == KIND_MULTI || (in_bracket && kind != KIND_EXEC);
        if (in_bracket || kind == KIND_OTHER || kind == KIND_EXEC || kind == KIND_MULTI) {
            count = 0;
            begin = at;
        } else {
            count += kind == KIND_EFFECT;
        }
    }
    effect_deinit(&effect);
    return count > 0 && count >= least ? begin : input.length;
}

void gathered_deinit(struct gathered *gathered)
{
    buffer_deinit(&gathered->bytes);
    memory_free(gathered->effects);
    memory_free(gathered->words);
    *gathered = (struct gathered){0};
}
