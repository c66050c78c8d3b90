/* SPDX-License-Identifier: MIT */
/*
 * block.h - data blocks of a table: rows in order, found by position without decoding their
 * neighbours. Floor 2.
 *
 * Uncompressed form (little-endian; exact bytes in core/FORMAT.md):
 *   block := row_count u32 | flags u8 | prefix size u24 | base_seq u64 | row offsets | prefix |
 *            rows
 *   flags := 1 = row offsets are u32 instead of u16; high nibble: bytes of a row's seq delta
 *   row   := head u8 (kind, 0x10 has expiry, 0x20 has content type) | varint suffix size |
 *            varint value size | seq - base_seq | [expire_at_ms u64] | [content_type u16] |
 *            suffix | value
 * The prefix is what all keys of the block share (bucket id included): dense keys shrink to their
 * last bytes, and any row is one load away. The offsets stand in front, at a place that is known
 * before the header is read: a point read loads header and offset at the same time. The seq delta
 * has one width per block, because a varint costs a random order of writes one byte and one
 * mispredicted branch a row more.
 *
 * A block object is immutable once validated; its bytes stand behind it in the same allocation.
 * block_validate() checks everything once: afterwards access needs no checks. Reference counted;
 * memory is released by block_unref at zero. Thread: any, once validated.
 */
#ifndef LOAM_DISK_BLOCK_H
#define LOAM_DISK_BLOCK_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/coding.h"
#include "base/epoch.h"
#include "disk/entry.h"

#define BLOCK_HEADER_SIZE       16
#define BLOCK_SLACK             16 /* Readable bytes behind the data: wide loads are safe. */
#define BLOCK_FLAG_WIDE         0x01
#define BLOCK_HEAD_KIND         0x0f
#define BLOCK_HEAD_EXPIRY       0x10
#define BLOCK_HEAD_CONTENT_TYPE 0x20
#define BLOCK_SAMPLES           16u

struct block {
    /* First line: lifetime. */
    struct epoch_item epoch_item; /* For the cache's deferred release. */
    _Atomic uint32_t refs;
    uint32_t size;            /* Bytes of data. */
    uint32_t capacity;        /* Bytes of data that the memory is for. */
    struct pool_chunk *chunk; /* Of the memory. */

    /* Second line: all that a read needs. Set by block_validate(). */
    CACHE_ALIGNED _Atomic uint32_t is_hot; /* Clock bit of the cache; relaxed. */
    uint32_t row_count;                    /* At least 1. */
    uint64_t base_seq;
    uint64_t seq_mask; /* Of the low seq_width bytes. */
    struct slice prefix;
    const char *rows; /* First row. */
    uint8_t seq_width;
    bool has_wide_offsets;
    bool has_versions; /* Some key has more than one row. */

    /* Third line: the first four bytes, as a number, of the suffixes of sixteen rows that lie
     * evenly spread (block_sample_row()). A search looks here first and then at a few neighbouring
     * rows, instead of at rows all over the block, each of which is a cache miss. */
    CACHE_ALIGNED uint32_t samples[BLOCK_SAMPLES];
};

/* The bytes of the block, writable until it is validated. */
static inline char *block_data(const struct block *block)
{
    return (char *)block + sizeof(*block);
}

/* Checks the structure of a block whose data is filled: every length and offset, kinds, order of
 * rows. Returns LOAM_OK or LOAM_CORRUPT (no err: the caller knows file and offset). */
NODISCARD int block_validate(struct block *block);
/* Memory for a block of `size` data bytes, refs = 1, not yet validated. NULL when out of memory. */
struct block *block_new(size_t size);
void block_ref(struct block *block);
/* NULL is fine. */
void block_unref(struct block *block);
/* Bytes of memory that a block of this size takes. */
size_t block_memory(const struct block *block);

/* One row. Its key is the block's prefix and the suffix. All slices are valid as long as the
 * block. */
struct block_row {
    struct slice suffix;
    struct slice value;
    uint64_t seq;
    uint64_t expire_at_ms;
    uint32_t content_type;
    uint32_t kind;
};

/* Where row `index` begins. The block is validated and index < row_count. */
static inline const char *block_row_data(const struct block *block, uint32_t index)
{
    const char *offsets = block_data(block) + BLOCK_HEADER_SIZE;
    return block->rows + (UNLIKELY(block->has_wide_offsets) ? get_u32(offsets + 4 * (size_t)index)
                                                            : get_u16(offsets + 2 * (size_t)index));
}

/* A varint of a validated block. */
static inline const char *block_varint(const char *p, size_t *out)
{
    size_t value = (unsigned char)*p++;
    if (UNLIKELY(value >= 0x80)) {
        value &= 0x7f;
        for (unsigned shift = 7;; shift += 7) {
            size_t byte = (unsigned char)*p++;
            value |= (byte & 0x7f) << shift;
            if (byte < 0x80) {
                break;
            }
        }
    }
    *out = value;
    return p;
}

