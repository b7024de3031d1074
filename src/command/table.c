/* SPDX-License-Identifier: BSD-3-Clause */
/* The command table is built once, from the families' rows, and never changes: everyone reads it without a lock.
 *
 * Look-up is on the path of every request. A name of up to 24 bytes is three 64-bit words, zero-padded; a slot of
 * the hash table holds such words in lower case, with masks that have 0x20 where the name has a letter. So
 *
 *     (word | mask) == lower
 *
 * is an exact comparison that ignores the case of letters and of nothing else, without a loop over bytes. A slot is
 * one cache line, the table is at most a quarter full, and the hash is taken over words with 0x20 set in every byte,
 * which names that differ in case share.
 *
 * I1  ids are dense: 0 .. top_level_count - 1 are commands, the rest subcommands, each parent's in a row.
 * I2  what a row does not say is derived in table_derive.c and nowhere else. */
#include "command/table_private.h"

#include "base/check.h"
#include "base/memory.h"

#include <ctype.h>

#define NAME_WORDS 3
#define NAME_MAX_LENGTH (NAME_WORDS * 8)
#define SLOTS_MAX 4096

struct name_words {
    uint64_t word[NAME_WORDS];
};

struct slot {
    struct name_words lower, mask;
    uint64_t length;
    const struct command_entry *entry; /* NULL: free */
} __attribute__((aligned(64)));

static struct slot *slots;
static uint64_t slot_mask;
static unsigned slot_shift;
static struct command_entry *entries;
static uint32_t entry_count, top_level_count;

/* Families of other modules; a NULL behind the last. */
#define REGISTERED_MAX 16
static const struct command *registered[REGISTERED_MAX + 1];
static size_t registered_count;

/* ---- look-up ---- */

/* The bytes as a little-endian number; never reads past them. */
static inline uint64_t load_word(const char *data, size_t length)
{
    uint64_t word = 0;
    uint32_t low, high;
    if (length >= 8) {
        memcpy(&word, data, 8);
    } else if (length >= 4) {
        memcpy(&low, data, 4);
        memcpy(&high, data + length - 4, 4);
        word = low | (uint64_t)high << (8 * (length - 4));
    } else if (length > 0) {
        word = (uint64_t)(uint8_t)data[0] | (uint64_t)(uint8_t)data[length / 2] << (8 * (length / 2)) |
               (uint64_t)(uint8_t)data[length - 1] << (8 * (length - 1));
    }
    return word;
}

static inline struct name_words load_name(struct bytes name)
{
    struct name_words words = {{load_word(name.data, name.length), 0, 0}};
    if (name.length > 8)
        words.word[1] = load_word(name.data + 8, name.length - 8);
    if (name.length > 16)
        words.word[2] = load_word(name.data + 16, name.length - 16);
    return words;
}

/* The top bits of the product are the best mixed ones. */
static inline uint64_t slot_index(const struct name_words *words, size_t length)
{
    const uint64_t fold = UINT64_C(0x2020202020202020);
    uint64_t hash = ((words->word[0] | fold) + length) * UINT64_C(0x9E3779B97F4A7C15);
    if (length > 8)
        hash ^= ((words->word[1] | fold) + (words->word[2] | fold)) * UINT64_C(0xC2B2AE3D27D4EB4F);
    return hash >> slot_shift;
}

static inline bool slot_holds(const struct slot *slot, const struct name_words *words, size_t length)
{
    uint64_t difference = slot->length ^ length;
    for (int i = 0; i < NAME_WORDS; i++)
        difference |= (words->word[i] | slot->mask.word[i]) ^ slot->lower.word[i];
    return difference == 0;
}

static const struct command_entry *slots_find(const struct name_words *words, size_t length)
{
    uint64_t index = slot_index(words, length);
    while (slots[index].entry != NULL && !slot_holds(&slots[index], words, length))
        index = (index + 1) & slot_mask;
    return slots[index].entry;
}

const struct command_entry *command_lookup(struct bytes name)
{
    if (name.length == 0 || name.length > NAME_MAX_LENGTH)
        return NULL;
    struct name_words words = load_name(name);
    const struct slot *slot = &slots[slot_index(&words, name.length)];
    if (__builtin_expect(slot_holds(slot, &words, name.length), 1))
        return slot->entry;
    return slots_find(&words, name.length);
}

const struct command_entry *command_lookup_subcommand(const struct command_entry *parent, struct bytes name)
{
    if (parent->subcommands == NULL)
        return NULL;
    for (const struct command_entry *const *entry = parent->subcommands; *entry != NULL; entry++)
        if (bytes_equal_text(name, (*entry)->row->name))
            return *entry;
    return NULL;
}

const struct command_entry *command_resolve(const struct bytes *argv, size_t argc)
{
    if (argc == 0)
        return NULL;
    const struct command_entry *command = command_lookup(argv[0]);
    if (command == NULL || command->subcommands == NULL || argc < 2)
        return command;
    const struct command_entry *subcommand = command_lookup_subcommand(command, argv[1]);
    return subcommand != NULL ? subcommand : command;
}

