/* SPDX-License-Identifier: MIT */
/*
 * entry.h - one version of one row, as every floor above the formats sees it. Floor 2.
 *
 * A stored key is the bucket id (4 bytes, big-endian) followed by the user's key. Entries are
 * ordered by stored key ascending, then by sequence descending: the newest version of a key comes
 * first. All slices are borrowed.
 */
#ifndef LOAM_DISK_ENTRY_H
#define LOAM_DISK_ENTRY_H

#include <stdint.h>

#include "base/slice.h"

/* ffi: begin */
enum entry_kind {
    ENTRY_PUT = 1,
    ENTRY_DELETE = 2,
    ENTRY_MERGE = 3,        /* Reserved: merges are resolved to puts at commit time. */
    ENTRY_DELETE_RANGE = 4, /* Reserved. */
};

struct entry {
    struct slice key;   /* Stored key. */
    struct slice value; /* Empty for a delete. */
    uint64_t seq;
    uint64_t expire_at_ms; /* 0 = never. */
    uint32_t content_type; /* 0 = none; below 65536. */
    uint32_t kind;         /* enum entry_kind */
};
/* ffi: end */

/* Orders (key, seq descending). */
static inline int
entry_position_cmp(struct slice a_key, uint64_t a_seq, struct slice b_key, uint64_t b_seq)
{
    int order = slice_cmp(a_key, b_key);
    return order != 0 ? order : (a_seq < b_seq) - (a_seq > b_seq);
}

/* Whether a reader at wall time now_ms must not see the row any more. */
static inline int entry_is_expired(const struct entry *entry, uint64_t now_ms)
{
    return entry->expire_at_ms != 0 && entry->expire_at_ms <= now_ms;
}

#endif
