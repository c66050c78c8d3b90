/* SPDX-License-Identifier: MIT */
/*
 * table_check.c - table_reader_check(): everything that can be wrong with one table file. Used by
 * check, verify, and by compaction on what it has just written.
 */
#include <inttypes.h>

#include "base/check.h"
#include "base/checksum.h"
#include "base/give_way.h"
#include "base/guard.h"
#include "disk/table_reader_internal.h"

#define HASH_STEP (1u << 20)

/* Where the walk over all rows stands. */
struct walk {
    const struct table_reader *reader;
    struct table_meta seen; /* Counters, as far as it has come. */
    uint64_t key_count;
    uint64_t last_seq;
    struct loam_buffer last; /* Key of the last row. */
    struct loam_buffer key;
    uint64_t block_offset;
    uint64_t digest; /* Of all rows, when wanted. */
    bool is_digest_wanted;
    const struct block_keeper *keeper; /* NULL: nobody wants the blocks. */
};

static int damaged(const struct walk *walk, const char *what, struct loam_error *err)
{
    return fail(err, LOAM_CORRUPT, "%s at offset %" PRIu64 ": %s", walk->reader->name,
                walk->block_offset, what);
}

static int hash_check(const struct table_reader *reader, uint64_t hash, struct loam_error *err)
{
    uint64_t size = reader->properties.meta.size;
    struct checksum_stream stream;
    char *bytes = mem_alloc(HASH_STEP);
    if (bytes == NULL || checksum_stream_init(&stream) != LOAM_OK) {
        mem_free(bytes);
        return mem_fail(err, HASH_STEP);
    }
    int rc = LOAM_OK;
    for (uint64_t offset = 0; offset < size && rc == LOAM_OK; offset += HASH_STEP) {
        size_t step = size - offset < HASH_STEP ? (size_t)(size - offset) : HASH_STEP;
        rc = env_read_exact(reader->file, offset, bytes, step, err);
        if (rc == LOAM_OK) {
            checksum_stream_add(&stream, bytes, step);
            give_way_after(step);
        }
    }
    if (rc == LOAM_OK && GUARD(FILE_HASH) && checksum_stream_value(&stream) != hash) {
        rc = fail(err, LOAM_CORRUPT, "%s at offset 0: hash of the file is not that of the manifest",
                  reader->name);
    }
    checksum_stream_deinit(&stream);
    mem_free(bytes);
    return rc;
}

static int meta_check(const struct table_reader *reader,
                      const struct table_meta *found,
                      const struct table_meta *wanted,
                      const char *of,
                      struct loam_error *err)
{
    const struct {
        const char *name;
        uint64_t found;
        uint64_t wanted;
    } counters[] = {
        {"rows", found->row_count, wanted->row_count},
        {"deletes", found->delete_count, wanted->delete_count},
        {"expiries", found->expiry_count, wanted->expiry_count},
        {"raw size", found->raw_size, wanted->raw_size},
        {"smallest sequence", found->seq_min, wanted->seq_min},
        {"largest sequence", found->seq_max, wanted->seq_max},
    };
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        if (counters[i].found != counters[i].wanted) {
            return fail(err, LOAM_CORRUPT,
                        "%s at offset %" PRIu64 ": %s: found %" PRIu64 ", %s says %" PRIu64,
                        reader->name, reader->footer.properties.offset, counters[i].name,
                        counters[i].found, of, counters[i].wanted);
        }
    }
    if (!slice_equal(found->smallest, wanted->smallest) ||
        !slice_equal(found->largest, wanted->largest)) {
        return fail(err, LOAM_CORRUPT, "%s at offset %" PRIu64 ": bounds are not those of %s",
                    reader->name, reader->footer.properties.offset, of);
    }
    return LOAM_OK;
}

/* Whether the point index leads from the key to this row. */
static bool point_leads_to(const struct walk *walk, uint32_t block, uint32_t row)
{
    struct point_probe probe;
    point_probe_init(&probe, walk->reader, table_key_hash(buf_slice(&walk->key)));
    uint32_t found_block = 0;
    uint32_t found_row = 0;
    while (point_probe_next(&probe, walk->reader, &found_block, &found_row)) {
        if (found_block == block && found_row == row) {
            return true;
        }
    }
    return false;
}

