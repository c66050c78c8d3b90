/* SPDX-License-Identifier: MIT */
/*
 * table_format.h - footer, properties and block trailers of table files as structs and bytes.
 * Floor 2. Private to this room; used by the table builder, reader and check.
 *
 *   file    := data blocks | [point index] | block index | properties | footer
 *   block   := bytes | compression u8 | checksum u64       (point index, index, properties too)
 *   footer  := point offset u64 | point size u64 | index offset u64 | index size u64 |
 *              properties offset u64 | properties size u64 | table number u64 |
 *              required features u32 | optional features u32 | format version u32 | reserved u32 |
 *              checksum u64 | magic u64
 *
 * A checksum covers what stands before it in its block and is seeded with the store's uuid, the
 * table's number and the block's offset: bytes of another place, file or store do not verify.
 */
#ifndef LOAM_DISK_TABLE_FORMAT_H
#define LOAM_DISK_TABLE_FORMAT_H

#include "base/buf.h"
#include "disk/manifest_edit.h"
#include "disk/record.h"

#define TABLE_MAGIC          0x31306c6254616f4cULL /* "LoaTbl01" as bytes. */
#define TABLE_FORMAT_VERSION 1u
#define TABLE_FOOTER_SIZE    88u
#define TABLE_TRAILER_SIZE   9u
/* The uuid of the store ends the properties: so far in front of the end of every table. */
#define TABLE_UUID_FROM_END (TABLE_FOOTER_SIZE + TABLE_TRAILER_SIZE + 16u)
/* Optional: the table has a point index. */
#define TABLE_FEATURE_POINT_INDEX 1u

struct table_handle {
    uint64_t offset;
    uint64_t size; /* With trailer; 0 = absent. */
};

struct table_footer {
    struct table_handle point;
    struct table_handle index;
    struct table_handle properties;
    uint64_t number;
    uint32_t required_features;
    uint32_t optional_features;
    uint32_t version;
};

struct table_properties {
    /* number, size, run, hash, log_number are 0; slices point into what was decoded. */
    struct table_meta meta;
    uint64_t key_count; /* Distinct keys. */
    uint32_t block_count;
    uint32_t point_line_count;
    uint8_t point_row_bits;
    uint8_t point_block_bits;
    uint32_t bucket_count;
    const char *bucket_ids; /* bucket_count little-endian u32, ascending. */
    unsigned char uuid[16]; /* Of the store: what repair finds the others' checksums by. */
};

/* Seed of the file; table_checksum() mixes in the offset of the block. */
uint64_t table_seed(const struct store_id *id, uint64_t number);
uint64_t table_checksum(uint64_t seed, uint64_t offset, const void *data, size_t size);
/* Writes the trailer of a block that will stand at `offset`. */
void table_trailer_encode(
    struct slice block, int codec, uint64_t seed, uint64_t offset, char out[TABLE_TRAILER_SIZE]);

void table_footer_encode(const struct table_footer *footer,
                         uint64_t seed,
                         uint64_t offset,
                         char *out);
/* offset: of the footer in the file. `name` is for messages. Errors: CORRUPT, UNSUPPORTED. */
NODISCARD int table_footer_decode(const char *data,
                                  uint64_t seed,
                                  uint64_t offset,
                                  const char *name,
                                  struct table_footer *out,
                                  struct loam_error *err);

/* Replaces *out. Errors: NO_MEMORY. */
NODISCARD int table_properties_encode(const struct table_properties *properties,
                                      struct loam_buffer *out,
                                      struct loam_error *err);
/* Returns LOAM_OK or LOAM_CORRUPT (err not filled). */
NODISCARD int table_properties_decode(const char *data, size_t size, struct table_properties *out);

#endif
