/* SPDX-License-Identifier: MIT */
/*
 * table_reader.c - opening a table file, reading its blocks, asking its indexes. Format:
 * table_format.h and core/FORMAT.md.
 *
 * Everything small is read and verified at open; a data block is verified when it is read. An
 * uncompressed block is read straight into the memory of its block object.
 */
#include "disk/table_reader.h"

#include <inttypes.h>

#include "base/check.h"
#include "base/checksum.h"
#include "base/guard.h"
#include "base/limits.h"
#include "disk/compress.h"
#include "disk/table_reader_internal.h"

_Static_assert(SIZE_MAX >= UINT64_MAX, "sizes of blocks in a file fit size_t");

/* Opening. */

/* Checks trailer and codec of a block of the tail; the tail is stored uncompressed. */
static int tail_verify(const struct table_reader *reader,
                       const struct table_handle *handle,
                       const char *bytes,
                       const char *what,
                       struct loam_error *err)
{
    size_t size = (size_t)handle->size - TABLE_TRAILER_SIZE;
    if (GUARD(INDEX_CHECKSUM) &&
        get_u64(bytes + size + 1) !=
            table_checksum(reader->seed, handle->offset, bytes, size + 1)) {
        return fail(err, LOAM_CORRUPT, "%s at offset %" PRIu64 ": checksum of the %s differs",
                    reader->name, handle->offset, what);
    }
    if (bytes[size] != LOAM_COMPRESS_NONE) {
        return fail(err, LOAM_CORRUPT, "%s at offset %" PRIu64 ": the %s is compressed",
                    reader->name, handle->offset, what);
    }
    return LOAM_OK;
}

/* Reads a block of the tail to *out, without its trailer. */
static int tail_read(const struct table_reader *reader,
                     const struct table_handle *handle,
                     const char *what,
                     struct loam_buffer *out,
                     struct loam_error *err)
{
    out->size = 0;
    TRY(buf_reserve(out, (size_t)handle->size, err));
    INV(out->data != NULL);
    TRY(env_read_exact(reader->file, handle->offset, out->data, (size_t)handle->size, err));
    TRY(tail_verify(reader, handle, out->data, what, err));
    out->size = (size_t)handle->size - TABLE_TRAILER_SIZE;
    return LOAM_OK;
}

static int footer_read(struct table_reader *reader, uint64_t size, struct loam_error *err)
{
    uint64_t found = 0;
    TRY(env_size(reader->file, &found, err));
    if (found != size) {
        return fail(err, LOAM_CORRUPT,
                    "%s at offset %" PRIu64 ": the file ends there, but it is to have %" PRIu64
                    " bytes",
                    reader->name, found, size);
    }
    if (size <= TABLE_FOOTER_SIZE) {
        return fail(err, LOAM_CORRUPT, "%s at offset 0: %" PRIu64 " bytes are too few for a table",
                    reader->name, size);
    }
    char bytes[TABLE_FOOTER_SIZE];
    uint64_t offset = size - TABLE_FOOTER_SIZE;
    TRY(env_read_exact(reader->file, offset, bytes, sizeof(bytes), err));
    return table_footer_decode(bytes, reader->seed, offset, reader->name, &reader->footer, err);
}

static int properties_read(struct table_reader *reader, uint64_t size, struct loam_error *err)
{
    const struct table_handle *handle = &reader->footer.properties;
    struct table_properties *properties = &reader->properties;
    TRY(tail_read(reader, handle, "properties", &reader->property_bytes, err));
    if (table_properties_decode(reader->property_bytes.data, reader->property_bytes.size,
                                properties) != LOAM_OK) {
        return fail(err, LOAM_CORRUPT, "%s at offset %" PRIu64 ": properties do not parse",
                    reader->name, handle->offset);
    }
    properties->meta.number = reader->footer.number;
    properties->meta.size = size;
    reader->bucket_ids = mem_alloc(sizeof(uint32_t) * properties->bucket_count);
    if (reader->bucket_ids == NULL) {
        return mem_fail(err, sizeof(uint32_t) * properties->bucket_count);
    }
    for (uint32_t i = 0; i < properties->bucket_count; i++) {
        reader->bucket_ids[i] = get_u32(properties->bucket_ids + 4 * (size_t)i);
    }
    return LOAM_OK;
}

