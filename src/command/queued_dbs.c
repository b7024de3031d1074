/* SPDX-License-Identifier: BSD-3-Clause */
#include "command/queued_dbs.h"

#include <string.h>

void queued_dbs_begin(struct queued_dbs *dbs, int selected)
{
    dbs->selected = selected;
    for (int16_t db = 0; db < DATABASE_COUNT; db++)
        dbs->before[db] = db;
}

static bool read_db(struct bytes word, int64_t *db)
{
    return bytes_to_int64(word, db) && *db >= 0 && *db < DATABASE_COUNT;
}

void queued_dbs_follow(struct queued_dbs *dbs, const struct command_entry *command, const struct bytes *argv,
                       size_t argc)
{
    int64_t first, second;
    if (argc == 2 && strcmp(command->full_name, "select") == 0 && read_db(argv[1], &first)) {
        dbs->selected = (int)first;
    } else if (argc == 3 && strcmp(command->full_name, "swapdb") == 0 && read_db(argv[1], &first) &&
               read_db(argv[2], &second)) {
        int16_t moved = dbs->before[first];
        dbs->before[first] = dbs->before[second];
        dbs->before[second] = moved;
    }
}
