/* SPDX-License-Identifier: MIT */
/*
 * table_iter.c - one table as an iterator over all its versions. See table.h and iter.h.
 *
 * The iterator references the block it stands in, so it needs no epoch between moves. Resident
 * blocks cost one load; after a few misses in sequence it reads ahead. The key is put together in
 * an own buffer: the prefix once per block, the suffix per row; blocks without prefix lend theirs.
 */
#include "base/check.h"
#include "disk/block_index.h"
#include "lsm/table_internal.h"

#define AHEAD_COMPACTION (256u << 10) /* Bytes read at once without filling the cache... */
#define AHEAD_SCAN       (64u << 10)  /* ...and by a scan that has missed this often: */
#define AHEAD_MISSES     2u
#define NOT_AIMED        UINT32_MAX
#define SUFFIX_COPY      16u /* Copied at once: no call for short suffixes. */

_Static_assert(SUFFIX_COPY <= BLOCK_SLACK, "a suffix may be read so far");

static struct table_iter *self_of(struct iter *iter)
{
    return (struct table_iter *)iter; /* It is the first member. */
}

static void block_drop(struct table_iter *it)
{
    block_unref(it->block);
    it->block = NULL;
}

static void nowhere(struct table_iter *it)
{
    it->iter.is_valid = false;
}

static void failed(struct table_iter *it, int rc)
{
    block_drop(it);
    it->iter.is_valid = false;
    it->iter.status = rc;
}

/* Rows. */

/* Shows the row that begins at p in the current block. */
static inline void row_show(struct table_iter *it, const char *p)
{
    struct block_row row;
    block_row_decode(it->block, p, &row);
    struct entry *entry = &it->iter.entry;
    size_t prefix_size = it->block->prefix.size;
    if (prefix_size == 0) {
        entry->key = row.suffix;
    } else {
        size_t copied = row.suffix.size > SUFFIX_COPY ? row.suffix.size : SUFFIX_COPY;
        it->key.size = 0;
        if (UNLIKELY(it->key.capacity < prefix_size + copied)) {
            it->key.size = prefix_size;
            int rc = buf_grow(&it->key, copied, it->iter.err);
            if (rc != LOAM_OK) {
                failed(it, rc);
                return;
            }
        }
        char *to = it->key.data + prefix_size;
        if (LIKELY(copied == SUFFIX_COPY)) {
            memcpy(to, row.suffix.data, SUFFIX_COPY);
        } else {
            memcpy(to, row.suffix.data, copied);
        }
        it->key.size = prefix_size + row.suffix.size;
        entry->key = slice_make(it->key.data, it->key.size);
    }
    entry->value = row.value;
    entry->seq = row.seq;
    entry->expire_at_ms = row.expire_at_ms;
    entry->content_type = row.content_type;
    entry->kind = row.kind;
    it->iter.is_valid = true;
}

static void row_show_at(struct table_iter *it, uint32_t row_index)
{
    it->row_index = row_index;
    row_show(it, block_row_data(it->block, row_index));
}

/* Blocks. */

/* Reads a block that is not resident. Inside an epoch bracket; *out has a reference. */
static int block_read(struct table_iter *it,
                      const struct table_reader *reader,
                      uint32_t index,
                      bool is_next,
                      struct block **out)
{
    struct block *block = NULL;
    it->miss_count = is_next ? it->miss_count + 1 : 0;
    bool is_ahead = is_next && (!it->fill_cache || it->miss_count > AHEAD_MISSES);
    cache_note_miss(it->table->cache);
    if (is_ahead) {
        size_t ahead = it->fill_cache ? AHEAD_SCAN : AHEAD_COMPACTION;
        TRY(table_reader_block_ahead(reader, index, &it->window, ahead, &block, it->iter.err));
    } else {
        TRY(table_reader_block(reader, index, &block, it->iter.err));
    }
    if (it->fill_cache) {
        block = table_install(it->table, index, block);
        block_ref(block);
    }
    *out = block;
    return LOAM_OK;
}

/* Block `index` if it is resident, only to be sent for: it need not live. */
static inline const struct block *neighbour(const struct table_iter *it, uint32_t index)
{
    return index >= it->table->member.slot_count
               ? NULL
               : atomic_load_explicit(&it->table->member.slots[index], memory_order_relaxed);
}

/* A position to look for in a block. */
struct wanted {
    struct slice key;
    uint64_t seq;
    uint32_t row_index; /* The first row at or after it. */
};

/* Block `index`, resident, with a reference, or NULL. Inside an epoch bracket. */
static struct block *
block_find(struct table_iter *it, uint32_t index, bool is_next, struct wanted *wanted)
{
    struct block *block = table_resident(it->table, index);
    if (UNLIKELY(block == NULL)) {
        return NULL;
    }
    block_prefetch(block);
    if (wanted != NULL) {
        wanted->row_index = block_seek(block, wanted->key, wanted->seq);
    }
    /* The reference count is a line of its own, and its atomic add holds up what follows: so it
     * comes last. */
    block_ref(block);
    cache_note_hit(it->table->cache);
    it->miss_count = 0;
    if (!is_next) {
        block_heat(block);
    }
    return block;
}