static int index_read(struct table_reader *reader, struct loam_error *err)
{
    const struct table_handle *handle = &reader->footer.index;
    struct loam_buffer bytes = {0};
    int rc = tail_read(reader, handle, "block index", &bytes, err);
    if (rc == LOAM_OK) {
        rc = block_index_parse(bytes.data, bytes.size, reader->footer.point.offset, &reader->index);
        if (rc == LOAM_NO_MEMORY) {
            rc = mem_fail(err, bytes.size);
        } else if (rc != LOAM_OK || reader->index.count != reader->properties.block_count) {
            rc = fail(err, LOAM_CORRUPT, "%s at offset %" PRIu64 ": block index does not parse",
                      reader->name, handle->offset);
        }
    }
    loam_buffer_free(&bytes);
    return rc;
}

/* Reads the point index. One that does not verify is left out: a smaller table, not a wrong one. */
static int point_read(struct table_reader *reader, struct loam_error *err)
{
    const struct table_handle *handle = &reader->footer.point;
    if (handle->size == 0) {
        return LOAM_OK;
    }
    char *lines = mem_huge((size_t)handle->size); /* Aligned to a line at least. */
    if (lines == NULL) {
        return mem_fail(err, handle->size);
    }
    int rc = env_read_exact(reader->file, handle->offset, lines, (size_t)handle->size, err);
    if (rc != LOAM_OK) {
        mem_huge_free(lines, (size_t)handle->size);
        return rc;
    }
    const struct table_properties *properties = &reader->properties;
    struct point_index point = {
        .lines = lines,
        .line_count = properties->point_line_count,
        .row_bits = properties->point_row_bits,
        .block_bits = properties->point_block_bits,
    };
    uint64_t size = (uint64_t)point.line_count * POINT_LINE_SIZE + TABLE_TRAILER_SIZE;
    if (size != handle->size ||
        tail_verify(reader, handle, lines, "point index", NULL) != LOAM_OK ||
        !point_index_is_sound(&point, properties->key_count, properties->block_count)) {
        mem_huge_free(lines, (size_t)handle->size);
        reader->is_point_damaged = true;
        return LOAM_OK;
    }
    reader->point = point;
    return LOAM_OK;
}

int table_reader_open(struct env_dir *dir,
                      uint64_t number,
                      uint64_t size,
                      const struct store_id *id,
                      struct table_reader **out,
                      struct loam_error *err)
{
    struct table_reader *reader = mem_zalloc(1, sizeof(*reader));
    if (reader == NULL) {
        return mem_fail(err, sizeof(*reader));
    }
    reader->seed = table_seed(id, number);
    file_name_make(FILE_TABLE, number, reader->name);
    int rc = LOAM_OK;
    rc = env_open_read(dir, reader->name, &reader->file, err);
    if (rc == LOAM_NOT_FOUND) {
        /* Never passed on: above, it would read as "no such key". */
        rc = fail(err, LOAM_CORRUPT, "%s at offset 0: the file is missing", reader->name);
    }
    if (rc != LOAM_OK) {
        goto out;
    }
    TRY_TO(out, rc, footer_read(reader, size, err));
    TRY_TO(out, rc, properties_read(reader, size, err));
    TRY_TO(out, rc, index_read(reader, err));
    TRY_TO(out, rc, point_read(reader, err));
out:
    if (rc != LOAM_OK) {
        table_reader_close(reader);
        return rc;
    }
    *out = reader;
    return LOAM_OK;
}

void table_reader_close(struct table_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    /* Nothing was written through it: a failing close loses nothing. */
    (void)!env_close(reader->file, NULL);
    block_index_deinit(&reader->index);
    mem_huge_free(reader->point.lines, (size_t)reader->footer.point.size);
    loam_buffer_free(&reader->property_bytes);
    mem_free(reader->bucket_ids);
    mem_free(reader);
}

/* Blocks. */

static int block_damaged(const struct table_reader *reader,
                         uint64_t offset,
                         const char *what,
                         struct loam_error *err)
{
    return fail(err, LOAM_CORRUPT, "%s at offset %" PRIu64 ": data block: %s", reader->name, offset,
                what);
}

