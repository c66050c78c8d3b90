/* SPDX-License-Identifier: MIT */
/*
 * repair_order.c - which piece is newer, when no manifest tells.
 *
 * Within one key a reader takes the first run that has it, so of two pieces with common keys the
 * newer one must be newer in every row. Pieces whose keys overlap and whose sequences interleave
 * are merged into one set, row by row; a merged set may interleave with further ones, so this goes
 * on until none does. Of what is left, sets that overlap have sequences apart: the one with the
 * higher numbers is put into a higher run. Sets of one run are disjoint.
 */
#include <stdlib.h>

#include "db/repair_impl.h"
#include "lsm/merge_iter.h"
#include "lsm/table.h"

enum { LEVELS_MAX = 128 };

/* Pieces that become one set. */
struct group {
    struct slice smallest;
    struct slice largest;
    uint64_t seq_min;
    uint64_t seq_max;
    size_t piece_count;
    uint64_t level;
    size_t joined; /* Index of the group it went into; its own while it stands. */
};

struct ordering {
    struct repair *repair;
    struct group *groups; /* One per piece at first. */
    size_t count;
};

static bool keys_overlap(const struct group *a, const struct group *b)
{
    return slice_cmp(a->smallest, b->largest) <= 0 && slice_cmp(b->smallest, a->largest) <= 0;
}

static bool seqs_interleave(const struct group *a, const struct group *b)
{
    return a->seq_min <= b->seq_max && b->seq_min <= a->seq_max;
}

static void join(struct group *into, struct group *from, size_t index)
{
    into->smallest =
        slice_cmp(from->smallest, into->smallest) < 0 ? from->smallest : into->smallest;
    into->largest = slice_cmp(from->largest, into->largest) > 0 ? from->largest : into->largest;
    into->seq_min = from->seq_min < into->seq_min ? from->seq_min : into->seq_min;
    into->seq_max = from->seq_max > into->seq_max ? from->seq_max : into->seq_max;
    into->piece_count += from->piece_count;
    from->joined = index;
}

/* Joins what interleaves with group i; returns whether anything did. */
static bool join_with(struct ordering *ordering, size_t i, bool is_all)
{
    struct group *groups = ordering->groups;
    bool has_joined = false;
    for (size_t j = i + 1; j < ordering->count; j++) {
        if (groups[j].joined == j && (is_all || (keys_overlap(&groups[i], &groups[j]) &&
                                                 seqs_interleave(&groups[i], &groups[j])))) {
            join(&groups[i], &groups[j], i);
            has_joined = true;
        }
    }
    return has_joined;
}

static void join_all(struct ordering *ordering, bool is_all)
{
    bool has_joined = true;
    while (has_joined) {
        has_joined = false;
        for (size_t i = 0; i < ordering->count; i++) {
            if (ordering->groups[i].joined == i) {
                has_joined |= join_with(ordering, i, is_all);
            }
        }
    }
}

static size_t root_of(const struct ordering *ordering, size_t index)
{
    while (ordering->groups[index].joined != index) {
        index = ordering->groups[index].joined;
    }
    return index;
}

/* Levels from the oldest up: one above the highest older group with common keys. */
static uint64_t set_levels(struct ordering *ordering)
{
    uint64_t highest = 0;
    size_t left = ordering->count;
    while (left-- > 0) {
        struct group *next = NULL;
        for (size_t i = 0; i < ordering->count; i++) {
            struct group *group = &ordering->groups[i];
            if (group->joined == i && group->level == 0 &&
                (next == NULL || group->seq_max < next->seq_max)) {
                next = group;
            }
        }
        if (next == NULL) {
            break;
        }
        next->level = 1;
        for (size_t i = 0; i < ordering->count; i++) {
            const struct group *other = &ordering->groups[i];
            if (other != next && other->joined == i && other->level >= next->level &&
                keys_overlap(next, other)) {
                next->level = other->level + 1;
            }
        }
        highest = next->level > highest ? next->level : highest;
    }
    return highest;
}

/* ---- Merging a group ---- */

/* Drops a row that came twice: of a merge whose inputs and outputs were both found. */
struct once_iter {
    struct iter iter;
    struct iter *from;
    struct loam_buffer key;
    uint64_t seq;
    bool has_last;
};

static void once_settle(struct once_iter *once)
{
    while (once->from->is_valid && once->has_last && once->from->entry.seq == once->seq &&
           slice_equal(once->from->entry.key, buf_slice(&once->key))) {
        iter_next(once->from);
    }
    once->iter.is_valid = once->from->is_valid;
    once->iter.status = once->from->status;
    once->iter.entry = once->from->entry;
    if (once->iter.is_valid) {
        struct slice key = once->iter.entry.key;
        int rc = buf_assign(&once->key, key.data, key.size, once->iter.err);
        once->seq = once->iter.entry.seq;
        once->has_last = true;
        if (rc != LOAM_OK) {
            once->iter.is_valid = false;
            once->iter.status = rc;
        }
    }
}

