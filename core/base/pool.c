/* SPDX-License-Identifier: MIT */
/*
 * pool.c - size classes over chunks of 2 MiB; see pool.h.
 *
 * One mutex: whoever asks for a piece is about to read a block from a file, which takes a hundred
 * times as long. Chunks with room are a list per class, the one that was freed into last in front.
 * A chunk's own data is its first two lines; free pieces are linked through their first bytes.
 */
#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/check.h"
#include "base/memory.h"

#define CHUNK_SIZE   ((size_t)2 << 20)
#define CHUNK_HEADER ((size_t)2 * CACHE_LINE)
#define FINE_MAX     1024u       /* Up to here classes are a cache line apart... */
#define PIECE_MAX    (64u << 10) /* ...then a sixteenth of a power of two; above: malloc. */
#define STEPS_LOG    4u          /* Classes per power of two, as a power of two. */
#define CLASS_COUNT  112u
#define OUTSIDE_MAX  ((size_t)1 << 20) /* Bytes of a class from malloc before the pool begins. */

struct pool_class {
    struct pool_chunk *open; /* Chunks with room. */
    size_t outside;          /* Bytes of pieces from malloc. */
};

struct pool_chunk {
    struct pool_class *owner;
    struct pool_chunk *next; /* Among the open ones. */
    struct pool_chunk *prev;
    void *free;    /* Pieces given back, linked. */
    char *fresh;   /* Pieces from here on were never given out. */
    uint32_t used; /* Pieces given out. */
    bool is_open;  /* Whether it is in its owner's list. */
};

_Static_assert(sizeof(struct pool_chunk) <= CHUNK_HEADER, "pieces begin behind the header");

static pthread_mutex_t pool_mu = PTHREAD_MUTEX_INITIALIZER;
static struct pool_class classes[CLASS_COUNT]; /* Protected by pool_mu. */
static struct pool_chunk *spare;               /* An empty chunk. Protected by pool_mu. */
static size_t chunk_bytes;                     /* Protected by pool_mu. */

/* Under a sanitizer every piece is from malloc: a use after free stays visible. */
static bool is_pooling(void)
{
#ifdef __SANITIZE_ADDRESS__
    return false;
#else
    return true;
#endif
}

/* The class of a size, and what its pieces take; CLASS_COUNT above PIECE_MAX. */
static uint32_t class_of(size_t size, size_t *piece)
{
    if (size > PIECE_MAX) {
        *piece = size;
        return CLASS_COUNT;
    }
    if (size <= FINE_MAX) {
        size_t lines = size == 0 ? 1 : (size + CACHE_LINE - 1) / CACHE_LINE;
        *piece = lines * CACHE_LINE;
        return (uint32_t)lines - 1;
    }
    uint32_t power = 63u - (uint32_t)__builtin_clzll(size - 1); /* 2^power < size <= 2^(power+1) */
    size_t step = (size_t)1 << (power - STEPS_LOG);
    size_t steps = (size - ((size_t)1 << power) + step - 1) / step;
    *piece = ((size_t)1 << power) + steps * step;
    return (uint32_t)(FINE_MAX / CACHE_LINE + ((power - 10) << STEPS_LOG) + steps - 1);
}

size_t pool_size(size_t size)
{
    size_t piece = 0;
    (void)class_of(size, &piece);
    return piece;
}

size_t pool_chunk_bytes(void)
{
    (void)pthread_mutex_lock(&pool_mu);
    size_t bytes = chunk_bytes;
    (void)pthread_mutex_unlock(&pool_mu);
    return bytes;
}

/* Lists, under the mutex. */

static void chunk_open(struct pool_chunk *chunk)
{
    struct pool_class *owner = chunk->owner;
    chunk->is_open = true;
    chunk->prev = NULL;
    chunk->next = owner->open;
    if (owner->open != NULL) {
        owner->open->prev = chunk;
    }
    owner->open = chunk;
}

static void chunk_close(struct pool_chunk *chunk)
{
    chunk->is_open = false;
    if (chunk->prev != NULL) {
        chunk->prev->next = chunk->next;
    } else {
        chunk->owner->open = chunk->next;
    }
    if (chunk->next != NULL) {
        chunk->next->prev = chunk->prev;
    }
}

