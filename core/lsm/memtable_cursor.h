/* SPDX-License-Identifier: MIT */
/*
 * memtable_cursor.h - where a scan is in the tree of a memtable, so that rows are sent for before
 * it comes to them. Floor 3, private to the memtable.
 *
 * The list alone would cost one cache miss after the other: the address of a row stands in the row
 * before it. A leaf of the tree has thirty addresses. As all else in the tree this is a hint:
 * inserts in between make it less useful, not wrong. Thread: the iterator's.
 */
#ifndef LOAM_LSM_MEMTABLE_CURSOR_H
#define LOAM_LSM_MEMTABLE_CURSOR_H

#include "lsm/memtable.h"
#include "lsm/memtable_index.h"

/* As memtable_index_find(), for a scan that goes forward from there. */
struct memtable_node *memtable_cursor_seek(struct memtable_cursor *cursor,
                                           const struct memtable_index *index,
                                           struct slice key,
                                           uint64_t seq);
/* One step towards memtable_cursor_seek() of this position, which must come next; as the aim of an
 * iterator (lsm/iter.h). */
bool memtable_cursor_aim(struct memtable_cursor *cursor,
                         const struct memtable_index *index,
                         struct slice key,
                         uint64_t seq,
                         bool is_first);
/* *node, on which the scan stands, becomes the last version of its key that the leaf has, as far as
 * the cursor knows; it goes along. Returns false when the leaf ends before the versions do. */
bool memtable_cursor_leave(struct memtable_cursor *cursor,
                           const struct memtable_node **node,
                           struct slice key);
/* The scan goes one row forward. */
void memtable_cursor_next(struct memtable_cursor *cursor);

#endif