/* Checks the trailer of `size` stored bytes; *codec is what stands there. */
static int stored_verify(const struct table_reader *reader,
                         uint64_t offset,
                         struct slice stored,
                         int *codec,
                         struct loam_error *err)
{
    const char *checksum = stored.data + stored.size - 8;
    if (GUARD(BLOCK_CHECKSUM) &&
        get_u64(checksum) != table_checksum(reader->seed, offset, stored.data, stored.size - 8)) {
        return block_damaged(reader, offset, "checksum differs", err);
    }
    *codec = (unsigned char)checksum[-1];
    return LOAM_OK;
}

/* Makes a block of verified stored bytes without their trailer. */
static int block_unpack(const struct table_reader *reader,
                        uint64_t offset,
                        struct slice stored,
                        int codec,
                        struct block **out,
                        struct loam_error *err)
{
    size_t raw_size = 0;
    if (decompress_size(codec, stored.data, stored.size, &raw_size) != LOAM_OK) {
        return block_damaged(reader, offset, "declared size or compression is not possible", err);
    }
    struct block *block = block_new(raw_size);
    if (block == NULL) {
        return mem_fail(err, raw_size);
    }
    int rc = decompress(codec, stored.data, stored.size, block_data(block), raw_size);
    if (rc == LOAM_NO_MEMORY) {
        rc = mem_fail(err, raw_size);
    } else if (rc != LOAM_OK) {
        rc = block_damaged(reader, offset, "does not decompress to its declared size", err);
    } else if (block_validate(block) != LOAM_OK) {
        rc = block_damaged(reader, offset, "rows do not parse", err);
    }
    if (rc != LOAM_OK) {
        block_unref(block);
        return rc;
    }
    *out = block;
    return LOAM_OK;
}

/* Where block i is; its size is within limits. */
static int place_check(const struct table_reader *reader,
                       uint32_t index,
                       uint64_t *offset,
                       uint64_t *size,
                       struct loam_error *err)
{
    PRE(index < reader->index.count);
    table_reader_block_place(reader, index, offset, size);
    if (*size <= TABLE_TRAILER_SIZE || *size > BLOCK_SIZE_MAX + TABLE_TRAILER_SIZE) {
        return block_damaged(reader, *offset, "size is not possible", err);
    }
    return LOAM_OK;
}

int table_reader_block(const struct table_reader *reader,
                       uint32_t index,
                       struct block **out,
                       struct loam_error *err)
{
    uint64_t offset = 0;
    uint64_t size = 0;
    TRY(place_check(reader, index, &offset, &size, err));
    struct block *block = block_new((size_t)size);
    if (block == NULL) {
        return mem_fail(err, size);
    }
    int codec = 0;
    struct slice stored = slice_make(block_data(block), (size_t)size);
    int rc = env_read_exact(reader->file, offset, block_data(block), (size_t)size, err);
    if (rc == LOAM_OK) {
        rc = stored_verify(reader, offset, stored, &codec, err);
    }
    stored.size -= TABLE_TRAILER_SIZE;
    if (rc == LOAM_OK && codec == LOAM_COMPRESS_NONE) {
        block->size = (uint32_t)stored.size;
        if (block_validate(block) == LOAM_OK) {
            *out = block;
            return LOAM_OK;
        }
        rc = block_damaged(reader, offset, "rows do not parse", err);
    } else if (rc == LOAM_OK) {
        rc = block_unpack(reader, offset, stored, codec, out, err);
    }
    block_unref(block);
    return rc;
}

void table_window_deinit(struct table_window *window)
{
    loam_buffer_free(&window->bytes);
}

void table_window_reset(struct table_window *window)
{
    window->bytes.size = 0;
}

/* Fills the window from `offset` on, not past the data blocks. */
static int window_fill(const struct table_reader *reader,
                       struct table_window *window,
                       uint64_t offset,
                       size_t size,
                       struct loam_error *err)
{
    uint64_t left = reader->footer.point.offset - offset;
    size = size < left ? size : (size_t)left;
    window->bytes.size = 0;
    TRY(buf_reserve(&window->bytes, size, err));
    TRY(env_read_exact(reader->file, offset, window->bytes.data, size, err));
    window->bytes.size = size;
    window->offset = offset;
    return LOAM_OK;
}

