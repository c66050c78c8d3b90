/* SPDX-License-Identifier: MIT */
/*
 * block_builder.c - collects rows of one block and encodes them at once. Format: block.h.
 *
 * The prefix and the width of seq deltas are known only with the last row, so rows are kept as they
 * came (bytes in one buffer, descriptors in another) and written by finish. Sizes are tracked
 * exactly, so that the caller can cut blocks before they grow too large. Memory is kept between
 * blocks. Thread: owner.
 */
#include "base/check.h"
#include "base/limits.h"
#include "disk/block.h"

#define KEPT_BYTES_MAX (1u << 20) /* A larger buffer, of many rows, is given back. */

struct pending_row {
    size_t offset;    /* Of the key in bytes; the value follows, unless it is lent. */
    const char *lent; /* A large value where the caller has it, or NULL. */
    uint64_t seq;
    uint64_t expire_at_ms;
    uint32_t key_size;
    uint32_t value_size;
    uint16_t content_type;
    uint8_t kind;
};

struct block_builder {
    struct loam_buffer bytes; /* Keys, and values that are not lent. */
    struct loam_buffer rows;  /* struct pending_row */
    uint32_t count;
    size_t key_bytes;   /* Of all keys. */
    size_t fixed_bytes; /* Of all rows, but keys and seq deltas; suffix sizes as of whole keys. */
    size_t prefix_size; /* Shared by all rows so far. */
    uint64_t seq_min;
    uint64_t seq_max;
};

struct block_builder *block_builder_new(void)
{
    return mem_zalloc(1, sizeof(struct block_builder));
}

void block_builder_free(struct block_builder *builder)
{
    if (builder != NULL) {
        loam_buffer_free(&builder->bytes);
        loam_buffer_free(&builder->rows);
        mem_free(builder);
    }
}

static struct pending_row *rows_of(const struct block_builder *builder)
{
    return (struct pending_row *)(void *)builder->rows.data;
}

static struct slice key_of(const struct block_builder *builder, const struct pending_row *row)
{
    return slice_make(builder->bytes.data + row->offset, row->key_size);
}

static unsigned width_of(uint64_t range)
{
    unsigned width = 0;
    while (range != 0) {
        range >>= 8;
        width++;
    }
    return width;
}

/* Bytes of a row besides its key and seq delta. */
static size_t row_fixed(const struct entry *entry)
{
    return 1 + varint_size(entry->key.size) + varint_size(entry->value.size) +
           (entry->expire_at_ms != 0 ? 8u : 0u) + (entry->content_type != 0 ? 2u : 0u) +
           entry->value.size;
}

/* An upper bound that is exact but for suffix sizes whose varint is shorter than the key's. */
static size_t
block_size(size_t count, size_t fixed, size_t key_bytes, size_t prefix, unsigned seq_width)
{
    size_t rows = fixed + key_bytes - prefix * count + seq_width * count;
    return BLOCK_HEADER_SIZE + count * (rows > UINT16_MAX ? 4u : 2u) + prefix + rows;
}

size_t block_builder_size(const struct block_builder *builder)
{
    if (builder->count == 0) {
        return BLOCK_HEADER_SIZE;
    }
    return block_size(builder->count, builder->fixed_bytes, builder->key_bytes,
                      builder->prefix_size, width_of(builder->seq_max - builder->seq_min));
}

size_t block_builder_size_with(const struct block_builder *builder, const struct entry *entry)
{
    size_t fixed = builder->fixed_bytes + row_fixed(entry);
    if (builder->count == 0) {
        return block_size(1, fixed, entry->key.size, entry->key.size, 0);
    }
    uint64_t low = entry->seq < builder->seq_min ? entry->seq : builder->seq_min;
    uint64_t high = entry->seq > builder->seq_max ? entry->seq : builder->seq_max;
    size_t prefix =
        shared_prefix_size(key_of(builder, rows_of(builder)), entry->key, builder->prefix_size);
    return block_size((size_t)builder->count + 1, fixed, builder->key_bytes + entry->key.size,
                      prefix, width_of(high - low));
}

