/* SPDX-License-Identifier: MIT */
/* gather.c - see gather.h. */
#include "db/gather.h"

#include "base/check.h"

enum {
    SPAN_MAX_NS = 2000000,
    BACKOFF_MAX = 64,
    SPARE = 16, /* One operation in so many need not come: batches differ in size. */
};

void gather_note_sync(struct gather *gather, uint64_t ns)
{
    gather->sync_ns = gather->sync_ns == 0 ? ns : gather->sync_ns - gather->sync_ns / 8 + ns / 8;
    gather->has_synced = true;
}

void gather_note_group(struct gather *gather, uint64_t ops)
{
    gather->population = gather->has_synced ? ops + gather->queued : 0;
    gather->has_synced = false;
}

uint64_t gather_target(struct gather *gather)
{
    uint64_t target = gather->population - gather->population / SPARE;
    if (gather->hasty > 0 || gather->queued >= target) {
        return 0;
    }
    if (gather->skipped > 0) {
        gather->skipped--;
        return 0;
    }
    return target;
}

uint64_t gather_span_ns(const struct gather *gather, uint64_t target)
{
    PRE(target > gather->queued && gather->population >= target);
    double share = (double)(target - gather->queued) / (double)gather->population;
    double span = (double)gather->sync_ns * share;
    return span < SPAN_MAX_NS ? (uint64_t)span : SPAN_MAX_NS;
}

void gather_note_wait(struct gather *gather, uint64_t target)
{
    if (gather->queued >= target) {
        gather->backoff = 0;
        return;
    }
    gather->backoff = gather->backoff == 0 ? 1 : gather->backoff * 2;
    gather->backoff = gather->backoff < BACKOFF_MAX ? gather->backoff : BACKOFF_MAX;
    gather->skipped = gather->backoff;
}
