/* SPDX-License-Identifier: MIT */
/*
 * sweep.h - files of ours that the manifest does not name. Floor 4. Only during open.
 *
 * Most are leftovers of a crash and are removed. But a manifest that was cut short looks like one
 * that ends early, and then these files are the only copy of acknowledged rows: so before anything
 * is written or removed, each is asked for a sequence number that recovery did not reach.
 */
#ifndef LOAM_DB_SWEEP_H
#define LOAM_DB_SWEEP_H

#include "db/db.h"

/* Errors: CORRUPT a file holds rows newer than last_seq: the manifest has lost edits. IO. */
NODISCARD int sweep_check(struct loam_db *db, uint64_t last_seq, struct loam_error *err);
/* Removes the files; one that cannot be removed is logged and stays. */
NODISCARD int sweep_remove(struct loam_db *db, struct loam_error *err);

#endif