uint32_t block_builder_count(const struct block_builder *builder)
{
    return builder->count;
}

/* Limits of one row. */
static int entry_check(const struct entry *entry, struct loam_error *err)
{
    if (entry->kind != ENTRY_PUT && entry->kind != ENTRY_DELETE) {
        return fail(err, LOAM_INVALID, "row of kind %u: tables hold puts (1) and deletes (2)",
                    entry->kind);
    }
    if (entry->kind == ENTRY_DELETE && entry->value.size != 0) {
        return fail(err, LOAM_INVALID, "delete with a value of %zu bytes", entry->value.size);
    }
    if (entry->key.size < BUCKET_ID_SIZE || entry->key.size > STORED_KEY_SIZE_MAX) {
        return fail(err, LOAM_INVALID, "stored key of %zu bytes is not within %u..%u",
                    entry->key.size, BUCKET_ID_SIZE, STORED_KEY_SIZE_MAX);
    }
    if (entry->value.size > VALUE_SIZE_MAX) {
        return fail(err, LOAM_INVALID, "value of %zu bytes is above the limit of %u",
                    entry->value.size, VALUE_SIZE_MAX);
    }
    if (entry->seq > SEQ_MAX) {
        return fail(err, LOAM_INVALID, "sequence number %llu is above 2^53 - 1",
                    (unsigned long long)entry->seq);
    }
    if (entry->content_type > UINT16_MAX) {
        return fail(err, LOAM_INVALID, "content type %u is above 65535", entry->content_type);
    }
    return LOAM_OK;
}

static int
order_check(const struct block_builder *builder, const struct entry *entry, struct loam_error *err)
{
    if (builder->count > 0) {
        const struct pending_row *last = rows_of(builder) + builder->count - 1;
        if (entry_position_cmp(key_of(builder, last), last->seq, entry->key, entry->seq) >= 0) {
            return fail(err, LOAM_INVALID,
                        "row of sequence %llu is not behind the row before it (sequence %llu)",
                        (unsigned long long)entry->seq, (unsigned long long)last->seq);
        }
        if (block_builder_size_with(builder, entry) > BLOCK_SIZE_MAX) {
            return fail(err, LOAM_INVALID, "block would be above the limit of %u bytes",
                        BLOCK_SIZE_MAX);
        }
    }
    return LOAM_OK;
}

int block_builder_add(struct block_builder *builder,
                      const struct entry *entry,
                      struct loam_error *err)
{
    TRY(entry_check(entry, err));
    TRY(order_check(builder, entry, err));
    bool is_lent = entry->value.size >= BLOCK_LENT_MIN;
    size_t copied = entry->key.size + (is_lent ? 0 : entry->value.size);
    TRY(buf_reserve(&builder->bytes, copied, err));
    TRY(buf_reserve(&builder->rows, sizeof(struct pending_row), err));
    struct pending_row *row = rows_of(builder) + builder->count;
    *row = (struct pending_row){
        .offset = builder->bytes.size,
        .lent = is_lent ? entry->value.data : NULL,
        .seq = entry->seq,
        .expire_at_ms = entry->expire_at_ms,
        .key_size = (uint32_t)entry->key.size,
        .value_size = (uint32_t)entry->value.size,
        .content_type = (uint16_t)entry->content_type,
        .kind = (uint8_t)entry->kind,
    };
    char *to = builder->bytes.data + builder->bytes.size;
    memcpy(to, entry->key.data, entry->key.size);
    if (copied > entry->key.size) {
        memcpy(to + entry->key.size, entry->value.data, entry->value.size);
    }
    builder->bytes.size += copied;
    builder->rows.size += sizeof(*row);
    if (builder->count == 0) {
        builder->prefix_size = entry->key.size;
        builder->seq_min = entry->seq;
        builder->seq_max = entry->seq;
    } else {
        builder->prefix_size =
            shared_prefix_size(key_of(builder, rows_of(builder)), entry->key, builder->prefix_size);
        builder->seq_min = entry->seq < builder->seq_min ? entry->seq : builder->seq_min;
        builder->seq_max = entry->seq > builder->seq_max ? entry->seq : builder->seq_max;
    }
    builder->count++;
    builder->key_bytes += entry->key.size;
    builder->fixed_bytes += row_fixed(entry);
    return LOAM_OK;
}

