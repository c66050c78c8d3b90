/* SPDX-License-Identifier: MIT */
/*
 * space.h - what happens while the disk is nearly full. Floor 4.
 *
 * Below the reserve, writes that store something answer NO_SPACE before anything is done; deletes
 * go on until half of it is used, and flush and compaction may use it all, so that a full store can
 * be emptied. Each write asks again, so that writing resumes by itself.
 *
 * The disk is asked once in a while: `left` bytes may pass before the next look.
 */
#ifndef LOAM_DB_SPACE_H
#define LOAM_DB_SPACE_H

#include <stdatomic.h>

#include "base/status.h"

struct loam_db;

struct space {
    uint64_t reserve; /* Constant after open; 0 = no reserve. */
    /* Atomic, relaxed: a hint. The leader counts down, the flush thread may set it. */
    _Atomic uint64_t left;
    _Atomic bool is_low; /* Atomic, relaxed: for health. */
};

/* Settles the reserve, once the directory is open. */
void space_init(struct loam_db *db);
/* Free bytes; UINT64_MAX when the file system does not tell. */
uint64_t space_free_bytes(struct loam_db *db);
/* Looks at the disk now. Called by the flush thread now and then. */
void space_refresh(struct loam_db *db);
/* Adds to a NO_SPACE error what is free and what the reserve is. */
void space_explain(struct loam_db *db, struct loam_error *err);
/* The slow part of space_admit(). Errors: NO_SPACE. */
NODISCARD int space_ask(struct loam_db *db, const struct loam_batch *batch, struct loam_error *err);

/* Whether a batch of this size may be written. Errors: NO_SPACE. Thread: the commit leader. */
static inline NODISCARD int space_admit(struct loam_db *db,
                                        struct space *space,
                                        const struct loam_batch *batch,
                                        size_t bytes,
                                        struct loam_error *err)
{
    uint64_t left = atomic_load_explicit(&space->left, memory_order_relaxed);
    if (LIKELY(left > bytes)) {
        atomic_store_explicit(&space->left, left - bytes, memory_order_relaxed);
        return LOAM_OK;
    }
    return space_ask(db, batch, err);
}

#endif
