/* SPDX-License-Identifier: MIT */
/*
 * memory_limit.c - see memory_limit.h. A line of the list is "ID:CONTROLLERS:PATH"; version 2 has
 * one line without controllers. What cannot be read or makes no sense is no limit.
 */
#include "env/memory_limit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 8192, PATH_MAX_BYTES = 2048 };

static bool read_text(const char *path, char *text, size_t capacity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    size_t size = 0;
    ssize_t got = 1;
    while (got > 0 && size < capacity - 1) {
        got = read(fd, text + size, capacity - 1 - size);
        size += got > 0 ? (size_t)got : 0;
    }
    (void)close(fd);
    text[size] = '\0';
    return got >= 0 && size > 0;
}

/* "max" of version 2 is none; version 1 writes a number near 2^63. */
static uint64_t read_limit(const char *path)
{
    char text[64];
    if (!read_text(path, text, sizeof(text)) || text[0] < '0' || text[0] > '9') {
        return UINT64_MAX;
    }
    errno = 0;
    unsigned long long bytes = strtoull(text, NULL, 10);
    return errno != 0 || bytes == 0 || bytes >= 1ULL << 62 ? UINT64_MAX : bytes;
}

/* The least limit of a group and of all groups above it. `group` is cut to nothing. */
static uint64_t least_of(const char *mount, char *group, const char *file)
{
    uint64_t least = UINT64_MAX;
    bool is_root = false;
    while (!is_root) {
        char path[PATH_MAX_BYTES];
        int size = snprintf(path, sizeof(path), "%s%s/%s", mount, group, file);
        uint64_t bytes = size > 0 && (size_t)size < sizeof(path) ? read_limit(path) : UINT64_MAX;
        least = bytes < least ? bytes : least;
        is_root = *group == '\0';
        char *slash = strrchr(group, '/');
        *(slash == NULL ? group : slash) = '\0';
    }
    return least;
}

static bool lists_memory(const char *controllers)
{
    const char *at = controllers;
    while (at != NULL) {
        size_t size = strcspn(at, ",");
        if (size == strlen("memory") && memcmp(at, "memory", size) == 0) {
            return true;
        }
        at = at[size] == ',' ? at + size + 1 : NULL;
    }
    return false;
}

static uint64_t limit_of_line(char *line, const char *mount)
{
    char *controllers = strchr(line, ':');
    char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (group == NULL) {
        return UINT64_MAX;
    }
    controllers++;
    *group++ = '\0';
    if (*controllers == '\0') {
        return least_of(mount, group, "memory.max");
    }
    if (!lists_memory(controllers)) {
        return UINT64_MAX;
    }
    char place[PATH_MAX_BYTES];
    int size = snprintf(place, sizeof(place), "%s/memory", mount);
    return size > 0 && (size_t)size < sizeof(place)
               ? least_of(place, group, "memory.limit_in_bytes")
               : UINT64_MAX;
}

uint64_t memory_limit_read(const char *groups, const char *mount)
{
    char text[TEXT_MAX];
    if (!read_text(groups, text, sizeof(text))) {
        return UINT64_MAX;
    }
    uint64_t least = UINT64_MAX;
    char *rest = text;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        uint64_t bytes = limit_of_line(line, mount);
        least = bytes < least ? bytes : least;
    }
    return least;
}

uint64_t memory_limit(void)
{
    uint64_t groups = memory_limit_read("/proc/self/cgroup", "/sys/fs/cgroup");
    long pages = sysconf(_SC_PHYS_PAGES);
    long page = sysconf(_SC_PAGESIZE);
    uint64_t machine = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX;
    return groups < machine ? groups : machine;
}
