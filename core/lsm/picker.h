/* SPDX-License-Identifier: MIT */
/*
 * picker.h - what to compact next: a pure function of sizes and options. Floor 3. Tested by text
 * tables (spec/data/picker).
 *
 * Lazy levelling: the oldest run (the bottom) holds most of the data and takes everything above it
 * when that reaches a fraction of its size; above it runs of similar size are merged in tiers. Only
 * neighbouring runs are merged, so that run order stays the order of age; a busy run is never
 * picked. While all runs are one unfinished tier there is no bottom yet. Thread: any.
 */
#ifndef LOAM_LSM_PICKER_H
#define LOAM_LSM_PICKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ffi: begin */
struct picker_run {
    uint64_t bytes;
    uint64_t row_count;
    uint64_t delete_count;
    bool is_busy; /* An input of a running compaction. */
};

struct picker_options {
    uint32_t tier_width;     /* Runs of similar size that are merged into one. Default 8. */
    uint32_t size_ratio;     /* A run is similar to newer ones when it is at most so many times as
                                large as they are on average. Default 2. */
    uint32_t bottom_percent; /* Bytes above the bottom, in per cent of the bottom, that start a
                                merge into it. A delete weighs as much as a row of the bottom: what
                                it frees. Default 100. */
    uint32_t run_count_max;  /* More runs than this are merged whatever their size. Default 20. */
    uint32_t delete_percent; /* A bottom run with so many deletes among its rows is rewritten; 0 =
                                never, which the caller sets while snapshots are open, because they
                                keep the deletes. Default 25. */
};

struct picker_plan {
    size_t start; /* Runs [start, limit) of the version, newest first. start == limit: nothing to
                     do. */
    size_t limit;
    double score;       /* >= 1 when due; for stats and pacing. */
    const char *reason; /* Static text. */
};

void picker_options_init(struct picker_options *options);
struct picker_plan
picker_pick(const struct picker_run *runs, size_t run_count, const struct picker_options *options);
/* Bytes to be read by the merges that are due and by those that follow from them, busy runs
 * included; for pacing. At most RUN_COUNT_MAX runs. */
uint64_t
picker_debt(const struct picker_run *runs, size_t run_count, const struct picker_options *options);
/* ffi: end */

#endif
