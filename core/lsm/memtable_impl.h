/* SPDX-License-Identifier: MIT */
/*
 * memtable_impl.h - struct memtable, for the files that make up lsm/memtable.h. Floor 3, private.
 */
#ifndef LOAM_LSM_MEMTABLE_IMPL_H
#define LOAM_LSM_MEMTABLE_IMPL_H

#include "base/arena.h"
#include "disk/table_reader.h"
#include "lsm/memtable.h"
#include "lsm/memtable_ahead.h"
#include "lsm/memtable_hash.h"
#include "lsm/memtable_index.h"
#include "lsm/memtable_node.h"

struct memtable {
    /* Constant after new. */
    uint64_t log_number;
    struct memtable_node *head; /* Before all rows; holds none. */
    struct memtable_hash hash;
    struct memtable_index index;
    _Atomic uint32_t refs;
    /* Written by the writer, read by all; relaxed: they order nothing. */
    _Atomic uint64_t count;
    _Atomic uint64_t delete_count;
    _Atomic uint64_t seq_max;
    _Atomic size_t bytes;
    struct arena arena; /* Writer only, as the next. */
    struct ahead ahead;
};

static inline void node_entry(const struct memtable_node *node, struct entry *out)
{
    uint64_t sizes = node->sizes;
    struct slice key = node_key(node);
    out->key = key;
    out->value =
        slice_make(key.data + key.size, (sizes >> NODE_KEY_BITS) & ((1u << NODE_VALUE_BITS) - 1));
    out->seq = node_seq(node);
    out->expire_at_ms = 0;
    if ((node->tag & NODE_EXPIRY_BIT) != 0) {
        memcpy(&out->expire_at_ms, node->bytes, sizeof(out->expire_at_ms));
    }
    out->content_type = (uint32_t)(sizes >> (NODE_KEY_BITS + NODE_VALUE_BITS));
    out->kind = (uint32_t)(node->tag & (NODE_EXPIRY_BIT - 1));
}

/* The neighbours of a position, from a node near it on (NULL = the head): *before (the head when
 * there is none) and the node behind it, as they stood at one moment. */
static inline const struct memtable_node *memtable_find_from(const struct memtable *memtable,
                                                             const struct memtable_node *node,
                                                             struct slice key,
                                                             uint64_t seq,
                                                             const struct memtable_node **before)
{
    const struct memtable_node *head = memtable->head;
    node = node == NULL ? head : node;
    while (node != head && node_cmp(node, key, seq) >= 0) {
        node = node_prev(node);
    }
    const struct memtable_node *next = node_next(node);
    while (next != NULL && node_cmp(next, key, seq) < 0) {
        node = next;
        next = node_next(node);
    }
    *before = node;
    return next;
}

static inline const struct memtable_node *memtable_find_place(const struct memtable *memtable,
                                                              struct slice key,
                                                              uint64_t seq,
                                                              const struct memtable_node **before)
{
    const struct memtable_node *hint = memtable_index_find(&memtable->index, key, seq);
    return memtable_find_from(memtable, hint, key, seq, before);
}

#endif
