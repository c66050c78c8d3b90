/* SPDX-License-Identifier: MIT */
/* give_way.c - see give_way.h. */
#include "base/give_way.h"

#include <sched.h>

#include "base/thread.h"

enum {
    STEP_BYTES = 8192, /* Merging so much takes some 60 us, an offer 0.8 where others run. */
    SHARE = 10,        /* One part in so many is kept. */
};

static _Thread_local struct {
    bool is_on;
    const _Atomic bool *is_urgent;
    size_t bytes;     /* Since the last step. */
    uint64_t kept_ns; /* Until then the processor is kept. */
} mine;

static _Atomic uint64_t offers; /* Relaxed: orders nothing. */

void give_way_begin(const _Atomic bool *is_urgent)
{
    mine.is_on = true;
    mine.is_urgent = is_urgent;
}

static void offer(void)
{
    uint64_t before = monotonic_ns();
    if (before < mine.kept_ns) {
        return;
    }
    atomic_fetch_add_explicit(&offers, 1, memory_order_relaxed);
    (void)sched_yield();
    uint64_t after = monotonic_ns();
    mine.kept_ns = after + (after - before) / (SHARE - 1);
}

void give_way_after(size_t bytes)
{
    if (!mine.is_on) {
        return;
    }
    mine.bytes += bytes;
    if (mine.bytes < STEP_BYTES) {
        return;
    }
    mine.bytes = 0;
    if (mine.is_urgent == NULL || !atomic_load_explicit(mine.is_urgent, memory_order_relaxed)) {
        offer();
    }
}

uint64_t give_way_count(void)
{
    return atomic_load_explicit(&offers, memory_order_relaxed);
}
