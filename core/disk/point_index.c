/* SPDX-License-Identifier: MIT */
/*
 * point_index.c - building and asking the point index. Layout: point_index.h.
 *
 * The line comes from the high half of the hash, the fingerprint from the low half, so they are
 * independent. Load 0.8 makes 5 bytes a key; about one line in five is full, and its successor is
 * the line that the hardware fetches along with it.
 */
#include "disk/point_index.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/check.h"
#include "base/coding.h"
#include "base/give_way.h"

#define FINGERPRINT_BITS_MIN 8u
#define LOAD_NUMERATOR       4u /* Target load 4/5. */
#define LOAD_DENOMINATOR     5u
#define STEP_KEYS            512u /* Between two calls of give_way_after(). */

void point_builder_deinit(struct point_builder *builder)
{
    loam_buffer_free(&builder->hashes);
    loam_buffer_free(&builder->rows);
    loam_buffer_free(&builder->block_ends);
    *builder = (struct point_builder){0};
}

int point_builder_add(struct point_builder *builder,
                      uint64_t hash,
                      uint32_t row,
                      struct loam_error *err)
{
    TRY(buf_reserve(&builder->hashes, sizeof(hash), err));
    TRY(buf_reserve(&builder->rows, sizeof(row), err));
    memcpy(builder->hashes.data + builder->hashes.size, &hash, sizeof(hash));
    memcpy(builder->rows.data + builder->rows.size, &row, sizeof(row));
    builder->hashes.size += sizeof(hash);
    builder->rows.size += sizeof(row);
    builder->key_count++;
    builder->row_max = row > builder->row_max ? row : builder->row_max;
    return LOAM_OK;
}

int point_builder_end_block(struct point_builder *builder, struct loam_error *err)
{
    return buf_append(&builder->block_ends, &builder->key_count, sizeof(builder->key_count), err);
}

/* Bits that hold the numbers 0..max. */
static unsigned bits_of(uint64_t max)
{
    unsigned bits = 0;
    while (max != 0) {
        max >>= 1;
        bits++;
    }
    return bits;
}

static inline unsigned position_bits(const struct point_index *index)
{
    return (unsigned)index->row_bits + index->block_bits;
}

/* The fingerprint of a hash, in place in the high bits of a slot. */
static inline uint32_t fingerprint_of(const struct point_index *index, uint64_t hash)
{
    uint32_t all_ones = UINT32_MAX >> position_bits(index);
    uint32_t fingerprint = (uint32_t)hash & all_ones;
    fingerprint -= fingerprint == all_ones;
    return fingerprint << position_bits(index);
}

uint32_t point_index_line(const struct point_index *index, uint64_t hash)
{
    return (uint32_t)(((hash >> 32) * index->line_count) >> 32);
}

static void insert(
    const struct point_index *index, char *lines, unsigned char *fill, uint64_t hash, uint32_t at)
{
    uint32_t line = point_index_line(index, hash);
    while (fill[line] == POINT_LINE_SLOTS) {
        line = line + 1 == index->line_count ? 0 : line + 1;
    }
    uint32_t slot = fingerprint_of(index, hash) | at;
    INV(slot != POINT_EMPTY);
    put_u32(lines + (size_t)line * POINT_LINE_SIZE + 4 * (size_t)fill[line], slot);
    fill[line]++;
}

