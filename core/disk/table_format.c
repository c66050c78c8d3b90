/* SPDX-License-Identifier: MIT */
/*
 * table_format.c - encoding and decoding of the small parts of a table file. Layout:
 * table_format.h and core/FORMAT.md.
 */
#include "disk/table_format.h"

#include "base/check.h"
#include "base/checksum.h"
#include "base/coding.h"
#include "base/guard.h"
#include "base/limits.h"

#define FOOTER_CHECKED   72u /* Bytes in front of the footer's checksum. */
#define PROPERTIES_FIXED 88u

_Static_assert(FOOTER_CHECKED + 16 == TABLE_FOOTER_SIZE, "checksum and magic end the footer");

uint64_t table_seed(const struct store_id *id, uint64_t number)
{
    return checksum_64(id->uuid, sizeof(id->uuid), number);
}

uint64_t table_checksum(uint64_t seed, uint64_t offset, const void *data, size_t size)
{
    return checksum_64(data, size, checksum_context(seed, offset));
}

void table_trailer_encode(
    struct slice block, int codec, uint64_t seed, uint64_t offset, char out[TABLE_TRAILER_SIZE])
{
    out[0] = (char)codec;
    put_u64(out + 1, checksum_64_joined(block, slice_make(out, 1), checksum_context(seed, offset)));
}

void table_footer_encode(const struct table_footer *footer,
                         uint64_t seed,
                         uint64_t offset,
                         char *out)
{
    const uint64_t words[] = {
        footer->point.offset, footer->point.size,        footer->index.offset,
        footer->index.size,   footer->properties.offset, footer->properties.size,
        footer->number,
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        put_u64(out + 8 * i, words[i]);
    }
    put_u32(out + 56, footer->required_features);
    put_u32(out + 60, footer->optional_features);
    put_u32(out + 64, footer->version);
    put_u32(out + 68, 0);
    put_u64(out + FOOTER_CHECKED, table_checksum(seed, offset, out, FOOTER_CHECKED));
    put_u64(out + FOOTER_CHECKED + 8, TABLE_MAGIC);
}

/* Each part begins where the one before ends; a part that is there has a trailer and bytes. */
static bool handles_are_sound(const struct table_footer *footer, uint64_t footer_offset)
{
    const struct table_handle *point = &footer->point;
    const struct table_handle *index = &footer->index;
    const struct table_handle *properties = &footer->properties;
    bool has_point = (footer->optional_features & TABLE_FEATURE_POINT_INDEX) != 0;
    /* Compared from the end backwards, so that no sum can overflow. */
    return properties->size > TABLE_TRAILER_SIZE && properties->size <= footer_offset &&
           properties->offset == footer_offset - properties->size &&
           index->size > TABLE_TRAILER_SIZE && index->size <= properties->offset &&
           index->offset == properties->offset - index->size && point->size <= index->offset &&
           point->offset == index->offset - point->size && point->offset > TABLE_TRAILER_SIZE &&
           (point->size > TABLE_TRAILER_SIZE) == has_point && (has_point || point->size == 0);
}

int table_footer_decode(const char *data,
                        uint64_t seed,
                        uint64_t offset,
                        const char *name,
                        struct table_footer *out,
                        struct loam_error *err)
{
    unsigned long long at = offset;
    if (get_u64(data + FOOTER_CHECKED + 8) != TABLE_MAGIC) {
        return fail(err, LOAM_CORRUPT, "%s at offset %llu: not the end of a table: magic differs",
                    name, at);
    }
    uint32_t version = get_u32(data + 64);
    uint32_t required = get_u32(data + 56);
    if (GUARD(FOOTER_CHECKSUM) &&
        get_u64(data + FOOTER_CHECKED) != table_checksum(seed, offset, data, FOOTER_CHECKED)) {
        return fail(err, LOAM_CORRUPT,
                    "%s at offset %llu: footer checksum differs: damaged, or of another store or "
                    "number",
                    name, at);
    }
    if (version != TABLE_FORMAT_VERSION || required != 0) {
        return fail(err, LOAM_UNSUPPORTED,
                    "%s: table format %u with required features %#x; this build reads format %u "
                    "without features",
                    name, version, required, TABLE_FORMAT_VERSION);
    }
    struct table_footer footer = {
        .point = {.offset = get_u64(data), .size = get_u64(data + 8)},
        .index = {.offset = get_u64(data + 16), .size = get_u64(data + 24)},
        .properties = {.offset = get_u64(data + 32), .size = get_u64(data + 40)},
        .number = get_u64(data + 48),
        .required_features = required,
        .optional_features = get_u32(data + 60),
        .version = version,
    };
    if (get_u32(data + 68) != 0 || !handles_are_sound(&footer, offset)) {
        return fail(err, LOAM_CORRUPT, "%s at offset %llu: footer names parts that cannot be", name,
                    at);
    }
    *out = footer;
    return LOAM_OK;
}

