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
 * I2  what a row does not say is derived here and nowhere else: the legacy key triple, movablekeys, categories. */
#include "command/table.h"

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

/* Of this folder; other modules add theirs before the table is made. */
#define FAMILIES_MAX 64
/* clang-format off */
static const struct command *families[FAMILIES_MAX] = {
    zset_commands,
    zset_range_commands,
    zset_pop_commands,
    zset_store_commands,
    zset_scan_commands,
    geo_commands,
    geo_search_commands,
    string_commands,
    bitmap_commands,
    hyperloglog_commands,
    list_commands,
    list_index_commands,
    list_wait_commands,
    stream_commands,
    stream_read_commands,
    stream_group_commands,
    stream_claim_commands,
    stream_info_commands,
    key_commands,
    transaction_commands,
    connection_commands,
    server_commands,
    command_commands,
    standalone_commands,
    pubsub_commands,
    set_commands,
    set_walk_commands,
    set_algebra_commands,
    script_commands,
    function_commands,
    hash_commands,
    hash_walk_commands,
    hash_expiry_commands,
    hash_getex_commands,
};
/* clang-format on */

const char *const acl_category_names[] = {
    "keyspace", "read",        "write",      "set",         "sortedset", "list",  "hash", "string",
    "bitmap",   "hyperloglog", "geo",        "stream",      "pubsub",    "admin", "fast", "slow",
    "blocking", "dangerous",   "connection", "transaction", "scripting", NULL,
};

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

/* ---- keys of a request ---- */

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

bool command_keys(const struct command_entry *command, const struct bytes *argv, size_t argc,
                  void (*add)(void *context, size_t index, uint16_t flags), void *context)
{
    const struct command *row = command->row;
    for (int i = 0; i < KEY_SPECS_MAX && row->keys[i].flags != 0; i++)
        if (!spec_keys(row, &row->keys[i], argv, argc, add, context))
            return false;
    return row->more_keys == NULL || row->more_keys(argv, argc, add, context);
}

/* ---- what a row implies ---- */

/* A container that does nothing by itself is in no category but @slow: its subcommands have their own. */
static bool is_mere_container(const struct command *row)
{
    return row->subcommands != NULL && row->arity < -1;
}

static const struct {
    const char *group;
    uint64_t category;
} group_categories[] = {
    {"generic", ACL_KEYSPACE},
    {"string", ACL_STRING},
    {"list", ACL_LIST},
    {"set", ACL_SET},
    {"sorted-set", ACL_SORTEDSET},
    {"hash", ACL_HASH},
    {"bitmap", ACL_BITMAP},
    {"hyperloglog", ACL_HYPERLOGLOG},
    {"geo", ACL_GEO},
    {"stream", ACL_STREAM},
    {"connection", ACL_CONNECTION},
    {"transactions", ACL_TRANSACTION},
    {"scripting", ACL_SCRIPTING},
};

/* What stands elsewhere than its group says. A container's row counts for its subcommands too. */
static const struct {
    const char *name;
    uint64_t categories; /* instead of the group's */
} category_exceptions[] = {
    {"asking", ACL_CONNECTION},
    {"command", ACL_CONNECTION},
    {"dbsize", ACL_KEYSPACE},
    {"flushall", ACL_KEYSPACE},
    {"flushdb", ACL_KEYSPACE},
    {"lastsave", ACL_ADMIN | ACL_DANGEROUS},
    {"readonly", ACL_CONNECTION},
    {"readwrite", ACL_CONNECTION},
    {"role", ACL_ADMIN | ACL_DANGEROUS},
    {"sort", ACL_SET | ACL_SORTEDSET | ACL_LIST},
    {"sort_ro", ACL_SET | ACL_SORTEDSET | ACL_LIST},
    {"swapdb", ACL_KEYSPACE},
    {"wait", ACL_CONNECTION},
    {"waitaof", ACL_CONNECTION},
};

