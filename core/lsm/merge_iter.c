/* SPDX-License-Identifier: MIT */
/*
 * merge_iter.c - a binary heap of children; see merge_iter.h.
 *
 * Each slot keeps the first twenty bytes of its child's key as numbers (the bucket id and sixteen
 * bytes of the user's key), so that keys of up to that size are ordered without memcmp. While the
 * same child stays first, a move compares it with the second only, whose place is remembered. One
 * child alone is passed through.
 */
#include "lsm/merge_iter.h"

#include "base/check.h"
#include "base/coding.h"
#include "base/memory.h"
#include "disk/block.h"

#define PREFIX_SIZE 20u

struct merge_slot {
    uint64_t high; /* Key bytes 4..11. */
    uint64_t low;  /* Key bytes 12..19. */
    struct iter *child;
    uint32_t bucket; /* Key bytes 0..3. */
    bool is_aiming;  /* Not of this slot's child but of the one with this number, before a seek. */
};

static struct merge_iter *self(struct iter *iter)
{
    return (struct merge_iter *)iter; /* The first member. */
}

static inline uint64_t get_u64_be(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return be64toh(word);
}

/* Reads the child's present key. Bytes behind its end count as zero: equal slots decide nothing. */
static inline void slot_load(struct merge_slot *slot)
{
    struct slice key = slot->child->entry.key;
    char padded[PREFIX_SIZE];
    const char *p = key.data;
    if (UNLIKELY(key.size < PREFIX_SIZE)) {
        memset(padded, 0, sizeof(padded));
        if (key.size > 0) {
            memcpy(padded, key.data, key.size);
        }
        p = padded;
    }
    slot->bucket = get_u32_be(p);
    slot->high = get_u64_be(p + 4);
    slot->low = get_u64_be(p + 12);
}

static inline int slot_cmp(const struct merge_slot *a, const struct merge_slot *b)
{
    if (a->bucket != b->bucket) {
        return a->bucket < b->bucket ? -1 : 1;
    }
    if (a->high != b->high) {
        return a->high < b->high ? -1 : 1;
    }
    if (a->low != b->low) {
        return a->low < b->low ? -1 : 1;
    }
    const struct entry *x = &a->child->entry;
    const struct entry *y = &b->child->entry;
    return entry_position_cmp(x->key, x->seq, y->key, y->seq);
}

/* Whether a comes before b in the direction of the walk. */
static inline bool slot_before(const struct merge_iter *it, size_t a, size_t b)
{
    int order = slot_cmp(&it->heap[a], &it->heap[b]);
    return it->is_reverse ? order > 0 : order < 0;
}

static void sift_down(struct merge_iter *it, size_t at)
{
    it->second = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= it->heap_size) {
            return;
        }
        if (child + 1 < it->heap_size && slot_before(it, child + 1, child)) {
            child++;
        }
        if (!slot_before(it, child, at)) {
            return;
        }
        struct merge_slot slot = it->heap[at];
        it->heap[at] = it->heap[child];
        it->heap[child] = slot;
        at = child;
    }
}

/* Stands where the first child stands. */
static void publish(struct merge_iter *it)
{
    it->iter.is_valid = it->heap_size > 0;
    if (it->iter.is_valid) {
        it->iter.entry = it->heap[0].child->entry;
    }
}

static void set_failed(struct merge_iter *it, int status)
{
    it->heap_size = 0;
    it->second = 0;
    it->iter.is_valid = false;
    it->iter.status = status;
}

/* Makes the heap of all children that stand somewhere. */
static void rebuild(struct merge_iter *it)
{
    it->heap_size = 0;
    for (size_t i = 0; i < it->child_count; i++) {
        struct iter *child = it->children[i];
        if (child->status != LOAM_OK) {
            set_failed(it, child->status);
            return;
        }
        if (child->is_valid) {
            struct merge_slot *slot = &it->heap[it->heap_size++];
            slot->child = child;
            slot_load(slot);
        }
    }
    it->second = 0;
    for (size_t at = it->heap_size / 2; at > 0; at--) {
        sift_down(it, at - 1);
    }
    publish(it);
}

