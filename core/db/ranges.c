/* SPDX-License-Identifier: MIT */
/* ranges.c - work over a range by scanning it: counting and deleting. */
#include "base/check.h"
#include "db/db.h"

/* One batch of deletes: many rows, little memory, and other writers get between. */
enum { DELETE_BATCH_ROWS = 1000 };

int loam_count(loam_db *db,
               uint32_t bucket,
               const loam_range *range,
               const loam_snapshot *snapshot,
               uint64_t *count,
               loam_error *err)
{
    struct loam_range keys = range == NULL ? (struct loam_range){0} : *range;
    keys.keys_only = true;
    loam_scan *scan = NULL;
    TRY(loam_scan_open(db, bucket, &keys, snapshot, &scan, err));
    uint64_t total = 0;
    loam_rows rows = {0};
    int rc = LOAM_OK;
    do {
        rc = loam_scan_next(scan, &rows, err);
        total += rc == LOAM_OK ? rows.count : 0;
    } while (rc == LOAM_OK && rows.count > 0);
    loam_scan_close(scan);
    TRY(rc);
    *count = total;
    return LOAM_OK;
}

static int delete_rows(struct loam_db *db,
                       uint32_t bucket,
                       struct loam_batch *batch,
                       const loam_rows *rows,
                       const loam_commit *commit,
                       uint64_t *count,
                       struct loam_error *err)
{
    for (size_t i = 0; i < rows->count; i++) {
        TRY(loam_batch_delete(batch, bucket, rows->rows[i].key, rows->rows[i].key_size, err));
    }
    bool is_last = rows->count == 0;
    if (loam_batch_count(batch) >= DELETE_BATCH_ROWS || (is_last && loam_batch_count(batch) > 0)) {
        TRY(loam_write(db, batch, commit, NULL, err));
        *count += loam_batch_count(batch);
        loam_batch_clear(batch);
    }
    return LOAM_OK;
}

int loam_delete_range(loam_db *db,
                      uint32_t bucket,
                      const loam_range *range,
                      const loam_commit *commit,
                      uint64_t *count,
                      loam_error *err)
{
    struct loam_range keys = range == NULL ? (struct loam_range){0} : *range;
    keys.keys_only = true;
    *count = 0;
    loam_scan *scan = NULL;
    TRY(loam_scan_open(db, bucket, &keys, NULL, &scan, err));
    loam_batch *batch = loam_batch_new();
    int rc = batch == NULL ? mem_fail(err, 1) : LOAM_OK;
    loam_rows rows = {.count = 1};
    while (rc == LOAM_OK && rows.count > 0) {
        rc = loam_scan_next(scan, &rows, err);
        if (rc == LOAM_OK) {
            rc = delete_rows(db, bucket, batch, &rows, commit, count, err);
        }
    }
    loam_batch_free(batch);
    loam_scan_close(scan);
    return rc;
}
