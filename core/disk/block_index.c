/* SPDX-License-Identifier: MIT */
/*
 * block_index.c - building, parsing and searching the block index. Layout: block_index.h.
 *
 * A search compares the first eight bytes behind what all separators share, as numbers, in a tree
 * of eight of them per cache line, without branches; only separators of equal heads are compared in
 * full.
 */
#include "disk/block_index.h"

#include "base/check.h"
#include "base/limits.h"

#define INDEX_SIZE_MAX (1u << 30) /* Bytes of a block index. */
#define FRONT_SIZE     8
#define ENTRY_SIZE_MIN 4
#define NO_SPLIT       UINT64_MAX
#define FANOUT         8u /* One cache line of heads. */

struct index_entry {
    uint64_t stored_size;
    uint64_t seq_max;
    uint64_t split_seq;
    size_t key_end; /* In keys; its begin is the end of the entry before. */
};

static struct index_entry *entries_of(const struct block_index_builder *builder)
{
    return (struct index_entry *)(void *)builder->entries.data;
}

uint32_t block_index_builder_count(const struct block_index_builder *builder)
{
    return (uint32_t)(builder->entries.size / sizeof(struct index_entry));
}

void block_index_builder_deinit(struct block_index_builder *builder)
{
    loam_buffer_free(&builder->entries);
    loam_buffer_free(&builder->keys);
}

int block_index_builder_begin(struct block_index_builder *builder,
                              struct slice last,
                              struct slice first,
                              uint64_t first_seq,
                              struct loam_error *err)
{
    struct index_entry entry = {.split_seq = NO_SPLIT};
    size_t key_size = 0;
    if (block_index_builder_count(builder) > 0) {
        size_t shared = shared_prefix_size(last, first, SIZE_MAX);
        bool is_split = shared == first.size;
        INV(ERGO(is_split, shared == last.size));
        key_size = is_split ? first.size : shared + 1;
        entry.split_seq = is_split ? first_seq : NO_SPLIT;
    }
    TRY(buf_reserve(&builder->keys, key_size, err));
    TRY(buf_reserve(&builder->entries, sizeof(entry), err));
    TRY(buf_append(&builder->keys, first.data, key_size, err));
    entry.key_end = builder->keys.size;
    return buf_append(&builder->entries, &entry, sizeof(entry), err);
}

void block_index_builder_end(struct block_index_builder *builder,
                             uint64_t stored_size,
                             uint64_t seq_max)
{
    uint32_t count = block_index_builder_count(builder);
    PRE(count > 0 && stored_size > 0);
    struct index_entry *entry = entries_of(builder) + count - 1;
    entry->stored_size = stored_size;
    entry->seq_max = seq_max;
}

static struct slice builder_key(const struct block_index_builder *builder, uint32_t i)
{
    const struct index_entry *entries = entries_of(builder);
    size_t begin = i == 0 ? 0 : entries[i - 1].key_end;
    return slice_make(builder->keys.data + begin, entries[i].key_end - begin);
}

int block_index_builder_finish(const struct block_index_builder *builder,
                               struct loam_buffer *out,
                               struct loam_error *err)
{
    uint32_t count = block_index_builder_count(builder);
    PRE(count > 0);
    struct slice shared = {0};
    if (count > 1) {
        shared = builder_key(builder, 1);
        shared.size = shared_prefix_size(shared, builder_key(builder, count - 1), SIZE_MAX);
    }
    size_t bound = FRONT_SIZE + shared.size + builder->keys.size + (size_t)count * 4 * VARINT64_MAX;
    if (bound > INDEX_SIZE_MAX) {
        return fail(err, LOAM_TOO_LARGE, "block index of %zu bytes is above the limit of %u", bound,
                    INDEX_SIZE_MAX);
    }
    out->size = 0;
    TRY(buf_reserve(out, bound, err));
    put_u32(out->data, count);
    put_u32(out->data + 4, (uint32_t)shared.size);
    if (shared.size > 0) {
        memcpy(out->data + FRONT_SIZE, shared.data, shared.size);
    }
    char *p = out->data + FRONT_SIZE + shared.size;
    for (uint32_t i = 0; i < count; i++) {
        const struct index_entry *entry = entries_of(builder) + i;
        struct slice key = i == 0 ? (struct slice){0} : builder_key(builder, i);
        size_t key_size = i == 0 ? 0 : key.size - shared.size;
        p = put_varint(p, entry->stored_size);
        p = put_varint(p, entry->seq_max);
        p = put_varint(p, entry->split_seq == NO_SPLIT ? 0 : entry->split_seq + 1);
        p = put_varint(p, key_size);
        if (key_size > 0) {
            memcpy(p, key.data + shared.size, key_size);
            p += key_size;
        }
    }
    out->size = (size_t)(p - out->data);
    INV(out->size <= bound);
    return LOAM_OK;
}

