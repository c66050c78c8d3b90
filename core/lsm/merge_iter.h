/* SPDX-License-Identifier: MIT */
/*
 * merge_iter.h - several iterators as one, in entry order, both directions. Floor 3.
 *
 * Children are given newest first, which breaks no tie: (key, seq) is unique across them. After
 * memory is set up no move allocates. An error of any child is an error of the whole (nowhere,
 * status set): a row that cannot be read must not uncover an older one.
 */
#ifndef LOAM_LSM_MERGE_ITER_H
#define LOAM_LSM_MERGE_ITER_H

#include "lsm/iter.h"

/* ffi: begin */
struct merge_slot;

struct merge_iter {
    struct iter iter;
    struct iter **children;  /* Owned array of borrowed iterators. */
    struct merge_slot *heap; /* Owned. */
    size_t child_count;
    size_t capacity;
    size_t heap_size;
    size_t second; /* Place in the heap of the runner-up; 0 = not known. */
    bool is_reverse;
};

void merge_iter_init(struct merge_iter *it);
/* Replaces the children; the array is copied, the children stay the caller's (who frees them after
 * this iterator). It stands nowhere then, without error. Errors: NO_MEMORY, and nothing changes. */
NODISCARD int
merge_iter_set(struct merge_iter *it, struct iter **children, size_t count, struct loam_error *err);
/* ffi: end */

#endif
