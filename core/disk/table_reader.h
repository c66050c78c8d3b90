/* SPDX-License-Identifier: MIT */
/*
 * table_reader.h - reads one table file: footer, properties, block index, point index; and single
 * blocks. Floor 2. No cache: lsm/table has it.
 *
 * Constant after open, so any thread may use it at once. Errors: CORRUPT with file and offset for
 * whatever does not verify, IO.
 */
#ifndef LOAM_DISK_TABLE_READER_H
#define LOAM_DISK_TABLE_READER_H

#include "disk/block.h"
#include "disk/table_builder.h"

struct table_reader;

/* Opens and verifies everything but the data blocks; size is what the manifest says (another =
 * CORRUPT). */
NODISCARD int table_reader_open(struct env_dir *dir,
                                uint64_t number,
                                uint64_t size,
                                const struct store_id *id,
                                struct table_reader **out,
                                struct loam_error *err);
void table_reader_close(struct table_reader *reader);
uint32_t table_reader_block_count(const struct table_reader *reader);
/* Bytes of memory the reader holds (index, point index). */
size_t table_reader_memory(const struct table_reader *reader);
/* Reads, verifies, decompresses, validates block i; *out has one reference of the caller. */
NODISCARD int table_reader_block(const struct table_reader *reader,
                                 uint32_t index,
                                 struct block **out,
                                 struct loam_error *err);
/* The only block that may hold (key, seq), or the first that may hold something behind it;
 * block_count when all is before it. */
uint32_t table_reader_find(const struct table_reader *reader, struct slice key, uint64_t seq);
/* Largest sequence number in block i. */
uint64_t table_reader_block_seq_max(const struct table_reader *reader, uint32_t index);

/* Point lookup candidates: positions of rows whose key may have this hash (XXH3-64 of the stored
 * key, table_key_hash()), newest version of the key each. Usage: for (point_probe_init(...);
 * point_probe_next(...);) compare the row's key. */
struct point_probe {
    uint64_t hash;
    uint32_t line; /* Private. */
    uint32_t mask; /* Private. */
    uint32_t left; /* Private. */
};
bool table_reader_has_point_index(const struct table_reader *reader);
uint64_t table_key_hash(struct slice stored_key);
void point_probe_init(struct point_probe *probe, const struct table_reader *reader, uint64_t hash);
bool point_probe_next(struct point_probe *probe,
                      const struct table_reader *reader,
                      uint32_t *block,
                      uint32_t *row);

/* Reads the whole file and compares with the manifest's hash, walks all rows: order, counts, bounds
 * against meta. For check and verify. */
NODISCARD int table_reader_check(const struct table_reader *reader,
                                 const struct table_meta *meta,
                                 struct loam_error *err);

#endif
