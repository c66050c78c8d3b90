/* SPDX-License-Identifier: MIT */
/*
 * table_builder.c - streams rows into a table file. Format: table_format.h and core/FORMAT.md.
 *
 * Blocks are collected in a write buffer, so that the system is called once per WRITE_BUFFER_SIZE
 * and not once per block; the hash of the file is taken there. A failed write, sync or close spends
 * the builder: nothing of the file may be trusted any more. Thread: owner.
 */
#include "disk/table_builder.h"

#include "base/check.h"
#include "base/checksum.h"
#include "base/coding.h"
#include "base/give_way.h"
#include "base/guard.h"
#include "base/limits.h"
#include "disk/block.h"
#include "disk/block_index.h"
#include "disk/compress.h"
#include "disk/file_name.h"
#include "disk/point_index.h"
#include "disk/table_format.h"
#include "disk/table_reader.h"

#define WRITE_BUFFER_SIZE (256u << 10)
#define SCRATCH_KEEP_MAX  (1u << 20) /* A larger buffer, of a huge row, is given back. */

struct table_builder {
    /* Constant after open. */
    struct table_options options;
    uint64_t number;
    uint64_t seed;
    struct compressor *compressor;

    int failed; /* First code that spent the builder. */
    bool is_finished;
    struct env_file *file;
    struct loam_buffer pending;  /* Not yet written. */
    uint64_t written;            /* Bytes of the file written. */
    uint64_t write_behind_from;  /* Bytes whose write-out has been started. */
    struct checksum_stream hash; /* Of what was written. */

    struct block_builder *block;
    uint64_t block_seq_max;
    struct block_index_builder index;
    struct point_builder point;
    struct loam_buffer raw;        /* Scratch: a finished block. */
    struct loam_buffer compressed; /* Scratch. */

    struct table_properties properties; /* Counters; the slices are set by finish. */
    struct loam_buffer smallest;
    struct loam_buffer last; /* Newest key added. */
    uint64_t last_seq;
    struct loam_buffer bucket_ids; /* Little-endian u32 each. */
};

/* Opening and closing. */

static int builder_init(struct table_builder *builder,
                        const struct table_options *options,
                        struct loam_error *err)
{
    builder->options = *options;
    if (checksum_stream_init(&builder->hash) != LOAM_OK) {
        return mem_fail(err, sizeof(*builder));
    }
    builder->block = block_builder_new();
    if (builder->block == NULL) {
        return mem_fail(err, sizeof(*builder));
    }
    TRY(buf_reserve(&builder->pending, WRITE_BUFFER_SIZE, err));
    return compressor_new(options->compression, &builder->compressor, err);
}

int table_builder_open(struct env_dir *dir,
                       uint64_t number,
                       const struct store_id *id,
                       const struct table_options *options,
                       struct table_builder **out,
                       struct loam_error *err)
{
    PRE(number > 0 && number <= FILE_NUMBER_MAX);
    if (options->block_bytes == 0 || options->block_bytes > VALUE_SIZE_MAX) {
        return fail(err, LOAM_INVALID, "block_bytes %u is not within 1..%u", options->block_bytes,
                    VALUE_SIZE_MAX);
    }
    struct table_builder *builder = mem_zalloc(1, sizeof(*builder));
    if (builder == NULL) {
        return mem_fail(err, sizeof(*builder));
    }
    builder->number = number;
    builder->seed = table_seed(id, number);
    memcpy(builder->properties.uuid, id->uuid, sizeof(id->uuid));
    int rc = builder_init(builder, options, err);
    if (rc == LOAM_OK) {
        char name[FILE_NAME_SIZE];
        file_name_make(FILE_TABLE, number, name);
        rc = env_create(dir, name, &builder->file, err);
    }
    if (rc != LOAM_OK) {
        table_builder_close(builder);
        return rc;
    }
    *out = builder;
    return LOAM_OK;
}

