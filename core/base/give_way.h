/* SPDX-License-Identifier: MIT */
/*
 * give_way.h - background threads let others have their processor. Floor 0.
 *
 * A scheduler shares a processor fairly: beside a merge, a thread that serves requests gets half of
 * it, in turns of milliseconds. So a thread that nobody waits for says so once, and from then on
 * the loops that it runs through (writing, reading back, copying) offer the processor every few
 * dozen microseconds: to nobody when nobody else wants it. It keeps a tenth whatever the others
 * want, and where its work becomes urgent it competes again.
 *
 * A lower priority would do the same, but taking that back needs a privilege, and what holds a lock
 * at a low priority holds up whoever waits for the lock. The loops offer where they hold none.
 */
#ifndef LOAM_BASE_GIVE_WAY_H
#define LOAM_BASE_GIVE_WAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The calling thread gives way from now on, but for times when *is_urgent (NULL: there are none),
 * which outlives the thread. Thread: any */
void give_way_begin(const _Atomic bool *is_urgent);

/* ffi: begin */
/* So many bytes were worked through; no lock is held. Does nothing in a thread that has not begun.
 * Thread: any */
void give_way_after(size_t bytes);
/* How often the threads of this process have offered their processor. Thread: any */
uint64_t give_way_count(void);
/* ffi: end */

#endif