static void once_first(struct iter *iter)
{
    struct once_iter *once = (struct once_iter *)iter;
    iter_first(once->from);
    once_settle(once);
}

static void once_next(struct iter *iter)
{
    struct once_iter *once = (struct once_iter *)iter;
    iter_next(once->from);
    once_settle(once);
}

static const struct iter_ops once_ops = {.first = once_first, .next = once_next};

_Static_assert(offsetof(struct once_iter, iter) == 0, "the iterator is cast");

/* What merging a group holds. */
struct merging {
    struct table **tables;
    struct table_iter *iters;
    struct iter **children;
    size_t count;
};

static int
open_tables(struct ordering *ordering, size_t root, struct merging *merging, struct loam_error *err)
{
    struct repair *repair = ordering->repair;
    size_t wanted = ordering->groups[root].piece_count;
    merging->tables = mem_zalloc(wanted, sizeof(struct table *));
    merging->iters = mem_zalloc(wanted, sizeof(*merging->iters));
    merging->children = mem_zalloc(wanted, sizeof(struct iter *));
    if (merging->tables == NULL || merging->iters == NULL || merging->children == NULL) {
        return mem_fail(err, wanted * sizeof(*merging->iters));
    }
    for (size_t i = 0; i < ordering->count; i++) {
        size_t count = 0;
        struct piece *pieces = repair_pieces(repair, &count);
        if (root_of(ordering, i) != root) {
            continue;
        }
        struct table *table = NULL;
        TRY(table_new(&repair->context, &pieces[i].meta, &table, err));
        merging->tables[merging->count] = table;
        table_iter_init(&merging->iters[merging->count], table, false);
        merging->children[merging->count] = &merging->iters[merging->count].iter;
        merging->count++;
        pieces[i].is_dropped = true;
    }
    return LOAM_OK;
}

static void close_tables(struct merging *merging)
{
    for (size_t i = 0; i < merging->count; i++) {
        iter_free(merging->children[i]);
        table_unref(merging->tables[i]);
    }
    mem_free(merging->tables);
    mem_free(merging->iters);
    mem_free(merging->children);
}

static int merge_group(struct ordering *ordering, size_t root, struct loam_error *err)
{
    struct merging merging = {0};
    struct merge_iter merge;
    merge_iter_init(&merge);
    merge.iter.err = err;
    int rc = open_tables(ordering, root, &merging, err);
    if (rc == LOAM_OK) {
        rc = merge_iter_set(&merge, merging.children, merging.count, err);
    }
    if (rc == LOAM_OK) {
        struct once_iter once = {.iter = {.ops = &once_ops, .err = err}, .from = &merge.iter};
        rc = repair_write(ordering->repair, &once.iter, ordering->groups[root].level, err);
        loam_buffer_free(&once.key);
    }
    iter_free(&merge.iter);
    close_tables(&merging);
    if (rc == LOAM_OK) {
        rc = repair_note(ordering->repair, "merged", "tables", err,
                         "%zu tables of interleaved sequences, row by row", merging.count);
    }
    return rc;
}

static int build_groups(struct ordering *ordering, struct loam_error *err)
{
    size_t count = 0;
    const struct piece *pieces = repair_pieces(ordering->repair, &count);
    ordering->groups = mem_zalloc(count + 1, sizeof(*ordering->groups));
    if (ordering->groups == NULL) {
        return mem_fail(err, count * sizeof(*ordering->groups));
    }
    ordering->count = count;
    for (size_t i = 0; i < count; i++) {
        ordering->groups[i] = (struct group){.smallest = pieces[i].meta.smallest,
                                             .largest = pieces[i].meta.largest,
                                             .seq_min = pieces[i].meta.seq_min,
                                             .seq_max = pieces[i].meta.seq_max,
                                             .piece_count = 1,
                                             .joined = i};
    }
    return LOAM_OK;
}

int repair_order(struct repair *repair, struct loam_error *err)
{
    struct ordering ordering = {.repair = repair};
    TRY(build_groups(&ordering, err));
    join_all(&ordering, false);
    if (set_levels(&ordering) > LEVELS_MAX) {
        join_all(&ordering, true);
        ordering.groups[0].level = 1;
    }
    int rc = LOAM_OK;
    for (size_t i = 0; i < ordering.count && rc == LOAM_OK; i++) {
        const struct group *group = &ordering.groups[i];
        size_t count = 0;
        if (group->joined == i && group->piece_count > 1) {
            rc = merge_group(&ordering, i, err);
        } else if (group->joined == i) {
            repair_pieces(repair, &count)[i].meta.run = group->level;
        }
    }
    mem_free(ordering.groups);
    return rc;
}