static inline void block_row_decode(const struct block *block, const char *p, struct block_row *out)
{
    unsigned head = (unsigned char)*p++;
    size_t suffix_size = 0;
    size_t value_size = 0;
    p = block_varint(p, &suffix_size);
    p = block_varint(p, &value_size);
    out->seq = block->base_seq + (get_u64(p) & block->seq_mask);
    p += block->seq_width;
    out->kind = head & BLOCK_HEAD_KIND;
    out->expire_at_ms = 0;
    out->content_type = 0;
    if (UNLIKELY((head & BLOCK_HEAD_EXPIRY) != 0)) {
        out->expire_at_ms = get_u64(p);
        p += 8;
    }
    if (UNLIKELY((head & BLOCK_HEAD_CONTENT_TYPE) != 0)) {
        out->content_type = get_u16(p);
        p += 2;
    }
    out->suffix = slice_make(p, suffix_size);
    out->value = slice_make(p + suffix_size, value_size);
}

/* Row `index` of a validated block; index < row_count. */
static inline void block_row(const struct block *block, uint32_t index, struct block_row *out)
{
    block_row_decode(block, block_row_data(block, index), out);
}

/* The first eight bytes of a row's suffix as a big-endian number; shorter ones are padded with
 * zeros, so equal numbers decide nothing. BLOCK_SLACK makes the load safe. */
static inline uint64_t block_suffix_head(struct slice suffix)
{
    uint64_t head;
    memcpy(&head, suffix.data, sizeof(head));
    head = be64toh(head);
    return suffix.size >= 8   ? head
           : suffix.size == 0 ? 0
                              : head & (UINT64_MAX << (64 - 8 * suffix.size));
}

/* Compares a row with (key suffix, seq), whose head (key_head()) is known. */
static inline int
block_row_cmp(const struct block_row *row, struct slice key, uint64_t head, uint64_t seq)
{
    uint64_t row_head = block_suffix_head(row->suffix);
    if (LIKELY(row_head != head)) {
        return row_head < head ? -1 : 1;
    }
    int order = slice_cmp(row->suffix, key);
    return order != 0 ? order : (row->seq < seq) - (row->seq > seq);
}

/* Which row sample `i` is of; non-decreasing. */
static inline uint32_t block_sample_row(const struct block *block, uint32_t i)
{
    return (uint32_t)(((uint64_t)block->row_count * i) / BLOCK_SAMPLES);
}

/* Starts to load what a search looks at first, whose place is known from the block's address. */
static inline void block_prefetch(const struct block *block)
{
    const char(*line)[CACHE_LINE] = (const void *)block;
    __builtin_prefetch(line, 1); /* The reference count is about to be written. */
    __builtin_prefetch(line + 1);
    __builtin_prefetch(line + 2);
    __builtin_prefetch(line + 3); /* Header and row offsets. */
    __builtin_prefetch(line + 4);
}

/* Sends for a row of a validated block. */
static inline void block_prefetch_row(const struct block *block, uint32_t index)
{
    const char *at = block_row_data(block, index);
    __builtin_prefetch(at);
    __builtin_prefetch(at + CACHE_LINE);
}

/* Sends for the rows that block_seek() of a key will look at. */
void block_aim(const struct block *block, struct slice key);
/* First row at or after (key, seq); row_count when there is none. */
uint32_t block_seek(const struct block *block, struct slice key, uint64_t seq);
/* The same number, for callers who expect that all rows are before (key, seq): the last row is
 * looked at first. */
uint32_t block_rows_before(const struct block *block, struct slice key, uint64_t seq);

/* Whether `key` is the key of this row. */
static inline bool
block_row_has_key(const struct block *block, const struct block_row *row, struct slice key)
{
    size_t prefix_size = block->prefix.size;
    return key.size == prefix_size + row->suffix.size &&
           memcmp(key.data + prefix_size, row->suffix.data, row->suffix.size) == 0 &&
           memcmp(key.data, block->prefix.data, prefix_size) == 0;
}

/* ffi: begin */
/* Builder. Rows must come in entry order. Thread: owner. */
struct block_builder;
struct block_builder *block_builder_new(void);
void block_builder_free(struct block_builder *builder);
enum { BLOCK_LENT_MIN = 1 << 20 }; /* A value of so many bytes is not copied before finish. */
/* A large value must stay where it is until finish. Errors: INVALID out of order, of a reserved
 * kind or above a limit; NO_MEMORY. The builder is then as before. */
int block_builder_add(struct block_builder *builder,
                      const struct entry *entry,
                      struct loam_error *err);
/* Bytes of the block that finish would make now, and with one more entry. */
size_t block_builder_size(const struct block_builder *builder);
size_t block_builder_size_with(const struct block_builder *builder, const struct entry *entry);
uint32_t block_builder_count(const struct block_builder *builder);
/* Writes the block to *out (cleared first) and empties the builder, which has at least one row.
 * Errors: NO_MEMORY. */
int block_builder_finish(struct block_builder *builder,
                         struct loam_buffer *out,
                         struct loam_error *err);
/* ffi: end */

#endif
