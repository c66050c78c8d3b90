/* SPDX-License-Identifier: MIT */
/*
 * wheel.h - deadlines of connections: a hashed wheel that is lazy. Floor 4.
 *
 * Nearly every deadline is moved later long before it is due (a keep-alive connection moves its one
 * per request). So moving later only writes a number; the entry stays in its old slot, and is filed
 * again when that slot comes by. Setting costs a few instructions, an expiry is late by at most one
 * tick, and no deadline is lost. Times are monotonic nanoseconds. Thread: owner.
 */
#ifndef LOAM_HTTP_WHEEL_H
#define LOAM_HTTP_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

/* ffi: begin */
enum { WHEEL_SLOTS = 1024 };

/* Embedded in what has a deadline; zeroed means none. */
struct wheel_entry {
    struct wheel_entry *prev;
    struct wheel_entry *next;
    uint64_t at_ns;     /* The deadline, or WHEEL_NEVER. */
    uint64_t filed_for; /* Tick of the slot it is in; never after the deadline. */
    bool is_filed;
};

struct wheel {
    struct wheel_entry *slots[WHEEL_SLOTS];
    uint64_t used[16]; /* Bit per slot that is not empty. */
    uint64_t tick;     /* Slots before it are done. */
};

void wheel_init(struct wheel *wheel, uint64_t now_ns);
/* Sets or moves the deadline. WHEEL_NEVER clears it. */
void wheel_set(struct wheel *wheel, struct wheel_entry *entry, uint64_t at_ns);
/* Takes the entry out; needed before its memory goes. */
void wheel_remove(struct wheel *wheel, struct wheel_entry *entry);
/* Returns an entry whose deadline has passed, taken out, or NULL when there is none (more). */
struct wheel_entry *wheel_expire(struct wheel *wheel, uint64_t now_ns);
/* The time at which wheel_expire() should be called next, or WHEEL_NEVER. */
uint64_t wheel_next_ns(const struct wheel *wheel);
/* ffi: end */

#define WHEEL_TICK_NS ((uint64_t)16 * 1000 * 1000)
#define WHEEL_NEVER   UINT64_MAX

#endif
