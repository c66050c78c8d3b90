/* SPDX-License-Identifier: MIT */
/*
 * memory_limit.h - how much memory this process may use: the least of what the machine has and of
 * what the control groups that it stands in allow. Floor 1; asked for when a store is opened.
 */
#ifndef LOAM_ENV_MEMORY_LIMIT_H
#define LOAM_ENV_MEMORY_LIMIT_H

#include <stdint.h>

/* ffi: begin */

/* Bytes; UINT64_MAX when nothing tells. Thread: any */
uint64_t memory_limit(void);
/*
 * What the control groups allow, in either version of their files: `groups` is the list of the
 * process (/proc/self/cgroup), `mount` the place where they are mounted (/sys/fs/cgroup). A group
 * that is not to be seen there, as in a container with a view of its own, counts as its nearest
 * parent that is. UINT64_MAX = no limit. Thread: any
 */
uint64_t memory_limit_read(const char *groups, const char *mount);

/* ffi: end */

#endif
