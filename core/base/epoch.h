/* SPDX-License-Identifier: MIT */
/*
 * epoch.h - safe memory reclamation for readers that take no lock. Floor 0.
 *
 * A reader brackets its work with epoch_enter() and epoch_exit(); what it loads from shared
 * pointers in between stays valid until it exits. A writer first unlinks an object, then hands it
 * to epoch_retire(); it is released once every reader that could have seen it has left. Brackets
 * nest. There is one process-wide domain: a reader pays one store and one fence.
 *
 * Rule: whatever a bracket loads must have been unlinked before it was retired. A bracket may cover
 * file reads; it must not cover a wait for another thread.
 *
 * Thread: any. A thread's slot is made at its first bracket and given back when the thread ends.
 */
#ifndef LOAM_BASE_EPOCH_H
#define LOAM_BASE_EPOCH_H

#include <stdint.h>

#include "base/attrs.h"

/* Intrusive: embed it in what is retired. */
struct epoch_item {
    struct epoch_item *next;
    void (*release)(struct epoch_item *item);
    uint64_t epoch;
};

/* ffi: begin */
void epoch_enter(void);
void epoch_exit(void);

/* Releases `item` after a grace period, by item->release, in whichever thread collects. Takes no
 * memory. */
void epoch_retire(struct epoch_item *item, void (*release)(struct epoch_item *item));
/* Tries to advance and releases what is due. Called by epoch_retire now and then, and by background
 * threads. */
void epoch_collect(void);
/* Waits until everything retired before the call has been released. Never inside a bracket. */
void epoch_drain(void);
/* ffi: end */

#endif
