/* SPDX-License-Identifier: MIT */
/*
 * lsm_testing.h - what specs of the lsm room call: structures that embed iterators, behind opaque
 * pointers, and work for several threads. Floor 3; only in libloam_testing. Thread: owner.
 */
#ifndef LOAM_LSM_LSM_TESTING_H
#define LOAM_LSM_LSM_TESTING_H

#include "lsm/memtable.h"

/* ffi: begin */
/* An iterator over a memtable, on the heap; released with iter->ops->free() and then
 * testing_memtable_iter_free(). NULL when out of memory. */
struct iter *testing_memtable_iter_new(const struct memtable *memtable);
void testing_memtable_iter_free(struct iter *iter);
/* Passes everything on to `source` (borrowed), but fails with CORRUPT at the move after `moves`
 * moves. Released with testing_failing_iter_free(). NULL when out of memory. */
struct iter *testing_failing_iter_new(struct iter *source, uint64_t moves);
void testing_failing_iter_free(struct iter *iter);
/* The sequence of the row that an iterator shows when it leaves the first key while a writer stands
 * still in the middle of moving the entries of the only leaf: it has written the prefix of entry
 * `at`, but not yet the entry. 0: none. */
uint64_t testing_memtable_torn(struct memtable *memtable, uint32_t at);
/*
 * One writer inserts `row_count` rows of `key_count` different keys in random order while
 * `reader_count` threads get and iterate at what is published, and check what they see: every row
 * up to the published sequence is there, nothing newer in its place, order both ways. Returns
 * LOAM_OK, or CORRUPT with the first difference.
 */
int testing_memtable_race(uint64_t row_count,
                          uint64_t key_count,
                          int reader_count,
                          uint64_t seed,
                          struct loam_error *err);
/* ffi: end */

#endif