static uint64_t categories_of_group(const struct command_entry *entry)
{
    const char *name = entry->parent != NULL ? entry->parent->full_name : entry->full_name;
    for (size_t i = 0; i < sizeof(category_exceptions) / sizeof(category_exceptions[0]); i++)
        if (strcmp(category_exceptions[i].name, name) == 0)
            return category_exceptions[i].categories;
    for (size_t i = 0; i < sizeof(group_categories) / sizeof(group_categories[0]); i++)
        if (strcmp(group_categories[i].group, entry->row->group) == 0)
            return group_categories[i].category;
    return 0;
}

static uint64_t categories_of_flags(uint32_t flags, bool scripting)
{
    uint64_t categories = flags & COMMAND_FAST ? ACL_FAST : ACL_SLOW;
    if (flags & COMMAND_WRITE)
        categories |= ACL_WRITE;
    if (flags & COMMAND_READONLY && !scripting)
        categories |= ACL_READ;
    if (flags & COMMAND_ADMIN)
        categories |= ACL_ADMIN | ACL_DANGEROUS;
    if (flags & COMMAND_DANGEROUS)
        categories |= ACL_DANGEROUS;
    if (flags & COMMAND_PUBSUB)
        categories |= ACL_PUBSUB;
    if (flags & COMMAND_BLOCKING)
        categories |= ACL_BLOCKING;
    return categories;
}

static uint64_t entry_categories(const struct command_entry *entry)
{
    if (is_mere_container(entry->row))
        return ACL_SLOW;
    uint64_t of_group = categories_of_group(entry);
    return of_group | categories_of_flags(entry->row->flags, of_group == ACL_SCRIPTING);
}

/* A spec that the legacy triple can say something of: a range from a fixed place. */
static bool spec_is_plain(const struct key_spec *spec)
{
    return spec->first > 0 && spec->keyword == NULL && spec->count_at == 0;
}

/* The triple that Redis had before key specs: one range that covers what it can of the plain specs; what it cannot
 * makes the command's keys movable. Ranges may be joined if they are dense and one begins where the last ended. */
static void derive_legacy_keys(struct command_entry *entry)
{
    const struct command *row = entry->row;
    int first = 0, last = 0;
    bool movable = row->more_keys != NULL, names_channels = false;
    for (int i = 0; i < KEY_SPECS_MAX && row->keys[i].flags != 0; i++) {
        const struct key_spec *spec = &row->keys[i];
        int end = spec->last < 0 ? spec->last : spec->first + spec->last;
        int step = spec->step > 0 ? spec->step : 1;
        names_channels = names_channels || spec->flags & KEY_NOT_KEY;
        if (!spec_is_plain(spec)) {
            movable = true;
        } else if (first == 0) {
            first = spec->first;
            last = end;
            entry->key_step = (int16_t)step;
        } else if (step != 1 || entry->key_step != 1 || last != spec->first - 1) {
            movable = true;
        } else {
            last = end;
        }
    }
    entry->first_key = (int16_t)first;
    entry->last_key = (int16_t)last;
    if (movable)
        entry->flags |= COMMAND_MOVABLEKEYS;
    entry->simple_key = first == 1 && last == 1 && !movable && !names_channels && row->other_db == NULL;
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
    derive_legacy_keys(entry);
    entry->categories = entry_categories(entry);
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

static size_t family_count(void)
{
    size_t count = 0;
    while (families[count] != NULL)
        count++;
    return count;
}

void command_family_register(const struct command *family)
{
    size_t count = family_count();
    check(entries == NULL && count + 1 < FAMILIES_MAX);
    families[count] = family;
}

void command_table_setup(void)
{
    check(entries == NULL);
    uint32_t total = 0;
    for (size_t i = 0; families[i] != NULL; i++)
        for (const struct command *row = families[i]; row->name != NULL; row++)
            total += 1 + (row->subcommands != NULL ? count_rows(row->subcommands) : 0);
    entries = memory_allocate_zeroed(total * sizeof(*entries));
    for (size_t i = 0; families[i] != NULL; i++)
        for (const struct command *row = families[i]; row->name != NULL; row++)
            add_entry(row, NULL);
    top_level_count = entry_count;
    allocate_slots();
    for (uint32_t id = 0; id < top_level_count; id++) {
        slot_insert(&entries[id]);
        add_subcommands(&entries[id]);
    }
    check(entry_count == total);
}
