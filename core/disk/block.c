/* SPDX-License-Identifier: MIT */
/*
 * block.c - life, validation and search of data blocks. Format: block.h and core/FORMAT.md.
 *
 * block_validate() runs at each miss of the cache, so it is one walk over the rows: each must begin
 * where the one before ended, and at its offset; the last must end at the end of the block. After
 * that every access is unchecked. The samples that begin a search are taken on the same walk; they
 * are in memory only, not in the file. Searches compare the first eight bytes of suffixes as one
 * big-endian number before they call memcmp.
 */
#include "disk/block.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/pool.h"

#define PREFETCH_ROWS  4u /* A search over so many rows spans several lines. */
#define PREFETCH_LINES 8u /* Loaded at once when the samples have narrowed a search. */

_Static_assert(sizeof(struct block) % CACHE_LINE == 0, "data begins at a line");

/* Memory of a block of so many bytes. */
static size_t memory_for(size_t size)
{
    return sizeof(struct block) + size + BLOCK_SLACK;
}

struct block *block_new(size_t size)
{
    PRE(size <= BLOCK_SIZE_MAX + CACHE_LINE);
    struct pool_chunk *chunk = NULL;
    struct block *block = pool_alloc(memory_for(size), &chunk);
    if (block == NULL) {
        return NULL;
    }
    *block = (struct block){.size = (uint32_t)size, .capacity = (uint32_t)size, .chunk = chunk};
    atomic_init(&block->refs, 1);
    memset(block_data(block) + size, 0, BLOCK_SLACK);
    return block;
}

void block_ref(struct block *block)
{
    uint32_t before = atomic_fetch_add_explicit(&block->refs, 1, memory_order_relaxed);
    INV(before > 0 && before < UINT32_MAX);
}

void block_unref(struct block *block)
{
    if (block == NULL) {
        return;
    }
    /* Release our reads; the last one acquires those of all before it frees. */
    uint32_t before = atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel);
    INV(before > 0);
    if (before == 1) {
        pool_free(block, memory_for(block->capacity), block->chunk);
    }
}

size_t block_memory(const struct block *block)
{
    return pool_size(memory_for(block->capacity));
}

/* Validation. */

/* Reads head and sizes of the row at p, checks them against limit. Returns the first byte of its
 * suffix and the decoded row, or NULL. */
static inline const char *
row_check(const struct block *block, const char *p, const char *limit, struct block_row *row)
{
    if (p >= limit) {
        return NULL;
    }
    unsigned head = (unsigned char)*p++;
    unsigned kind = head & BLOCK_HEAD_KIND;
    if (UNLIKELY((kind != ENTRY_PUT && kind != ENTRY_DELETE) || head >= 0x40)) {
        return NULL;
    }
    uint64_t suffix_size = 0;
    uint64_t value_size = 0;
    p = get_varint(p, limit, &suffix_size);
    p = p == NULL ? NULL : get_varint(p, limit, &value_size);
    if (UNLIKELY(p == NULL)) {
        return NULL;
    }
    size_t fixed = block->seq_width + ((head & BLOCK_HEAD_EXPIRY) != 0 ? 8u : 0u) +
                   ((head & BLOCK_HEAD_CONTENT_TYPE) != 0 ? 2u : 0u);
    size_t left = (size_t)(limit - p);
    /* The sizes are below 2^32, so the sum cannot overflow. */
    uint64_t key_size = suffix_size + block->prefix.size;
    if (UNLIKELY(suffix_size > STORED_KEY_SIZE_MAX || key_size > STORED_KEY_SIZE_MAX ||
                 key_size < BUCKET_ID_SIZE || value_size > VALUE_SIZE_MAX ||
                 fixed + suffix_size + value_size > left ||
                 (kind == ENTRY_DELETE && value_size != 0))) {
        return NULL;
    }
    row->seq = block->base_seq + (get_u64(p) & block->seq_mask);
    row->suffix = slice_make(p + fixed, suffix_size);
    row->value = slice_make(p + fixed + suffix_size, value_size);
    return p;
}

static int rows_validate(struct block *block, const char *limit)
{
    uint32_t sample_count = 0;
    const char *expected = block->rows;
    struct block_row row = {0};
    struct slice last = {0};
    uint64_t last_seq = 0;
    uint64_t last_head = 0;
    for (uint32_t i = 0; i < block->row_count; i++) {
        if (UNLIKELY(block_row_data(block, i) != expected ||
                     row_check(block, expected, limit, &row) == NULL || row.seq > SEQ_MAX)) {
            return LOAM_CORRUPT;
        }
        uint64_t head = block_suffix_head(row.suffix);
        if (UNLIKELY(i > 0 && head <= last_head)) {
            int order = head < last_head ? 1 : slice_cmp(last, row.suffix);
            if (order > 0 || (order == 0 && last_seq <= row.seq)) {
                return LOAM_CORRUPT;
            }
            block->has_versions = block->has_versions || order == 0;
        }
        while (sample_count < BLOCK_SAMPLES && block_sample_row(block, sample_count) == i) {
            block->samples[sample_count++] = (uint32_t)(head >> 32);
        }
        last = row.suffix;
        last_seq = row.seq;
        last_head = head;
        expected = row.value.data + row.value.size;
    }
    return expected == limit ? LOAM_OK : LOAM_CORRUPT;
}

