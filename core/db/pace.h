/* SPDX-License-Identifier: MIT */
/*
 * pace.h - how fast writers may go: a pure function of backlog and bandwidth. Floor 4. Has its own
 * spec.
 *
 * Writers are slowed smoothly as the backlog grows, so that they rarely meet a full stop: nothing
 * up to half of the room, then a rate that falls from twice to half of what flush (or compaction)
 * was measured to reach.
 */
#ifndef LOAM_DB_PACE_H
#define LOAM_DB_PACE_H

#include <stdint.h>

/* ffi: begin */
struct pace_input {
    uint64_t backlog_bytes; /* Memtable bytes that wait for flush, the active one included. */
    uint64_t room_bytes;    /* Backlog at which writers must wait. */
    double flush_rate;      /* Bytes per second; 0 = not known yet. */
    uint32_t run_count;
    uint32_t run_soft;   /* Runs from which on compaction bandwidth counts. */
    uint32_t run_hard;   /* Runs at which writers go at compaction's slowest pace. */
    double compact_rate; /* Bytes per second; 0 = not known yet. */
};

/* Nanoseconds that a write of `bytes` owes. */
uint64_t pace_delay_ns(const struct pace_input *input, uint64_t bytes);
/* ffi: end */

#endif
