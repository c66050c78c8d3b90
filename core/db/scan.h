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
    struct read_state *state; /* Referenced: version and memtables live as long as the scan. Changed
                                 under db->scan_mu, as the next two. */
    uint64_t state_seq;       /* When the state was taken. */
    uint64_t state_ns;
    struct loam_scan *prev; /* Protected by db->scan_mu, as next. */
    struct loam_scan *next;
    uint64_t seq;
    struct memtable_iter memtable_iters[IMMUTABLE_COUNT_MAX + 1];
    struct run_iter *run_iters; /* Owned array. */
    size_t run_count;           /* In use. */
    size_t run_ready;           /* Initialised: those that are not in use keep their memory. */
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
    bool is_ahead; /* The row that rows_iter stands on has not been taken. */
    bool is_ended;
    uint64_t limit_left; /* Rows; UINT64_MAX = no limit. */
    uint64_t bytes_left; /* UINT64_MAX = no limit. */
    /* The block handed out. */
    size_t row_count;
    size_t row_bytes;         /* Keys and values of the rows. */
    struct loam_buffer bytes; /* Keys of the rows, and values that stand in no pinned block. */
    size_t pin_count;
    /* As far as the counts say; never cleared, for clearing them would cost more than a short scan.
     */
    struct loam_row rows[SCAN_ROWS];
    struct block *pins[SCAN_ROWS]; /* Referenced: blocks in which values of the rows stand. */
};

/* Sets lower and upper: the bounds of the bucket, narrowed by the range. Errors: TOO_LARGE,
 * NO_MEMORY. */
NODISCARD int scan_set_bounds(struct loam_scan *scan,
                              uint32_t bucket,
                              const struct loam_range *range,
                              struct loam_error *err);
/* Fills the block with what comes next. Errors: as those of the iterators; rows before the failure
 * are in the block. */
NODISCARD int scan_fill(struct loam_scan *scan, struct loam_error *err);

#endif