int block_validate(struct block *block)
{
    const char *data = block_data(block);
    size_t size = block->size;
    if (size <= BLOCK_HEADER_SIZE || size > BLOCK_SIZE_MAX) {
        return LOAM_CORRUPT;
    }
    uint32_t row_count = get_u32(data);
    uint32_t flags = (unsigned char)data[4];
    uint32_t prefix_size = get_u32(data + 4) >> 8;
    unsigned seq_width = flags >> 4;
    bool is_wide = (flags & BLOCK_FLAG_WIDE) != 0;
    uint64_t front = BLOCK_HEADER_SIZE + (uint64_t)row_count * (is_wide ? 4 : 2) + prefix_size;
    if ((flags & 0x0f & ~(unsigned)BLOCK_FLAG_WIDE) != 0 || seq_width > 7 || row_count == 0 ||
        prefix_size > STORED_KEY_SIZE_MAX || front >= size) {
        return LOAM_CORRUPT;
    }
    block->row_count = row_count;
    block->base_seq = get_u64(data + 8);
    block->seq_width = (uint8_t)seq_width;
    block->seq_mask = (1ULL << (8 * seq_width)) - 1;
    block->has_wide_offsets = is_wide;
    block->rows = data + front;
    block->prefix = slice_make(block->rows - prefix_size, prefix_size);
    if (block->base_seq > SEQ_MAX) {
        return LOAM_CORRUPT;
    }
    return rows_validate(block, data + size);
}

/* Search. */

/* Compares the row with (key suffix, seq), whose head is known. */
static inline int
row_cmp(const struct block *block, uint32_t index, struct slice key, uint64_t head, uint64_t seq)
{
    struct block_row row;
    block_row(block, index, &row);
    return block_row_cmp(&row, key, head, seq);
}

/* Narrows a search for `head`: rows before *low are before it, row *high (if any) is behind it. */
static inline void
samples_narrow(const struct block *block, uint64_t head, uint32_t *low, uint32_t *high)
{
    uint32_t want = (uint32_t)(head >> 32);
    uint32_t below = 0;
    uint32_t up_to = 0;
    for (uint32_t i = 0; i < BLOCK_SAMPLES; i++) {
        below += block->samples[i] < want;
        up_to += block->samples[i] <= want;
    }
    *low = below == 0 ? 0 : block_sample_row(block, below - 1) + 1;
    *high = up_to == BLOCK_SAMPLES ? block->row_count : block_sample_row(block, up_to);
    if (*low < block->row_count) {
        const char *at = block_row_data(block, *low);
        const char *end = block_data(block) + block->size; /* Who seeks reads on. */
        for (unsigned i = 0; i < PREFETCH_LINES && at < end; i++, at += CACHE_LINE) {
            __builtin_prefetch(at);
        }
    }
}

uint32_t block_rows_before(const struct block *block, struct slice key, uint64_t seq)
{
    size_t prefix_size = block->prefix.size;
    if (key.size >= prefix_size && memcmp(key.data, block->prefix.data, prefix_size) == 0) {
        struct slice suffix = slice_make(key.data + prefix_size, key.size - prefix_size);
        uint64_t head = key_prefix(key, prefix_size);
        if (row_cmp(block, block->row_count - 1, suffix, head, seq) < 0) {
            return block->row_count;
        }
    }
    return block_seek(block, key, seq);
}

void block_aim(const struct block *block, struct slice key)
{
    if (key_side(key, block->prefix) == 0) {
        uint32_t low = 0;
        uint32_t high = 0;
        samples_narrow(block, key_prefix(key, block->prefix.size), &low, &high);
    }
}

uint32_t block_seek(const struct block *block, struct slice key, uint64_t seq)
{
    int side = key_side(key, block->prefix);
    if (side != 0) {
        return side > 0 ? block->row_count : 0;
    }
    uint64_t head = key_prefix(key, block->prefix.size);
    key = slice_make(key.data + block->prefix.size, key.size - block->prefix.size);
    uint32_t low = 0;
    uint32_t high = 0;
    samples_narrow(block, head, &low, &high);
    uint32_t count = high - low;
    while (count > 0) {
        uint32_t half = count / 2;
        if (count >= PREFETCH_ROWS) {
            /* Both rows that may be asked next are on their way while this one is compared. */
            __builtin_prefetch(block_row_data(block, low + half / 2));
            __builtin_prefetch(block_row_data(block, low + half + 1 + (count - half - 1) / 2));
        }
        if (row_cmp(block, low + half, key, head, seq) < 0) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low;
}
