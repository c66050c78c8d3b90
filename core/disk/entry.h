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

/* Eight bytes of a key from `skip` on as a big-endian number, zeros behind its end: different
 * numbers order as the bytes do, equal ones decide nothing. */
static inline uint64_t key_prefix(struct slice key, size_t skip)
{
    uint64_t word = 0;
    if (key.size >= skip + sizeof(word)) {
        memcpy(&word, key.data + skip, sizeof(word));
        return be64toh(word);
    }
    if (key.size <= skip) {
        return 0;
    }
    if (key.size >= sizeof(word)) {
        /* The last eight bytes, and those before `skip` pushed out: a copy of a few bytes that is
         * read back as a word would wait for them to reach the cache. */
        memcpy(&word, key.data + key.size - sizeof(word), sizeof(word));
        return be64toh(word) << (8 * (skip + sizeof(word) - key.size));
    }
    memcpy(&word, key.data + skip, key.size - skip);
    return be64toh(word);
}

/* The first eight bytes. */
static inline uint64_t key_head(struct slice key)
{
    return key_prefix(key, 0);
}

/* Where a key lies that does not begin with `shared`: before (<0) or behind (>0) all that do. 0: it
 * begins with it. */
static inline int key_side(struct slice key, struct slice shared)
{
    size_t size = key.size < shared.size ? key.size : shared.size;
    int order = size == 0 ? 0 : memcmp(key.data, shared.data, size);
    return order == 0 && key.size < shared.size ? -1 : order;
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