/* Whether a chunk has a piece that was never given out. */
static bool chunk_has_fresh(const struct pool_chunk *chunk, size_t piece)
{
    return chunk->fresh + piece <= (const char *)chunk + CHUNK_SIZE;
}

/* Adds a chunk to a class. Under the mutex: it is rare, and makes no page present. NULL when out of
 * memory. */
static struct pool_chunk *chunk_add(struct pool_class *owner)
{
    struct pool_chunk *chunk = spare;
    spare = NULL;
    if (chunk == NULL) {
        chunk = mem_huge(CHUNK_SIZE);
        if (chunk == NULL) {
            return NULL;
        }
        chunk_bytes += CHUNK_SIZE;
    }
    *chunk = (struct pool_chunk){.owner = owner, .fresh = (char *)chunk + CHUNK_HEADER};
    chunk_open(chunk);
    return chunk;
}

/* Takes a piece of the first open chunk. Under the mutex. */
static void *piece_take(struct pool_class *from, size_t piece, struct pool_chunk **out)
{
    struct pool_chunk *chunk = from->open != NULL ? from->open : chunk_add(from);
    *out = chunk;
    if (chunk == NULL) {
        return NULL;
    }
    void *taken = chunk->free;
    if (taken != NULL) {
        chunk->free = *(void **)taken;
    } else {
        taken = chunk->fresh;
        chunk->fresh += piece;
    }
    chunk->used++;
    if (chunk->free == NULL && !chunk_has_fresh(chunk, piece)) {
        chunk_close(chunk);
    }
    return taken;
}

void *pool_alloc(size_t size, struct pool_chunk **chunk)
{
    size_t piece = 0;
    uint32_t index = class_of(size, &piece);
    *chunk = NULL;
    if (index == CLASS_COUNT || !is_pooling()) {
        return mem_aligned(CACHE_LINE, piece);
    }
    struct pool_class *from = &classes[index];
    (void)pthread_mutex_lock(&pool_mu);
    bool is_outside = from->open == NULL && from->outside + piece <= OUTSIDE_MAX;
    from->outside += is_outside ? piece : 0;
    /* Outside, mem_aligned() asks: a specification counts one allocation for a piece. */
    void *taken = is_outside || mem_must_fail() ? NULL : piece_take(from, piece, chunk);
    (void)pthread_mutex_unlock(&pool_mu);
    if (!is_outside) {
        return taken;
    }
    taken = mem_aligned(CACHE_LINE, piece);
    if (taken == NULL) {
        (void)pthread_mutex_lock(&pool_mu);
        from->outside -= piece;
        (void)pthread_mutex_unlock(&pool_mu);
    }
    return taken;
}

/* Gives a piece back to its chunk. Returns a chunk to be freed, or NULL. Under the mutex. */
static struct pool_chunk *piece_give(void *piece, struct pool_chunk *chunk)
{
    INV(chunk->used > 0);
    *(void **)piece = chunk->free;
    chunk->free = piece;
    chunk->used--;
    if (!chunk->is_open) {
        chunk_open(chunk);
    }
    if (chunk->used > 0) {
        return NULL;
    }
    chunk_close(chunk);
    if (spare == NULL) {
        spare = chunk;
        return NULL;
    }
    chunk_bytes -= CHUNK_SIZE;
    return chunk;
}

void pool_free(void *piece, size_t size, struct pool_chunk *chunk)
{
    size_t taken = 0;
    uint32_t index = class_of(size, &taken);
    if (index == CLASS_COUNT || !is_pooling()) {
        mem_free(piece);
        return;
    }
    struct pool_chunk *empty = NULL;
    (void)pthread_mutex_lock(&pool_mu);
    if (chunk != NULL) {
        PRE(chunk->owner == &classes[index]);
        empty = piece_give(piece, chunk);
    } else {
        classes[index].outside -= taken;
    }
    (void)pthread_mutex_unlock(&pool_mu);
    if (chunk == NULL) {
        mem_free(piece);
    } else {
        mem_huge_free(empty, CHUNK_SIZE);
    }
}
