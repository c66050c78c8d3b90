/* SPDX-License-Identifier: MIT */
/*
 * run_iter.c - the tables of one sorted run, one behind the other, as one iterator. See version.h.
 *
 * One table iterator is moved from table to table. Tables are never empty, so the end of one is the
 * begin of the next; an error of a table is an error of the run.
 */
#include "base/check.h"
#include "lsm/version.h"

static struct run_iter *self_of(struct iter *iter)
{
    return (struct run_iter *)iter; /* It is the first member. */
}

/* Takes over where the table's iterator stands. */
static inline void show(struct run_iter *it)
{
    const struct iter *inner = &it->table_iter.iter;
    it->iter.is_valid = inner->is_valid;
    it->iter.status = inner->status;
    if (LIKELY(inner->is_valid)) {
        it->iter.entry = inner->entry;
    }
}

/* Aims at table `index`. */
static struct iter *aim(struct run_iter *it, size_t index)
{
    PRE(index < it->run->table_count);
    if (it->table_index != index) {
        table_iter_reset(&it->table_iter, it->run->tables[index]);
        it->table_index = index;
    }
    it->table_iter.iter.err = it->iter.err;
    return &it->table_iter.iter;
}

/* Whether a move may begin: an iterator that has failed stays nowhere. */
static bool begin(struct run_iter *it)
{
    it->iter.is_valid = false;
    return it->iter.status == LOAM_OK;
}

/* When the table has ended without an error, goes on with its neighbour. */
static void go_on(struct run_iter *it, bool is_forward)
{
    const struct iter *inner = &it->table_iter.iter;
    if (!inner->is_valid && inner->status == LOAM_OK) {
        if (is_forward && it->table_index + 1 < it->run->table_count) {
            iter_first(aim(it, it->table_index + 1));
        } else if (!is_forward && it->table_index > 0) {
            iter_last(aim(it, it->table_index - 1));
        }
    }
    show(it);
}

static void run_iter_first(struct iter *iter)
{
    struct run_iter *it = self_of(iter);
    if (begin(it)) {
        iter_first(aim(it, 0));
        show(it);
    }
}

static void run_iter_last(struct iter *iter)
{
    struct run_iter *it = self_of(iter);
    if (begin(it)) {
        iter_last(aim(it, it->run->table_count - 1));
        show(it);
    }
}

static void run_iter_seek(struct iter *iter, struct slice key, uint64_t seq)
{
    struct run_iter *it = self_of(iter);
    if (!begin(it)) {
        return;
    }
    size_t index = run_seek(it->run, key);
    if (index < it->run->table_count) {
        iter_seek(aim(it, index), key, seq);
        go_on(it, true);
    }
}

static void run_iter_seek_before(struct iter *iter, struct slice key, uint64_t seq)
{
    struct run_iter *it = self_of(iter);
    if (!begin(it)) {
        return;
    }
    size_t index = run_seek(it->run, key);
    if (index == it->run->table_count) {
        iter_last(aim(it, index - 1));
    } else {
        iter_seek_before(aim(it, index), key, seq);
    }
    go_on(it, false);
}

static void run_iter_next(struct iter *iter)
{
    struct run_iter *it = self_of(iter);
    PRE(it->iter.is_valid);
    iter_next(&it->table_iter.iter);
    if (LIKELY(it->table_iter.iter.is_valid)) {
        it->iter.entry = it->table_iter.iter.entry;
        return;
    }
    go_on(it, true);
}

static void run_iter_prev(struct iter *iter)
{
    struct run_iter *it = self_of(iter);
    PRE(it->iter.is_valid);
    iter_prev(&it->table_iter.iter);
    go_on(it, false);
}

static bool run_iter_stretch(struct iter *iter, struct iter_stretch *out)
{
    return iter_stretch(&self_of(iter)->table_iter.iter, out);
}

static void run_iter_skip(struct iter *iter, uint32_t row_index)
{
    struct run_iter *it = self_of(iter);
    iter_skip(&it->table_iter.iter, row_index);
    go_on(it, true);
}

static bool run_iter_aim(struct iter *iter, struct slice key, uint64_t seq, unsigned round)
{
    struct run_iter *it = self_of(iter);
    if (it->iter.status != LOAM_OK) {
        return false;
    }
    size_t index = round == 0 ? run_seek(it->run, key) : it->table_index;
    return index < it->run->table_count && iter_aim(aim(it, index), key, seq, round);
}

static void run_iter_free(struct iter *iter)
{
    struct run_iter *it = self_of(iter);
    it->iter.is_valid = false;
    iter_free(&it->table_iter.iter);
}

static const struct iter_ops run_iter_ops = {
    .first = run_iter_first,
    .last = run_iter_last,
    .seek = run_iter_seek,
    .seek_before = run_iter_seek_before,
    .next = run_iter_next,
    .prev = run_iter_prev,
    .free = run_iter_free,
    .stretch = run_iter_stretch,
    .skip = run_iter_skip,
    .aim = run_iter_aim,
};

void run_iter_init(struct run_iter *it, const struct run *run, bool fill_cache)
{
    PRE(run->table_count > 0);
    *it = (struct run_iter){.iter = {.ops = &run_iter_ops}, .run = run};
    table_iter_init(&it->table_iter, run->tables[0], fill_cache);
}

void run_iter_reset(struct run_iter *it, const struct run *run)
{
    PRE(run->table_count > 0);
    it->iter.is_valid = false;
    it->iter.status = LOAM_OK;
    it->run = run;
    it->table_index = 0;
    table_iter_reset(&it->table_iter, run->tables[0]);
}

void run_iter_drop(struct run_iter *it)
{
    it->iter.is_valid = false;
    table_iter_drop(&it->table_iter);
}
