/* SPDX-License-Identifier: MIT */
/*
 * table_salvage.h - the readable data blocks of a table file, however damaged the rest is. Floor 2.
 * Used by repair.
 *
 * While footer, properties and block index verify, the index leads to the blocks, and a bad one is
 * left out. Without them the blocks are found by their checksums: blocks are contiguous, so behind
 * a block the next one starts, and its end is where 64 bits agree; behind damage every offset of a
 * bounded stretch is tried. A block found so is as sure as any: the checksum covers store, table
 * number and offset. Thread: owner.
 */
#ifndef LOAM_DISK_TABLE_SALVAGE_H
#define LOAM_DISK_TABLE_SALVAGE_H

#include "disk/table_reader.h"

struct table_salvage;

/* Reads the whole file to memory; pieces that the disk does not give are taken as zeroes. Errors:
 * NOT_FOUND, IO, NO_MEMORY. */
NODISCARD int table_salvage_open(struct env_dir *dir,
                                 uint64_t number,
                                 const struct store_id *id,
                                 struct table_salvage **out,
                                 struct loam_error *err);
/* NULL is fine. */
void table_salvage_close(struct table_salvage *salvage);
/* NULL when footer, properties or index are damaged; why, in *err. Valid until close. */
const struct table_reader *table_salvage_reader(const struct table_salvage *salvage,
                                                struct loam_error *err);
/* Of the file, as far as it could be read. */
uint64_t table_salvage_size(const struct table_salvage *salvage);
uint64_t table_salvage_hash(const struct table_salvage *salvage);
/* The next readable block, in the order of the file, with a reference of the caller. NOT_FOUND at
 * the end. Errors: NO_MEMORY. */
NODISCARD int
table_salvage_next(struct table_salvage *salvage, struct block **out, struct loam_error *err);
/* Stretches of the data that were passed over as damaged, so far. */
uint32_t table_salvage_gaps(const struct table_salvage *salvage);
/* The uuid that a table says it belongs to, sure when its footer verifies with it. Errors: CORRUPT
 * (err not filled), IO. */
NODISCARD int table_salvage_uuid(struct env_dir *dir, uint64_t number, struct store_id *id);

#endif