const struct command_entry *command_by_full_name(struct bytes name)
{
    const char *bar = name.length > 0 ? memchr(name.data, '|', name.length) : NULL;
    if (bar == NULL)
        return command_lookup(name);
    size_t length = (size_t)(bar - name.data);
    const struct command_entry *parent = command_lookup(bytes_of(name.data, length));
    return parent == NULL ? NULL : command_lookup_subcommand(parent, bytes_of(bar + 1, name.length - length - 1));
}

uint32_t command_count(void)
{
    return entry_count;
}

uint32_t command_top_level_count(void)
{
    return top_level_count;
}

const struct command_entry *command_by_id(uint32_t id)
{
    return id < entry_count ? &entries[id] : NULL;
}

/* ---- building ---- */

static char *full_name_of(const struct command *row, const struct command_entry *parent)
{
    size_t prefix = parent != NULL ? strlen(parent->full_name) + 1 : 0, length = strlen(row->name);
    char *name = memory_allocate(prefix + length + 1);
    if (parent != NULL) {
        memcpy(name, parent->full_name, prefix - 1);
        name[prefix - 1] = '|';
    }
    for (size_t i = 0; i <= length; i++)
        name[prefix + i] = (char)tolower((unsigned char)row->name[i]);
    return name;
}

static struct command_entry *add_entry(const struct command *row, const struct command_entry *parent)
{
    check(row->run != NULL && row->arity != 0 && row->group != NULL);
    struct command_entry *entry = &entries[entry_count];
    entry->row = row;
    entry->parent = parent;
    entry->full_name = full_name_of(row, parent);
    entry->id = entry_count++;
    entry->flags = row->flags;
    entry->arity = row->arity;
    command_entry_derive(entry);
    return entry;
}

static uint32_t count_rows(const struct command *rows)
{
    uint32_t count = 0;
    while (rows[count].name != NULL)
        count++;
    return count;
}

static void add_subcommands(struct command_entry *parent)
{
    const struct command *rows = parent->row->subcommands;
    if (rows == NULL)
        return;
    const struct command_entry **list = memory_allocate_zeroed((count_rows(rows) + 1) * sizeof(*list));
    for (uint32_t i = 0; rows[i].name != NULL; i++)
        list[i] = add_entry(&rows[i], parent);
    parent->subcommands = list;
}

static void slot_insert(const struct command_entry *entry)
{
    struct bytes name = bytes_of_text(entry->full_name);
    check(name.length <= NAME_MAX_LENGTH && command_lookup(name) == NULL);
    char letters[NAME_MAX_LENGTH];
    for (size_t i = 0; i < name.length; i++)
        letters[i] = isalpha((unsigned char)name.data[i]) ? 0x20 : 0;
    struct name_words words = load_name(name);
    uint64_t index = slot_index(&words, name.length);
    while (slots[index].entry != NULL)
        index = (index + 1) & slot_mask;
    slots[index] = (struct slot){words, load_name(bytes_of(letters, name.length)), name.length, entry};
}

/* The slots lie on whole cache lines within a somewhat larger block, which lives as long as the process. */
static void allocate_slots(void)
{
    uint64_t count = 16;
    while (count < 4 * (uint64_t)top_level_count)
        count *= 2;
    check(count <= SLOTS_MAX);
    char *block = memory_allocate_zeroed((size_t)(count + 1) * sizeof(*slots));
    slots = (struct slot *)(((uintptr_t)block + 63) & ~(uintptr_t)63);
    slot_mask = count - 1;
    slot_shift = 64 - (unsigned)__builtin_ctzll(count);
}

/* Those of this folder come first. NULL behind the last one. */
static const struct command *family_at(size_t index)
{
    size_t own = 0;
    while (own < index && command_families[own] != NULL)
        own++;
    return command_families[own] != NULL ? command_families[own] : registered[index - own];
}

void command_family_register(const struct command *family)
{
    check(entries == NULL && registered_count < REGISTERED_MAX);
    registered[registered_count++] = family;
}

void command_table_setup(void)
{
    check(entries == NULL);
    uint32_t total = 0;
    for (size_t i = 0; family_at(i) != NULL; i++)
        for (const struct command *row = family_at(i); row->name != NULL; row++)
            total += 1 + (row->subcommands != NULL ? count_rows(row->subcommands) : 0);
    entries = memory_allocate_zeroed(total * sizeof(*entries));
    for (size_t i = 0; family_at(i) != NULL; i++)
        for (const struct command *row = family_at(i); row->name != NULL; row++)
            add_entry(row, NULL);
    top_level_count = entry_count;
    allocate_slots();
    for (uint32_t id = 0; id < top_level_count; id++) {
        slot_insert(&entries[id]);
        add_subcommands(&entries[id]);
    }
    check(entry_count == total);
}
