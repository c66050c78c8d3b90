/* SPDX-License-Identifier: MIT */
/*
 * row_iter.h - the rows that a reader at one sequence and one time sees: newest visible version of
 * each key, no deletes, nothing expired. Floor 3.
 *
 * Works on any iterator of all versions. Bounds are stored keys, [lower, upper); both may be empty
 * slices with has_* false. Direction may change at any row. As with iter.h, a failed iterator stays
 * failed, and next and prev may be called only while is_valid.
 */
#ifndef LOAM_LSM_ROW_ITER_H
#define LOAM_LSM_ROW_ITER_H

#include "base/buf.h"
#include "lsm/iter.h"

/* ffi: begin */
struct row_iter {
    struct iter *source; /* Borrowed. */
    uint64_t seq;
    uint64_t now_ms;
    struct slice lower; /* Borrowed: valid as long as the iterator. Set after init. */
    struct slice upper;
    bool has_lower;
    bool has_upper;
    bool is_valid;
    bool is_reverse;
    int status;
    struct entry entry;       /* Current row; valid until the next move. */
    struct loam_buffer key;   /* Owned: the current key in reverse, the skipped key forward. */
    struct loam_buffer value; /* Owned: the current value in reverse. */
};

void row_iter_init(struct row_iter *it, struct iter *source, uint64_t seq, uint64_t now_ms);
void row_iter_deinit(struct row_iter *it);
/* First and last row within the bounds. */
void row_iter_first(struct row_iter *it);
void row_iter_last(struct row_iter *it);
/* First row with key >= key (clamped to the bounds); last row with key < key. The key's bytes must
 * not be the current row's: they go when the iterator moves. */
void row_iter_seek(struct row_iter *it, struct slice key);
void row_iter_seek_before(struct row_iter *it, struct slice key);
void row_iter_next(struct row_iter *it);
void row_iter_prev(struct row_iter *it);

struct iter_stretch;
/* Rows of one block that begin with the current row and end within the bounds, forward. Each is a
 * row that the reader sees when it is a put that never expires with seq <= it->seq; other ones the
 * caller leaves to row_iter_next(). Returns whether there are any behind the current row. */
bool row_iter_stretch(struct row_iter *it, struct iter_stretch *out);
/* Makes this row of the stretch, one that the reader sees, the current one. */
void row_iter_skip(struct row_iter *it, uint32_t row_index);
/* The same, and goes on to the next row: row_iter_skip() and row_iter_next() in one move. block: of
 * the stretch. */
void row_iter_pass(struct row_iter *it, const struct block *block, uint32_t row_index);
/* ffi: end */

#endif