/* Place of the runner-up. */
static inline size_t second_of(struct merge_iter *it)
{
    if (it->second == 0) {
        it->second = it->heap_size > 2 && slot_before(it, 2, 1) ? 2 : 1;
    }
    return it->second;
}

/* The first child has moved: finds the new first. */
static void settle(struct merge_iter *it)
{
    struct merge_slot *first = &it->heap[0];
    if (UNLIKELY(first->child->status != LOAM_OK)) {
        set_failed(it, first->child->status);
        return;
    }
    if (!first->child->is_valid) {
        *first = it->heap[--it->heap_size];
        sift_down(it, 0);
        publish(it);
        return;
    }
    if (it->heap_size > 1) {
        slot_load(first);
        if (slot_before(it, second_of(it), 0)) {
            sift_down(it, 0);
        }
    }
    publish(it);
}

/* Turns round: every other child goes to the near side of the row we stand on, which stays valid
 * because its own child has not moved. */
static void turn(struct merge_iter *it, bool is_reverse)
{
    const struct iter *current = it->heap[0].child;
    for (size_t i = 0; i < it->child_count; i++) {
        struct iter *child = it->children[i];
        if (child == current) {
            continue;
        }
        if (is_reverse) {
            iter_seek_before(child, current->entry.key, current->entry.seq);
        } else {
            iter_seek(child, current->entry.key, current->entry.seq);
        }
    }
    it->is_reverse = is_reverse;
}

static void do_first(struct iter *iter)
{
    struct merge_iter *it = self(iter);
    if (iter->status != LOAM_OK) {
        return;
    }
    for (size_t i = 0; i < it->child_count; i++) {
        iter_first(it->children[i]);
    }
    it->is_reverse = false;
    rebuild(it);
}

static void do_last(struct iter *iter)
{
    struct merge_iter *it = self(iter);
    if (iter->status != LOAM_OK) {
        return;
    }
    for (size_t i = 0; i < it->child_count; i++) {
        iter_last(it->children[i]);
    }
    it->is_reverse = true;
    rebuild(it);
}

/* Whether a child stands at or behind a position, or has nothing there. */
static inline bool is_beyond(const struct iter *child, struct slice key, uint64_t seq)
{
    return !child->is_valid ||
           entry_position_cmp(child->entry.key, child->entry.seq, key, seq) >= 0;
}

/* Lets all children go towards a position in step. Tables come first: their way is longer. */
static void aim_all(struct merge_iter *it, struct slice key, uint64_t seq)
{
    bool is_under_way = true;
    for (unsigned round = 0; is_under_way; round++) {
        is_under_way = false;
        for (size_t i = it->child_count; i > 0; i--) {
            bool *is_aiming = &it->heap[i - 1].is_aiming;
            *is_aiming =
                (round == 0 || *is_aiming) && iter_aim(it->children[i - 1], key, seq, round);
            is_under_way = is_under_way || *is_aiming;
        }
    }
}

static void do_seek(struct iter *iter, struct slice key, uint64_t seq)
{
    struct merge_iter *it = self(iter);
    if (iter->status != LOAM_OK) {
        return;
    }
    /* Forward from here, only children that stand before the position have to move. */
    bool is_onward = iter->is_valid && !it->is_reverse && !is_beyond(iter, key, seq);
    if (it->child_count > 1 && !is_onward) {
        aim_all(it, key, seq);
    }
    for (size_t i = it->child_count; i > 0; i--) {
        if (!is_onward || !is_beyond(it->children[i - 1], key, seq)) {
            iter_seek(it->children[i - 1], key, seq);
        }
    }
    it->is_reverse = false;
    rebuild(it);
}

