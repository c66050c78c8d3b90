/* SPDX-License-Identifier: MIT */
/*
 * arena.h - bump allocation that is freed as a whole. Floor 0.
 *
 * One writer allocates; readers may read what was published to them by other means. arena_bytes()
 * is atomic, so that any thread may ask. Pieces are 8-byte aligned.
 */
#ifndef LOAM_BASE_ARENA_H
#define LOAM_BASE_ARENA_H

#include <stdatomic.h>
#include <stddef.h>

struct arena_chunk;

struct arena {
    char *next;                 /* First free byte of the newest chunk. */
    size_t left;                /* Bytes free behind next. */
    struct arena_chunk *chunks; /* Newest first. */
    size_t chunk_size;          /* Of the next ordinary chunk; constant after init. */
    _Atomic size_t bytes;       /* Atomic: bytes taken from the system, relaxed. */
};

void arena_init(struct arena *arena, size_t chunk_size);
void arena_deinit(struct arena *arena);
/* From now on large chunks that arenas give back are kept for the next ones, up to the most bytes
 * that anybody asked for here. Thread: any */
void arena_pool_keep(size_t bytes);
/* Returns 8-byte aligned memory that lives until arena_deinit(), or NULL when out of memory.
 * Thread: owner */
void *arena_alloc_slow(struct arena *arena, size_t size);

static inline void *arena_alloc(struct arena *arena, size_t size)
{
    /* left is a multiple of 8, so a size that fits also fits when rounded up. */
    if (size <= arena->left) {
        size = (size + 7) & ~(size_t)7;
        void *piece = arena->next;
        arena->next += size;
        arena->left -= size;
        return piece;
    }
    return arena_alloc_slow(arena, size);
}

static inline size_t arena_bytes(const struct arena *arena)
{
    return atomic_load_explicit(&arena->bytes, memory_order_relaxed);
}

#endif
