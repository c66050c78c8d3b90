/* SPDX-License-Identifier: MIT */
/* snapshots.h - the list of open snapshots. Floor 4. Thread: any. */
#ifndef LOAM_DB_SNAPSHOTS_H
#define LOAM_DB_SNAPSHOTS_H

#include "db/db.h"

struct loam_snapshot {
    struct loam_db *db;
    uint64_t seq;
    uint64_t opened_ns;
    struct loam_snapshot *prev; /* Protected by db->snapshot_mu, as next. */
    struct loam_snapshot *next;
};

/* The sequences of all open snapshots, ascending; *out is released with mem_free(). Errors:
 * NO_MEMORY. */
NODISCARD int
snapshots_list(struct loam_db *db, uint64_t **out, size_t *count, struct loam_error *err);

/* Sequence a read at `snapshot` uses, once its state has been loaded: NULL = newest. */
static inline uint64_t snapshot_seq_or_newest(struct loam_db *db,
                                              const struct loam_snapshot *snapshot)
{
    return snapshot != NULL ? snapshot->seq
                            : atomic_load_explicit(&db->visible_seq, memory_order_acquire);
}

#endif
