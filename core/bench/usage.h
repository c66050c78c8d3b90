/* SPDX-License-Identifier: MIT */
/*
 * usage.h - what the kernel says this process has used. Floor 5. Linux: getrusage and /proc/self.
 * Thread: owner.
 */
#ifndef LOAM_BENCH_USAGE_H
#define LOAM_BENCH_USAGE_H

#include <stdint.h>

/* Monotonic nanoseconds. */
uint64_t usage_now_ns(void);
/* User and system time of all threads, in seconds. */
double usage_cpu_seconds(void);
/* Largest resident memory since the last usage_peak_reset(), mapped files included; 0 = unknown. */
uint64_t usage_peak_bytes(void);
void usage_peak_reset(void);
/* Bytes this process caused to be sent to storage, as the kernel counts dirtied pages. */
uint64_t usage_written_bytes(void);
/* Allocated bytes of the files below a directory; *log_bytes: of those that are logs, by their
 * names, which several stores allocate ahead. */
uint64_t usage_disk_bytes(const char *dir, uint64_t *log_bytes);
/* Writes out what is dirty in the file system of the directory. */
void usage_settle_disk(const char *dir);

#endif