int point_builder_finish(const struct point_builder *builder,
                         struct point_index *out,
                         struct loam_error *err)
{
    size_t block_count = builder->block_ends.size / sizeof(uint64_t);
    PRE(block_count > 0 && builder->key_count > 0);
    unsigned row_bits = bits_of(builder->row_max);
    unsigned block_bits = bits_of(block_count - 1);
    uint64_t line_slots = (uint64_t)POINT_LINE_SLOTS * LOAD_NUMERATOR;
    uint64_t line_count = (builder->key_count * LOAD_DENOMINATOR + line_slots - 1) / line_slots;
    struct point_index index = {0};
    if (row_bits + block_bits + FINGERPRINT_BITS_MIN > 32 || line_count > UINT32_MAX) {
        *out = index;
        return LOAM_OK;
    }
    index.line_count = (uint32_t)line_count;
    index.row_bits = (uint8_t)row_bits;
    index.block_bits = (uint8_t)block_bits;
    size_t size = (size_t)line_count * POINT_LINE_SIZE;
    char *lines = mem_aligned(POINT_LINE_SIZE, size);
    unsigned char *fill = mem_zalloc((size_t)line_count, 1);
    if (lines == NULL || fill == NULL) {
        mem_free(lines);
        mem_free(fill);
        return mem_fail(err, size);
    }
    memset(lines, 0xff, size);
    const uint64_t *hashes = (const uint64_t *)(const void *)builder->hashes.data;
    const uint32_t *rows = (const uint32_t *)(const void *)builder->rows.data;
    const uint64_t *ends = (const uint64_t *)(const void *)builder->block_ends.data;
    size_t block = 0;
    for (uint64_t i = 0; i < builder->key_count; i++) {
        while (i >= ends[block]) {
            block++;
        }
        INV(block < block_count);
        insert(&index, lines, fill, hashes[i], (uint32_t)(block << row_bits) | rows[i]);
        if (i % STEP_KEYS == 0) {
            give_way_after(STEP_KEYS * (sizeof(*hashes) + sizeof(*rows)));
        }
    }
    mem_free(fill);
    index.lines = lines;
    *out = index;
    return LOAM_OK;
}

static inline const char *slot_at(const struct point_index *index, uint32_t line, uint32_t slot)
{
    return index->lines + (size_t)line * POINT_LINE_SIZE + 4u * (size_t)slot;
}

void point_index_slot(
    const struct point_index *index, uint32_t line, uint32_t slot, uint32_t *block, uint32_t *row)
{
    uint32_t value = get_u32(slot_at(index, line, slot));
    *row = value & ~(UINT32_MAX << index->row_bits);
    *block = (value >> index->row_bits) & ~(UINT32_MAX << index->block_bits);
}

bool point_index_is_sound(const struct point_index *index, uint64_t key_count, uint32_t block_count)
{
    if (index->row_bits > 24 || index->block_bits > 24 ||
        position_bits(index) + FINGERPRINT_BITS_MIN > 32 || index->line_count == 0) {
        return false;
    }
    uint64_t used = 0;
    for (uint32_t line = 0; line < index->line_count; line++) {
        bool is_empty = false;
        for (uint32_t slot = 0; slot < POINT_LINE_SLOTS; slot++) {
            uint32_t value = get_u32(slot_at(index, line, slot));
            if (value == POINT_EMPTY) {
                is_empty = true;
                continue;
            }
            uint32_t block = (value >> index->row_bits) & ~(UINT32_MAX << index->block_bits);
            if (is_empty || block >= block_count) {
                return false;
            }
            used++;
        }
    }
    return used == key_count;
}

uint32_t
point_index_match(const struct point_index *index, uint64_t hash, uint32_t line, bool *is_full)
{
    uint32_t want = fingerprint_of(index, hash);
    uint32_t mask = UINT32_MAX << position_bits(index);
    const char *slots = slot_at(index, line, 0);
    *is_full = get_u32(slots + POINT_LINE_SIZE - 4) != POINT_EMPTY;
    uint32_t found = 0;
#ifdef __SSE2__
    const __m128i *quads = (const __m128i *)(const void *)slots;
    __m128i wants = _mm_set1_epi32((int)want);
    __m128i masks = _mm_set1_epi32((int)mask);
    for (unsigned i = 0; i < 4; i++) {
        __m128i equal = _mm_cmpeq_epi32(_mm_and_si128(_mm_load_si128(quads + i), masks), wants);
        found |= (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(equal)) << (4 * i);
    }
#else
    for (unsigned i = 0; i < POINT_LINE_SLOTS; i++) {
        found |= (uint32_t)((get_u32(slots + 4 * i) & mask) == want) << i;
    }
#endif
    /* An empty slot has a fingerprint of all ones, which no hash has. */
    return found;
}
