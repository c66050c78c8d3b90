/* SPDX-License-Identifier: MIT */
/*
 * pool.h - memory for many pieces of about a KiB to 64 KiB that are read at random, in huge pages.
 * Floor 0.
 *
 * A read that misses the processor's caches misses its table of pages too, and that costs as much
 * again: so blocks of tables stand packed in chunks of 2 MiB, each of which is one huge page where
 * the system has them. Pieces are rounded up to size classes (at most 1/16 larger). A class whose
 * pieces are few gets them from malloc; the pool begins where a chunk is soon full. A chunk without
 * pieces is given back at once, but for one.
 *
 * One pool for the process, as malloc is. Thread: any.
 */
#ifndef LOAM_BASE_POOL_H
#define LOAM_BASE_POOL_H

#include <stddef.h>

#include "base/attrs.h"

/* ffi: begin */
struct pool_chunk;

/* Memory of at least `size` bytes, aligned to a cache line, or NULL. *chunk says where it is from
 * (NULL: malloc) and is wanted back, with the same size, by pool_free(). */
void *pool_alloc(size_t size, struct pool_chunk **chunk);
void pool_free(void *piece, size_t size, struct pool_chunk *chunk);
/* What a piece of this size takes. */
size_t pool_size(size_t size);
/* Bytes of all chunks, full or not. */
size_t pool_chunk_bytes(void);
/* ffi: end */

#endif