void table_builder_close(struct table_builder *builder)
{
    if (builder == NULL) {
        return;
    }
    /* Only an abandoned file is still open: its errors change nothing. */
    (void)!env_close(builder->file, NULL);
    compressor_free(builder->compressor);
    checksum_stream_deinit(&builder->hash);
    block_builder_free(builder->block);
    block_index_builder_deinit(&builder->index);
    point_builder_deinit(&builder->point);
    struct loam_buffer *buffers[] = {&builder->pending,  &builder->raw,  &builder->compressed,
                                     &builder->smallest, &builder->last, &builder->bucket_ids};
    for (size_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]); i++) {
        loam_buffer_free(buffers[i]);
    }
    mem_free(builder);
}

/* Writing. */

static int write_out(struct table_builder *builder, struct slice bytes, struct loam_error *err)
{
    TRY(env_write(builder->file, builder->written, bytes.data, bytes.size, err));
    checksum_stream_add(&builder->hash, bytes.data, bytes.size);
    builder->written += bytes.size;
    uint64_t step = builder->options.write_behind_bytes;
    uint64_t behind = builder->written - builder->write_behind_from;
    if (step != 0 && behind >= step) {
        env_write_behind(builder->file, builder->write_behind_from, behind);
        builder->write_behind_from = builder->written;
    }
    return LOAM_OK;
}

static int pending_write(struct table_builder *builder, struct loam_error *err)
{
    if (builder->pending.size == 0) {
        return LOAM_OK;
    }
    TRY(write_out(builder, buf_slice(&builder->pending), err));
    builder->pending.size = 0;
    return LOAM_OK;
}

static uint64_t end_offset(const struct table_builder *builder)
{
    return builder->written + builder->pending.size;
}

/* Appends a block with its trailer; *handle says where it is. A large one is written from where it
 * is. */
static int block_put(struct table_builder *builder,
                     struct slice bytes,
                     int codec,
                     struct table_handle *handle,
                     struct loam_error *err)
{
    size_t size = bytes.size + TABLE_TRAILER_SIZE;
    if (builder->pending.size > 0 && builder->pending.size + size > WRITE_BUFFER_SIZE) {
        TRY(pending_write(builder, err));
    }
    struct loam_buffer *pending = &builder->pending;
    uint64_t offset = end_offset(builder);
    if (size > WRITE_BUFFER_SIZE) {
        char trailer[TABLE_TRAILER_SIZE];
        table_trailer_encode(bytes, codec, builder->seed, offset, trailer);
        TRY(write_out(builder, bytes, err));
        TRY(buf_append(pending, trailer, sizeof(trailer), err));
    } else {
        TRY(buf_reserve(pending, size, err));
        char *to = pending->data + pending->size;
        memcpy(to, bytes.data, bytes.size);
        to[bytes.size] = (char)codec;
        put_u64(to + bytes.size + 1, table_checksum(builder->seed, offset, to, bytes.size + 1));
        pending->size += size;
    }
    *handle = (struct table_handle){.offset = offset, .size = size};
    return LOAM_OK;
}

static void scratch_drop(struct loam_buffer *scratch)
{
    if (scratch->capacity > SCRATCH_KEEP_MAX) {
        loam_buffer_free(scratch);
    }
}

/* Ends the current block. */
static int block_finish(struct table_builder *builder, struct loam_error *err)
{
    TRY(block_builder_finish(builder->block, &builder->raw, err));
    int codec = LOAM_COMPRESS_NONE;
    TRY(compressor_run(builder->compressor, builder->raw.data, builder->raw.size,
                       &builder->compressed, &codec, err));
    bool is_raw = codec == LOAM_COMPRESS_NONE;
    struct loam_buffer *stored = is_raw ? &builder->raw : &builder->compressed;
    scratch_drop(is_raw ? &builder->compressed : &builder->raw);
    struct table_handle handle = {0};
    TRY(block_put(builder, buf_slice(stored), codec, &handle, err));
    scratch_drop(stored);
    block_index_builder_end(&builder->index, handle.size, builder->block_seq_max);
    if (builder->options.point_index) {
        TRY(point_builder_end_block(&builder->point, err));
    }
    builder->block_seq_max = 0;
    give_way_after(builder->raw.size);
    return LOAM_OK;
}

/* Adding. */