/* Bytes of all rows, with their final prefix. */
static size_t rows_size(const struct block_builder *builder, unsigned seq_width)
{
    size_t size = 0;
    const struct pending_row *row = rows_of(builder);
    for (uint32_t i = 0; i < builder->count; i++, row++) {
        size_t suffix = row->key_size - builder->prefix_size;
        size += 1 + varint_size(suffix) + varint_size(row->value_size) + seq_width +
                (row->expire_at_ms != 0 ? 8u : 0u) + (row->content_type != 0 ? 2u : 0u) + suffix +
                row->value_size;
    }
    return size;
}

static char *row_put(const struct block_builder *builder,
                     const struct pending_row *row,
                     unsigned seq_width,
                     char *p)
{
    size_t suffix = row->key_size - builder->prefix_size;
    unsigned head = row->kind | (row->expire_at_ms != 0 ? BLOCK_HEAD_EXPIRY : 0u) |
                    (row->content_type != 0 ? BLOCK_HEAD_CONTENT_TYPE : 0u);
    *p++ = (char)head;
    p = put_varint(p, suffix);
    p = put_varint(p, row->value_size);
    uint64_t delta = htole64(row->seq - builder->seq_min);
    memcpy(p, &delta, seq_width);
    p += seq_width;
    if (row->expire_at_ms != 0) {
        put_u64(p, row->expire_at_ms);
        p += 8;
    }
    if (row->content_type != 0) {
        put_u16(p, row->content_type);
        p += 2;
    }
    const char *rest = builder->bytes.data + row->offset + builder->prefix_size;
    if (row->lent == NULL) {
        memcpy(p, rest, suffix + row->value_size);
    } else {
        memcpy(p, rest, suffix);
        memcpy(p + suffix, row->lent, row->value_size);
    }
    return p + suffix + row->value_size;
}

int block_builder_finish(struct block_builder *builder,
                         struct loam_buffer *out,
                         struct loam_error *err)
{
    PRE(builder->count > 0);
    unsigned seq_width = width_of(builder->seq_max - builder->seq_min);
    size_t rows = rows_size(builder, seq_width);
    bool is_wide = rows > UINT16_MAX;
    size_t offset_size = is_wide ? 4 : 2;
    size_t front = BLOCK_HEADER_SIZE + offset_size * builder->count + builder->prefix_size;
    out->size = 0;
    TRY(buf_reserve(out, front + rows, err));
    put_u32(out->data, builder->count);
    put_u32(out->data + 4, (uint32_t)(builder->prefix_size << 8) | seq_width << 4 |
                               (is_wide ? BLOCK_FLAG_WIDE : 0u));
    put_u64(out->data + 8, builder->seq_min);
    memcpy(out->data + front - builder->prefix_size, builder->bytes.data, builder->prefix_size);
    char *begin = out->data + front;
    char *p = begin;
    for (uint32_t i = 0; i < builder->count; i++) {
        char *offset = out->data + BLOCK_HEADER_SIZE + offset_size * i;
        if (is_wide) {
            put_u32(offset, (uint32_t)(p - begin));
        } else {
            put_u16(offset, (uint16_t)(p - begin));
        }
        p = row_put(builder, rows_of(builder) + i, seq_width, p);
    }
    INV(p == begin + rows);
    out->size = front + rows;
    struct loam_buffer bytes = builder->bytes;
    struct loam_buffer kept = builder->rows;
    *builder = (struct block_builder){.bytes = bytes, .rows = kept};
    builder->bytes.size = 0;
    builder->rows.size = 0;
    if (builder->bytes.capacity > KEPT_BYTES_MAX) {
        loam_buffer_free(&builder->bytes);
    }
    return LOAM_OK;
}
