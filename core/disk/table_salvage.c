/* SPDX-License-Identifier: MIT */
/* table_salvage.c - see table_salvage.h. */
#include "disk/table_salvage.h"

#include "base/check.h"
#include "base/checksum.h"
#include "disk/compress.h"
#include "disk/table_reader_internal.h"

enum {
    READ_STEP = 64 << 10,
    CHAIN_REACH = 1 << 20, /* Longest block looked for where one must start. */
    GAP_REACH = 32 << 10,  /* Behind damage, where every offset is tried. */
};

/* Bytes hashed in search of blocks before the rest of a file is given up: some ten seconds. */
#define SEARCH_BUDGET (128ULL << 30)

struct table_salvage {
    struct loam_buffer bytes;
    uint64_t seed;
    struct table_reader *reader; /* NULL when its parts are damaged. */
    struct loam_error reader_error;
    uint32_t next_block; /* With a reader. */
    size_t position;     /* Without. */
    uint64_t budget;
    uint32_t gaps;
    bool is_in_gap;
};

/* ---- Opening ---- */

static int read_all(struct env_file *file, struct loam_buffer *bytes, struct loam_error *err)
{
    uint64_t size = 0;
    TRY(env_size(file, &size, err));
    TRY(buf_reserve(bytes, (size_t)size + 1, err)); /* So that an empty file has an address too. */
    INV(bytes->data != NULL);
    memset(bytes->data, 0, (size_t)size);
    bytes->size = (size_t)size;
    for (uint64_t at = 0; at < size; at += READ_STEP) {
        size_t got = 0;
        size_t step = size - at < READ_STEP ? (size_t)(size - at) : READ_STEP;
        /* What the disk does not give back stays zero, and its checksum differs. */
        DISCARD(env_read(file, at, bytes->data + at, step, &got, NULL));
    }
    return LOAM_OK;
}

static int open_file(struct table_salvage *salvage,
                     struct env_dir *dir,
                     const char *name,
                     struct loam_error *err)
{
    struct env_file *file = NULL;
    TRY(env_open_read(dir, name, &file, err));
    int rc = read_all(file, &salvage->bytes, err);
    KEEP_FIRST(rc, env_close(file, rc == LOAM_OK ? err : NULL));
    return rc;
}

int table_salvage_open(struct env_dir *dir,
                       uint64_t number,
                       const struct store_id *id,
                       struct table_salvage **out,
                       struct loam_error *err)
{
    struct table_salvage *salvage = mem_zalloc(1, sizeof(*salvage));
    if (salvage == NULL) {
        return mem_fail(err, sizeof(*salvage));
    }
    char name[FILE_NAME_SIZE];
    file_name_make(FILE_TABLE, number, name);
    salvage->seed = table_seed(id, number);
    salvage->budget = SEARCH_BUDGET;
    int rc = open_file(salvage, dir, name, err);
    if (rc != LOAM_OK) {
        table_salvage_close(salvage);
        return rc;
    }
    rc = table_reader_open(dir, number, salvage->bytes.size, id, &salvage->reader,
                           &salvage->reader_error);
    if (rc == LOAM_NO_MEMORY) { /* Not the file's fault. */
        table_salvage_close(salvage);
        return mem_fail(err, 1);
    }
    *out = salvage;
    return LOAM_OK;
}

void table_salvage_close(struct table_salvage *salvage)
{
    if (salvage != NULL) {
        table_reader_close(salvage->reader);
        loam_buffer_free(&salvage->bytes);
        mem_free(salvage);
    }
}

const struct table_reader *table_salvage_reader(const struct table_salvage *salvage,
                                                struct loam_error *err)
{
    if (salvage->reader == NULL && err != NULL) {
        *err = salvage->reader_error;
    }
    return salvage->reader;
}

uint64_t table_salvage_size(const struct table_salvage *salvage)
{
    return salvage->bytes.size;
}

uint64_t table_salvage_hash(const struct table_salvage *salvage)
{
    return checksum_64(salvage->bytes.data, salvage->bytes.size, 0);
}

uint32_t table_salvage_gaps(const struct table_salvage *salvage)
{
    return salvage->gaps;
}

/* ---- Blocks ---- */

static void note_gap(struct table_salvage *salvage)
{
    salvage->gaps += !salvage->is_in_gap;
    salvage->is_in_gap = true;
}

static int next_indexed(struct table_salvage *salvage, struct block **out, struct loam_error *err)
{
    uint32_t count = table_reader_block_count(salvage->reader);
    while (salvage->next_block < count) {
        int rc = table_reader_block(salvage->reader, salvage->next_block++, out, err);
        if (rc == LOAM_OK || rc == LOAM_NO_MEMORY) {
            salvage->is_in_gap = false;
            return rc;
        }
        note_gap(salvage);
    }
    return LOAM_NOT_FOUND;
}