/* Order against the block before; within a block the block builder checks. */
static int
order_check(const struct table_builder *builder, const struct entry *entry, struct loam_error *err)
{
    if (entry_position_cmp(buf_slice(&builder->last), builder->last_seq, entry->key, entry->seq) >=
        0) {
        return fail(err, LOAM_INVALID,
                    "table %llu: row of sequence %llu is not behind the row before it (sequence "
                    "%llu)",
                    (unsigned long long)builder->number, (unsigned long long)entry->seq,
                    (unsigned long long)builder->last_seq);
    }
    return LOAM_OK;
}

/* Notes the bucket id in front of the key, if it is a new one. Keys come in order, so do ids. */
static int bucket_note(struct table_builder *builder, struct slice key, struct loam_error *err)
{
    struct loam_buffer *ids = &builder->bucket_ids;
    uint32_t id = get_u32_be(key.data);
    if (ids->size > 0 && get_u32(ids->data + ids->size - 4) == id) {
        return LOAM_OK;
    }
    if (ids->size / 4 >= BUCKET_COUNT_MAX) {
        return fail(err, LOAM_INVALID, "table %llu: more than %u buckets",
                    (unsigned long long)builder->number, BUCKET_COUNT_MAX);
    }
    char bytes[4];
    put_u32(bytes, id);
    return buf_append(ids, bytes, sizeof(bytes), err);
}

static void counts_note(struct table_builder *builder, const struct entry *entry, bool is_new_key)
{
    struct table_meta *meta = &builder->properties.meta;
    bool is_first = meta->row_count == 0;
    meta->row_count++;
    meta->delete_count += entry->kind == ENTRY_DELETE;
    meta->expiry_count += entry->expire_at_ms != 0;
    meta->raw_size += entry->key.size + entry->value.size;
    meta->seq_min = is_first || entry->seq < meta->seq_min ? entry->seq : meta->seq_min;
    meta->seq_max = entry->seq > meta->seq_max ? entry->seq : meta->seq_max;
    builder->properties.key_count += is_new_key;
    builder->block_seq_max =
        entry->seq > builder->block_seq_max ? entry->seq : builder->block_seq_max;
}

/* Everything that follows a row that its block has accepted. */
static int
row_note(struct table_builder *builder, const struct entry *entry, struct loam_error *err)
{
    uint32_t row = block_builder_count(builder->block) - 1;
    bool is_first = builder->properties.meta.row_count == 0;
    struct slice last = buf_slice(&builder->last);
    bool is_new_key = is_first || !slice_equal(last, entry->key);
    if (row == 0) {
        TRY(block_index_builder_begin(&builder->index, last, entry->key, entry->seq, err));
    }
    if (is_first) {
        TRY(buf_assign(&builder->smallest, entry->key.data, entry->key.size, err));
    }
    if (is_new_key) {
        TRY(bucket_note(builder, entry->key, err));
        TRY(buf_assign(&builder->last, entry->key.data, entry->key.size, err));
        if (builder->options.point_index) {
            TRY(point_builder_add(&builder->point, table_key_hash(entry->key), row, err));
        }
    }
    builder->last_seq = entry->seq;
    counts_note(builder, entry, is_new_key);
    return LOAM_OK;
}

/* Remembers a code that makes the file worthless. */
static int spend(struct table_builder *builder, int rc)
{
    if (rc != LOAM_OK && builder->failed == LOAM_OK) {
        builder->failed = rc;
    }
    return rc;
}

static int spent_check(const struct table_builder *builder, struct loam_error *err)
{
    if (builder->failed == LOAM_OK) {
        return LOAM_OK;
    }
    return fail(err, builder->failed, "table %llu: the builder has failed before",
                (unsigned long long)builder->number);
}

