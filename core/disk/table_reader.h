/* SPDX-License-Identifier: MIT */
/*
 * table_reader.h - reads one table file: footer, properties, block index, point index; and single
 * blocks. Floor 2. No cache: lsm/table has it.
 *
 * Constant after open, so any thread may use it at once. Errors: CORRUPT with file and offset for
 * whatever does not verify, UNSUPPORTED for a newer format, IO.
 *
 * A damaged point index alone does not keep a table from being read: it is left out and lookups
 * search the block index instead, which answers the same. table_reader_check() reports it.
 */
#ifndef LOAM_DISK_TABLE_READER_H
#define LOAM_DISK_TABLE_READER_H

#include "disk/block.h"
#include "disk/table_builder.h"

/* ffi: begin */
struct table_reader;
/* A hash of everything in a row. */
uint64_t table_row_digest(const struct entry *entry);

/* Opens and verifies everything but the data blocks; size is what the manifest says (another =
 * CORRUPT). Released with table_reader_close(). */
NODISCARD int table_reader_open(struct env_dir *dir,
                                uint64_t number,
                                uint64_t size,
                                const struct store_id *id,
                                struct table_reader **out,
                                struct loam_error *err);
/* NULL is fine. */
void table_reader_close(struct table_reader *reader);
/* What the file says of itself: number, size, counts, bounds, sequences; run, hash and log_number
 * are 0. Valid while the reader lives. */
const struct table_meta *table_reader_meta(const struct table_reader *reader);
uint32_t table_reader_block_count(const struct table_reader *reader);
/* Distinct keys. */
uint64_t table_reader_key_count(const struct table_reader *reader);
/* Bytes of memory the reader holds (index, point index). */
size_t table_reader_memory(const struct table_reader *reader);
/* Ids of the buckets that have rows here, ascending; valid while the reader lives. */
const uint32_t *table_reader_buckets(const struct table_reader *reader, size_t *count);
/* The only block that may hold (key, seq), or the one before the first row behind it; block_count
 * when the whole table is before the key. */
uint32_t table_reader_find(const struct table_reader *reader, struct slice key, uint64_t seq);
/* The same in two steps: see block_index_near(). */
uint32_t table_reader_near(const struct table_reader *reader, struct slice key);
uint32_t table_reader_find_near(const struct table_reader *reader,
                                uint32_t near,
                                struct slice key,
                                uint64_t seq);
/* Largest sequence number in block i. */
uint64_t table_reader_block_seq_max(const struct table_reader *reader, uint32_t index);
/* Where block i is in the file, with its trailer. */
void table_reader_block_place(const struct table_reader *reader,
                              uint32_t index,
                              uint64_t *offset,
                              uint64_t *size);
bool table_reader_has_point_index(const struct table_reader *reader);
/* Hash of a stored key, as point lookups take it: XXH3-64. */
uint64_t table_key_hash(struct slice stored_key);
/* Reads the whole file and compares with the manifest's hash, walks all rows: order, counts, bounds
 * against meta, every key against the point index. For check and verify. */
NODISCARD int table_reader_check(const struct table_reader *reader,
                                 const struct table_meta *meta,
                                 struct loam_error *err);
/* ffi: end */

/* Reads, verifies, decompresses, validates block i; *out has one reference of the caller. */
NODISCARD int table_reader_block(const struct table_reader *reader,
                                 uint32_t index,
                                 struct block **out,
                                 struct loam_error *err);

/* Who wants the blocks that a check has read. The block is borrowed: block_ref() keeps it. */
struct block_keeper {
    void (*keep)(void *owner, uint32_t index, struct block *block);
    void *owner;
};
/* As table_reader_check(), sums up table_row_digest() of all rows (who wrote the table compares it
 * with the sum over what it added), and shows each good block to the keeper, which may be NULL. */
NODISCARD int table_reader_check_rows(const struct table_reader *reader,
                                      const struct table_meta *meta,
                                      const struct block_keeper *keeper,
                                      uint64_t *out_digest,
                                      struct loam_error *err);

/* Bytes of the file read in advance by one sequential reader. Zero-initialised is empty; a window
 * belongs to one reader at a time: table_window_reset() before the next. Thread: owner. */
struct table_window {
    struct loam_buffer bytes;
    uint64_t offset; /* Of bytes in the file. */
};
void table_window_deinit(struct table_window *window);
void table_window_reset(struct table_window *window);
/* As table_reader_block(), out of the window; when the block is not in it, the window is filled
 * first with `ahead` bytes from the block on (at least the block). */
NODISCARD int table_reader_block_ahead(const struct table_reader *reader,
                                       uint32_t index,
                                       struct table_window *window,
                                       size_t ahead,
                                       struct block **out,
                                       struct loam_error *err);

/*
 * Point lookup candidates: positions of rows whose key may have this hash (table_key_hash()), the
 * newest version of the key each; when no candidate has the key, the table has not got it. Usage:
 *
 *     point_probe_init(&probe, reader, hash);
 *     while (point_probe_next(&probe, reader, &block, &row)) compare the row's key;
 *
 * block is below the block count; row must be compared with the block's row_count.
 */
struct point_probe {
    uint64_t hash;
    uint32_t line;  /* Private: of found. */
    uint32_t found; /* Private: candidates left in the line. */
    uint32_t left;  /* Private: lines that may still be asked. */
    bool is_full;   /* Private: the next line must be asked too. */
};
/* Starts to load the memory that point_probe_init() of this hash will look at. */
void point_probe_prefetch(const struct table_reader *reader, uint64_t hash);
void point_probe_init(struct point_probe *probe, const struct table_reader *reader, uint64_t hash);
bool point_probe_next(struct point_probe *probe,
                      const struct table_reader *reader,
                      uint32_t *block,
                      uint32_t *row);

#endif
