/* SPDX-License-Identifier: MIT */
/*
 * table_internal.h - struct table, for the files that make up lsm/table.h. Floor 3, private.
 */
#ifndef LOAM_LSM_TABLE_INTERNAL_H
#define LOAM_LSM_TABLE_INTERNAL_H

#include "base/thread.h"
#include "lsm/table.h"

struct table {
    /* What a point read touches. */
    _Atomic(struct table_reader *) reader; /* Atomic: NULL until opened. The release store in
                                              table_open() pairs with table_reader_of(). */
    struct cache_member member;            /* Slots; constant once reader is set. */
    struct cache *cache;                   /* Constant. */
    _Atomic uint64_t shape; /* Of the block installed last: see row_prefetch(). A hint: relaxed. */

    /* Constant. */
    struct table_meta meta; /* Keys stand behind the struct. */
    const struct table_context *context;

    _Atomic uint32_t refs;
    _Atomic bool is_obsolete; /* Atomic: release, pairs with the acquire of the last unref. */
    _Atomic bool is_cold;     /* See table_verify(). Relaxed: set before others see the table. */
    struct loam_mutex mu;     /* Held while the reader is opened. */
};

/* The reader, opened when need be. */
static inline int
table_reader_of(struct table *table, const struct table_reader **out, struct loam_error *err)
{
    *out = atomic_load_explicit(&table->reader, memory_order_acquire);
    if (LIKELY(*out != NULL)) {
        return LOAM_OK;
    }
    TRY(table_open(table, err));
    *out = atomic_load_explicit(&table->reader, memory_order_acquire);
    return LOAM_OK;
}

/* Block i when it is resident, or NULL. Inside an epoch bracket. */
static inline struct block *table_resident(const struct table *table, uint32_t index)
{
    /* Pairs with the release of table_install(). */
    return atomic_load_explicit(&table->member.slots[index], memory_order_acquire);
}

/* Keeps where the first row of a block is and how long its rows are on average (in 1/256 byte). */
static inline void shape_note(struct table *table, const struct block *block)
{
    uint64_t front = (uint64_t)(block->rows - (const char *)block);
    uint64_t row_bytes =
        ((uint64_t)(block_data(block) + block->size - block->rows) << 8) / block->row_count;
    atomic_store_explicit(&table->shape, front << 32 | (row_bytes & UINT32_MAX),
                          memory_order_relaxed);
}

/* Starts to load row `row_index` of a block, where it would be if the block were like the last one:
 * at the same time as the block's header, which says where it is. */
static inline void
row_prefetch(const struct table *table, const struct block *block, uint32_t row_index)
{
    uint64_t shape = atomic_load_explicit(&table->shape, memory_order_relaxed);
    const char *at =
        (const char *)block + (shape >> 32) + (((shape & UINT32_MAX) * row_index) >> 8);
    __builtin_prefetch(at);
    __builtin_prefetch(at + CACHE_LINE);
}

/* Notes that a block was wanted, for the clock. */
static inline void block_heat(struct block *block)
{
    /* Looked at first: an unconditional store would take the line from other cores. */
    if (atomic_load_explicit(&block->is_hot, memory_order_relaxed) == 0) {
        atomic_store_explicit(&block->is_hot, 1, memory_order_relaxed);
    }
}

/* Puts a block that was just read into its slot and passes the caller's reference on. Returns the
 * block that is there now, which may be that of another thread. Inside an epoch bracket. */
struct block *table_install(struct table *table, uint32_t index, struct block *block);

/* Block i, resident or read and installed. Inside an epoch bracket; borrowed until it ends. */
NODISCARD int table_block(struct table *table,
                          const struct table_reader *reader,
                          uint32_t index,
                          struct block **out,
                          struct loam_error *err);

#endif
