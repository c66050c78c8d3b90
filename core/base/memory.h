/* SPDX-License-Identifier: MIT */
/*
 * memory.h - every allocation of the core goes through here. Floor 0.
 *
 * One seam so that the testing build can make the n-th allocation fail (memory_fail_at), and so
 * that sizes that would overflow are refused in one place. Failure is NULL; callers answer
 * NO_MEMORY with mem_fail(). Thread: any.
 */
#ifndef LOAM_BASE_MEMORY_H
#define LOAM_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/status.h"

/* Returns uninitialised memory, or NULL. size 0 gives a unique pointer. Released with mem_free().
 */
void *mem_alloc(size_t size);
/* Returns zeroed memory for count * size bytes, or NULL, also when the product overflows. */
void *mem_zalloc(size_t count, size_t size);
/* As realloc: NULL leaves the old block as it was. */
void *mem_realloc(void *block, size_t size);
/* Aligned to `alignment`, a power of two. Released with mem_free(). */
void *mem_aligned(size_t alignment, size_t size);
/* As mem_alloc, aligned to a cache line; from 2 MiB on the block is aligned to that and the kernel
 * is asked to back it with huge pages: for large memory that is touched all over, and the
 * system gets it back at once. Released with mem_huge_free(), which takes the same size. */
void *mem_huge(size_t size);
/* The same, zeroed; large memory is not touched for it: the system hands it out so. */
void *mem_huge_zeroed(size_t size);
/* NULL is fine. */
void mem_huge_free(void *block, size_t size);
void mem_free(void *block);
/* The fault point alone, for memory that is kept in stock: whether this allocation is to fail. */
bool mem_must_fail(void);

/* ffi: begin */
/* Testing: the next `after` allocations work, then `count` fail (UINT64_MAX = all); after
 * UINT64_MAX = off. */
void memory_fail_at(uint64_t after, uint64_t count);
/* Testing: allocations made since the process started. */
uint64_t memory_alloc_count(void);
/* ffi: end */

#define mem_fail(err, size)                                                                        \
    fail((err), LOAM_NO_MEMORY, "out of memory: %zu bytes wanted", (size_t)(size))

#endif
