/* SPDX-License-Identifier: MIT */
/*
 * table_iter.c - one table as an iterator over all its versions. See table.h and iter.h.
 *
 * The iterator references the block it stands in, so it needs no epoch between moves. Resident
 * blocks cost one load; after a few misses in sequence it reads ahead. The key is put together in
 * an own buffer: the prefix once per block, the suffix per row; blocks without prefix lend theirs.
 */
#include "base/check.h"
#include "lsm/table_internal.h"

#define AHEAD_COMPACTION (256u << 10) /* Bytes read at once without filling the cache... */
#define AHEAD_SCAN       (64u << 10)  /* ...and by a scan that has missed this often: */
#define AHEAD_MISSES     2u
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

/* Starts to load the first lines of the block that a forward iteration wants next. */
static void prefetch_next(const struct table_iter *it, uint32_t index)
{
    if (index >= it->table->member.slot_count) {
        return;
    }
    /* Not looked at, so it need not live. */
    const struct block *next =
        atomic_load_explicit(&it->table->member.slots[index], memory_order_relaxed);
    if (next != NULL) {
        block_prefetch(next);
        __builtin_prefetch((const char *)next + (size_t)5 * CACHE_LINE);
    }
}

/* Stands in block `index`. is_next: it follows the one before in a forward move, which neither
 * makes it hot nor counts as a new wish. */
static int
block_enter(struct table_iter *it, const struct table_reader *reader, uint32_t index, bool is_next)
{
    if (it->block != NULL && it->block_index == index) {
        return LOAM_OK;
    }
    struct block *block = NULL;
    int rc = LOAM_OK;
    epoch_enter();
    block = table_resident(it->table, index);
    if (LIKELY(block != NULL)) {
        /* The reference count is a line of its own, and its atomic add holds up what follows. */
        block_prefetch(block);
        block_ref(block);
        cache_note_hit(it->table->cache);
        it->miss_count = 0;
        if (!is_next) {
            block_heat(block);
        }
    } else {
        rc = block_read(it, reader, index, is_next, &block);
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
    if (is_next) {
        prefetch_next(it, index + 1);
    }
    return LOAM_OK;
}

/* Stands at row `row_index` of block `index`; UINT32_MAX: the last. */
static void
stand(struct table_iter *it, const struct table_reader *reader, uint32_t index, uint32_t row_index)
{
    int rc = block_enter(it, reader, index, row_index == 0);
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

static void table_iter_seek(struct iter *iter, struct slice key, uint64_t seq)
{
    struct table_iter *it = self_of(iter);
    const struct table_reader *reader = NULL;
    if (!begin(it, &reader)) {
        return;
    }
    uint32_t block_count = table_reader_block_count(reader);
    uint32_t index = table_reader_find(reader, key, seq);
    if (index == block_count) {
        return;
    }
    int rc = block_enter(it, reader, index, false);
    if (rc != LOAM_OK) {
        failed(it, rc);
        return;
    }
    uint32_t row_index = block_seek(it->block, key, seq);
    if (row_index < it->block->row_count) {
        row_show_at(it, row_index);
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
    uint32_t index = table_reader_find(reader, key, seq);
    if (index == block_count) {
        stand(it, reader, block_count - 1, UINT32_MAX);
        return;
    }
    int rc = block_enter(it, reader, index, false);
    if (rc != LOAM_OK) {
        failed(it, rc);
        return;
    }
    uint32_t row_index = block_seek(it->block, key, seq);
    if (row_index > 0) {
        row_show_at(it, row_index - 1);
    } else if (index > 0) {
        stand(it, reader, index - 1, UINT32_MAX);
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
    const struct table_reader *reader = NULL;
    if (begin(it, &reader) && it->block_index + 1 < table_reader_block_count(reader)) {
        stand(it, reader, it->block_index + 1, 0);
    }
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
    out->has_limit = false;
    return !it->block->has_versions;
}

static void table_iter_skip(struct iter *iter, uint32_t row_index)
{
    struct table_iter *it = self_of(iter);
    PRE(it->iter.is_valid && row_index >= it->row_index && row_index < it->block->row_count);
    row_show_at(it, row_index);
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
};

void table_iter_init(struct table_iter *it, struct table *table, bool fill_cache)
{
    *it = (struct table_iter){
        .iter = {.ops = &table_iter_ops},
        .table = table,
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
    it->miss_count = 0;
    table_window_reset(&it->window);
}