/* The size of a block with its trailer that starts at `at`; 0 when none of up to `reach` bytes
 * does. */
static size_t block_size_at(struct table_salvage *salvage, size_t at, size_t reach)
{
    const char *start = salvage->bytes.data + at;
    size_t left = salvage->bytes.size - at;
    size_t limit = left < reach ? left : reach;
    for (size_t size = BLOCK_HEADER_SIZE + TABLE_TRAILER_SIZE; size <= limit; size++) {
        unsigned codec = (unsigned char)start[size - TABLE_TRAILER_SIZE];
        if (codec > LOAM_COMPRESS_ZSTD) {
            continue;
        }
        if (salvage->budget < size) {
            return 0;
        }
        salvage->budget -= size;
        if (get_u64(start + size - 8) == table_checksum(salvage->seed, at, start, size - 8)) {
            return size;
        }
    }
    return 0;
}

/* Makes a block of verified bytes; NOT_FOUND when they are no data block. */
static int unpack(const char *start, size_t size, struct block **out, struct loam_error *err)
{
    size_t raw_size = 0;
    size_t stored = size - TABLE_TRAILER_SIZE;
    int codec = (unsigned char)start[stored];
    if (codec == LOAM_COMPRESS_NONE) {
        raw_size = stored;
    } else if (decompress_size(codec, start, stored, &raw_size) != LOAM_OK) {
        return LOAM_NOT_FOUND;
    }
    struct block *block = block_new(raw_size);
    if (block == NULL) {
        return mem_fail(err, raw_size);
    }
    int rc = LOAM_OK;
    if (codec == LOAM_COMPRESS_NONE) {
        memcpy(block_data(block), start, stored);
    } else {
        rc = decompress(codec, start, stored, block_data(block), raw_size);
    }
    if (rc == LOAM_OK && block_validate(block) == LOAM_OK) {
        *out = block;
        return LOAM_OK;
    }
    block_unref(block);
    return rc == LOAM_NO_MEMORY ? mem_fail(err, raw_size) : LOAM_NOT_FOUND;
}

static int next_searched(struct table_salvage *salvage, struct block **out, struct loam_error *err)
{
    size_t end = salvage->bytes.size;
    while (end - salvage->position > BLOCK_HEADER_SIZE + TABLE_TRAILER_SIZE) {
        size_t reach = salvage->is_in_gap ? GAP_REACH : CHAIN_REACH;
        size_t size = block_size_at(salvage, salvage->position, reach);
        if (size == 0 && salvage->budget < reach) {
            salvage->gaps += !salvage->is_in_gap;
            salvage->position = end;
            break;
        }
        if (size == 0) {
            note_gap(salvage);
            salvage->position++;
            continue;
        }
        int rc = unpack(salvage->bytes.data + salvage->position, size, out, err);
        salvage->position += size;
        salvage->is_in_gap = false;
        if (rc != LOAM_NOT_FOUND) {
            return rc;
        }
        /* The point index, the block index or the properties: what was to be found stands before.
         */
    }
    return LOAM_NOT_FOUND;
}

int table_salvage_next(struct table_salvage *salvage, struct block **out, struct loam_error *err)
{
    return salvage->reader != NULL ? next_indexed(salvage, out, err)
                                   : next_searched(salvage, out, err);
}

/* ---- Identity ---- */

int table_salvage_uuid(struct env_dir *dir, uint64_t number, struct store_id *id)
{
    char name[FILE_NAME_SIZE];
    char tail[TABLE_UUID_FROM_END];
    struct env_file *file = NULL;
    uint64_t size = 0;
    file_name_make(FILE_TABLE, number, name);
    TRY(env_open_read(dir, name, &file, NULL));
    int rc = env_size(file, &size, NULL);
    if (rc == LOAM_OK && size < sizeof(tail)) {
        rc = LOAM_CORRUPT;
    }
    if (rc == LOAM_OK) {
        rc = env_read_exact(file, size - sizeof(tail), tail, sizeof(tail), NULL);
    }
    KEEP_FIRST(rc, env_close(file, NULL));
    TRY(rc);
    struct store_id found = {.epoch = 1};
    struct table_footer footer;
    memcpy(found.uuid, tail, sizeof(found.uuid));
    rc = table_footer_decode(tail + sizeof(tail) - TABLE_FOOTER_SIZE, table_seed(&found, number),
                             size - TABLE_FOOTER_SIZE, name, &footer, NULL);
    if (rc == LOAM_OK) {
        *id = found;
    }
    return rc;
}
