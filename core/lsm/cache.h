/* SPDX-License-Identifier: MIT */
/*
 * cache.h - the memory budget of blocks and table indexes, and the clock sweep that keeps it.
 * Floor 3.
 *
 * Blocks live in their table's slots (lsm/table.h), not in a hash table: the cache only counts
 * bytes and, when over budget, sweeps over the registered tables' slots, giving blocks whose hot
 * bit is set a second chance. Eviction unlinks a block from its slot and retires it through an
 * epoch. A sweep is done by the reader whose block went over budget, in bounded steps, and never
 * waits for another sweep. Thread: any.
 */
#ifndef LOAM_LSM_CACHE_H
#define LOAM_LSM_CACHE_H

#include <stdatomic.h>

#include "base/attrs.h"
#include "base/status.h"

/* ffi: begin */
struct cache;
struct table;

struct cache_counts {
    uint64_t capacity;
    uint64_t block_bytes;
    uint64_t index_bytes; /* Of open tables: not evictable, counted against the capacity. */
    uint64_t hits;        /* Counted without synchronisation: a few may be missing. */
    uint64_t misses;
    uint64_t evictions;
};

/* NULL when out of memory. */
struct cache *cache_new(uint64_t capacity);
/* Only when every table is closed. NULL is fine. */
void cache_free(struct cache *cache);
/* Evicts at once what does not fit any more. */
void cache_set_capacity(struct cache *cache, uint64_t capacity);
void cache_counts(const struct cache *cache, struct cache_counts *out);
/* ffi: end */

struct block;

/* What a table registers. Embedded in it. */
struct cache_member {
    /* Constant while registered. */
    _Atomic(struct block *)
        *slots; /* Atomic: NULL or block i. Set by readers, cleared by sweeps. */
    uint32_t slot_count;
    uint64_t index_bytes;
    /* Protected by the cache's mutex. */
    struct cache_member *next; /* Ring of all members. */
    struct cache_member *prev;
};

void cache_register(struct cache *cache, struct cache_member *member);
/* Unlinks the member and retires its blocks. Nobody looks into its slots any more. */
void cache_unregister(struct cache *cache, struct cache_member *member);
/* A block of so many bytes is about to be put into a slot; sweeps when that is too much. */
void cache_charge(struct cache *cache, uint64_t bytes);
/* Whether so many bytes more leave an eighth of the capacity free: what nobody has asked for yet
 * may fill room that is free, and evicts nothing. */
bool cache_has_room(const struct cache *cache, uint64_t bytes);
/* It was not put there after all. */
void cache_uncharge(struct cache *cache, uint64_t bytes);
void cache_note_hit(struct cache *cache);
void cache_note_miss(struct cache *cache);

#endif