static void do_seek_before(struct iter *iter, struct slice key, uint64_t seq)
{
    struct merge_iter *it = self(iter);
    if (iter->status != LOAM_OK) {
        return;
    }
    for (size_t i = 0; i < it->child_count; i++) {
        iter_seek_before(it->children[i], key, seq);
    }
    it->is_reverse = true;
    rebuild(it);
}

static void move(struct merge_iter *it, bool is_reverse)
{
    PRE(it->iter.is_valid);
    struct iter *child = it->heap[0].child;
    bool is_turn = it->is_reverse != is_reverse;
    if (UNLIKELY(is_turn)) {
        turn(it, is_reverse);
    }
    if (is_reverse) {
        iter_prev(child);
    } else {
        iter_next(child);
    }
    if (UNLIKELY(is_turn)) {
        rebuild(it);
    } else {
        settle(it);
    }
}

static void do_next(struct iter *iter)
{
    move(self(iter), false);
}

static void do_prev(struct iter *iter)
{
    move(self(iter), true);
}

/* Each child that stands on the key leaves it in its own way. */
static void do_next_key(struct iter *iter, struct slice key)
{
    struct merge_iter *it = self(iter);
    const struct iter *child = NULL;
    do {
        bool is_turn = it->is_reverse;
        if (UNLIKELY(is_turn)) {
            turn(it, false);
        }
        child = it->heap[0].child;
        iter_next_key(it->heap[0].child, key);
        if (UNLIKELY(is_turn)) {
            rebuild(it);
        } else {
            settle(it);
        }
        /* When one that has left the key is still first, none is left on it. */
    } while (iter->is_valid && it->heap[0].child != child && slice_equal(iter->entry.key, key));
}

/* Up to the second child's row nothing comes between the first child's rows. */
static bool do_stretch(struct iter *iter, struct iter_stretch *out)
{
    struct merge_iter *it = self(iter);
    PRE(iter->is_valid);
    if (it->is_reverse || !iter_stretch(it->heap[0].child, out)) {
        return false;
    }
    if (it->heap_size > 1) {
        const struct entry *limit = &it->heap[second_of(it)].child->entry;
        out->has_limit = true;
        out->limit = limit->key;
        out->limit_seq = limit->seq;
    }
    return true;
}

static void do_skip(struct iter *iter, uint32_t row_index)
{
    struct merge_iter *it = self(iter);
    iter_skip(it->heap[0].child, row_index);
    settle(it);
}

static void do_free(struct iter *iter)
{
    struct merge_iter *it = self(iter);
    mem_free(it->children);
    mem_free(it->heap);
    merge_iter_init(it);
}

static const struct iter_ops merge_iter_ops = {
    .first = do_first,
    .last = do_last,
    .seek = do_seek,
    .seek_before = do_seek_before,
    .next = do_next,
    .prev = do_prev,
    .free = do_free,
    .stretch = do_stretch,
    .skip = do_skip,
    .next_key = do_next_key,
};

void merge_iter_init(struct merge_iter *it)
{
    *it = (struct merge_iter){.iter = {.ops = &merge_iter_ops}};
}

int merge_iter_set(struct merge_iter *it,
                   struct iter **children,
                   size_t count,
                   struct loam_error *err)
{
    if (count > it->capacity) {
        struct iter **list = mem_alloc(count * sizeof(struct iter *));
        struct merge_slot *heap = mem_alloc(count * sizeof(*heap));
        if (list == NULL || heap == NULL) {
            mem_free(list);
            mem_free(heap);
            return mem_fail(err, count * (sizeof(struct iter *) + sizeof(*heap)));
        }
        mem_free(it->children);
        mem_free(it->heap);
        it->children = list;
        it->heap = heap;
        it->capacity = count;
    }
    if (count > 0) {
        memcpy(it->children, children, count * sizeof(struct iter *));
    }
    it->child_count = count;
    it->heap_size = 0;
    it->second = 0;
    it->is_reverse = false;
    it->iter.is_valid = false;
    it->iter.status = LOAM_OK;
    return LOAM_OK;
}
