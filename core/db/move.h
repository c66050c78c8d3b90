/* SPDX-License-Identifier: MIT */
/*
 * move.h - compaction without rewriting: neighbouring runs whose tables do not overlap become one
 * run by an edit alone. Floor 4. Sequential loads live from it.
 */
#ifndef LOAM_DB_MOVE_H
#define LOAM_DB_MOVE_H

#include "db/db.h"

/*
 * Whether the tables of runs [start, limit) are pairwise disjoint and large enough to stay as they
 * are (small ones are better merged, or a version would fill up with them). Two runs at least.
 * Errors: NO_MEMORY.
 */
NODISCARD int move_is_possible(const struct version *version,
                               size_t start,
                               size_t limit,
                               uint64_t table_bytes,
                               bool *out,
                               struct loam_error *err);
/* Adds to the edit that the tables of runs [start, limit) now belong to the oldest of them. Errors:
 * NO_MEMORY. */
NODISCARD int move_fill_edit(const struct version *version,
                             size_t start,
                             size_t limit,
                             struct manifest_edit *edit,
                             struct loam_error *err);

#endif
