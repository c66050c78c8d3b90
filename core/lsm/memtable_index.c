/* SPDX-License-Identifier: MIT */
/*
 * memtable_index.c - see memtable_index.h.
 *
 * Entries of a tree node ascend. An inner node's entries separate its children: child i holds what
 * stands from entry i up to entry i + 1. At the left edge of the tree entry 0 is the head of the
 * list, which stands before everything. Every other separator is the first entry of the leftmost
 * leaf under it, so a position behind the separator finds an entry before it there.
 *
 * The writer shifts entries from the end, one atomic store at a time, then counts the new one:
 * in between a reader sees an entry twice, which keeps the order. A split fills the new right node,
 * then cuts the left one, then enters the right one above: in between a reader ends at the last
 * entry of the left node and walks on from there.
 */
#include "lsm/memtable_index.h"

#include "base/check.h"
#include "lsm/memtable_tree.h"

#define HEIGHT_MAX 16u /* Every split leaves at least one entry; 16 levels hold any memory. */
#define SKIP_STEP  4u  /* Prefixes are made again when so many more bytes can be skipped. */

/* The way from the root to a leaf; low and high are the separators around the node at this step,
 * NULL at the edge. */
struct step {
    struct index_node *node;
    uint32_t at; /* Child taken; in the leaf, where the position is. */
    const struct memtable_node *low;
    const struct memtable_node *high;
};
struct path {
    struct step steps[HEIGHT_MAX];
    uint32_t depth;
};

/* What goes into a tree node. The key is the entry's, in the caller's memory where there is one:
 * the bytes of a row just written are still on their way and slow to read back. */
struct item {
    struct memtable_node *entry;
    struct slice key;
    struct index_node *child; /* NULL in a leaf. */
};

void memtable_index_init(struct memtable_index *index,
                         struct arena *arena,
                         struct memtable_node *head)
{
    *index = (struct memtable_index){.arena = arena, .head = head};
}

