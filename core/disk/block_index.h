/* SPDX-License-Identifier: MIT */
/*
 * block_index.h - where the data blocks of a table are and which may hold a key. Floor 2. Private
 * to this room but for its specs.
 *
 * Block i > 0 has a separator: the shortest prefix of its first key that is above the last key of
 * block i - 1. When block i begins with the very key that block i - 1 ends with, the separator is
 * that key with the sequence of the block's first row (a split). Block 0 stands for whatever is
 * below the first separator. Data blocks are contiguous from offset 0, so sizes are stored and
 * offsets follow: blocks cannot overlap, and their sum must be where the data ends.
 *
 *   block index := block count u32 | shared size u32 | shared bytes | entries
 *   entry       := varint stored size (with trailer) | varint seq_max | varint split (0 none, else
 *                  seq + 1) | varint key size | key (behind the shared bytes)
 */
#ifndef LOAM_DISK_BLOCK_INDEX_H
#define LOAM_DISK_BLOCK_INDEX_H

#include "base/buf.h"
#include "disk/entry.h"

#define INDEX_LEVELS_MAX 11u /* 2^32 blocks are eleven levels of eight. */

/* Constant once parsed; arrays of `count` in one allocation. */
struct block_index {
    uint32_t count;
    struct slice shared;                      /* In front of every separator. */
    const uint64_t *ends;                     /* Offset behind block i. */
    const uint64_t *seq_maxes;                /* Largest sequence in block i. */
    const uint64_t *heads;                    /* key_head() of separator i behind `shared`. */
    const uint64_t *levels[INDEX_LEVELS_MAX]; /* Above the heads, which are level 0: each number is
                                                 the last one of eight below it. */
    uint32_t top;                             /* The level of at most eight numbers. */
    const uint64_t *key_ends;   /* Separator i behind `shared` is keys[key_ends[i-1]..[i]]. */
    const uint64_t *split_seqs; /* UINT64_MAX: no split. NULL: no block has one. */
    const char *keys;
    void *memory; /* Owned. */
    size_t memory_size;
};

struct block_index_builder {
    struct loam_buffer entries; /* struct index_entry */
    struct loam_buffer keys;    /* Whole separators. */
};

void block_index_builder_deinit(struct block_index_builder *builder);
/* The next block begins with `first` at first_seq, behind a block that ends with `last` (empty
 * for the first block). Errors: NO_MEMORY. */
NODISCARD int block_index_builder_begin(struct block_index_builder *builder,
                                        struct slice last,
                                        struct slice first,
                                        uint64_t first_seq,
                                        struct loam_error *err);
/* That block took stored_size bytes of the file. */
void block_index_builder_end(struct block_index_builder *builder,
                             uint64_t stored_size,
                             uint64_t seq_max);
uint32_t block_index_builder_count(const struct block_index_builder *builder);
/* Replaces *out. Errors: NO_MEMORY, TOO_LARGE. */
NODISCARD int block_index_builder_finish(const struct block_index_builder *builder,
                                         struct loam_buffer *out,
                                         struct loam_error *err);

/* Parses and checks; data_size: bytes of all data blocks. Returns LOAM_OK, LOAM_CORRUPT (err not
 * filled), LOAM_NO_MEMORY (err not filled). */
NODISCARD int
block_index_parse(const char *data, size_t size, uint64_t data_size, struct block_index *out);
void block_index_deinit(struct block_index *index);
/* The only block that may hold (key, seq), or the one before the first row behind it. */
uint32_t block_index_find(const struct block_index *index, struct slice key, uint64_t seq);
/* The search in two steps, between which what the second one looks at is on its way: the first says
 * near which block it will end - hardly ever more than INDEX_NEAR before or behind it. */
#define INDEX_NEAR 8u
uint32_t block_index_near(const struct block_index *index, struct slice key);
uint32_t block_index_find_near(const struct block_index *index,
                               uint32_t near,
                               struct slice key,
                               uint64_t seq);
static inline uint64_t block_index_offset(const struct block_index *index, uint32_t i)
{
    return i == 0 ? 0 : index->ends[i - 1];
}

#endif
