/* SPDX-License-Identifier: MIT */
/*
 * overlay.h - rows of the commit group that is being resolved, by key: a condition sees the writes
 * queued before it. Floor 4.
 *
 * A hash table of the latest pending operation per key. Operations are kept encoded, one behind the
 * other. Thread: the commit leader.
 */
#ifndef LOAM_DB_OVERLAY_H
#define LOAM_DB_OVERLAY_H

#include "base/buf.h"
#include "disk/entry.h"

struct overlay_slot {
    uint64_t hash; /* 0 = empty. */
    uint64_t seq;
    size_t offset; /* Of the encoded operation in `bytes`. */
};

struct overlay {
    struct overlay_slot *slots; /* Owned; a power of two. */
    size_t capacity;
    size_t count;
    struct loam_buffer bytes; /* Encoded operations. */
};

void overlay_clear(struct overlay *overlay);
void overlay_deinit(struct overlay *overlay);
/* Remembers an operation as the latest of its key. Errors: NO_MEMORY. */
NODISCARD int
overlay_add(struct overlay *overlay, const struct entry *entry, struct loam_error *err);
/* Latest pending operation of a key; out is valid until the overlay changes. */
bool overlay_find(const struct overlay *overlay, struct slice key, struct entry *out);

#endif
