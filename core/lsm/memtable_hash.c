/* SPDX-License-Identifier: MIT */
/*
 * memtable_hash.c - see memtable_hash.h.
 *
 * A bucket holds five (32 bits of the hash, node) pairs. A key's home bucket is given by the
 * highest bits of its hash; a full bucket overflows into the next. Keys never go, so the first
 * empty slot ends a probe. Because the home follows the order of the hashes, growing reads the old
 * table and writes the new one from front to back and looks at no row.
 */
#include "lsm/memtable_hash.h"

#include "base/check.h"
#include "base/epoch.h"
#include "base/memory.h"
#include "lsm/memtable_node.h"

#define SLOTS        5u
#define BITS_MIN     4u
#define BITS_MAX     31u
#define LOAD_PERCENT 80u
#define HASH_BITS    32u

struct CACHE_ALIGNED hash_bucket {
    _Atomic uint32_t mark[SLOTS]; /* Relaxed: written before its node, which is a release. */
    uint32_t unused;
    _Atomic(struct memtable_node *) node[SLOTS];
};

_Static_assert(sizeof(struct hash_bucket) == CACHE_LINE, "a bucket is one cache line");

struct hash_buckets {
    struct epoch_item epoch_item;
    uint32_t bits;            /* The table has 1 << bits buckets. */
    uint32_t limit;           /* Keys it takes before it grows. */
    struct hash_bucket *rows; /* Aligned, behind this struct. */
    size_t bytes;
};

static struct hash_buckets *buckets_new(uint32_t bits)
{
    size_t rows = (size_t)1 << bits;
    size_t bytes = sizeof(struct hash_buckets) + CACHE_LINE + rows * sizeof(struct hash_bucket);
    /* A large table is touched all over: in huge pages its page table stays in the cache. */
    struct hash_buckets *table = mem_huge_zeroed(bytes);
    if (table == NULL) {
        return NULL;
    }
    char *first = (char *)(table + 1);
    first += -(uintptr_t)first & (CACHE_LINE - 1);
    table->rows = (struct hash_bucket *)(void *)first;
    table->bits = bits;
    table->limit = (uint32_t)(rows * SLOTS * LOAD_PERCENT / 100);
    table->bytes = bytes;
    return table;
}

static inline struct hash_buckets *buckets_of(const struct memtable_hash *hash)
{
    return atomic_load_explicit(&hash->buckets, memory_order_acquire);
}

static inline uint32_t mark_of(uint64_t key_hash)
{
    return (uint32_t)(key_hash >> HASH_BITS);
}

static inline size_t home_of(const struct hash_buckets *table, uint32_t mark)
{
    return mark >> (HASH_BITS - table->bits);
}

int memtable_hash_init(struct memtable_hash *hash)
{
    struct hash_buckets *table = buckets_new(BITS_MIN);
    atomic_init(&hash->buckets, table);
    hash->used = 0;
    return table == NULL ? LOAM_NO_MEMORY : LOAM_OK;
}

void memtable_hash_deinit(struct memtable_hash *hash)
{
    struct hash_buckets *table = buckets_of(hash);
    mem_huge_free(table, table == NULL ? 0 : table->bytes);
    atomic_store_explicit(&hash->buckets, NULL, memory_order_relaxed);
}

void memtable_hash_prefetch(const struct memtable_hash *hash, uint64_t key_hash)
{
    const struct hash_buckets *table = buckets_of(hash);
    __builtin_prefetch(&table->rows[home_of(table, mark_of(key_hash))]);
}

struct memtable_node *
memtable_hash_find(const struct memtable_hash *hash, uint64_t key_hash, struct slice key)
{
    const struct hash_buckets *table = buckets_of(hash);
    uint32_t mark = mark_of(key_hash);
    size_t mask = ((size_t)1 << table->bits) - 1;
    for (size_t at = home_of(table, mark);; at = (at + 1) & mask) {
        const struct hash_bucket *bucket = &table->rows[at];
        for (uint32_t i = 0; i < SLOTS; i++) {
            struct memtable_node *node =
                atomic_load_explicit(&bucket->node[i], memory_order_acquire);
            if (node == NULL) {
                return NULL;
            }
            if (atomic_load_explicit(&bucket->mark[i], memory_order_relaxed) == mark &&
                slice_equal(node_key(node), key)) {
                return node;
            }
        }
    }
}

/* Puts a node into the first empty slot from its home on, or in place of `old`. */
static void buckets_put(struct hash_buckets *table,
                        uint32_t mark,
                        const struct memtable_node *old,
                        struct memtable_node *node)
{
    size_t mask = ((size_t)1 << table->bits) - 1;
    for (size_t at = home_of(table, mark);; at = (at + 1) & mask) {
        struct hash_bucket *bucket = &table->rows[at];
        for (uint32_t i = 0; i < SLOTS; i++) {
            const struct memtable_node *held =
                atomic_load_explicit(&bucket->node[i], memory_order_relaxed);
            if (held == old) {
                atomic_store_explicit(&bucket->mark[i], mark, memory_order_relaxed);
                atomic_store_explicit(&bucket->node[i], node, memory_order_release);
                return;
            }
            INV(held != NULL);
        }
    }
}

static void buckets_release(struct epoch_item *item)
{
    struct hash_buckets *table = (struct hash_buckets *)item; /* The first member. */
    mem_huge_free(table, table->bytes);
}

int memtable_hash_reserve(struct memtable_hash *hash)
{
    struct hash_buckets *old = buckets_of(hash);
    if (LIKELY(hash->used < old->limit)) {
        return LOAM_OK;
    }
    PRE(old->bits < BITS_MAX);
    struct hash_buckets *grown = buckets_new(old->bits + 1);
    if (grown == NULL) {
        return LOAM_NO_MEMORY;
    }
    for (size_t at = 0; at < (size_t)1 << old->bits; at++) {
        struct hash_bucket *bucket = &old->rows[at];
        for (uint32_t i = 0; i < SLOTS; i++) {
            struct memtable_node *node =
                atomic_load_explicit(&bucket->node[i], memory_order_relaxed);
            if (node != NULL) {
                uint32_t mark = atomic_load_explicit(&bucket->mark[i], memory_order_relaxed);
                buckets_put(grown, mark, NULL, node);
            }
        }
    }
    atomic_store_explicit(&hash->buckets, grown, memory_order_release);
    epoch_retire(&old->epoch_item, buckets_release);
    return LOAM_OK;
}

void memtable_hash_put(struct memtable_hash *hash,
                       uint64_t key_hash,
                       struct slice key,
                       struct memtable_node *node)
{
    struct hash_buckets *table = buckets_of(hash);
    const struct memtable_node *old = memtable_hash_find(hash, key_hash, key);
    if (old != NULL && node_seq(old) > node_seq(node)) {
        return;
    }
    if (old == NULL) {
        PRE(hash->used < table->limit);
        hash->used++;
    }
    buckets_put(table, mark_of(key_hash), old, node);
}

size_t memtable_hash_bytes(const struct memtable_hash *hash)
{
    return buckets_of(hash)->bytes;
}
