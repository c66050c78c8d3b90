/* SPDX-License-Identifier: MIT */
/* table_testing.c - thin wrappers for the specs of blocks and tables. */
#include "disk/table_testing.h"

#include "disk/table_format.h"

int testing_block_new(const char *data, size_t size, struct block **out)
{
    struct block *block = block_new(size);
    if (block == NULL) {
        return LOAM_NO_MEMORY;
    }
    memcpy(block_data(block), data, size);
    int rc = block_validate(block);
    if (rc != LOAM_OK) {
        block_unref(block);
        return rc;
    }
    *out = block;
    return LOAM_OK;
}

void testing_block_free(struct block *block)
{
    block_unref(block);
}

uint32_t testing_block_count(const struct block *block)
{
    return block->row_count;
}

size_t testing_block_prefix_size(const struct block *block)
{
    return block->prefix.size;
}

int testing_block_row(const struct block *block,
                      uint32_t index,
                      struct loam_buffer *key,
                      struct entry *out)
{
    struct block_row row;
    block_row(block, index, &row);
    TRY(buf_assign(key, block->prefix.data, block->prefix.size, NULL));
    TRY(buf_append(key, row.suffix.data, row.suffix.size, NULL));
    *out = (struct entry){
        .key = buf_slice(key),
        .value = row.value,
        .seq = row.seq,
        .expire_at_ms = row.expire_at_ms,
        .content_type = row.content_type,
        .kind = row.kind,
    };
    return block_row_has_key(block, &row, out->key) ? LOAM_OK : LOAM_CORRUPT;
}

uint32_t testing_block_seek(const struct block *block, const char *key, size_t size, uint64_t seq)
{
    return block_seek(block, slice_make(key, size), seq);
}

int testing_reader_block(const struct table_reader *reader,
                         uint32_t index,
                         struct block **out,
                         struct loam_error *err)
{
    return table_reader_block(reader, index, out, err);
}

uint32_t
testing_reader_find(const struct table_reader *reader, const char *key, size_t size, uint64_t seq)
{
    return table_reader_find(reader, slice_make(key, size), seq);
}

uint32_t testing_reader_probe(const struct table_reader *reader,
                              struct slice key,
                              uint32_t block,
                              uint32_t row,
                              bool *is_right)
{
    struct point_probe probe;
    point_probe_init(&probe, reader, table_key_hash(key));
    uint32_t count = 0;
    uint32_t found_block = 0;
    uint32_t found_row = 0;
    *is_right = false;
    while (point_probe_next(&probe, reader, &found_block, &found_row)) {
        count++;
        *is_right = *is_right || (found_block == block && found_row == row);
    }
    return count;
}

uint64_t testing_table_checksum(
    const struct store_id *id, uint64_t number, uint64_t offset, const char *data, size_t size)
{
    return table_checksum(table_seed(id, number), offset, data, size);
}
