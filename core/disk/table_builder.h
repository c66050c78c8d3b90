/* SPDX-License-Identifier: MIT */
/*
 * table_builder.h - writes one immutable table file (.sst). Floor 2. Used by flush and compaction.
 *
 *   data blocks | point index | block index | properties | footer
 *   each block: bytes | compression u8 | checksum u64
 *
 * The checksum is seeded with store uuid, table number and offset. The builder streams: memory is
 * one block and a write buffer, plus index and point index (12 bytes a key). It checks order and
 * limits of what it is given (INVALID, never silently). Thread: owner.
 */
#ifndef LOAM_DISK_TABLE_BUILDER_H
#define LOAM_DISK_TABLE_BUILDER_H

#include "disk/entry.h"
#include "disk/manifest_edit.h"
#include "disk/record.h"

/* ffi: begin */
struct table_builder;

struct table_options {
    uint32_t block_bytes;
    int compression; /* LOAM_COMPRESS_*; a block that does not shrink by 1/8 is stored as it is. */
    bool point_index;
    uint64_t write_behind_bytes; /* Start write-out every so many bytes; 0 = never. */
};

/* Creates the file. Errors: INVALID option; EXISTS; IO; NO_SPACE; NO_MEMORY. */
int table_builder_open(struct env_dir *dir,
                       uint64_t number,
                       const struct store_id *id,
                       const struct table_options *options,
                       struct table_builder **out,
                       struct loam_error *err);
/* Errors: INVALID out of order or above a limit (nothing is added); IO, NO_SPACE, NO_MEMORY: the
 * builder is spent, every later call answers the same code and only close is of use. */
int table_builder_add(struct table_builder *builder,
                      const struct entry *entry,
                      struct loam_error *err);
/* Bytes of data blocks so far, the unfinished one included. */
uint64_t table_builder_size_estimate(const struct table_builder *builder);
/* Rows added. */
uint64_t table_builder_count(const struct table_builder *builder);
/* Writes index, properties, footer; syncs and closes the file. *meta: slices valid until close; run
 * and log_number are the caller's. Errors: INVALID no rows; as add. */
int table_builder_finish(struct table_builder *builder,
                         struct table_meta *meta,
                         struct loam_error *err);
/* Frees. An unfinished file stays behind as an orphan for the caller to remove. NULL is fine. */
void table_builder_close(struct table_builder *builder);
/* ffi: end */

#endif
