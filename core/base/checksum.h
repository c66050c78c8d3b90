/* SPDX-License-Identifier: MIT */
/*
 * checksum.h - XXH3, the one checksum and hash of every file and table. Floor 0. Thread: any.
 *
 * Checksums on disk are seeded with their context (file number, offset), so that a block in the
 * wrong place does not verify.
 */
#ifndef LOAM_BASE_CHECKSUM_H
#define LOAM_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "base/guard.h"
#include "base/slice.h"

/* ffi: begin */
/* XXH3-64 of the bytes with a seed. */
uint64_t checksum_64(const void *data, size_t size, uint64_t seed);
/* The same of two pieces as if the second stood right behind the first. */
uint64_t checksum_64_joined(struct slice first, struct slice second, uint64_t seed);
/* ffi: end */

/* Mixes the place of a piece of data into a seed. */
static inline uint64_t checksum_context(uint64_t file_id, uint64_t offset)
{
    if (!GUARD(CONTEXT_CHECKSUM)) {
        return 0;
    }
    uint64_t x = (file_id * 0x9e3779b97f4a7c15ULL) ^ (offset + 0x632be59bd9b4e019ULL);
    x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9ULL;
    return x ^ (x >> 32);
}

/* ffi: begin */
/* Streaming XXH3-64, for whole-file hashes. */
struct checksum_stream {
    void *state; /* Owned XXH3_state_t. */
};
/* Returns LOAM_OK or LOAM_NO_MEMORY. */
int checksum_stream_init(struct checksum_stream *stream);
void checksum_stream_add(struct checksum_stream *stream, const void *data, size_t size);
uint64_t checksum_stream_value(const struct checksum_stream *stream);
void checksum_stream_deinit(struct checksum_stream *stream);
/* ffi: end */

#endif
