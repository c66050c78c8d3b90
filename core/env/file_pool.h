/* SPDX-License-Identifier: MIT */
/*
 * file_pool.h - many files for reading with few descriptors. Floor 1. The tables of a store are
 * opened through one.
 *
 * file_pool_dir() is a directory that can only open for reading. Its files look as any other; but
 * at most `open_max` of them hold a file of the driver at a time: the one unused for longest gives
 * its descriptor up and takes a new one at its next read. When the driver itself has none left
 * (EMFILE), the pool makes do with fewer. Works for files that are never changed or replaced under
 * their name.
 *
 * Thread: any. Opening a file again happens under the pool's lock: it is rare, or open_max is too
 * small.
 */
#ifndef LOAM_ENV_FILE_POOL_H
#define LOAM_ENV_FILE_POOL_H

#include "env/env.h"

/* ffi: begin */
struct file_pool;

/* dir is borrowed and must outlive the pool. NULL when out of memory. */
struct file_pool *file_pool_new(struct env_dir *dir, size_t open_max);
/* Only when every file is closed. NULL is fine. */
void file_pool_free(struct file_pool *pool);
/* Valid until file_pool_free(). */
struct env_dir *file_pool_dir(struct file_pool *pool);
/* Files of the driver that are open now. */
size_t file_pool_open_count(struct file_pool *pool);
/* ffi: end */

#endif
