/* SPDX-License-Identifier: MIT */
/*
 * overlay.h - rows of the commit group that is being resolved, by key: a condition sees the writes
 * queued before it. Floor 4.
 *
 * A hash table of the latest pending operation per key. Operations stay where they are encoded, in
 * a ticket's batch or in what it was resolved to: a large value is not copied to be found again.
 * Thread: the commit leader.
 */
#ifndef LOAM_DB_OVERLAY_H
#define LOAM_DB_OVERLAY_H

#include "base/buf.h"
#include "disk/entry.h"

struct overlay_slot {
    uint64_t hash; /* 0 = empty. */
    uint64_t seq;
    const struct loam_buffer *ops; /* Its bytes may move, it does not. */
    size_t offset;                 /* Of the encoded operation in ops. */
};

struct overlay {
    struct overlay_slot *slots; /* Owned; a power of two. */
    size_t capacity;
    size_t count;
};

void overlay_clear(struct overlay *overlay);
void overlay_deinit(struct overlay *overlay);
/* Remembers the operation encoded at ops[offset] as the latest of its key. *ops is borrowed until
 * the overlay is cleared. Errors: NO_MEMORY. */
NODISCARD int overlay_add(struct overlay *overlay,
                          const struct loam_buffer *ops,
                          size_t offset,
                          uint64_t seq,
                          struct loam_error *err);
/* Latest pending operation of a key; out is valid as long as the bytes it is encoded in. */
bool overlay_find(const struct overlay *overlay, struct slice key, struct entry *out);

#endif