/* How many entries stand before (key, seq). */
static uint32_t node_lower(const struct index_node *node, struct slice key, uint64_t seq)
{
    uint32_t count = count_of(node);
    uint64_t prefix = key_prefix(key, skip_of(node));
    uint32_t low = prefix_lower(node, count, prefix);
    if (low == count || prefix_of(node, low) != prefix) {
        return low;
    }
    uint32_t high = prefix == UINT64_MAX ? count : prefix_lower(node, count, prefix + 1);
    if ((seq == 0 || seq == SEQ_MAX) && prefix_is_key(node, key)) {
        return seq == 0 ? high : low;
    }
    /* Each look at an entry is a cache miss. Most often these are versions of the key, and the
     * position is in front of all of them or, with sequence 0, behind them. */
    uint32_t middle = seq == 0 ? high - 1 : low;
    while (low < high) {
        if (node_cmp(entry_of(node, middle), key, seq) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
        middle = (low + high) / 2;
    }
    return low;
}

/* The side of what all keys share on which a key lies: see key_side(). */
static inline int edge_cmp(const struct memtable_index *index, struct slice key)
{
    size_t shared = atomic_load_explicit(&index->shared, memory_order_relaxed);
    struct slice common = slice_make(node_key(index->reference).data, shared);
    return key_side(key, common);
}

/* The place of a position in a node, by the side on which it lies of what all keys share. */
static inline uint32_t
place_in(const struct index_node *node, int edge, struct slice key, uint64_t seq)
{
    return edge == 0 ? node_lower(node, key, seq) : edge < 0 ? 0 : count_of(node);
}

struct index_node *memtable_index_leaf(const struct memtable_index *index,
                                       struct slice key,
                                       uint64_t seq,
                                       uint32_t *out_at)
{
    struct index_node *node = root_of(index);
    int edge = edge_cmp(index, key);
    for (;;) {
        uint32_t at = place_in(node, edge, key, seq);
        if (node->level == 0) {
            *out_at = at;
            return node;
        }
        uint32_t level = node->level - 1;
        node = child_of(node, at == 0 ? 0 : at - 1);
        prefetch_node(node, level);
    }
}

uint32_t memtable_index_in_node(const struct memtable_index *index,
                                const struct index_node *node,
                                struct slice key,
                                uint64_t seq)
{
    return place_in(node, edge_cmp(index, key), key, seq);
}

uint32_t memtable_index_near(const struct memtable_index *index,
                             const struct index_node *node,
                             struct slice key)
{
    int edge = edge_cmp(index, key);
    uint32_t count = count_of(node);
    uint64_t prefix = key_prefix(key, skip_of(node));
    return edge == 0 ? prefix_lower(node, count, prefix) : edge < 0 ? 0 : count;
}

/* The way to (key, seq), for the writer. */
static void
path_find(const struct memtable_index *index, struct slice key, uint64_t seq, struct path *path)
{
    int edge = edge_cmp(index, key);
    struct step step = {.node = root_of(index)};
    path->depth = 0;
    for (;;) {
        struct index_node *node = step.node;
        uint32_t count = count_of(node);
        step.at = place_in(node, edge, key, seq);
        if (node->level > 0) {
            step.at = step.at == 0 ? 0 : step.at - 1;
        }
        INV(path->depth < HEIGHT_MAX);
        path->steps[path->depth++] = step;
        if (node->level == 0) {
            return;
        }
        if (step.at + 1 < count) {
            step.high = entry_of(node, step.at + 1);
        }
        if (step.at > 0) {
            step.low = entry_of(node, step.at);
        }
        step.node = child_of(node, step.at);
    }
}

/* Whether a position is right behind the last node added. Looks at the node after that only while
 * inserts ascend: in random order it would be a cache miss for nothing. */
static bool is_behind(const struct memtable_index *index,
                      const struct memtable_node *last,
                      struct slice key,
                      uint64_t seq)
{
    const struct memtable_node *next = node_next(last);
    if ((next != NULL && !index->is_ascending) || node_cmp(last, key, seq) >= 0) {
        return false;
    }
    return next == NULL || node_cmp(next, key, seq) > 0;
}

/* Whether a position is right behind the node that was added last; *last is that node or NULL. */
static bool is_at_finger(const struct memtable_index *index,
                         struct slice key,
                         uint64_t seq,
                         struct memtable_node **last)
{
    *last = index->finger_leaf == NULL ? NULL : entry_of(index->finger_leaf, index->finger_at);
    return *last != NULL && is_behind(index, *last, key, seq);
}

struct index_node *
memtable_index_send_for(const struct memtable_index *index, struct slice key, uint64_t seq)
{
    struct index_node *node = root_of(index);
    struct memtable_node *last = NULL;
    if (node == NULL || is_at_finger(index, key, seq, &last)) {
        return NULL;
    }
    int edge = edge_cmp(index, key);
    for (uint32_t level = node->level; level > 0; level--) {
        uint32_t at = place_in(node, edge, key, seq);
        node = child_of(node, at == 0 ? 0 : at - 1);
        prefetch_node(node, level - 1);
    }
    return node;
}

void memtable_index_look_ahead(const struct memtable_index *index,
                               const struct entry *entries,
                               size_t count,
                               struct index_ahead *out)
{
    PRE(count <= INDEX_ABREAST);
    struct index_node *root = root_of(index);
    int edge[INDEX_ABREAST];
    out->split_count = index->split_count;
    for (size_t i = 0; i < count; i++) {
        out->leaf[i] = root;
        edge[i] = root == NULL ? 0 : edge_cmp(index, entries[i].key);
    }
    /* All leaves are at level 0, so all rows go down in step. */
    for (uint32_t level = root == NULL ? 0 : root->level; level > 0; level--) {
        for (size_t i = 0; i < count; i++) {
            const struct index_node *node = out->leaf[i];
            uint32_t at = place_in(node, edge[i], entries[i].key, entries[i].seq);
            out->leaf[i] = child_of(node, at == 0 ? 0 : at - 1);
            prefetch_node(out->leaf[i], level - 1);
        }
    }
    for (size_t i = 0; i < count && root != NULL; i++) {
        const struct index_node *leaf = out->leaf[i];
        uint32_t at = place_in(leaf, edge[i], entries[i].key, entries[i].seq);
        __builtin_prefetch(at > 0 ? entry_of(leaf, at - 1) : NULL, 1);
        __builtin_prefetch(at < count_of(leaf) ? entry_of(leaf, at) : NULL, 1);
    }
}

void memtable_index_place(const struct memtable_index *index,
                          struct slice key,
                          uint64_t seq,
                          struct index_node *leaf,
                          struct index_place *out)
{
    *out = (struct index_place){0};
    if (root_of(index) == NULL) {
        return;
    }
    struct memtable_node *last = NULL;
    if (is_at_finger(index, key, seq, &last)) {
        out->leaf = index->finger_leaf;
        out->at = index->finger_at + 1;
    } else if (leaf != NULL) {
        out->leaf = leaf;
        out->at = place_in(leaf, edge_cmp(index, key), key, seq);
    } else {
        out->leaf = memtable_index_leaf(index, key, seq, &out->at);
    }
    out->before = out->at > 0 ? entry_of(out->leaf, out->at - 1) : NULL;
    out->after = out->at < count_of(out->leaf) ? entry_of(out->leaf, out->at) : NULL;
    out->is_ascending = last != NULL && out->before == last;
    /* Their links are about to change. */
    __builtin_prefetch(out->before, 1);
    __builtin_prefetch(out->after, 1);
}

static void
node_copy(struct index_node *to, uint32_t to_at, const struct index_node *from, uint32_t from_at)
{
    atomic_store_explicit(&to->prefix[to_at], prefix_of(from, from_at), memory_order_relaxed);
    atomic_store_explicit(&to->entry[to_at], entry_of(from, from_at), memory_order_release);
    if (from->level > 0) {
        atomic_store_explicit(&to->child[to_at], child_of(from, from_at), memory_order_release);
    }
}

/* A key of this size comes into a node. */
static void note_key_size(struct index_node *node, size_t size)
{
    size_t known = atomic_load_explicit(&node->key_size, memory_order_relaxed);
    if (known != size && size > 0) {
        bool is_first =
            count_of(node) == 0 || (count_of(node) == 1 && node_key(entry_of(node, 0)).size == 0);
        atomic_store_explicit(&node->key_size, is_first ? (uint32_t)size : 0, memory_order_relaxed);
    }
}

static void node_insert(struct index_node *node, uint32_t at, const struct item *item)
{
    PRE(node != NULL);
    uint32_t count = count_of(node);
    PRE(count < FANOUT && at <= count);
    note_key_size(node, item->key.size);
    for (uint32_t i = count; i > at; i--) {
        atomic_store_explicit(&node->prefix[i], prefix_of(node, i - 1), memory_order_relaxed);
        atomic_store_explicit(&node->entry[i], entry_of(node, i - 1), memory_order_release);
    }
    size_t skip = skip_of(node);
    uint64_t prefix = key_prefix(item->key, skip);
    atomic_store_explicit(&node->prefix[at], prefix, memory_order_relaxed);
    atomic_store_explicit(&node->entry[at], item->entry, memory_order_release);
    if (node->level > 0) {
        for (uint32_t i = count; i > at; i--) {
            atomic_store_explicit(&node->child[i], child_of(node, i - 1), memory_order_release);
        }
        atomic_store_explicit(&node->child[at], item->child, memory_order_release);
    }
    atomic_store_explicit(&node->count, count + 1, memory_order_release);
}

/* Makes the prefixes again for another skip. */
static void node_set_skip(struct index_node *node, size_t skip)
{
    uint32_t count = count_of(node);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t prefix = key_prefix(node_key(entry_of(node, i)), skip);
        atomic_store_explicit(&node->prefix[i], prefix, memory_order_relaxed);
    }
    atomic_store_explicit(&node->skip, (uint32_t)skip, memory_order_relaxed);
}