int table_reader_block_ahead(const struct table_reader *reader,
                             uint32_t index,
                             struct table_window *window,
                             size_t ahead,
                             struct block **out,
                             struct loam_error *err)
{
    uint64_t offset = 0;
    uint64_t size = 0;
    TRY(place_check(reader, index, &offset, &size, err));
    if (offset < window->offset || offset + size > window->offset + window->bytes.size) {
        TRY(window_fill(reader, window, offset, ahead > size ? ahead : (size_t)size, err));
    }
    struct slice stored = slice_make(window->bytes.data + (offset - window->offset), (size_t)size);
    int codec = 0;
    TRY(stored_verify(reader, offset, stored, &codec, err));
    stored.size -= TABLE_TRAILER_SIZE;
    return block_unpack(reader, offset, stored, codec, out, err);
}

/* Questions. */

const struct table_meta *table_reader_meta(const struct table_reader *reader)
{
    return &reader->properties.meta;
}

uint32_t table_reader_block_count(const struct table_reader *reader)
{
    return reader->index.count;
}

uint64_t table_reader_key_count(const struct table_reader *reader)
{
    return reader->properties.key_count;
}

size_t table_reader_memory(const struct table_reader *reader)
{
    return sizeof(*reader) + reader->index.memory_size + reader->property_bytes.capacity +
           (size_t)reader->point.line_count * POINT_LINE_SIZE +
           sizeof(uint32_t) * reader->properties.bucket_count;
}

const uint32_t *table_reader_buckets(const struct table_reader *reader, size_t *count)
{
    *count = reader->properties.bucket_count;
    return reader->bucket_ids;
}

uint32_t table_reader_find(const struct table_reader *reader, struct slice key, uint64_t seq)
{
    return table_reader_find_near(reader, table_reader_near(reader, key), key, seq);
}

uint32_t table_reader_near(const struct table_reader *reader, struct slice key)
{
    return block_index_near(&reader->index, key);
}

uint32_t table_reader_find_near(const struct table_reader *reader,
                                uint32_t near,
                                struct slice key,
                                uint64_t seq)
{
    if (slice_cmp(key, reader->properties.meta.largest) > 0) {
        return reader->index.count;
    }
    return block_index_find_near(&reader->index, near, key, seq);
}

uint64_t table_reader_block_seq_max(const struct table_reader *reader, uint32_t index)
{
    PRE(index < reader->index.count);
    return reader->index.seq_maxes[index];
}

void table_reader_block_place(const struct table_reader *reader,
                              uint32_t index,
                              uint64_t *offset,
                              uint64_t *size)
{
    PRE(index < reader->index.count);
    *offset = block_index_offset(&reader->index, index);
    *size = reader->index.ends[index] - *offset;
}

bool table_reader_has_point_index(const struct table_reader *reader)
{
    return reader->point.lines != NULL;
}

uint64_t table_key_hash(struct slice stored_key)
{
    return checksum_64(stored_key.data, stored_key.size, 0);
}

void point_probe_prefetch(const struct table_reader *reader, uint64_t hash)
{
    if (reader->point.lines != NULL) {
        uint32_t line = point_index_line(&reader->point, hash);
        __builtin_prefetch(reader->point.lines + (size_t)line * POINT_LINE_SIZE);
    }
}

void point_probe_init(struct point_probe *probe, const struct table_reader *reader, uint64_t hash)
{
    PRE(reader->point.lines != NULL);
    probe->hash = hash;
    probe->line = point_index_line(&reader->point, hash);
    probe->left = reader->point.line_count - 1;
    probe->found = point_index_match(&reader->point, hash, probe->line, &probe->is_full);
}

bool point_probe_next(struct point_probe *probe,
                      const struct table_reader *reader,
                      uint32_t *block,
                      uint32_t *row)
{
    while (probe->found == 0) {
        if (!probe->is_full || probe->left == 0) {
            return false;
        }
        probe->left--;
        probe->line = probe->line + 1 == reader->point.line_count ? 0 : probe->line + 1;
        probe->found = point_index_match(&reader->point, probe->hash, probe->line, &probe->is_full);
    }
    uint32_t slot = (uint32_t)__builtin_ctz(probe->found);
    probe->found &= probe->found - 1;
    point_index_slot(&reader->point, probe->line, slot, block, row);
    return true;
}
