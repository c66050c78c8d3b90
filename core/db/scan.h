/* SPDX-License-Identifier: MIT */
/* scan.h - one open scan: iterators over a fixed state, and the block of rows it hands out. Floor
 * 4, private. */
#ifndef LOAM_DB_SCAN_H
#define LOAM_DB_SCAN_H

#include "db/read.h"
#include "lsm/merge_iter.h"
#include "lsm/row_iter.h"

enum { SCAN_ROWS = 256, SCAN_BYTES = 256 << 10 };

struct loam_scan {
    struct loam_db *db;
    struct read_state *state; /* Referenced: version and memtables live as long as the scan. */
    uint64_t seq;
    struct memtable_iter memtable_iters[IMMUTABLE_COUNT_MAX + 1];
    struct run_iter *run_iters; /* Owned array. */
    size_t run_count;           /* Initialised iterators. */
    size_t run_capacity;
    struct iter **children; /* Owned array of run_capacity + memtables. */
    struct merge_iter merge;
    struct row_iter rows_iter;
    struct loam_error err; /* First failure; kept. */
    int status;
    /* The request. */
    struct loam_buffer lower; /* Stored keys. */
    struct loam_buffer upper;
    bool has_upper;
    bool is_reverse;
    bool keys_only;
    bool is_started;
    bool is_ended;
    uint64_t limit_left; /* Rows; UINT64_MAX = no limit. */
    uint64_t bytes_left; /* UINT64_MAX = no limit. */
    /* The block handed out. */
    struct loam_row rows[SCAN_ROWS];
    size_t row_count;
    struct loam_buffer bytes; /* Keys and values of the rows. */
};

#endif
