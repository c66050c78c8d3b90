/* SPDX-License-Identifier: MIT */
/*
 * table.h - an open table with its resident blocks: the block table. Floor 3.
 *
 * slots[i] is an atomic pointer to block i, or NULL; a resident block is one load away, a missing
 * one is read, verified and installed by whoever misses it first. Readers run inside an epoch
 * bracket and need no reference for what they look at within it; an iterator references its block.
 *
 * Reference counted: each version that lists the table holds one. table_mark_obsolete() says that
 * no future version will; when the last reference goes, on_obsolete is called with the number so
 * that the owner deletes the file later (never here). The reader (file, index) is opened at first
 * use. Thread: any.
 */
#ifndef LOAM_LSM_TABLE_H
#define LOAM_LSM_TABLE_H

#include "disk/table_reader.h"
#include "lsm/cache.h"
#include "lsm/iter.h"

/* ffi: begin */
struct table;

/* Some tables; entries may be NULL. */
struct table_list {
    struct table *const *tables;
    size_t count;
};

/* What all tables of a store share. Constant while a table lives. */
struct table_context {
    struct env_dir *dir;
    struct store_id id;
    struct cache *cache;
    void (*on_obsolete)(void *owner, uint64_t number);
    void *owner;
};

/* Makes a table object of a manifest entry (copied): no I/O. refs = 1. Errors: NO_MEMORY. */
NODISCARD int table_new(const struct table_context *context,
                        const struct table_meta *meta,
                        struct table **out,
                        struct loam_error *err);
void table_ref(struct table *table);
void table_unref(struct table *table);
void table_mark_obsolete(struct table *table);
/* Valid while the table lives. */
const struct table_meta *table_meta(const struct table *table);
/* Opens file and indexes now instead of at first use. A failure is not remembered: the next use
 * tries again. Errors: CORRUPT (also when the file is not the table that the manifest means,
 * or is missing), UNSUPPORTED, IO, NO_MEMORY. */
NODISCARD int table_open(struct table *table, struct loam_error *err);
/* For a table that was just written: opens it, checks it as table_reader_check_rows() does, and
 * lets the blocks that this reads stay resident where the cache has free room. The table is cold
 * when there was too little. */
NODISCARD int table_verify(struct table *table, uint64_t *out_digest, struct loam_error *err);
bool table_is_cold(const struct table *table);
/* Reads what is not resident of a cold table, in order, as long as the cache has free room. It is
 * cold no more when that was enough, or when a block cannot be read: that is left to whoever wants
 * it. */
void table_warm(struct table *table);
/* ffi: end */

/* Starts to load what table_get() of this hash will look at first. */
void table_prefetch(const struct table *table, uint64_t hash);

/* What a point read looks for. */
struct lookup {
    struct slice key;
    uint64_t hash; /* table_key_hash(key) */
    uint64_t seq;  /* The newest version of the key at or below it is wanted. */
};

static inline struct lookup lookup_make(struct slice key, uint64_t seq)
{
    return (struct lookup){.key = key, .hash = table_key_hash(key), .seq = seq};
}

/*
 * The wanted version in this table. Returns LOAM_OK, NOT_FOUND, or
 * CORRUPT, IO, NO_MEMORY. Must be called inside an epoch bracket; *out points into a block and is
 * valid until the bracket ends (out->key is the caller's key). When pin is not NULL, *pin receives
 * the block with a reference of the caller (block_unref()), so that *out outlives the bracket.
 */
NODISCARD int table_get(struct table *table,
                        const struct lookup *wanted,
                        struct entry *out,
                        struct block **pin,
                        struct loam_error *err);

struct table_iter {
    struct iter iter;
    struct table *table; /* Borrowed: its version must outlive the iterator. */
    struct block *block; /* Referenced, or NULL. */
    uint32_t block_index;
    uint32_t row_index;
    uint32_t near;          /* As `aimed`, one step before. */
    uint32_t aimed;         /* The block of the seek that comes next; UINT32_MAX = not known. */
    bool fill_cache;        /* False for compaction: blocks that are not resident are read without
                               being installed. */
    uint32_t miss_count;    /* Blocks in sequence that were not resident: reading ahead pays. */
    struct loam_buffer key; /* Owned: prefix + suffix of the current row; capacity is kept over
                               moves. */
    struct table_window window; /* Owned: blocks read ahead. */
};
void table_iter_init(struct table_iter *it, struct table *table, bool fill_cache);
/* Re-aims an initialised iterator at another table, keeping its memory. */
void table_iter_reset(struct table_iter *it, struct table *table);
/* Stands nowhere and holds no block any more; only table_iter_reset() and free may follow. */
void table_iter_drop(struct table_iter *it);

#endif
