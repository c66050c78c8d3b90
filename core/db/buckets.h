/* SPDX-License-Identifier: MIT */
/*
 * buckets.h - the live buckets as the write path sees them: a sorted array, replaced as a whole.
 * Floor 4.
 *
 * The manifest (version_set) is the truth; this copy is what the commit leader reads inside an
 * epoch bracket, so that it never waits behind a manifest write.
 */
#ifndef LOAM_DB_BUCKETS_H
#define LOAM_DB_BUCKETS_H

#include "db/db.h"

struct bucket_rule {
    uint32_t id;
    uint32_t merge; /* LOAM_MERGE_* */
    uint64_t ttl_ms;
};

struct bucket_table {
    struct epoch_item epoch_item;
    size_t count;
    struct bucket_rule rules[]; /* By id. */
};

/* Rebuilds the table from the manifest's state and publishes it. Errors: NO_MEMORY. */
NODISCARD int buckets_publish(struct loam_db *db, struct loam_error *err);
void buckets_free(struct loam_db *db);
/* CLOSED for a bucket that was dropped or never was. Inside an epoch bracket. */
NODISCARD int bucket_check(struct loam_db *db, uint32_t id, struct loam_error *err);
/* The rule of a live bucket, or NULL. Valid until the caller's epoch bracket ends. */
const struct bucket_rule *bucket_find(struct loam_db *db, uint32_t id);

#endif