int table_builder_add(struct table_builder *builder,
                      const struct entry *entry,
                      struct loam_error *err)
{
    PRE(!builder->is_finished);
    TRY(spent_check(builder, err));
    if (block_builder_count(builder->block) > 0 &&
        block_builder_size_with(builder->block, entry) > builder->options.block_bytes) {
        TRY(spend(builder, block_finish(builder, err)));
    }
    if (block_builder_count(builder->block) == 0 && builder->properties.meta.row_count > 0) {
        TRY(order_check(builder, entry, err));
    }
    TRY(block_builder_add(builder->block, entry, err));
    TRY(spend(builder, row_note(builder, entry, err)));
    /* A large value ends its block: it may be gone by the next row. */
    return entry->value.size < BLOCK_LENT_MIN ? LOAM_OK
                                              : spend(builder, block_finish(builder, err));
}

uint64_t table_builder_size_estimate(const struct table_builder *builder)
{
    uint64_t open =
        block_builder_count(builder->block) == 0 ? 0 : block_builder_size(builder->block);
    return end_offset(builder) + open;
}

uint64_t table_builder_count(const struct table_builder *builder)
{
    return builder->properties.meta.row_count;
}

/* Finishing. */

static int
point_put(struct table_builder *builder, struct table_handle *handle, struct loam_error *err)
{
    *handle = (struct table_handle){.offset = end_offset(builder)};
    if (!builder->options.point_index) {
        return LOAM_OK;
    }
    struct point_index point = {0};
    TRY(point_builder_finish(&builder->point, &point, err));
    if (point.lines == NULL) {
        return LOAM_OK;
    }
    builder->properties.point_line_count = point.line_count;
    builder->properties.point_row_bits = point.row_bits;
    builder->properties.point_block_bits = point.block_bits;
    struct slice lines = slice_make(point.lines, (size_t)point.line_count * POINT_LINE_SIZE);
    int rc = block_put(builder, lines, LOAM_COMPRESS_NONE, handle, err);
    mem_free(point.lines);
    return rc;
}

/* Everything behind the data blocks. */
static int tail_put(struct table_builder *builder, struct loam_error *err)
{
    struct table_footer footer = {.number = builder->number, .version = TABLE_FORMAT_VERSION};
    struct table_properties *properties = &builder->properties;
    properties->meta.smallest = buf_slice(&builder->smallest);
    properties->meta.largest = buf_slice(&builder->last);
    properties->block_count = block_index_builder_count(&builder->index);
    properties->bucket_ids = builder->bucket_ids.data;
    properties->bucket_count = (uint32_t)(builder->bucket_ids.size / 4);

    TRY(point_put(builder, &footer.point, err));
    footer.optional_features = footer.point.size > 0 ? TABLE_FEATURE_POINT_INDEX : 0;
    TRY(block_index_builder_finish(&builder->index, &builder->raw, err));
    TRY(block_put(builder, buf_slice(&builder->raw), LOAM_COMPRESS_NONE, &footer.index, err));
    TRY(table_properties_encode(properties, &builder->raw, err));
    TRY(block_put(builder, buf_slice(&builder->raw), LOAM_COMPRESS_NONE, &footer.properties, err));
    char bytes[TABLE_FOOTER_SIZE];
    table_footer_encode(&footer, builder->seed, end_offset(builder), bytes);
    TRY(buf_append(&builder->pending, bytes, sizeof(bytes), err));
    return pending_write(builder, err);
}

static int file_finish(struct table_builder *builder, struct loam_error *err)
{
    if (block_builder_count(builder->block) > 0) {
        TRY(block_finish(builder, err));
    }
    TRY(tail_put(builder, err));
    if (GUARD(TABLE_SYNC)) {
        TRY(env_sync(builder->file, err));
    }
    struct env_file *file = builder->file;
    builder->file = NULL;
    return env_close(file, err);
}

int table_builder_finish(struct table_builder *builder,
                         struct table_meta *meta,
                         struct loam_error *err)
{
    PRE(!builder->is_finished);
    TRY(spent_check(builder, err));
    if (builder->properties.meta.row_count == 0) {
        return fail(err, LOAM_INVALID, "table %llu has no rows",
                    (unsigned long long)builder->number);
    }
    TRY(spend(builder, file_finish(builder, err)));
    builder->is_finished = true;
    *meta = builder->properties.meta;
    meta->number = builder->number;
    meta->size = builder->written;
    meta->hash = checksum_stream_value(&builder->hash);
    return LOAM_OK;
}
