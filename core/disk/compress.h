/* SPDX-License-Identifier: MIT */
/*
 * compress.h - the codecs of blocks: none, lz4, zstd. Floor 2. Used by the table builder and
 * reader.
 *
 * Compressed form: raw size u32 | codec's bytes. A block that does not shrink by an eighth is
 * stored as it is: reading it then costs no decompression. The raw size is compared with
 * BLOCK_SIZE_MAX before anything is allocated.
 */
#ifndef LOAM_DISK_COMPRESS_H
#define LOAM_DISK_COMPRESS_H

#include "base/buf.h"
#include "base/slice.h"

/* ffi: begin */
struct compressor;

/* codec: LOAM_COMPRESS_*. Released with compressor_free(). Errors: INVALID unknown codec,
 * NO_MEMORY. Thread: owner */
int compressor_new(int codec, struct compressor **out, struct loam_error *err);
/* NULL is fine. */
void compressor_free(struct compressor *compressor);
/* Replaces *out with the compressed form and sets *codec to what was used: LOAM_COMPRESS_NONE when
 * it does not pay, and then *out is empty and the caller stores the raw bytes. Errors: NO_MEMORY.
 */
int compressor_run(struct compressor *compressor,
                   const char *raw,
                   size_t raw_size,
                   struct loam_buffer *out,
                   int *codec,
                   struct loam_error *err);

/* Size after decompression. Returns LOAM_OK, or LOAM_CORRUPT (the caller knows file and offset):
 * too short, unknown codec, above BLOCK_SIZE_MAX. Thread: any */
int decompress_size(int codec, const char *stored, size_t stored_size, size_t *raw_size);
/* Fills exactly raw_size bytes, as decompress_size() said. Returns LOAM_OK, LOAM_CORRUPT,
 * LOAM_NO_MEMORY (err not filled). Thread: any */
int decompress(int codec, const char *stored, size_t stored_size, char *raw, size_t raw_size);
/* ffi: end */

#endif
