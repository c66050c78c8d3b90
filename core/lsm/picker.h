/* SPDX-License-Identifier: MIT */
/*
 * picker.h - what to compact next: a pure function of sizes and options. Floor 3. Tested by text
 * tables (spec/data/picker).
 *
 * Lazy levelling: runs are merged in tiers of similar size; the oldest run (the bottom) takes
 * everything when the runs above it reach a fraction of its size. Only neighbouring runs are
 * merged, so that run order stays the order of age.
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
    uint32_t tier_width;     /* Runs of similar size that are merged into one. Default 4. */
    uint32_t size_ratio;     /* Runs count as similar within this factor. Default 4. */
    uint32_t bottom_percent; /* Bytes above the bottom, in per cent of the bottom, that start a
                                merge into it. */
    uint32_t run_count_max;  /* More runs than this are merged whatever their size. */
    uint32_t delete_percent; /* A bottom run with so many deletes is rewritten. */
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
/* Bytes that are waiting to be compacted, for pacing. */
uint64_t
picker_debt(const struct picker_run *runs, size_t run_count, const struct picker_options *options);
/* ffi: end */

#endif
