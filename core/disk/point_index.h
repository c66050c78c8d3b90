/* SPDX-License-Identifier: MIT */
/*
 * point_index.h - the hash table in a table file that leads from a key to its newest row. Floor 2.
 * Private to this room but for its specs.
 *
 * Lines of 64 bytes, 16 slots of u32 each; the hash chooses the line, a full line continues in the
 * next one (the last in the first). A slot is fingerprint | block ordinal | row ordinal, with
 * widths stored in the table's properties; 0xFFFFFFFF is empty, which is why a fingerprint is never
 * all ones. Lines fill from their first slot, so one look at the last slot tells whether a line is
 * full. A lookup that meets a line with room has seen every candidate: a key that is in the table
 * is always among them. When less than 8 bits are left for the fingerprint, the table goes without.
 */
#ifndef LOAM_DISK_POINT_INDEX_H
#define LOAM_DISK_POINT_INDEX_H

#include "base/buf.h"

#define POINT_LINE_SIZE  64u
#define POINT_LINE_SLOTS 16u
#define POINT_EMPTY      UINT32_MAX

/* Constant once made. */
struct point_index {
    char *lines; /* 64-byte aligned; NULL: the table has no point index. */
    uint32_t line_count;
    uint8_t row_bits;
    uint8_t block_bits; /* The rest of 32 bits is fingerprint. */
};

/* What a builder keeps: 12 bytes a key. */
struct point_builder {
    struct loam_buffer hashes;     /* uint64_t per key, in row order. */
    struct loam_buffer rows;       /* uint32_t per key: row ordinal in its block. */
    struct loam_buffer block_ends; /* uint64_t per block: keys up to its end. */
    uint64_t key_count;
    uint32_t row_max;
};

void point_builder_deinit(struct point_builder *builder);
/* A key whose newest version is row `row` of the current block. Errors: NO_MEMORY. */
NODISCARD int point_builder_add(struct point_builder *builder,
                                uint64_t hash,
                                uint32_t row,
                                struct loam_error *err);
/* The current block ends. Errors: NO_MEMORY. */
NODISCARD int point_builder_end_block(struct point_builder *builder, struct loam_error *err);
/* Sets *out; its lines are owned by the caller (mem_free()), NULL when fingerprints would be too
 * narrow. Errors: NO_MEMORY. */
NODISCARD int point_builder_finish(const struct point_builder *builder,
                                   struct point_index *out,
                                   struct loam_error *err);

/* Whether the widths are possible and the lines hold exactly key_count slots, each of a block below
 * block_count. */
bool point_index_is_sound(const struct point_index *index,
                          uint64_t key_count,
                          uint32_t block_count);

/* Slots of line `line` that may be of this hash, as a mask; *is_full: the next line must be asked
 * too. */
uint32_t
point_index_match(const struct point_index *index, uint64_t hash, uint32_t line, bool *is_full);
uint32_t point_index_line(const struct point_index *index, uint64_t hash);
void point_index_slot(
    const struct point_index *index, uint32_t line, uint32_t slot, uint32_t *block, uint32_t *row);

#endif