int table_properties_encode(const struct table_properties *properties,
                            struct loam_buffer *out,
                            struct loam_error *err)
{
    const struct table_meta *meta = &properties->meta;
    size_t ids_size = 4 * (size_t)properties->bucket_count;
    out->size = 0;
    size_t uuid_size = sizeof(properties->uuid);
    TRY(buf_reserve(
        out, PROPERTIES_FIXED + meta->smallest.size + meta->largest.size + ids_size + uuid_size,
        err));
    char *p = out->data;
    const uint64_t words[] = {
        meta->row_count, meta->delete_count, meta->expiry_count,    meta->raw_size,
        meta->seq_min,   meta->seq_max,      properties->key_count,
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++, p += 8) {
        put_u64(p, words[i]);
    }
    put_u32(p, properties->block_count);
    put_u32(p + 4, properties->point_line_count);
    p[8] = (char)properties->point_row_bits;
    p[9] = (char)properties->point_block_bits;
    put_u16(p + 10, 0);
    put_u32(p + 12, properties->bucket_count);
    put_u32(p + 16, (uint32_t)meta->smallest.size);
    put_u32(p + 20, (uint32_t)meta->largest.size);
    put_u64(p + 24, 0);
    p += 32;
    INV(p == out->data + PROPERTIES_FIXED);
    memcpy(p, meta->smallest.data, meta->smallest.size);
    p += meta->smallest.size;
    memcpy(p, meta->largest.data, meta->largest.size);
    p += meta->largest.size;
    if (ids_size > 0) {
        memcpy(p, properties->bucket_ids, ids_size);
        p += ids_size;
    }
    memcpy(p, properties->uuid, uuid_size);
    p += uuid_size;
    out->size = (size_t)(p - out->data);
    return LOAM_OK;
}

static bool properties_are_sound(const struct table_properties *properties)
{
    const struct table_meta *meta = &properties->meta;
    return meta->row_count > 0 && properties->block_count > 0 &&
           properties->block_count <= meta->row_count && properties->key_count > 0 &&
           properties->key_count <= meta->row_count && meta->delete_count <= meta->row_count &&
           meta->expiry_count <= meta->row_count && meta->seq_min <= meta->seq_max &&
           meta->seq_max <= SEQ_MAX && meta->smallest.size >= BUCKET_ID_SIZE &&
           slice_cmp(meta->smallest, meta->largest) <= 0;
}

int table_properties_decode(const char *data, size_t size, struct table_properties *out)
{
    if (size < PROPERTIES_FIXED + sizeof(out->uuid)) {
        return LOAM_CORRUPT;
    }
    const char *p = data + 56;
    struct table_properties properties = {
        .meta = {.row_count = get_u64(data),
                 .delete_count = get_u64(data + 8),
                 .expiry_count = get_u64(data + 16),
                 .raw_size = get_u64(data + 24),
                 .seq_min = get_u64(data + 32),
                 .seq_max = get_u64(data + 40)},
        .key_count = get_u64(data + 48),
        .block_count = get_u32(p),
        .point_line_count = get_u32(p + 4),
        .point_row_bits = (uint8_t)p[8],
        .point_block_bits = (uint8_t)p[9],
        .bucket_count = get_u32(p + 12),
    };
    uint32_t smallest_size = get_u32(p + 16);
    uint32_t largest_size = get_u32(p + 20);
    size_t left = size - PROPERTIES_FIXED - sizeof(out->uuid);
    if (get_u16(p + 10) != 0 || get_u64(p + 24) != 0 || smallest_size > STORED_KEY_SIZE_MAX ||
        largest_size > STORED_KEY_SIZE_MAX || properties.bucket_count > BUCKET_COUNT_MAX ||
        left != (size_t)smallest_size + largest_size + 4 * (size_t)properties.bucket_count) {
        return LOAM_CORRUPT;
    }
    p = data + PROPERTIES_FIXED;
    properties.meta.smallest = slice_make(p, smallest_size);
    properties.meta.largest = slice_make(p + smallest_size, largest_size);
    properties.bucket_ids = p + smallest_size + largest_size;
    memcpy(properties.uuid, data + size - sizeof(properties.uuid), sizeof(properties.uuid));
    if (!properties_are_sound(&properties)) {
        return LOAM_CORRUPT;
    }
    *out = properties;
    return LOAM_OK;
}
