/* SPDX-License-Identifier: MIT */
/* usage.c - readings of usage.h. A reading that the system does not give is 0, never an error: the
 * rates are what matters. */
#include "bench/usage.h"

#include <fcntl.h>
#include <fts.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Returns the number behind `label` in a small file of /proc/self, or 0. */
static uint64_t proc_number(const char *path, const char *label)
{
    char text[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t size = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[size > 0 ? size : 0] = '\0';
    const char *found = strstr(text, label);
    return found == NULL ? 0 : strtoull(found + strlen(label), NULL, 10);
}

uint64_t usage_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

double usage_cpu_seconds(void)
{
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_SELF, &usage);
    return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

uint64_t usage_peak_bytes(void)
{
    return proc_number("/proc/self/status", "VmHWM:") * 1024;
}

void usage_peak_reset(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t written = write(fd, "5", 1);
        (void)written;
        close(fd);
    }
}

uint64_t usage_written_bytes(void)
{
    return proc_number("/proc/self/io", "\nwrite_bytes:");
}

static bool is_log(const char *name)
{
    const char *suffix = strrchr(name, '.');
    return suffix != NULL && (strcmp(suffix, ".log") == 0 || strcmp(suffix, ".wal") == 0);
}

uint64_t usage_disk_bytes(const char *dir, uint64_t *log_bytes)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s", dir);
    char *paths[] = {path, NULL};
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    *log_bytes = 0;
    if (walk == NULL) {
        return 0;
    }
    uint64_t bytes = 0;
    for (const FTSENT *entry = fts_read(walk); entry != NULL; entry = fts_read(walk)) {
        if (entry->fts_info == FTS_F) {
            uint64_t allocated = (uint64_t)entry->fts_statp->st_blocks * 512;
            bytes += allocated;
            *log_bytes += is_log(entry->fts_name) ? allocated : 0;
        }
    }
    (void)fts_close(walk);
    return bytes;
}

void usage_settle_disk(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)syncfs(fd);
        close(fd);
    }
}