static struct index_node *node_new(struct memtable_index *index, uint32_t level, size_t skip)
{
    size_t children = level == 0 ? 0 : FANOUT * sizeof(struct index_node *);
    char *piece = arena_alloc(index->arena, sizeof(struct index_node) + children + CACHE_LINE);
    struct index_node *node = NULL;
    if (piece != NULL) {
        piece += -(uintptr_t)piece & (CACHE_LINE - 1);
        node = (struct index_node *)(void *)piece;
        atomic_init(&node->count, 0);
        atomic_init(&node->skip, (uint32_t)skip);
        atomic_init(&node->key_size, 0);
        atomic_init(&node->right, NULL);
        node->level = level;
    }
    return node;
}

/* Bytes that all keys between two separators share. */
static size_t fence_shared(const struct memtable_index *index,
                           const struct memtable_node *low,
                           const struct memtable_node *high)
{
    if (low == NULL || high == NULL) {
        return atomic_load_explicit(&index->shared, memory_order_relaxed);
    }
    return shared_prefix_size(node_key(low), node_key(high), SIZE_MAX);
}

static void node_tighten(const struct memtable_index *index,
                         struct index_node *node,
                         const struct memtable_node *low,
                         const struct memtable_node *high)
{
    size_t shared = fence_shared(index, low, high);
    if (shared >= skip_of(node) + SKIP_STEP) {
        node_set_skip(node, shared);
    }
}

/* Splits the full node of a step into it and `right` and adds an entry. An entry at the very end
 * goes alone into the right node: ascending inserts leave full nodes behind. */
