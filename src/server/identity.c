/* SPDX-License-Identifier: BSD-3-Clause */
/* The file "identity" holds one line, "seed <16 hex digits>": rows are ordered by seeded hashes, so that rows and seed
 * belong together. The lock is on the file itself and goes with the process. */
#include "server/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"

static bool identity_read(struct identity *identity, bool *empty)
{
    char text[64] = "";
    ssize_t length = pread(identity->lock_file, text, sizeof(text) - 1, 0);
    *empty = length == 0;
    return length > 0 && sscanf(text, "seed %16" SCNx64, &identity->hash_seed) == 1;
}

static bool identity_write(struct identity *identity)
{
    char text[64];
    random_secure(&identity->hash_seed, sizeof(identity->hash_seed));
    int length = snprintf(text, sizeof(text), "seed %016" PRIx64 "\n", identity->hash_seed);
    return pwrite(identity->lock_file, text, (size_t)length, 0) == length && fsync(identity->lock_file) == 0;
}

bool identity_open(struct identity *identity, const char *directory, char *error, size_t error_size)
{
    char path[4200];
    snprintf(path, sizeof(path), "%s/identity", directory);
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        snprintf(error, error_size, "cannot make the data directory '%s': %s", directory, strerror(errno));
        return false;
    }
    identity->lock_file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (identity->lock_file < 0) {
        snprintf(error, error_size, "cannot open '%s': %s: give another --dir, or the rights to this one", path,
                 strerror(errno));
        return false;
    }
    if (flock(identity->lock_file, LOCK_EX | LOCK_NB) != 0) {
        snprintf(error, error_size, "another server uses the data directory '%s': stop it, or give another --dir",
                 directory);
        return false;
    }
    bool empty;
    if (identity_read(identity, &empty) || (empty && identity_write(identity)))
        return true;
    snprintf(error, error_size, "'%s' is damaged or cannot be written (%s): restore it from a backup of the directory",
             path, strerror(errno));
    return false;
}

void identity_close(struct identity *identity)
{
    close(identity->lock_file);
}
