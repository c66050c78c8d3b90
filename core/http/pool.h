/* SPDX-License-Identifier: MIT */
/*
 * pool.h - memory of a worker that is used again: input chunks, output buffers, exchanges. Floor 4.
 *
 * An idle connection holds no buffer: both go back to the pool when they run empty, so ten thousand
 * idle clients cost their structs and nothing more, and busy ones share memory that is warm in the
 * cache. Exchanges are never given back to the system before the worker closes: a stale request
 * handle always points at one. Thread: owner.
 */
#ifndef LOAM_HTTP_POOL_H
#define LOAM_HTTP_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "http/http.h"

enum { HTTP_PIECE_SIZE = 16384 }; /* Size of standard chunks and buffers. */

/* Bytes read from a connection. Heads of requests stay in it until their handles end, so it counts
 * its users; only the last one may move bytes. */
struct http_chunk {
    struct http_chunk *next; /* In the free list. */
    uint32_t refs;
    uint32_t capacity;
    char data[];
};

/* Bytes to be sent: [at, size). */
struct http_buffer {
    char *data;
    size_t at;
    size_t size;
    size_t capacity;
};

/* Memory of a caller that answers are sent from. */
struct http_lent {
    struct http_lent *next;
    const void *memory;
    size_t size;
    uint32_t users;
};

struct http_exchange;

struct http_pool {
    struct http_chunk *chunks;
    uint32_t chunk_count;
    void *buffers; /* Free buffers of HTTP_PIECE_SIZE; the first word links them. */
    uint32_t buffer_count;
    size_t buffer_bytes; /* Capacity of the buffers in use, and what is lent. */
    struct http_lent *lent;
    struct http_exchange *exchanges; /* Free ones. */
    void **slabs;
    uint32_t slab_count;
    uint32_t slab_capacity;
    uint32_t fields_max;
    uint32_t exchanges_used;
};

void http_pool_init(struct http_pool *pool, uint32_t fields_max);
/* Frees everything, exchanges in use too. */
void http_pool_deinit(struct http_pool *pool);

/* Returns a chunk with refs = 1 and at least `capacity` bytes, or NULL. */
struct http_chunk *http_chunk_take(struct http_pool *pool, size_t capacity);
void http_chunk_unref(struct http_pool *pool, struct http_chunk *chunk);

/* Makes room for `extra` bytes behind size. Returns false without memory. */
bool http_buffer_reserve(struct http_pool *pool, struct http_buffer *buffer, size_t extra);
/* The same for the last bytes of something large: no room for more is made. */
bool http_buffer_reserve_exactly(struct http_pool *pool, struct http_buffer *buffer, size_t extra);
bool http_buffer_append(struct http_pool *pool,
                        struct http_buffer *buffer,
                        const void *data,
                        size_t size);
/* Gives the memory back and zeroes the buffer. */
void http_buffer_drop(struct http_pool *pool, struct http_buffer *buffer);

static inline size_t http_buffer_pending(const struct http_buffer *buffer)
{
    return buffer->size - buffer->at;
}

/* Returns a zeroed exchange (generation, slot and pool links kept), or NULL. */
struct http_exchange *http_exchange_take(struct http_pool *pool);
void http_exchange_give(struct http_pool *pool, struct http_exchange *exchange);

#endif
