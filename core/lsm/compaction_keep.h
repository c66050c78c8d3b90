/* SPDX-License-Identifier: MIT */
/*
 * compaction_keep.h - whether a version of a row survives a merge: the one place of that decision.
 * Floor 3. Pure; has its own spec.
 */
#ifndef LOAM_LSM_COMPACTION_KEEP_H
#define LOAM_LSM_COMPACTION_KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ffi: begin */
enum keep_verdict { KEEP_ROW = 0, KEEP_AS_DELETE = 1, KEEP_NOT = 2 };

struct keep_rule {
    const uint64_t *snapshots; /* Ascending. */
    size_t snapshot_count;
    uint64_t now_ms;
    bool is_bottom;
};

/*
 * One version of a key, versions of a key being asked newest first. newer_seq: sequence of the next
 * newer version of the same key that was seen (kept or not), 0 for the newest. A version is needed
 * when it is the newest, or when a snapshot lies in [seq, newer_seq). A needed delete (or expired
 * row) may go when is_bottom and no snapshot is older than it; every older version of the key is
 * then dropped too, because it is not needed.
 */
int keep_decide(const struct keep_rule *rule,
                uint64_t seq,
                uint64_t newer_seq,
                uint32_t kind,
                uint64_t expire_at_ms);
/* ffi: end */

#endif
