/* SPDX-License-Identifier: BSD-3-Clause */
/* How much memory there is: what the machine has, or less if a cgroup of either version allows less. */
#include "base/memory.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A limit as a number in a file; UINT64_MAX for "max" or if there is none. */
static uint64_t read_limit(const char *path)
{
    unsigned long long limit = UINT64_MAX;
    FILE *file = fopen(path, "re");
    if (!file)
        return UINT64_MAX;
    if (fscanf(file, "%llu", &limit) != 1)
        limit = UINT64_MAX;
    fclose(file);
    return limit;
}

/* The lowest limit from the group at 'path' up to the root of the hierarchy: a parent's limit binds as well. */
static uint64_t lowest_limit(const char *root, char *path, const char *file)
{
    char name[640];
    uint64_t lowest = UINT64_MAX;
    for (;;) {
        snprintf(name, sizeof(name), "%s%s/%s", root, path, file);
        uint64_t limit = read_limit(name);
        if (limit < lowest)
            lowest = limit;
        char *slash = strrchr(path, '/');
        if (!slash)
            return lowest;
        *slash = '\0';
    }
}

/* Lines of /proc/self/cgroup are number:controllers:path, with no controllers in the second version. */
static uint64_t cgroup_limit(void)
{
    char line[512];
    uint64_t lowest = UINT64_MAX;
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        uint64_t limit = UINT64_MAX;
        if (controllers[1] == '\0')
            limit = lowest_limit("/sys/fs/cgroup", path, "memory.max");
        else if (strstr(controllers, "memory"))
            limit = lowest_limit("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes");
        if (limit < lowest)
            lowest = limit;
    }
    if (file)
        fclose(file);
    return lowest;
}

uint64_t memory_of_machine(void)
{
    uint64_t physical = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t limit = cgroup_limit();
    return limit > 0 && limit < physical ? limit : physical;
}
