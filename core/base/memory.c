/* SPDX-License-Identifier: MIT */
/*
 * memory.c - malloc behind a fault point.
 *
 * The counters are relaxed atomics: they order nothing. The fast path pays one relaxed load of
 * `armed`.
 */
#include "base/memory.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"

#define HUGE_PAGE  ((size_t)2 << 20)
#define SMALL_PAGE ((size_t)64 << 10) /* A multiple of the page size of every machine. */

static _Atomic bool armed;
static _Atomic uint64_t calls;
static _Atomic uint64_t fail_from;
static _Atomic uint64_t fail_to;

bool mem_must_fail(void)
{
    if (LIKELY(!atomic_load_explicit(&armed, memory_order_relaxed))) {
        return false;
    }
    uint64_t call = atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    return call >= atomic_load_explicit(&fail_from, memory_order_relaxed) &&
           call < atomic_load_explicit(&fail_to, memory_order_relaxed);
}

void memory_fail_at(uint64_t after, uint64_t count)
{
    atomic_store(&calls, 0);
    atomic_store(&fail_from, after);
    atomic_store(&fail_to, count > UINT64_MAX - after ? UINT64_MAX : after + count);
    atomic_store(&armed, true);
}

uint64_t memory_alloc_count(void)
{
    return atomic_load(&calls);
}

void *mem_alloc(size_t size)
{
    return mem_must_fail() ? NULL : malloc(size == 0 ? 1 : size);
}

void *mem_zalloc(size_t count, size_t size)
{
    return mem_must_fail() ? NULL : calloc(count == 0 ? 1 : count, size == 0 ? 1 : size);
}

void *mem_realloc(void *block, size_t size)
{
    return mem_must_fail() ? NULL : realloc(block, size == 0 ? 1 : size);
}

void *mem_aligned(size_t alignment, size_t size)
{
    PRE((alignment & (alignment - 1)) == 0 && alignment >= sizeof(void *));
    void *block = NULL;
    if (mem_must_fail() || posix_memalign(&block, alignment, size == 0 ? alignment : size) != 0) {
        return NULL;
    }
    return block;
}

/* Under a sanitizer all memory is from malloc: it must see what points where. */
static bool is_mapped(size_t size)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    (void)size;
    return false;
#else
    return size >= HUGE_PAGE;
#endif
}

/* Not from malloc, which would keep what it gets back between smaller blocks that live on. */
static void *map_aligned(size_t size)
{
    size_t space = size + HUGE_PAGE;
    char *map = mmap(NULL, space, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        return NULL;
    }
    size_t before = -(uintptr_t)map & (HUGE_PAGE - 1);
    size_t behind = space - before - size;
    if (before > 0) {
        INV(munmap(map, before) == 0);
    }
    if (behind > 0) {
        INV(munmap(map + before + size, behind) == 0);
    }
    return map + before;
}

static size_t whole_pages(size_t size)
{
    return (size + SMALL_PAGE - 1) & ~(SMALL_PAGE - 1);
}

void *mem_huge(size_t size)
{
    if (!is_mapped(size)) {
        return mem_aligned(CACHE_LINE, size);
    }
    if (mem_must_fail() || size > SIZE_MAX / 2) {
        return NULL;
    }
    void *block = map_aligned(whole_pages(size));
    if (block != NULL) {
        /* A wish: without it the block works as well, only slower. */
        (void)madvise(block, size & ~(HUGE_PAGE - 1), MADV_HUGEPAGE);
    }
    return block;
}

void *mem_huge_zeroed(size_t size)
{
    void *block = mem_huge(size);
    if (block != NULL && !is_mapped(size)) {
        memset(block, 0, size);
    }
    return block;
}

void mem_huge_free(void *block, size_t size)
{
    if (block == NULL || !is_mapped(size)) {
        mem_free(block);
    } else {
        INV(munmap(block, whole_pages(size)) == 0);
    }
}

void mem_free(void *block)
{
    free(block);
}
