/* SPDX-License-Identifier: MIT */
/*
 * memtable_tree.h - a node of the tree in memtable_index.c, and how its fields are read while one
 * writer changes them. Floor 3, private to the memtable.
 */
#ifndef LOAM_LSM_MEMTABLE_TREE_H
#define LOAM_LSM_MEMTABLE_TREE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attrs.h"
#include "lsm/memtable_index.h"
#include "lsm/memtable_node.h"

#define FANOUT 30u /* Count, skip and prefixes fill four cache lines. */

struct index_node {
    _Atomic uint32_t count;
    uint32_t level; /* 0 = leaf. Constant. */
    _Atomic uint32_t skip;
    _Atomic uint32_t key_size; /* Of all keys but the head's, when they have the same; else 0. */
    _Atomic uint64_t prefix[FANOUT];
    _Atomic(struct memtable_node *) entry[FANOUT];
    _Atomic(struct index_node *) right;   /* Of a leaf: the next one; NULL at the end. */
    _Atomic(struct index_node *) child[]; /* FANOUT of them in inner nodes. */
};

#define HEAD_SIZE offsetof(struct index_node, entry)

_Static_assert(HEAD_SIZE == (size_t)4 * CACHE_LINE, "what a search touches is four cache lines");

static inline uint32_t count_of(const struct index_node *node)
{
    return atomic_load_explicit(&node->count, memory_order_acquire);
}
static inline size_t skip_of(const struct index_node *node)
{
    return atomic_load_explicit(&node->skip, memory_order_relaxed);
}
static inline uint64_t prefix_of(const struct index_node *node, uint32_t at)
{
    return atomic_load_explicit(&node->prefix[at], memory_order_relaxed);
}
static inline struct memtable_node *entry_of(const struct index_node *node, uint32_t at)
{
    return atomic_load_explicit(&node->entry[at], memory_order_acquire);
}
static inline struct index_node *child_of(const struct index_node *node, uint32_t at)
{
    return atomic_load_explicit(&node->child[at], memory_order_acquire);
}
static inline struct index_node *root_of(const struct memtable_index *index)
{
    return atomic_load_explicit(&index->root, memory_order_acquire);
}

/* How many entries have a prefix below `prefix`. */
static inline uint32_t prefix_lower(const struct index_node *node, uint32_t count, uint64_t prefix)
{
    uint32_t base = 0;
    while (count > 1) {
        uint32_t half = count / 2;
        base += prefix_of(node, base + half - 1) < prefix ? half : 0;
        count -= half;
    }
    return base + (count == 1 && prefix_of(node, base) < prefix);
}

/* Whether entries with the prefix of this key have this key. Not told of the empty one, which has
 * the size of the head. */
static inline bool prefix_is_key(const struct index_node *node, struct slice key)
{
    return key.size > 0 &&
           key.size == atomic_load_explicit(&node->key_size, memory_order_relaxed) &&
           key.size <= skip_of(node) + sizeof(uint64_t);
}

/* Brings the lines of a node that a search will touch all at once, instead of one after the other:
 * prefixes, then children or, in a leaf, entries. Its level follows from its parent's. */
static inline void prefetch_node(const struct index_node *node, uint32_t level)
{
    const char *p = (const char *)node;
    const char *links =
        p + (level == 0 ? offsetof(struct index_node, entry) : offsetof(struct index_node, child));
    for (size_t offset = 0; offset < HEAD_SIZE; offset += CACHE_LINE) {
        __builtin_prefetch(p + offset);
        __builtin_prefetch(links + offset);
    }
}

/* The leaf and the place in it of a position. The tree is not empty. Thread: any. */
struct index_node *memtable_index_leaf(const struct memtable_index *index,
                                       struct slice key,
                                       uint64_t seq,
                                       uint32_t *out_at);
/* One step down towards a position: returns the child, which is sent for. In a leaf: sends for the
 * rows around the position and returns NULL. Thread: any. */
const struct index_node *memtable_index_step(const struct memtable_index *index,
                                             const struct index_node *node,
                                             struct slice key,
                                             uint64_t seq);
/* The place of a position in a node on the way to it. Thread: any. */
uint32_t memtable_index_in_node(const struct memtable_index *index,
                                const struct index_node *node,
                                struct slice key,
                                uint64_t seq);
/* The first place that it may be: looks at no row. Thread: any. */
uint32_t memtable_index_near(const struct memtable_index *index,
                             const struct index_node *node,
                             struct slice key);

#endif
