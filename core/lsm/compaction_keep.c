/* SPDX-License-Identifier: MIT */
/* compaction_keep.c - see compaction_keep.h. */
#include "lsm/compaction_keep.h"

#include "base/guard.h"
#include "disk/entry.h"

/* Whether a snapshot sees this version: one in [seq, newer_seq). */
static bool is_seen(const struct keep_rule *rule, uint64_t seq, uint64_t newer_seq)
{
    size_t low = 0;
    size_t high = rule->snapshot_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (rule->snapshots[middle] < seq) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < rule->snapshot_count && rule->snapshots[low] < newer_seq;
}

int keep_decide(const struct keep_rule *rule,
                uint64_t seq,
                uint64_t newer_seq,
                uint32_t kind,
                uint64_t expire_at_ms)
{
    if (newer_seq != 0 && (!GUARD(SNAPSHOT_KEEP) || !is_seen(rule, seq, newer_seq))) {
        return KEEP_NOT;
    }
    bool is_expired = expire_at_ms != 0 && expire_at_ms <= rule->now_ms;
    if (kind != ENTRY_DELETE && !is_expired) {
        return KEEP_ROW;
    }
    /* A snapshot from before this version may keep an older one, which must stay hidden. */
    bool hides_something =
        GUARD(TOMBSTONE_RULE) &&
        (!rule->is_bottom || (rule->snapshot_count > 0 && rule->snapshots[0] < seq));
    if (!hides_something) {
        return KEEP_NOT;
    }
    return kind == ENTRY_DELETE ? KEEP_ROW : KEEP_AS_DELETE;
}
