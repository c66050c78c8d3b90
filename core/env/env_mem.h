/* SPDX-License-Identifier: MIT */
/*
 * env_mem.h - the memory driver: files that die with the process. Floor 1.
 *
 * The same contract as the posix driver, name for name and code for code. Directories are known by
 * their path as text; "/x" and "x" have a parent that always exists, "/x/y" needs "/x".
 * Thread: any; one mutex per env.
 */
#ifndef LOAM_ENV_ENV_MEM_H
#define LOAM_ENV_ENV_MEM_H

#include "env/env.h"

struct mem_inode;
struct mem_tree;

/* ffi: begin */
/* NULL when out of memory. Released with env_mem_free(). */
struct env *env_mem_new(void);
/* Handles still open keep it alive until they are closed. NULL is fine. */
void env_mem_free(struct env *base);
/* Open directories and files, for leak checks. */
uint64_t env_mem_handle_count(struct env *base);
/* ffi: end */

/* For env_fault: a tree that keeps apart what is durable. */
struct env *env_mem_new_tracked(void);
/* The tree, with the mutex held until env_mem_unlock(). */
struct mem_tree *env_mem_lock(struct env *base);
void env_mem_unlock(struct env *base);
/* Takes from an open file what its failed sync dropped. */
void env_mem_sync_lost(struct env_file *base);

#endif
