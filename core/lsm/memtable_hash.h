/* SPDX-License-Identifier: MIT */
/*
 * memtable_hash.h - from the hash of a key to the newest node of that key. Floor 3, private to the
 * memtable.
 *
 * Open addressing over buckets of one cache line, so that an absent key costs one line. One writer
 * adds and grows; readers probe at the same time without locks. Growing copies into a table of
 * twice the size and retires the old one through an epoch: readers are inside a bracket. A reader
 * that still probes the old table began before the rows that it misses there were complete.
 */
#ifndef LOAM_LSM_MEMTABLE_HASH_H
#define LOAM_LSM_MEMTABLE_HASH_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/slice.h"

struct memtable_node;
struct hash_buckets;

struct memtable_hash {
    /* Atomic: release of a grown table, pairs with the acquire of a probe. */
    _Atomic(struct hash_buckets *) buckets;
    char apart[CACHE_LINE]; /* The writer's own words stand off the lines that readers share. */
    size_t used;            /* Writer only. */
};

/* Returns LOAM_OK or NO_MEMORY. */
NODISCARD int memtable_hash_init(struct memtable_hash *hash);
/* Frees at once: nobody reads any more. */
void memtable_hash_deinit(struct memtable_hash *hash);
void memtable_hash_prefetch(const struct memtable_hash *hash, uint64_t key_hash);
/* The newest node of a key, or NULL. Thread: any, inside an epoch bracket. */
struct memtable_node *
memtable_hash_find(const struct memtable_hash *hash, uint64_t key_hash, struct slice key);
/* Makes room for one more key. Returns LOAM_OK or NO_MEMORY. Thread: the one writer, as the next.
 */
NODISCARD int memtable_hash_reserve(struct memtable_hash *hash);
/* Makes `node` the newest of its key, unless a newer one is there; there is room. */
void memtable_hash_put(struct memtable_hash *hash,
                       uint64_t key_hash,
                       struct slice key,
                       struct memtable_node *node);
/* Thread: the one writer. */
size_t memtable_hash_bytes(const struct memtable_hash *hash);

#endif
