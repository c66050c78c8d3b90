/* SPDX-License-Identifier: MIT */
/* arena.c - chunks in a list; a large piece gets a chunk of its own behind the current one. */
#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/memory.h"

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
};

_Static_assert(sizeof(struct arena_chunk) % 8 == 0, "pieces start 8-byte aligned");

void arena_init(struct arena *arena, size_t chunk_size)
{
    PRE(chunk_size >= 1024);
    *arena = (struct arena){.chunk_size = chunk_size & ~(size_t)7};
}

void arena_deinit(struct arena *arena)
{
    struct arena_chunk *chunk = arena->chunks;
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;
        mem_free(chunk);
        chunk = next;
    }
    *arena = (struct arena){.chunk_size = arena->chunk_size};
}

static struct arena_chunk *chunk_add(struct arena *arena, size_t payload)
{
    struct arena_chunk *chunk = mem_huge(sizeof(*chunk) + payload);
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