/* Parsing. */

/* The arrays while they are filled. */
struct index_arrays {
    uint64_t *ends;
    uint64_t *seq_maxes;
    uint64_t *heads;
    uint64_t *key_ends;
    uint64_t *split_seqs;
    char *keys;
    size_t key_size;
    bool has_split;
};

/* Reads entry i, which begins at p. Returns its end, or NULL. */
static const char *
entry_parse(struct index_arrays *to, uint32_t i, const char *p, const char *limit, size_t shared)
{
    uint64_t stored_size = 0;
    uint64_t split = 0;
    uint64_t key_size = 0;
    p = get_varint(p, limit, &stored_size);
    p = p == NULL ? NULL : get_varint(p, limit, &to->seq_maxes[i]);
    p = p == NULL ? NULL : get_varint(p, limit, &split);
    p = p == NULL ? NULL : get_varint(p, limit, &key_size);
    if (p == NULL || key_size > (uint64_t)(limit - p) || split > SEQ_MAX + 1 || stored_size == 0 ||
        to->seq_maxes[i] > SEQ_MAX || key_size + shared > STORED_KEY_SIZE_MAX ||
        (i == 0 && (key_size > 0 || split > 0))) {
        return NULL;
    }
    uint64_t begin = i == 0 ? 0 : to->ends[i - 1];
    if (__builtin_add_overflow(begin, stored_size, &to->ends[i])) {
        return NULL;
    }
    memcpy(to->keys + to->key_size, p, key_size);
    to->heads[i] = key_head(slice_make(p, key_size));
    to->key_size += key_size;
    to->key_ends[i] = to->key_size;
    to->split_seqs[i] = split == 0 ? NO_SPLIT : split - 1;
    to->has_split = to->has_split || split != 0;
    return p + key_size;
}

static struct slice separator(const struct block_index *index, uint32_t i)
{
    uint64_t begin = i == 0 ? 0 : index->key_ends[i - 1];
    return slice_make(index->keys + begin, index->key_ends[i] - begin);
}

/* Separators rise; equal keys only where versions of one key fill whole blocks. */
static bool order_is_sound(const struct block_index *index)
{
    for (uint32_t i = 2; i < index->count; i++) {
        int order = slice_cmp(separator(index, i - 1), separator(index, i));
        bool is_split_on = order == 0 && index->split_seqs != NULL &&
                           index->split_seqs[i - 1] > index->split_seqs[i];
        if (order > 0 || (order == 0 && !is_split_on)) {
            return false;
        }
    }
    return true;
}

static int arrays_parse(struct block_index *index, struct index_arrays *to, struct slice body)
{
    const char *p = body.data;
    const char *limit = p + body.size;
    for (uint32_t i = 0; i < index->count; i++) {
        p = entry_parse(to, i, p, limit, index->shared.size);
        if (p == NULL) {
            return LOAM_CORRUPT;
        }
    }
    return p == limit ? LOAM_OK : LOAM_CORRUPT;
}

static inline size_t round_up(size_t count)
{
    return (count + FANOUT - 1) / FANOUT * FANOUT;
}

/* How many numbers the levels of an index of so many blocks have. */
static size_t tree_size(size_t count)
{
    size_t size = round_up(count);
    while (count > FANOUT) {
        count = round_up(count) / FANOUT;
        size += round_up(count);
    }
    return size;
}

/* Builds the levels above the heads, with which `memory` begins. What is missing of a last eight is
 * above every head, and so is the last number of each level but the lowest: a search that finds no
 * head large enough ends behind the last one. */
static void tree_build(struct block_index *index, uint64_t *memory)
{
    size_t count = index->count;
    uint64_t *level = memory;
    for (;;) {
        for (size_t i = count; i < round_up(count); i++) {
            level[i] = UINT64_MAX;
        }
        index->levels[index->top] = level;
        if (count <= FANOUT) {
            return;
        }
        uint64_t *above = level + round_up(count);
        size_t above_count = round_up(count) / FANOUT;
        for (size_t i = 0; i + 1 < above_count; i++) {
            above[i] = level[(i + 1) * FANOUT - 1];
        }
        above[above_count - 1] = UINT64_MAX;
        index->top++;
        level = above;
        count = above_count;
    }
}

