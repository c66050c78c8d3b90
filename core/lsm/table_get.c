/* SPDX-License-Identifier: MIT */
/*
 * table_get.c - point reads of one table: point index, slot, row. See table.h.
 *
 * A hit takes four cache misses in a row (line of the point index, slot, block header with the
 * row's offset, row) and no allocation, lock or shared write. Tables without a point index, and
 * reads whose snapshot is older than the newest version, search the block index instead.
 */
#include <inttypes.h>

#include "base/check.h"
#include "lsm/table_internal.h"

static int found(struct block *block,
                 const struct block_row *row,
                 struct slice key,
                 struct entry *out,
                 struct block **pin)
{
    out->key = key;
    out->value = row->value;
    out->seq = row->seq;
    out->expire_at_ms = row->expire_at_ms;
    out->content_type = row->content_type;
    out->kind = row->kind;
    if (pin != NULL) {
        block_ref(block);
        *pin = block;
    }
    return LOAM_OK;
}

/* By block index and binary search. */
static NOINLINE int get_by_search(struct table *table,
                                  const struct table_reader *reader,
                                  const struct lookup *wanted,
                                  struct entry *out,
                                  struct block **pin,
                                  struct loam_error *err)
{
    uint32_t block_count = table_reader_block_count(reader);
    uint32_t index = table_reader_find(reader, wanted->key, wanted->seq);
    for (; index < block_count; index++) {
        struct block *block = NULL;
        TRY(table_block(table, reader, index, &block, err));
        uint32_t row_index = block_seek(block, wanted->key, wanted->seq);
        if (row_index < block->row_count) {
            struct block_row row;
            block_row(block, row_index, &row);
            return block_row_has_key(block, &row, wanted->key)
                       ? found(block, &row, wanted->key, out, pin)
                       : LOAM_NOT_FOUND;
        }
    }
    return LOAM_NOT_FOUND;
}

static int candidate_damaged(const struct table *table, uint32_t row, struct loam_error *err)
{
    return fail(err, LOAM_CORRUPT,
                "%012" PRIu64 ".sst at offset 0: point index names row %" PRIu32
                " of a block that has less",
                table->meta.number, row);
}

int table_get(struct table *table,
              const struct lookup *wanted,
              struct entry *out,
              struct block **pin,
              struct loam_error *err)
{
    const struct table_reader *reader = NULL;
    TRY(table_reader_of(table, &reader, err));
    if (UNLIKELY(!table_reader_has_point_index(reader))) {
        return get_by_search(table, reader, wanted, out, pin, err);
    }
    struct point_probe probe;
    point_probe_init(&probe, reader, wanted->hash);
    uint32_t block_index = 0;
    uint32_t row_index = 0;
    while (point_probe_next(&probe, reader, &block_index, &row_index)) {
        struct block *block = table_resident(table, block_index);
        if (LIKELY(block != NULL)) {
            row_prefetch(table, block, row_index);
        }
        TRY(table_block(table, reader, block_index, &block, err));
        if (UNLIKELY(row_index >= block->row_count)) {
            return candidate_damaged(table, row_index, err);
        }
        struct block_row row;
        block_row(block, row_index, &row);
        if (block_row_has_key(block, &row, wanted->key)) {
            return LIKELY(row.seq <= wanted->seq)
                       ? found(block, &row, wanted->key, out, pin)
                       : get_by_search(table, reader, wanted, out, pin, err);
        }
    }
    return LOAM_NOT_FOUND;
}
