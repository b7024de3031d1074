/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "base/log.h"
#include "server/config.h"
#include "server/crash.h"
#include "server/lifecycle.h"

/* Free pages go back after a second, by jemalloc's own thread: resident memory is what maxmemory bounds. However many of them
 * lie together (from 8 MB on, by default) they do not go back at once, in the middle of what frees the last of them. Of
 * each slab jemalloc notes 128 bytes elsewhere: for 64, 128 and 256 bytes slabs have four pages instead of one, as those between
 * have three to seven. */
const char *malloc_conf = "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0,oversize_threshold:0,"
                          "slab_sizes:64-64:4|128-128:4|256-256:4";

int main(int argc, char **argv)
{
    char error[1024] = "";
    config_setup();
    if (!config_read_arguments(argc, argv, error, sizeof(error))) {
        fprintf(stderr, "forebay-server: %s\n", error);
        return 2;
    }
    log_open(config.log_file, (enum log_level)config.log_level, (enum log_format)config.log_format);
    crash_setup();
    if (!lifecycle_start(error, sizeof(error))) {
        log_warning("cannot start", "reason=\"%s\"", error);
        fprintf(stderr, "forebay-server: %s\n", error);
        return 1;
    }
    lifecycle_wait();
    lifecycle_stop();
    return 0;
}
