/* SPDX-License-Identifier: MIT */
/* pool.c - see pool.h. */
#include "http/pool.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "http/conn.h"

enum { SLAB_EXCHANGES = 32, FREE_PIECES_MAX = 256 };

void http_pool_init(struct http_pool *pool, uint32_t fields_max)
{
    *pool = (struct http_pool){.fields_max = fields_max};
}

static size_t exchange_size(const struct http_pool *pool)
{
    size_t size =
        sizeof(struct http_exchange) + (size_t)pool->fields_max * sizeof(struct http_field);
    return (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

/* Handles that were never ended still hold chunks and bodies. */
static void end_all(struct http_pool *pool)
{
    for (uint32_t i = 0; i < pool->slab_count * SLAB_EXCHANGES; i++) {
        char *slab = pool->slabs[i / SLAB_EXCHANGES];
        struct http_exchange *exchange =
            (struct http_exchange *)(void *)(slab + i % SLAB_EXCHANGES * exchange_size(pool));
        if (exchange->worker != NULL && !exchange->is_ended) {
            http_exchange_end(exchange);
        }
    }
}

void http_pool_deinit(struct http_pool *pool)
{
    end_all(pool);
    while (pool->chunks != NULL) {
        struct http_chunk *chunk = pool->chunks;
        pool->chunks = chunk->next;
        mem_free(chunk);
    }
    while (pool->buffers != NULL) {
        void *buffer = pool->buffers;
        memcpy(&pool->buffers, buffer, sizeof(void *));
        mem_free(buffer);
    }
    for (uint32_t i = 0; i < pool->slab_count; i++) {
        mem_free(pool->slabs[i]);
    }
    mem_free(pool->slabs);
    *pool = (struct http_pool){0};
}

/* ---- Chunks ---- */

struct http_chunk *http_chunk_take(struct http_pool *pool, size_t capacity)
{
    struct http_chunk *chunk = pool->chunks;
    if (capacity <= HTTP_PIECE_SIZE && chunk != NULL) {
        pool->chunks = chunk->next;
        pool->chunk_count--;
    } else {
        capacity = capacity < HTTP_PIECE_SIZE ? HTTP_PIECE_SIZE : capacity;
        chunk = mem_alloc(sizeof(*chunk) + capacity);
        if (chunk == NULL) {
            return NULL;
        }
        chunk->capacity = (uint32_t)capacity;
    }
    chunk->refs = 1;
    return chunk;
}

void http_chunk_unref(struct http_pool *pool, struct http_chunk *chunk)
{
    PRE(chunk->refs > 0);
    if (--chunk->refs > 0) {
        return;
    }
    if (chunk->capacity == HTTP_PIECE_SIZE && pool->chunk_count < FREE_PIECES_MAX) {
        chunk->next = pool->chunks;
        pool->chunks = chunk;
        pool->chunk_count++;
    } else {
        mem_free(chunk);
    }
}

/* ---- Buffers ---- */

static bool
buffer_grow(struct http_pool *pool, struct http_buffer *buffer, size_t extra, bool is_last)
{
    if (buffer->at > 0) {
        INV(buffer->data != NULL);
        memmove(buffer->data, buffer->data + buffer->at, http_buffer_pending(buffer));
        buffer->size -= buffer->at;
        buffer->at = 0;
    }
    size_t wanted = buffer->size + extra;
    if (wanted <= buffer->capacity) {
        return true;
    }
    if (buffer->data == NULL && wanted <= HTTP_PIECE_SIZE && pool->buffers != NULL) {
        buffer->data = pool->buffers;
        memcpy(&pool->buffers, buffer->data, sizeof(void *));
        pool->buffer_count--;
        pool->buffer_bytes += HTTP_PIECE_SIZE;
        buffer->capacity = HTTP_PIECE_SIZE;
        return true;
    }
    size_t capacity = HTTP_PIECE_SIZE;
    if (wanted > capacity) {
        /* At least double, so that appending stays linear. */
        capacity = is_last || wanted > 2 * buffer->capacity ? wanted : 2 * buffer->capacity;
    }
    char *data = mem_realloc(buffer->data, capacity);
    if (data == NULL) {
        return false;
    }
    pool->buffer_bytes += capacity - buffer->capacity;
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

bool http_buffer_reserve(struct http_pool *pool, struct http_buffer *buffer, size_t extra)
{
    return LIKELY(buffer->capacity - buffer->size >= extra && buffer->data != NULL) ||
           buffer_grow(pool, buffer, extra, false);
}

bool http_buffer_reserve_exactly(struct http_pool *pool, struct http_buffer *buffer, size_t extra)
{
    return (buffer->capacity - buffer->size >= extra && buffer->data != NULL) ||
           buffer_grow(pool, buffer, extra, true);
}

bool http_buffer_append(struct http_pool *pool,
                        struct http_buffer *buffer,
                        const void *data,
                        size_t size)
{
    if (size == 0) {
        return true;
    }
    if (!http_buffer_reserve(pool, buffer, size)) {
        return false;
    }
    memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    return true;
}

void http_buffer_drop(struct http_pool *pool, struct http_buffer *buffer)
{
    PRE(pool->buffer_bytes >= buffer->capacity);
    pool->buffer_bytes -= buffer->capacity;
    if (buffer->capacity == HTTP_PIECE_SIZE && pool->buffer_count < FREE_PIECES_MAX) {
        memcpy(buffer->data, &pool->buffers, sizeof(void *));
        pool->buffers = buffer->data;
        pool->buffer_count++;
    } else {
        mem_free(buffer->data);
    }
    *buffer = (struct http_buffer){0};
}

/* ---- Exchanges ---- */

static bool add_slab(struct http_pool *pool)
{
    if (pool->slab_count == pool->slab_capacity) {
        uint32_t capacity = pool->slab_capacity == 0 ? 16 : pool->slab_capacity * 2;
        void **slabs = mem_realloc(pool->slabs, capacity * sizeof(*slabs));
        if (slabs == NULL) {
            return false;
        }
        pool->slabs = slabs;
        pool->slab_capacity = capacity;
    }
    size_t size = exchange_size(pool);
    char *slab = mem_zalloc(SLAB_EXCHANGES, size);
    if (slab == NULL) {
        return false;
    }
    for (uint32_t i = SLAB_EXCHANGES; i-- > 0;) {
        struct http_exchange *exchange = (struct http_exchange *)(void *)(slab + i * size);
        exchange->pub.generation = 1;
        exchange->pub.slot = pool->slab_count * SLAB_EXCHANGES + i;
        exchange->next = pool->exchanges;
        pool->exchanges = exchange;
    }
    pool->slabs[pool->slab_count++] = slab;
    return true;
}

struct http_exchange *http_exchange_take(struct http_pool *pool)
{
    if (pool->exchanges == NULL && !add_slab(pool)) {
        return NULL;
    }
    struct http_exchange *exchange = pool->exchanges;
    pool->exchanges = exchange->next;
    pool->exchanges_used++;
    uint32_t generation = exchange->pub.generation;
    uint32_t slot = exchange->pub.slot;
    memset(exchange, 0, sizeof(*exchange));
    exchange->pub.generation = generation;
    exchange->pub.slot = slot;
    return exchange;
}

void http_exchange_give(struct http_pool *pool, struct http_exchange *exchange)
{
    PRE(exchange->is_ended && exchange->chunk == NULL && exchange->out.data == NULL);
    PRE(exchange->loan.data == NULL);
    exchange->next = pool->exchanges;
    pool->exchanges = exchange;
    pool->exchanges_used--;
}