int block_index_parse(const char *data, size_t size, uint64_t data_size, struct block_index *out)
{
    if (size < FRONT_SIZE || size > INDEX_SIZE_MAX) {
        return LOAM_CORRUPT;
    }
    uint32_t count = get_u32(data);
    uint32_t shared_size = get_u32(data + 4);
    size_t left = size - FRONT_SIZE;
    if (shared_size > left || shared_size > STORED_KEY_SIZE_MAX || count == 0 ||
        count > (left - shared_size) / ENTRY_SIZE_MIN) {
        return LOAM_CORRUPT;
    }
    struct slice body = slice_make(data + FRONT_SIZE + shared_size, left - shared_size);
    /* The heads and the levels above them, four arrays more, then the shared bytes and the
     * separators, which are part of the body. */
    size_t tree_count = tree_size(count);
    size_t memory_size =
        sizeof(uint64_t) * (tree_count + 4 * (size_t)count) + shared_size + body.size;
    uint64_t *memory = mem_aligned(CACHE_LINE, memory_size);
    if (memory == NULL) {
        return LOAM_NO_MEMORY;
    }
    uint64_t *arrays = memory + tree_count;
    char *bytes = (char *)(arrays + 4 * (size_t)count);
    struct index_arrays to = {
        .heads = memory,
        .ends = arrays,
        .key_ends = arrays + count,
        .seq_maxes = arrays + 2 * (size_t)count,
        .split_seqs = arrays + 3 * (size_t)count,
        .keys = bytes + shared_size,
    };
    memcpy(bytes, data + FRONT_SIZE, shared_size);
    struct block_index index = {
        .count = count,
        .shared = slice_make(bytes, shared_size),
        .ends = to.ends,
        .seq_maxes = to.seq_maxes,
        .heads = to.heads,
        .key_ends = to.key_ends,
        .keys = to.keys,
        .memory = memory,
        .memory_size = memory_size,
    };
    int rc = arrays_parse(&index, &to, body);
    if (rc == LOAM_OK) {
        index.split_seqs = to.has_split ? to.split_seqs : NULL;
        tree_build(&index, memory);
        rc = order_is_sound(&index) && index.ends[count - 1] == data_size ? LOAM_OK : LOAM_CORRUPT;
    }
    if (rc != LOAM_OK) {
        mem_free(memory);
        return rc;
    }
    *out = index;
    return LOAM_OK;
}

void block_index_deinit(struct block_index *index)
{
    mem_free(index->memory);
    *index = (struct block_index){0};
}

/* Search. */

/* How many of eight numbers are below `want`: without branches, of which one in two would be
 * mispredicted. */
static inline uint32_t eight_below(const uint64_t *numbers, uint64_t want)
{
    uint32_t count = 0;
    for (unsigned i = 0; i < FANOUT; i++) {
        count += numbers[i] < want;
    }
    return count;
}

/* Where the eight heads begin among which a search for `want` ends. */
static inline uint32_t eight_of(const struct block_index *index, uint64_t want)
{
    uint32_t at = 0;
    for (uint32_t level = index->top; level > 0; level--) {
        at = (at + eight_below(index->levels[level] + at, want)) * FANOUT;
    }
    return at;
}

/* First i in [1, count) with heads[i] >= want, or count; eight: eight_of() it. */
static inline uint32_t heads_bound(const struct block_index *index, uint32_t eight, uint64_t want)
{
    uint32_t at = eight + eight_below(index->heads + eight, want);
    return at == 0 ? 1 : at;
}

/* Whether separator i is at or before (key, seq). */
static bool
is_at_or_before(const struct block_index *index, uint32_t i, struct slice key, uint64_t seq)
{
    int order = slice_cmp(separator(index, i), key);
    uint64_t split_seq = index->split_seqs == NULL ? NO_SPLIT : index->split_seqs[i];
    return order < 0 || (order == 0 && split_seq >= seq);
}

uint32_t block_index_near(const struct block_index *index, struct slice key)
{
    int side = key_side(key, index->shared);
    if (index->count == 1 || side != 0) {
        return side > 0 ? index->count - 1 : 0;
    }
    uint32_t at = eight_of(index, key_prefix(key, index->shared.size));
    __builtin_prefetch(index->heads + at);
    return at;
}

uint32_t block_index_find_near(const struct block_index *index,
                               uint32_t near,
                               struct slice key,
                               uint64_t seq)
{
    int side = key_side(key, index->shared);
    if (index->count == 1 || side != 0) {
        return side > 0 ? index->count - 1 : 0;
    }
    uint64_t head = key_prefix(key, index->shared.size);
    key = slice_make(key.data + index->shared.size, key.size - index->shared.size);
    uint32_t low = heads_bound(index, near, head);
    uint32_t high = low;
    if (low < index->count && index->heads[low] == head) {
        high = head == UINT64_MAX ? index->count
                                  : heads_bound(index, eight_of(index, head + 1), head + 1);
    }
    /* Separators below low are before the key, those from high on are behind it. */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (is_at_or_before(index, middle, key, seq)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low - 1;
}

uint32_t block_index_find(const struct block_index *index, struct slice key, uint64_t seq)
{
    return block_index_find_near(index, block_index_near(index, key), key, seq);
}
