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
#include <sys/mman.h>

#include "base/check.h"

#define HUGE_PAGE ((size_t)2 << 20)

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

void *mem_huge(size_t size)
{
    if (size < HUGE_PAGE) {
        return mem_aligned(CACHE_LINE, size);
    }
    void *block = mem_aligned(HUGE_PAGE, size);
    if (block != NULL) {
        /* A wish: without it the block works as well, only slower. */
        (void)madvise(block, size & ~(HUGE_PAGE - 1), MADV_HUGEPAGE);
    }
    return block;
}

void mem_free(void *block)
{
    free(block);
}
