/* SPDX-License-Identifier: MIT */
/*
 * compress.c - liblz4 and libzstd behind three calls.
 *
 * A compressor keeps its codec's state over blocks, because setting it up costs more than a small
 * block. zstd's decompression contexts (some 150 KB each) are kept in a small pool of the process:
 * a thread takes one by an exchange and puts it back, or frees it when the pool is full.
 */
#include "disk/compress.h"

#include <lz4.h>
#include <stdatomic.h>
#include <zstd.h>

#include "base/check.h"
#include "base/coding.h"
#include "base/limits.h"

#define RAW_SIZE_BYTES 4
#define SAVING_SHIFT   3 /* Compressed only when it saves raw_size >> 3 bytes. */
#define ZSTD_LEVEL     3
#define ZSTD_POOL_SIZE 16

struct compressor {
    int codec;
    LZ4_stream_t *lz4;
    ZSTD_CCtx *zstd;
};

/* Idle decompression contexts. Atomic: taken and given by exchange, which orders their contents. */
static _Atomic(ZSTD_DCtx *) zstd_pool[ZSTD_POOL_SIZE];

int compressor_new(int codec, struct compressor **out, struct loam_error *err)
{
    if (codec < LOAM_COMPRESS_NONE || codec > LOAM_COMPRESS_ZSTD) {
        return fail(err, LOAM_INVALID, "compression %d is not 0 (none), 1 (lz4) or 2 (zstd)",
                    codec);
    }
    struct compressor *compressor = mem_zalloc(1, sizeof(*compressor));
    if (compressor == NULL) {
        return mem_fail(err, sizeof(*compressor));
    }
    compressor->codec = codec;
    bool is_ready = true;
    if (codec == LOAM_COMPRESS_LZ4) {
        void *memory = mem_alloc(sizeof(LZ4_stream_t));
        compressor->lz4 = memory == NULL ? NULL : LZ4_initStream(memory, sizeof(LZ4_stream_t));
        is_ready = compressor->lz4 != NULL;
    } else if (codec == LOAM_COMPRESS_ZSTD) {
        compressor->zstd = ZSTD_createCCtx();
        is_ready = compressor->zstd != NULL;
    }
    if (!is_ready) {
        compressor_free(compressor);
        return mem_fail(err, sizeof(LZ4_stream_t));
    }
    *out = compressor;
    return LOAM_OK;
}

void compressor_free(struct compressor *compressor)
{
    if (compressor == NULL) {
        return;
    }
    mem_free(compressor->lz4);
    (void)ZSTD_freeCCtx(compressor->zstd);
    mem_free(compressor);
}

/* Compresses into at most `capacity` bytes. Returns 0 when it does not fit. */
static size_t
run_codec(struct compressor *compressor, const char *raw, size_t size, char *to, size_t capacity)
{
    if (compressor->codec == LOAM_COMPRESS_LZ4) {
        LZ4_resetStream_fast(compressor->lz4);
        int got = LZ4_compress_fast_continue(compressor->lz4, raw, to, (int)size, (int)capacity, 1);
        if (got <= 0) {
            /* A stream that ran out of room must be set up anew. */
            (void)LZ4_initStream(compressor->lz4, sizeof(LZ4_stream_t));
            return 0;
        }
        return (size_t)got;
    }
    size_t got = ZSTD_compressCCtx(compressor->zstd, to, capacity, raw, size, ZSTD_LEVEL);
    return ZSTD_isError(got) ? 0 : got;
}

int compressor_run(struct compressor *compressor,
                   const char *raw,
                   size_t raw_size,
                   struct loam_buffer *out,
                   int *codec,
                   struct loam_error *err)
{
    PRE(raw_size <= BLOCK_SIZE_MAX);
    out->size = 0;
    *codec = LOAM_COMPRESS_NONE;
    size_t capacity = raw_size - (raw_size >> SAVING_SHIFT);
    if (compressor->codec == LOAM_COMPRESS_NONE || capacity <= RAW_SIZE_BYTES) {
        return LOAM_OK;
    }
    TRY(buf_reserve(out, capacity, err));
    size_t got =
        run_codec(compressor, raw, raw_size, out->data + RAW_SIZE_BYTES, capacity - RAW_SIZE_BYTES);
    if (got == 0) {
        return LOAM_OK;
    }
    put_u32(out->data, (uint32_t)raw_size);
    out->size = RAW_SIZE_BYTES + got;
    POST(out->size <= capacity);
    *codec = compressor->codec;
    return LOAM_OK;
}

int decompress_size(int codec, const char *stored, size_t stored_size, size_t *raw_size)
{
    if (codec == LOAM_COMPRESS_NONE) {
        if (stored_size > BLOCK_SIZE_MAX) {
            return LOAM_CORRUPT;
        }
        *raw_size = stored_size;
        return LOAM_OK;
    }
    if (codec != LOAM_COMPRESS_LZ4 && codec != LOAM_COMPRESS_ZSTD) {
        return LOAM_CORRUPT;
    }
    if (stored_size <= RAW_SIZE_BYTES || stored_size > BLOCK_SIZE_MAX) {
        return LOAM_CORRUPT;
    }
    uint32_t declared = get_u32(stored);
    if (declared == 0 || declared > BLOCK_SIZE_MAX) {
        return LOAM_CORRUPT;
    }
    *raw_size = declared;
    return LOAM_OK;
}

static ZSTD_DCtx *zstd_take(void)
{
    for (size_t i = 0; i < ZSTD_POOL_SIZE; i++) {
        if (atomic_load_explicit(&zstd_pool[i], memory_order_relaxed) == NULL) {
            continue;
        }
        ZSTD_DCtx *context = atomic_exchange_explicit(&zstd_pool[i], NULL, memory_order_acquire);
        if (context != NULL) {
            return context;
        }
    }
    return ZSTD_createDCtx();
}

static void zstd_give(ZSTD_DCtx *context)
{
    for (size_t i = 0; i < ZSTD_POOL_SIZE; i++) {
        ZSTD_DCtx *expected = NULL;
        if (atomic_compare_exchange_strong_explicit(&zstd_pool[i], &expected, context,
                                                    memory_order_release, memory_order_relaxed)) {
            return;
        }
    }
    (void)ZSTD_freeDCtx(context);
}

int decompress(int codec, const char *stored, size_t stored_size, char *raw, size_t raw_size)
{
    PRE(raw_size <= BLOCK_SIZE_MAX && stored_size <= BLOCK_SIZE_MAX);
    if (codec == LOAM_COMPRESS_NONE) {
        PRE(stored_size == raw_size);
        memcpy(raw, stored, raw_size);
        return LOAM_OK;
    }
    PRE(stored_size > RAW_SIZE_BYTES);
    const char *body = stored + RAW_SIZE_BYTES;
    size_t body_size = stored_size - RAW_SIZE_BYTES;
    if (codec == LOAM_COMPRESS_LZ4) {
        int got = LZ4_decompress_safe(body, raw, (int)body_size, (int)raw_size);
        return got >= 0 && (size_t)got == raw_size ? LOAM_OK : LOAM_CORRUPT;
    }
    ZSTD_DCtx *context = zstd_take();
    if (context == NULL) {
        return LOAM_NO_MEMORY;
    }
    size_t got = ZSTD_decompressDCtx(context, raw, raw_size, body, body_size);
    zstd_give(context);
    return got == raw_size ? LOAM_OK : LOAM_CORRUPT;
}
