/* SPDX-License-Identifier: MIT */
/*
 * memtable_iter.c - a memtable as an iterator over all its versions. See memtable.h and iter.h.
 *
 * It walks the list of rows; the tree says where to begin and which rows to send for
 * (memtable_cursor.h).
 */
#include "base/check.h"
#include "lsm/memtable_cursor.h"
#include "lsm/memtable_impl.h"

static struct memtable_iter *self(struct iter *iter)
{
    return (struct memtable_iter *)iter; /* The first member. */
}

/* Stands on a node; NULL and the head are nowhere. */
static void stand_on(struct memtable_iter *it, const struct memtable_node *node)
{
    it->iter.is_valid = node != NULL && node != it->memtable->head;
    it->node = node;
    if (it->iter.is_valid) {
        node_entry(node, &it->iter.entry);
    }
}

static void iter_do_first(struct iter *iter)
{
    struct memtable_iter *it = self(iter);
    (void)memtable_cursor_seek(&it->cursor, &it->memtable->index, slice_make("", 0), SEQ_MAX);
    stand_on(self(iter), node_next(self(iter)->memtable->head));
}

static void iter_do_last(struct iter *iter)
{
    const struct memtable *memtable = self(iter)->memtable;
    const struct memtable_node *node = memtable_index_last(&memtable->index);
    node = node == NULL ? memtable->head : node;
    for (const struct memtable_node *next = node; next != NULL; next = node_next(node)) {
        node = next;
    }
    stand_on(self(iter), node);
}

static void iter_do_seek(struct iter *iter, struct slice key, uint64_t seq)
{
    struct memtable_iter *it = self(iter);
    const struct memtable_node *before = NULL;
    /* From a version of the key to one behind it. */
    it->cursor.is_near =
        iter->is_valid && slice_equal(key, iter->entry.key) && seq < iter->entry.seq;
    const struct memtable_node *hint =
        memtable_cursor_seek(&it->cursor, &it->memtable->index, key, seq);
    stand_on(it, memtable_find_from(it->memtable, hint, key, seq, &before));
}

static bool iter_do_aim(struct iter *iter, struct slice key, uint64_t seq, unsigned round)
{
    const struct memtable_index *index = &self(iter)->memtable->index;
    return memtable_cursor_aim(&self(iter)->cursor, index, key, seq, round == 0);
}

static void iter_do_seek_before(struct iter *iter, struct slice key, uint64_t seq)
{
    const struct memtable_node *before = NULL;
    (void)memtable_find_place(self(iter)->memtable, key, seq, &before);
    stand_on(self(iter), before);
}

static void iter_do_next(struct iter *iter)
{
    PRE(iter->is_valid);
    memtable_cursor_next(&self(iter)->cursor);
    stand_on(self(iter), node_next(self(iter)->node));
}

/* The tree tells how many versions a leaf has of the key, so none but the last is looked at. */
static void iter_do_next_key(struct iter *iter, struct slice key)
{
    struct memtable_iter *it = self(iter);
    unsigned steps = 0;
    do {
        const struct memtable_node *last = it->node;
        if (steps++ == ITER_VERSION_STEPS || !memtable_cursor_leave(&it->cursor, &last, key)) {
            iter_do_seek(iter, key, 0);
            return;
        }
        memtable_cursor_next(&it->cursor);
        stand_on(it, node_next(last));
    } while (iter->is_valid && slice_equal(iter->entry.key, key));
}

static void iter_do_prev(struct iter *iter)
{
    PRE(iter->is_valid);
    const struct memtable_node *node = self(iter)->node;
    const struct memtable_node *before = node_prev(node);
    /* Rows that came between since the link was made. */
    for (const struct memtable_node *next = node_next(before); next != node;
         next = node_next(before)) {
        before = next;
    }
    stand_on(self(iter), before);
}

static void iter_do_free(struct iter *iter)
{
    iter->is_valid = false;
}

static const struct iter_ops memtable_iter_ops = {
    .first = iter_do_first,
    .last = iter_do_last,
    .seek = iter_do_seek,
    .seek_before = iter_do_seek_before,
    .next = iter_do_next,
    .prev = iter_do_prev,
    .free = iter_do_free,
    .aim = iter_do_aim,
    .next_key = iter_do_next_key,
};

void memtable_iter_init(struct memtable_iter *it, const struct memtable *memtable)
{
    *it = (struct memtable_iter){.iter = {.ops = &memtable_iter_ops}, .memtable = memtable};
}
