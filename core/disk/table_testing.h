/* SPDX-License-Identifier: MIT */
/*
 * table_testing.h - what specs of blocks and tables call: inline functions as real ones, structures
 * with atomics behind opaque pointers, and seals for forged bytes. Floor 2; only in
 * libloam_testing. Thread: owner.
 */
#ifndef LOAM_DISK_TABLE_TESTING_H
#define LOAM_DISK_TABLE_TESTING_H

#include "disk/block.h"
#include "disk/table_reader.h"

/* ffi: begin */
struct block;

/* A block of these bytes, validated. Released with testing_block_free(). */
int testing_block_new(const char *data, size_t size, struct block **out);
void testing_block_free(struct block *block);
uint32_t testing_block_count(const struct block *block);
size_t testing_block_prefix_size(const struct block *block);
/* Row i; its key is assembled in *key. */
int testing_block_row(const struct block *block,
                      uint32_t index,
                      struct loam_buffer *key,
                      struct entry *out);
uint32_t testing_block_seek(const struct block *block, const char *key, size_t size, uint64_t seq);

int testing_reader_block(const struct table_reader *reader,
                         uint32_t index,
                         struct block **out,
                         struct loam_error *err);
uint32_t
testing_reader_find(const struct table_reader *reader, const char *key, size_t size, uint64_t seq);
/* Number of candidates the point index names for the key; *is_right: one of them is (block, row).
 */
uint32_t testing_reader_probe(const struct table_reader *reader,
                              struct slice key,
                              uint32_t block,
                              uint32_t row,
                              bool *is_right);
/* Checksum of a block or footer of `size` bytes at this place, for forged files that verify. */
uint64_t testing_table_checksum(
    const struct store_id *id, uint64_t number, uint64_t offset, const char *data, size_t size);
/* ffi: end */

#endif
