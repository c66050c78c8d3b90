/* SPDX-License-Identifier: MIT */
/*
 * cache.h - the memory budget of blocks and table indexes, and the clock sweep that keeps it.
 * Floor 3.
 *
 * Blocks live in their table's slots (lsm/table.h), not in a hash table: the cache only counts
 * bytes and, when over budget, sweeps over the registered tables' slots, giving blocks whose hot
 * bit is set a second chance. Eviction unlinks a block from its slot and retires it through an
 * epoch. Thread: any.
 */
#ifndef LOAM_LSM_CACHE_H
#define LOAM_LSM_CACHE_H

#include "base/attrs.h"
#include "base/status.h"

struct cache;
struct table;

struct cache_counts {
    uint64_t capacity;
    uint64_t block_bytes;
    uint64_t index_bytes; /* Of open tables: not evictable, counted against the capacity. */
    uint64_t hits;
    uint64_t misses;
    uint64_t evictions;
};

/* NULL when out of memory. */
struct cache *cache_new(uint64_t capacity);
/* Only when every table is closed. */
void cache_free(struct cache *cache);
void cache_set_capacity(struct cache *cache, uint64_t capacity);
void cache_counts(const struct cache *cache, struct cache_counts *out);

#endif
