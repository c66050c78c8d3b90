/* SPDX-License-Identifier: MIT */
/* arena.c - chunks in a list; a large piece gets a chunk of its own behind the current one. */
#include "base/arena.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/memory.h"

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
};

/*
 * Large chunks go from one arena to the next: asking the system for a page and having it cleared
 * was a tenth of the time of random inserts. At most one memtable is kept.
 */
#define POOLED_SIZE_MIN ((1u << 20) - sizeof(struct arena_chunk))

static pthread_mutex_t pool_mu = PTHREAD_MUTEX_INITIALIZER;
static struct arena_chunk *pool; /* Protected by pool_mu, as the next two. */
static size_t pool_bytes;
static size_t pool_limit;

_Static_assert(sizeof(struct arena_chunk) % 8 == 0, "pieces start 8-byte aligned");

void arena_init(struct arena *arena, size_t chunk_size)
{
    PRE(chunk_size >= 1024);
    *arena = (struct arena){.chunk_size = chunk_size & ~(size_t)7};
}

/* Returns a pooled chunk of exactly this payload, or NULL. */
static struct arena_chunk *pool_take(size_t payload)
{
    (void)pthread_mutex_lock(&pool_mu);
    struct arena_chunk *chunk = pool;
    if (chunk != NULL && chunk->size == payload) {
        pool = chunk->next;
        pool_bytes -= payload;
    } else {
        chunk = NULL;
    }
    (void)pthread_mutex_unlock(&pool_mu);
    return chunk;
}

/* Keeps a large chunk for the next arena, or frees it. The pool holds chunks of one size. */
static void pool_give(struct arena_chunk *chunk)
{
    bool is_kept = false;
    if (chunk->size >= POOLED_SIZE_MIN) {
        (void)pthread_mutex_lock(&pool_mu);
        is_kept =
            pool_bytes + chunk->size <= pool_limit && (pool == NULL || pool->size == chunk->size);
        if (is_kept) {
            chunk->next = pool;
            pool = chunk;
            pool_bytes += chunk->size;
        }
        (void)pthread_mutex_unlock(&pool_mu);
    }
    if (!is_kept) {
        mem_huge_free(chunk, sizeof(*chunk) + chunk->size);
    }
}

void arena_pool_keep(size_t bytes)
{
    (void)pthread_mutex_lock(&pool_mu);
    pool_limit = bytes > pool_limit ? bytes : pool_limit;
    (void)pthread_mutex_unlock(&pool_mu);
}

void arena_deinit(struct arena *arena)
{
    struct arena_chunk *chunk = arena->chunks;
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;
        pool_give(chunk);
        chunk = next;
    }
    *arena = (struct arena){.chunk_size = arena->chunk_size};
}

static struct arena_chunk *chunk_add(struct arena *arena, size_t payload)
{
    struct arena_chunk *chunk = payload >= POOLED_SIZE_MIN ? pool_take(payload) : NULL;
    if (chunk == NULL) {
        chunk = mem_huge(sizeof(*chunk) + payload);
    }
    if (chunk == NULL) {
        return NULL;
    }
    chunk->size = payload;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    atomic_fetch_add_explicit(&arena->bytes, sizeof(*chunk) + payload, memory_order_relaxed);
    return chunk;
}

void *arena_alloc_slow(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    size = (size + 7) & ~(size_t)7;
    bool is_large = size > arena->chunk_size / 4;
    struct arena_chunk *chunk = chunk_add(arena, is_large ? size : arena->chunk_size);
    if (chunk == NULL) {
        return NULL;
    }
    char *payload = (char *)(chunk + 1);
    if (!is_large) {
        arena->next = payload + size;
        arena->left = arena->chunk_size - size;
    }
    return payload;
}
