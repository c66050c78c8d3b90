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

#include "base/coding.h"
#include "base/guard.h"
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

/* The first eight bytes as a big-endian number, shorter ones padded with zeros: different heads
 * order as the bytes do, equal heads decide nothing. */
static inline uint64_t key_head(struct slice key)
{
    uint64_t head = 0;
    if (LIKELY(key.size >= sizeof(head))) {
        memcpy(&head, key.data, sizeof(head));
    } else if (key.size > 0) {
        memcpy(&head, key.data, key.size);
    }
    return be64toh(head);
}

/* Bytes that a and b share in front, at most `limit`. */
static inline size_t shared_prefix_size(struct slice a, struct slice b, size_t limit)
{
    size_t size = a.size < b.size ? a.size : b.size;
    size = size < limit ? size : limit;
    size_t shared = 0;
    while (shared < size && a.data[shared] == b.data[shared]) {
        shared++;
    }
    return shared;
}

/* Whether a reader at wall time now_ms must not see the row any more. */
static inline int entry_is_expired(const struct entry *entry, uint64_t now_ms)
{
    return entry->expire_at_ms != 0 && entry->expire_at_ms <= now_ms && GUARD(EXPIRY);
}

#endif
