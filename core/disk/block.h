/* SPDX-License-Identifier: MIT */
/*
 * block.h - data blocks of a table: rows in order, found by position without decoding their
 * neighbours. Floor 2.
 *
 * Uncompressed form (little-endian; exact bytes in core/FORMAT.md):
 *   row_count u32 | flags u8 (1 = 32-bit row offsets) | prefix size u24 | base_seq u64 | prefix |
 * rows | row offsets (u16 or u32 each) row := head u8 (kind, flags) | varint suffix size | varint
 * value size | varint (seq - base_seq) | [expire_at_ms u64] | [content_type u16] | suffix | value
 * The prefix is what all keys of the block share (bucket id included): dense keys shrink to their
 * last bytes, and any row is one load away.
 *
 * A block object is immutable; struct block is allocated with its bytes behind it. Everything is
 * validated once by block_load(): afterwards access needs no checks. Reference counted; memory is
 * released by block_unref at zero.
 */
#ifndef LOAM_DISK_BLOCK_H
#define LOAM_DISK_BLOCK_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/epoch.h"
#include "disk/entry.h"

struct block {
    struct epoch_item epoch_item; /* For the cache's deferred release. */
    _Atomic uint32_t refs;
    _Atomic uint32_t is_hot; /* Clock bit of the cache. */
    uint32_t row_count;      /* At least 1. */
    uint32_t size;           /* Bytes of data. */
    struct slice prefix;
    const char *rows;    /* First row. */
    const char *offsets; /* Row offsets from rows. */
    uint64_t base_seq;
    bool has_wide_offsets;
    char *data;
};

/* Takes ownership of a block whose data (size bytes) is filled, validates the structure: every
 * length, offset, order of keys. Errors: CORRUPT (not filled: the caller knows file and offset). */
NODISCARD int block_validate(struct block *block);
/* Memory for a block of `size` data bytes, refs = 1, not yet validated. NULL when out of memory. */
struct block *block_new(size_t size);
void block_ref(struct block *block);
void block_unref(struct block *block);

/* Row i. entry->key.data is NULL-free only for blocks without prefix: the key is prefix + suffix,
 * so callers get both parts. */
struct block_row {
    struct slice suffix; /* Key behind the block's prefix. */
    struct slice value;
    uint64_t seq;
    uint64_t expire_at_ms;
    uint32_t content_type;
    uint32_t kind;
};
void block_row(const struct block *block, uint32_t index, struct block_row *out);
/* First row at or after (key, seq); row_count when there is none. */
uint32_t block_seek(const struct block *block, struct slice key, uint64_t seq);
/* Compares (stored) key with row i's key. */
int block_key_cmp(const struct block *block, uint32_t index, struct slice key);

/* Builder. Rows must come in entry order. Thread: owner. */
struct block_builder;
struct block_builder *block_builder_new(void);
void block_builder_free(struct block_builder *builder);
int block_builder_add(struct block_builder *builder,
                      const struct entry *entry,
                      struct loam_error *err);
size_t block_builder_size_estimate(const struct block_builder *builder);
uint32_t block_builder_count(const struct block_builder *builder);
/* Writes the block to *out (cleared first) and empties the builder. */
int block_builder_finish(struct block_builder *builder,
                         struct loam_buffer *out,
                         struct loam_error *err);

#endif
