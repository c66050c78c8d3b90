/* SPDX-License-Identifier: MIT */
/*
 * memtable_cursor.c - see memtable_cursor.h. A cursor only ever sends for memory: what it answers
 * from a tree that changes meanwhile may be stale, and leaves are never freed before their
 * memtable.
 */
#include "lsm/memtable_cursor.h"

#include "lsm/memtable_tree.h"

#define AHEAD       6u  /* Rows on their way before a scan comes to them... */
#define AHEAD_FIRST 2u  /* ...at first: one more with each step, as most scans of few rows end. */
#define AHEAD_SIZE  192 /* Of each so many bytes: a short row whole. */

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

/* Whether the leaf of a key ends with a larger one, as far as prefixes tell. */
static inline bool leaf_goes_beyond(const struct index_node *leaf, struct slice key)
{
    return prefix_of(leaf, count_of(leaf) - 1) > key_prefix(key, skip_of(leaf));
}

struct memtable_node *memtable_cursor_seek(struct memtable_cursor *cursor,
                                           const struct memtable_index *index,
                                           struct slice key,
                                           uint64_t seq)
{
    const struct index_node *aimed = cursor->aimed;
    if (aimed == NULL && cursor->is_near && cursor->leaf != NULL &&
        leaf_goes_beyond(cursor->leaf, key)) {
        aimed = cursor->leaf;
    }
    *cursor = (struct memtable_cursor){0};
    if (root_of(index) == NULL) {
        return NULL;
    }
    uint32_t at = 0;
    if (aimed != NULL) {
        cursor->leaf = aimed;
        at = memtable_index_in_node(index, aimed, key, seq);
    } else {
        cursor->leaf = memtable_index_leaf(index, key, seq, &at);
    }
    cursor->at = at;
    struct memtable_node *before = at == 0 ? NULL : entry_of(cursor->leaf, at - 1);
    __builtin_prefetch(before);
    const struct index_node *right =
        atomic_load_explicit(&cursor->leaf->right, memory_order_acquire);
    if (at == count_of(cursor->leaf) && right != NULL) {
        cursor->leaf = right; /* Where the row behind the position stands. */
        cursor->at = 0;
    }
    for (; cursor->ahead < AHEAD_FIRST; cursor->ahead++) {
        prefetch_ahead(cursor, cursor->ahead);
    }
    prefetch_right(cursor->leaf);
    return before;
}

bool memtable_cursor_aim(struct memtable_cursor *cursor,
                         const struct memtable_index *index,
                         struct slice key,
                         uint64_t seq,
                         bool is_first)
{
    if (is_first) {
        cursor->aimed = root_of(index);
    }
    const struct index_node *next =
        cursor->aimed == NULL ? NULL : memtable_index_step(index, cursor->aimed, key, seq);
    cursor->aimed = next == NULL ? cursor->aimed : next;
    return next != NULL;
}

bool memtable_cursor_leave(struct memtable_cursor *cursor,
                           const struct memtable_node **node,
                           struct slice key)
{
    const struct index_node *leaf = cursor->leaf;
    uint32_t count = leaf == NULL ? 0 : count_of(leaf);
    uint32_t at = cursor->at;
    if (at >= count || entry_of(leaf, at) != *node || !prefix_is_key(leaf, key)) {
        return true;
    }
    uint64_t prefix = prefix_of(leaf, at);
    uint32_t behind = at + 1;
    while (behind < count && prefix_of(leaf, behind) == prefix) {
        behind++;
    }
    if (behind > at + 1 && behind == count) {
        return false;
    }
    if (behind > at + 1) {
        /* A writer that moves entries writes the prefix first: the row may be one of the key behind
         * it, whose newest version would then be passed over. Its own key decides. */
        const struct memtable_node *last = entry_of(leaf, behind - 1);
        if (!slice_equal(node_key(last), key)) {
            return true;
        }
        *node = last;
        cursor->at = behind - 1;
        for (cursor->ahead = 1; cursor->ahead <= AHEAD_FIRST; cursor->ahead++) {
            prefetch_ahead(cursor, cursor->ahead);
        }
    }
    return true;
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
    prefetch_ahead(cursor, cursor->ahead - 1);
    if (cursor->ahead < AHEAD) {
        prefetch_ahead(cursor, cursor->ahead++);
    }
}