/* Stands in block `index`. is_next: it follows the one before in a forward move, which neither
 * makes it hot nor counts as a new wish. wanted: NULL, or a position to find in it. */
static int block_enter(struct table_iter *it,
                       const struct table_reader *reader,
                       uint32_t index,
                       bool is_next,
                       struct wanted *wanted)
{
    if (it->block != NULL && it->block_index == index) {
        if (wanted != NULL) {
            wanted->row_index = block_seek(it->block, wanted->key, wanted->seq);
        }
        return LOAM_OK;
    }
    int rc = LOAM_OK;
    epoch_enter();
    struct block *block = block_find(it, index, is_next, wanted);
    if (UNLIKELY(block == NULL)) {
        rc = block_read(it, reader, index, is_next, &block);
        if (rc == LOAM_OK && wanted != NULL) {
            wanted->row_index = block_seek(block, wanted->key, wanted->seq);
        }
    }
    epoch_exit();
    if (rc == LOAM_OK && it->key.capacity < block->prefix.size + SUFFIX_COPY) {
        it->key.size = 0;
        rc = buf_reserve(&it->key, block->prefix.size + SUFFIX_COPY, it->iter.err);
    }
    if (rc != LOAM_OK) {
        block_unref(block);
        return rc;
    }
    if (block->prefix.size > 0) {
        memcpy(it->key.data, block->prefix.data, block->prefix.size);
    }
    block_unref(it->block);
    it->block = block;
    it->block_index = index;
    return LOAM_OK;
}

/* Stands at row `row_index` of block `index`; UINT32_MAX: the last. */
static void
stand(struct table_iter *it, const struct table_reader *reader, uint32_t index, uint32_t row_index)
{
    int rc = block_enter(it, reader, index, row_index == 0, NULL);
    if (rc != LOAM_OK) {
        failed(it, rc);
        return;
    }
    row_show_at(it, row_index == UINT32_MAX ? it->block->row_count - 1 : row_index);
}

/* Moves. An iterator that has failed stays nowhere. */

static bool begin(struct table_iter *it, const struct table_reader **reader)
{
    nowhere(it);
    if (it->iter.status != LOAM_OK) {
        return false;
    }
    int rc = table_reader_of(it->table, reader, it->iter.err);
    if (rc != LOAM_OK) {
        failed(it, rc);
    }
    return rc == LOAM_OK;
}

static void table_iter_first(struct iter *iter)
{
    struct table_iter *it = self_of(iter);
    const struct table_reader *reader = NULL;
    if (begin(it, &reader)) {
        stand(it, reader, 0, 0);
    }
}

static void table_iter_last(struct iter *iter)
{
    struct table_iter *it = self_of(iter);
    const struct table_reader *reader = NULL;
    if (begin(it, &reader)) {
        stand(it, reader, table_reader_block_count(reader) - 1, UINT32_MAX);
    }
}

/* Sends for the slots of the blocks among which a search will end. */
static inline void slots_prefetch(const struct table_iter *it, uint32_t near)
{
    __builtin_prefetch(&it->table->member.slots[near]);
    __builtin_prefetch(&it->table->member.slots[near] + INDEX_NEAR - 1);
}

/* The block of a position, or block_count; what was found on the way there is used once. */
static uint32_t
block_of(struct table_iter *it, const struct table_reader *reader, struct slice key, uint64_t seq)
{
    uint32_t index = it->aimed;
    it->aimed = NOT_AIMED;
    if (index == NOT_AIMED) {
        uint32_t near = table_reader_near(reader, key);
        slots_prefetch(it, near);
        index = table_reader_find_near(reader, near, key, seq);
    }
    return index;
}

/* The steps: slots, block, rows. */
static bool table_iter_aim(struct iter *iter, struct slice key, uint64_t seq, unsigned round)
{
    struct table_iter *it = self_of(iter);
    const struct table_reader *reader =
        atomic_load_explicit(&it->table->reader, memory_order_acquire);
    if (reader == NULL || round > 2) {
        return false;
    }
    if (round == 0) {
        it->aimed = NOT_AIMED;
        it->near = table_reader_near(reader, key);
        slots_prefetch(it, it->near);
        return true;
    }
    if (round == 1) {
        it->aimed = table_reader_find_near(reader, it->near, key, seq);
        const struct block *block = neighbour(it, it->aimed);
        if (block != NULL) {
            block_prefetch(block);
        }
        return block != NULL;
    }
    epoch_enter();
    if (it->aimed < it->table->member.slot_count) {
        const struct block *block = table_resident(it->table, it->aimed);
        if (block != NULL) {
            block_aim(block, key);
        }
    }
    epoch_exit();
    return false;
}

