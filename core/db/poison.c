/* SPDX-License-Identifier: MIT */
/*
 * poison.c - the end of writing: when, and for which first cause; or by loam_shutdown().
 *
 * What poisons is what leaves open whether bytes are on the disk: a failed sync of the log, of the
 * manifest or of the directory, a failed write of log or manifest that could not be taken back, and
 * rows that are in the log and found no memory. A failed write that was taken back does not.
 */
#include "base/guard.h"
#include "db/db.h"

void db_poison(struct loam_db *db, const struct loam_error *cause)
{
    bool is_first = false;
    mutex_lock(&db->mu);
    if (!atomic_load_explicit(&db->is_read_only, memory_order_relaxed) && GUARD(POISON)) {
        db->poison = *cause;
        is_first = true;
        /* Release: whoever sees it also sees the cause, under mu. */
        atomic_store_explicit(&db->is_read_only, true, memory_order_release);
    }
    cond_broadcast(&db->progress);
    mutex_unlock(&db->mu);
    if (is_first) {
        log_ring_add(&db->log, LOAM_LOG_ERROR, "read-only from now on: %s", cause->text);
    }
}

bool db_cannot_install(struct loam_db *db, struct loam_error *cause)
{
    return version_set_failed(db->versions, cause) || env_dir_sync_failed(db->dir, cause);
}

bool db_poison_if_lost(struct loam_db *db)
{
    struct loam_error cause;
    if (!db_cannot_install(db, &cause)) {
        return false;
    }
    db_poison(db, &cause);
    return true;
}

int db_check_open(struct loam_db *db, struct loam_error *err)
{
    if (LIKELY(!atomic_load_explicit(&db->is_shut, memory_order_acquire))) {
        return LOAM_OK;
    }
    return fail(err, LOAM_CLOSED, "the store is shut down");
}

int db_check_writable(struct loam_db *db, struct loam_error *err)
{
    TRY(db_check_open(db, err));
    if (LIKELY(!atomic_load_explicit(&db->is_read_only, memory_order_acquire))) {
        return LOAM_OK;
    }
    mutex_lock(&db->mu);
    struct loam_error cause = db->poison;
    mutex_unlock(&db->mu);
    return fail(err, LOAM_READ_ONLY, "the store is read-only: %s", cause.text);
}
