/* SPDX-License-Identifier: MIT */
/* memtable_index_read.c - what readers ask of the tree of a memtable: see memtable_index.h and
 * memtable_tree.h. */
#include "lsm/memtable_tree.h"

struct memtable_node *memtable_index_last(const struct memtable_index *index)
{
    const struct index_node *node = root_of(index);
    if (node == NULL) {
        return NULL;
    }
    while (node->level > 0) {
        node = child_of(node, count_of(node) - 1);
    }
    return entry_of(node, count_of(node) - 1);
}

struct memtable_node *
memtable_index_find(const struct memtable_index *index, struct slice key, uint64_t seq)
{
    if (root_of(index) == NULL) {
        return NULL;
    }
    uint32_t at = 0;
    const struct index_node *leaf = memtable_index_leaf(index, key, seq, &at);
    return at == 0 ? NULL : entry_of(leaf, at - 1);
}

const struct index_node *memtable_index_step(const struct memtable_index *index,
                                             const struct index_node *node,
                                             struct slice key,
                                             uint64_t seq)
{
    if (node->level > 0) {
        uint32_t at = memtable_index_in_node(index, node, key, seq);
        const struct index_node *child = child_of(node, at == 0 ? 0 : at - 1);
        prefetch_node(child, node->level - 1);
        return child;
    }
    uint32_t at = memtable_index_near(index, node, key);
    if (at > 0) {
        __builtin_prefetch(entry_of(node, at - 1));
    }
    if (at < count_of(node)) {
        const char *row = (const char *)entry_of(node, at);
        __builtin_prefetch(row);
        __builtin_prefetch(row + CACHE_LINE);
    }
    return NULL;
}