static bool bucket_is_listed(const struct table_reader *reader, uint32_t id)
{
    uint32_t low = 0;
    uint32_t high = reader->properties.bucket_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (reader->bucket_ids[middle] < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < reader->properties.bucket_count && reader->bucket_ids[low] == id;
}

/* The key stands in walk->key. */
static int row_walk(struct walk *walk,
                    const struct block_row *row,
                    uint32_t block_index,
                    uint32_t row_index,
                    struct loam_error *err)
{
    const struct table_reader *reader = walk->reader;
    struct slice key = buf_slice(&walk->key);
    struct table_meta *seen = &walk->seen;
    bool is_first = seen->row_count == 0;
    int order = is_first ? -1 : slice_cmp(buf_slice(&walk->last), key);
    if (order > 0 || (order == 0 && walk->last_seq <= row->seq)) {
        return damaged(walk, "rows are out of order", err);
    }
    if (order != 0) {
        walk->key_count++;
        if (!bucket_is_listed(reader, get_u32_be(key.data))) {
            return damaged(walk, "a bucket id is missing in the properties", err);
        }
        if (table_reader_has_point_index(reader) && !point_leads_to(walk, block_index, row_index)) {
            return damaged(walk, "the point index misses a key", err);
        }
    }
    seen->row_count++;
    seen->delete_count += row->kind == ENTRY_DELETE;
    seen->expiry_count += row->expire_at_ms != 0;
    seen->raw_size += key.size + row->value.size;
    seen->seq_min = is_first || row->seq < seen->seq_min ? row->seq : seen->seq_min;
    seen->seq_max = row->seq > seen->seq_max ? row->seq : seen->seq_max;
    walk->last_seq = row->seq;
    if (walk->is_digest_wanted) {
        const struct entry entry = {.key = key,
                                    .value = row->value,
                                    .seq = row->seq,
                                    .expire_at_ms = row->expire_at_ms,
                                    .content_type = row->content_type,
                                    .kind = row->kind};
        walk->digest += table_row_digest(&entry);
    }
    return LOAM_OK;
}

static int block_walk(struct walk *walk,
                      const struct block *block,
                      uint32_t block_index,
                      struct loam_error *err)
{
    uint64_t seq_max = 0;
    for (uint32_t i = 0; i < block->row_count; i++) {
        struct block_row row;
        block_row(block, i, &row);
        seq_max = row.seq > seq_max ? row.seq : seq_max;
        TRY(buf_assign(&walk->key, block->prefix.data, block->prefix.size, err));
        TRY(buf_append(&walk->key, row.suffix.data, row.suffix.size, err));
        TRY(row_walk(walk, &row, block_index, i, err));
        /* The search is monotone: what holds at both ends holds between them. */
        if ((i == 0 || i + 1 == block->row_count) &&
            block_index_find(&walk->reader->index, buf_slice(&walk->key), row.seq) != block_index) {
            return damaged(walk, "the block index leads elsewhere", err);
        }
        struct loam_buffer last = walk->last;
        walk->last = walk->key;
        walk->key = last;
    }
    if (seq_max != walk->reader->index.seq_maxes[block_index]) {
        return damaged(walk, "largest sequence is not that of the block index", err);
    }
    return LOAM_OK;
}

static int rows_check(struct walk *walk, struct table_window *window, struct loam_error *err)
{
    const struct table_reader *reader = walk->reader;
    struct loam_buffer smallest = {0};
    int rc = LOAM_OK;
    for (uint32_t i = 0; i < reader->index.count; i++) {
        struct block *block = NULL;
        walk->block_offset = block_index_offset(&reader->index, i);
        TRY_TO(out, rc, table_reader_block_ahead(reader, i, window, HASH_STEP, &block, err));
        rc = block_walk(walk, block, i, err);
        if (rc == LOAM_OK && i == 0) {
            struct block_row row;
            block_row(block, 0, &row);
            rc = buf_append(&smallest, block->prefix.data, block->prefix.size, err);
            KEEP_FIRST(rc, buf_append(&smallest, row.suffix.data, row.suffix.size, err));
        }
        if (rc == LOAM_OK && walk->keeper != NULL) {
            walk->keeper->keep(walk->keeper->owner, i, block);
        }
        size_t size = block->size;
        block_unref(block);
        give_way_after(size);
        if (rc != LOAM_OK) {
            goto out;
        }
    }
    walk->seen.smallest = buf_slice(&smallest);
    walk->seen.largest = buf_slice(&walk->last);
    TRY_TO(out, rc, meta_check(reader, &walk->seen, &reader->properties.meta, "the file", err));
    if (walk->key_count != reader->properties.key_count) {
        rc = damaged(walk, "the number of keys is not that of the properties", err);
    }
out:
    loam_buffer_free(&smallest);
    return rc;
}

uint64_t table_row_digest(const struct entry *entry)
{
    uint64_t place = entry->seq << 3 ^ entry->kind ^ (uint64_t)entry->content_type << 48;
    uint64_t hash = checksum_64(entry->key.data, entry->key.size, place);
    return checksum_64(entry->value.data, entry->value.size, hash ^ entry->expire_at_ms);
}

/* Everything but the hash of the file. */
static int walk_check(const struct table_reader *reader,
                      const struct table_meta *meta,
                      const struct block_keeper *keeper,
                      uint64_t *out_digest,
                      struct loam_error *err)
{
    TRY(meta_check(reader, &reader->properties.meta, meta, "the manifest", err));
    if (reader->is_point_damaged) {
        return fail(err, LOAM_CORRUPT, "%s at offset %" PRIu64 ": point index does not verify",
                    reader->name, reader->footer.point.offset);
    }
    struct walk walk = {.reader = reader, .is_digest_wanted = out_digest != NULL, .keeper = keeper};
    struct table_window window = {0};
    int rc = rows_check(&walk, &window, err);
    table_window_deinit(&window);
    loam_buffer_free(&walk.last);
    loam_buffer_free(&walk.key);
    if (rc == LOAM_OK && out_digest != NULL) {
        *out_digest = walk.digest;
    }
    return rc;
}

int table_reader_check(const struct table_reader *reader,
                       const struct table_meta *meta,
                       struct loam_error *err)
{
    return table_reader_check_rows(reader, meta, NULL, NULL, err);
}

int table_reader_check_rows(const struct table_reader *reader,
                            const struct table_meta *meta,
                            const struct block_keeper *keeper,
                            uint64_t *out_digest,
                            struct loam_error *err)
{
    struct loam_error hash_err = {0};
    int rc = hash_check(reader, meta->hash, &hash_err);
    if (rc == LOAM_CORRUPT) {
        /* Some byte is wrong: the walk mostly tells where. */
        TRY(walk_check(reader, meta, NULL, NULL, err));
    } else if (rc == LOAM_OK) {
        return walk_check(reader, meta, keeper, out_digest, err);
    }
    if (err != NULL) {
        *err = hash_err;
    }
    return rc;
}
