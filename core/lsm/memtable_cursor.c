/* SPDX-License-Identifier: MIT */
/*
 * memtable_cursor.c - see memtable_cursor.h. A cursor only ever sends for memory: what it answers
 * from a tree that changes meanwhile may be stale, and leaves are never freed before their
 * memtable.
 */
#include "lsm/memtable_cursor.h"

#include "lsm/memtable_tree.h"

#define AHEAD      6u  /* Rows on their way before the scan comes to them. */
#define AHEAD_SIZE 192 /* Of each so many bytes: a short row whole. */

static inline void prefetch_row(const struct memtable_node *row)
{
    for (size_t offset = 0; offset < AHEAD_SIZE; offset += CACHE_LINE) {
        __builtin_prefetch((const char *)row + offset);
    }
}

/* Sends for the row that stands `distance` behind the cursor, in its leaf or in the next. */
static inline void prefetch_ahead(const struct memtable_cursor *cursor, uint32_t distance)
{
    const struct index_node *leaf = cursor->leaf;
    uint32_t at = cursor->at + distance;
    uint32_t count = count_of(leaf);
    if (UNLIKELY(at >= count)) {
        at -= count;
        leaf = atomic_load_explicit(&leaf->right, memory_order_acquire);
        if (leaf == NULL || at >= count_of(leaf)) {
            return;
        }
    }
    prefetch_row(entry_of(leaf, at));
}

static inline void prefetch_right(const struct index_node *leaf)
{
    const struct index_node *right = atomic_load_explicit(&leaf->right, memory_order_acquire);
    if (right != NULL) {
        prefetch_node(right, 0);
    }
}

struct memtable_node *memtable_cursor_seek(struct memtable_cursor *cursor,
                                           const struct memtable_index *index,
                                           struct slice key,
                                           uint64_t seq)
{
    *cursor = (struct memtable_cursor){0};
    if (root_of(index) == NULL) {
        return NULL;
    }
    uint32_t at = 0;
    cursor->leaf = memtable_index_leaf(index, key, seq, &at);
    cursor->at = at;
    struct memtable_node *before = at == 0 ? NULL : entry_of(cursor->leaf, at - 1);
    __builtin_prefetch(before);
    for (uint32_t distance = 0; distance < AHEAD; distance++) {
        prefetch_ahead(cursor, distance);
    }
    prefetch_right(cursor->leaf);
    return before;
}

void memtable_cursor_next(struct memtable_cursor *cursor)
{
    if (UNLIKELY(cursor->leaf == NULL)) {
        return;
    }
    if (UNLIKELY(++cursor->at >= count_of(cursor->leaf))) {
        cursor->leaf = atomic_load_explicit(&cursor->leaf->right, memory_order_acquire);
        cursor->at = 0;
        if (cursor->leaf == NULL) {
            return;
        }
        prefetch_right(cursor->leaf);
    }
    prefetch_ahead(cursor, AHEAD - 1);
}
