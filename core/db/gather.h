/* SPDX-License-Identifier: MIT */
/*
 * gather.h - whether a group that is to be synced waits for those who are about to come. Floor 4.
 *
 * While a group is at the disk, the next one fills with those whom the one before answered. So
 * writers who write again at once fall into two halves that take turns, and each sync carries half
 * of them. A leader that waits a little, before it goes to the disk, for as many operations as were
 * on their way a moment ago, carries all of them with one sync. With a sync of length D, and G the
 * time that all of them need to come back, one sync for all takes D + G, and two that take turns
 * take the longer of 2 D and G: so it pays when G < D. Hence the wait: as long as a sync when all
 * are missing, less when fewer are, over when they are there; and given up for longer and longer
 * when they do not come.
 *
 * Plain counting: the commit queue (commit.c) does the waiting. Protected by commit.mu.
 */
#ifndef LOAM_DB_GATHER_H
#define LOAM_DB_GATHER_H

#include <stdbool.h>
#include <stdint.h>

/* ffi: begin */
struct gather {
    uint64_t queued;     /* Operations in the queue. */
    uint64_t hasty;      /* Tickets in the queue that must not wait: they ask for no sync. */
    uint64_t population; /* Operations that were in a synced group or behind it when it was done. */
    uint64_t sync_ns;    /* What a sync takes, smoothed; 0 = not known yet. */
    uint32_t skipped;    /* Groups that are still to go without a wait. */
    uint32_t backoff;    /* How many that were after the last wait in vain. */
    bool has_synced;     /* The group that is on its way. */
};

/* A sync has taken so long. */
void gather_note_sync(struct gather *gather, uint64_t ns);
/* A group of so many operations is done; `queued` tells of those behind it. */
void gather_note_group(struct gather *gather, uint64_t ops);
/* How many operations the next group waits for; 0 = it goes at once. To be asked once a group. */
uint64_t gather_target(struct gather *gather);
/* How long at most: of the time of a sync the share that is missing. */
uint64_t gather_span_ns(const struct gather *gather, uint64_t target);
/* Learns from a wait for `target` that has ended. */
void gather_note_wait(struct gather *gather, uint64_t target);
/* ffi: end */

#endif
