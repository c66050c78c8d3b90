/* SPDX-License-Identifier: MIT */
/*
 * memtable_node.h - one row of a memtable as it stands in memory. Floor 3, private to the memtable.
 *
 * Nodes form one list in entry order. Everything but the two links is written before the node is
 * published and never changes; nodes live as long as their memtable.
 *
 * `next` is exact at all times. `prev` is a node that stands before this one, and the direct
 * predecessor when no insert is under way: a reader that goes back walks forward again from there
 * until the node comes.
 */
#ifndef LOAM_LSM_MEMTABLE_NODE_H
#define LOAM_LSM_MEMTABLE_NODE_H

#include <stdatomic.h>

#include "base/limits.h"
#include "disk/entry.h"

#define NODE_KEY_BITS   17 /* Of `sizes`, from the lowest: key size, value size, content type. */
#define NODE_VALUE_BITS 27
#define NODE_EXPIRY_BIT 8u /* Of `tag`, above three bits of kind. */
#define NODE_SEQ_SHIFT  4

_Static_assert(STORED_KEY_SIZE_MAX < 1u << NODE_KEY_BITS, "a key size fits its bits");
_Static_assert(VALUE_SIZE_MAX < 1u << NODE_VALUE_BITS, "a value size fits its bits");
_Static_assert(SEQ_MAX <= UINT64_MAX >> NODE_SEQ_SHIFT, "a sequence number fits its bits");

struct memtable_node {
    /* Atomic: release when a node is linked, pairs with the acquire of whoever follows it. */
    _Atomic(struct memtable_node *) next;
    _Atomic(struct memtable_node *) prev;
    uint64_t tag;   /* seq << 4 | has expiry << 3 | kind */
    uint64_t sizes; /* key | value << 17 | content type << 44 */
    char bytes[];   /* [expire_at_ms u64] key value */
};

static inline uint64_t node_seq(const struct memtable_node *node)
{
    return node->tag >> NODE_SEQ_SHIFT;
}

static inline struct slice node_key(const struct memtable_node *node)
{
    size_t size = node->sizes & ((1u << NODE_KEY_BITS) - 1);
    return slice_make(node->bytes + (node->tag & NODE_EXPIRY_BIT), size);
}

static inline int node_cmp(const struct memtable_node *node, struct slice key, uint64_t seq)
{
    return entry_position_cmp(node_key(node), node_seq(node), key, seq);
}

static inline struct memtable_node *node_next(const struct memtable_node *node)
{
    return atomic_load_explicit(&node->next, memory_order_acquire);
}

static inline struct memtable_node *node_prev(const struct memtable_node *node)
{
    return atomic_load_explicit(&node->prev, memory_order_acquire);
}

#endif