static void node_split(struct memtable_index *index,
                       const struct step *step,
                       uint32_t at,
                       struct index_node *right,
                       const struct item *item)
{
    struct index_node *left = step->node;
    index->split_count++;
    uint32_t middle = at == FANOUT ? FANOUT : FANOUT / 2;
    for (uint32_t i = middle; i < FANOUT; i++) {
        node_copy(right, i - middle, left, i);
    }
    atomic_store_explicit(&right->count, FANOUT - middle, memory_order_release);
    if (middle < FANOUT) {
        atomic_store_explicit(&right->key_size,
                              atomic_load_explicit(&left->key_size, memory_order_relaxed),
                              memory_order_relaxed);
    }
    if (left->level == 0) {
        struct index_node *next = atomic_load_explicit(&left->right, memory_order_relaxed);
        atomic_store_explicit(&right->right, next, memory_order_relaxed);
        atomic_store_explicit(&left->right, right, memory_order_release);
    }
    atomic_store_explicit(&left->count, middle, memory_order_release);
    bool is_right = at > middle || middle == FANOUT;
    node_insert(is_right ? right : left, is_right ? at - middle : at, item);
    const struct memtable_node *separator = entry_of(right, 0);
    node_tighten(index, left, step->low, separator);
    node_tighten(index, right, separator, step->high);
    index->finger_leaf = left->level == 0 ? (is_right ? right : left) : index->finger_leaf;
    index->finger_at = left->level == 0 ? (is_right ? at - middle : at) : index->finger_at;
}

/* Takes the memory that adding at the end of this path needs: one node for each full one from the
 * leaf up, and a root when all are full. */
static bool
path_reserve(struct memtable_index *index, const struct path *path, struct index_node **spare)
{
    uint32_t level = path->depth;
    for (; level > 0 && count_of(path->steps[level - 1].node) == FANOUT; level--) {
        const struct index_node *full = path->steps[level - 1].node;
        size_t skip = skip_of(full);
        spare[level] = node_new(index, full->level, skip);
        if (spare[level] == NULL) {
            return false;
        }
    }
    if (level == 0) {
        size_t shared = atomic_load_explicit(&index->shared, memory_order_relaxed);
        spare[0] = node_new(index, path->steps[0].node->level + 1, shared);
    }
    return level > 0 || spare[0] != NULL;
}

/* Adds to a full leaf. */
static bool add_by_split(struct memtable_index *index, struct memtable_node *node, struct slice key)
{
    struct path path;
    struct index_node *spare[HEIGHT_MAX + 1] = {NULL};
    path_find(index, key, node_seq(node), &path);
    if (!path_reserve(index, &path, spare)) {
        return false;
    }
    struct item item = {.entry = node, .key = key};
    uint32_t level = path.depth;
    for (; level > 0; level--) {
        struct step *step = &path.steps[level - 1];
        uint32_t at = step->at + (item.child != NULL);
        if (count_of(step->node) < FANOUT) {
            node_insert(step->node, at, &item);
            return true;
        }
        node_split(index, step, at, spare[level], &item);
        item.child = spare[level];
        item.entry = entry_of(item.child, 0);
        item.key = node_key(item.entry);
    }
    struct index_node *old = path.steps[0].node;
    const struct item first = {.entry = index->head, .key = node_key(index->head), .child = old};
    node_insert(spare[0], 0, &first);
    node_insert(spare[0], 1, &item);
    atomic_store_explicit(&index->root, spare[0], memory_order_release);
    return true;
}

/* A key came that shares less with the others: the nodes at both edges, whose prefixes rest on what
 * all keys share, follow. */
static void shrink_shared(struct memtable_index *index, size_t shared)
{
    atomic_store_explicit(&index->shared, shared, memory_order_relaxed);
    for (int is_last = 0; is_last < 2; is_last++) {
        struct index_node *node = root_of(index);
        for (;;) {
            if (skip_of(node) > shared) {
                node_set_skip(node, shared);
            }
            if (node->level == 0) {
                break;
            }
            node = child_of(node, is_last != 0 ? count_of(node) - 1 : 0);
        }
    }
}

void memtable_index_add(struct memtable_index *index,
                        struct memtable_node *node,
                        struct slice key,
                        const struct index_place *place)
{
    const struct item item = {.entry = node, .key = key};
    if (place->leaf == NULL) {
        struct index_node *leaf = node_new(index, 0, key.size);
        if (leaf == NULL) {
            index->is_partial = true;
            return;
        }
        index->reference = node;
        atomic_store_explicit(&index->shared, key.size, memory_order_relaxed);
        node_insert(leaf, 0, &item);
        index->finger_leaf = leaf;
        index->finger_at = 0;
        atomic_store_explicit(&index->root, leaf, memory_order_release);
        return;
    }
    index->is_ascending = place->is_ascending;
    size_t shared = atomic_load_explicit(&index->shared, memory_order_relaxed);
    struct slice common = slice_make(node_key(index->reference).data, shared);
    if (!slice_starts_with(key, common)) {
        shrink_shared(index, shared_prefix_size(key, common, SIZE_MAX));
    }
    if (count_of(place->leaf) < FANOUT) {
        node_insert(place->leaf, place->at, &item);
        index->finger_leaf = place->leaf;
        index->finger_at = place->at;
    } else if (!add_by_split(index, node, key)) {
        index->finger_leaf = NULL;
        index->is_partial = true;
    }
}