static void table_iter_seek(struct iter *iter, struct slice key, uint64_t seq)
{
    struct table_iter *it = self_of(iter);
    const struct table_reader *reader = NULL;
    if (!begin(it, &reader)) {
        return;
    }
    uint32_t block_count = table_reader_block_count(reader);
    uint32_t index = block_of(it, reader, key, seq);
    if (index == block_count) {
        return;
    }
    struct wanted wanted = {.key = key, .seq = seq};
    int rc = block_enter(it, reader, index, false, &wanted);
    if (rc != LOAM_OK) {
        failed(it, rc);
        return;
    }
    if (wanted.row_index < it->block->row_count) {
        row_show_at(it, wanted.row_index);
    } else if (index + 1 < block_count) {
        stand(it, reader, index + 1, 0);
    }
}

static void table_iter_seek_before(struct iter *iter, struct slice key, uint64_t seq)
{
    struct table_iter *it = self_of(iter);
    const struct table_reader *reader = NULL;
    if (!begin(it, &reader)) {
        return;
    }
    uint32_t block_count = table_reader_block_count(reader);
    uint32_t index = block_of(it, reader, key, seq);
    if (index == block_count) {
        stand(it, reader, block_count - 1, UINT32_MAX);
        return;
    }
    struct wanted wanted = {.key = key, .seq = seq};
    int rc = block_enter(it, reader, index, false, &wanted);
    if (rc != LOAM_OK) {
        failed(it, rc);
        return;
    }
    if (wanted.row_index > 0) {
        row_show_at(it, wanted.row_index - 1);
    } else if (index > 0) {
        stand(it, reader, index - 1, UINT32_MAX);
    }
}

/* Goes to the first row of the block behind this one. */
static void next_block(struct table_iter *it)
{
    const struct table_reader *reader = NULL;
    if (begin(it, &reader) && it->block_index + 1 < table_reader_block_count(reader)) {
        stand(it, reader, it->block_index + 1, 0);
    }
}

static void table_iter_next(struct iter *iter)
{
    struct table_iter *it = self_of(iter);
    PRE(it->iter.is_valid);
    if (LIKELY(++it->row_index < it->block->row_count)) {
        /* A row begins where the one before it ends. */
        row_show(it, it->iter.entry.value.data + it->iter.entry.value.size);
        return;
    }
    next_block(it);
}

static void table_iter_prev(struct iter *iter)
{
    struct table_iter *it = self_of(iter);
    PRE(it->iter.is_valid);
    if (LIKELY(it->row_index > 0)) {
        row_show_at(it, it->row_index - 1);
        return;
    }
    const struct table_reader *reader = NULL;
    if (begin(it, &reader) && it->block_index > 0) {
        stand(it, reader, it->block_index - 1, UINT32_MAX);
    }
}

static bool table_iter_stretch(struct iter *iter, struct iter_stretch *out)
{
    struct table_iter *it = self_of(iter);
    PRE(it->iter.is_valid);
    out->block = it->block;
    out->row_index = it->row_index;
    out->row_end = it->block->row_count;
    out->next = neighbour(it, it->block_index + 1);
    out->has_limit = false;
    return !it->block->has_versions;
}

static void table_iter_skip(struct iter *iter, uint32_t row_index)
{
    struct table_iter *it = self_of(iter);
    PRE(it->iter.is_valid && row_index >= it->row_index && row_index <= it->block->row_count);
    if (row_index < it->block->row_count) {
        row_show_at(it, row_index);
    } else {
        next_block(it);
    }
}

static void table_iter_free(struct iter *iter)
{
    struct table_iter *it = self_of(iter);
    block_drop(it);
    nowhere(it);
    loam_buffer_free(&it->key);
    table_window_deinit(&it->window);
}

static const struct iter_ops table_iter_ops = {
    .first = table_iter_first,
    .last = table_iter_last,
    .seek = table_iter_seek,
    .seek_before = table_iter_seek_before,
    .next = table_iter_next,
    .prev = table_iter_prev,
    .free = table_iter_free,
    .stretch = table_iter_stretch,
    .skip = table_iter_skip,
    .aim = table_iter_aim,
};

void table_iter_init(struct table_iter *it, struct table *table, bool fill_cache)
{
    *it = (struct table_iter){
        .iter = {.ops = &table_iter_ops},
        .table = table,
        .aimed = NOT_AIMED,
        .fill_cache = fill_cache,
    };
}

void table_iter_drop(struct table_iter *it)
{
    block_drop(it);
    nowhere(it);
}

void table_iter_reset(struct table_iter *it, struct table *table)
{
    block_drop(it);
    nowhere(it);
    it->iter.status = LOAM_OK;
    it->table = table;
    it->aimed = NOT_AIMED;
    it->miss_count = 0;
    table_window_reset(&it->window);
}
