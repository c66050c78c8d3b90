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

    /* Constant. */
    struct table_meta meta; /* Keys stand behind the struct. */
    const struct table_context *context;

    _Atomic uint32_t refs;
    _Atomic bool is_obsolete; /* Atomic: release, pairs with the acquire of the last unref. */
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
