/* SPDX-License-Identifier: MIT */
/*
 * rotate.c - from one log and memtable to the next.
 *
 * A full log is followed by the one that was made ahead (log_ahead.h). Else, above all after an
 * explicit flush or a failure:
 *
 *   seal the log (end record, sync) -> create the next log, synced, in its directory -> manifest
 * edit that names it -> publish the state with the new memtable -> wake the flush thread
 *
 * So no write is ever acknowledged out of a log before everything in the logs before it is durable:
 * logs have no holes. A failed create (disk full) leaves the old log sealed and commit.wal NULL;
 * the next write tries again, as after an end record that could not be written.
 *
 * A log that holds no record - its first write failed - is not sealed but replaced: the edit that
 * names the next one removes it. So failing writes do not pile up logs.
 */
#include <inttypes.h>

#include "base/check.h"
#include "db/background.h"
#include "db/db.h"
#include "db/group.h"
#include "disk/file_name.h"

enum { WAL_ALLOCATE_MIN = 1 << 20 };

static int seal(struct loam_db *db, struct loam_error *err)
{
    struct commit *commit = &db->commit;
    if (commit->wal == NULL) {
        return LOAM_OK;
    }
    int rc = wal_writer_seal(commit->wal, err);
    if (rc != LOAM_OK && !wal_writer_has_failed(commit->wal)) {
        commit->must_rotate = true;
        return rc; /* Nothing of it is on the disk: the next write seals again. */
    }
    if (rc == LOAM_OK) {
        commit->link = wal_writer_link(commit->wal);
        atomic_store_explicit(&db->durable_seq, commit->next_seq - 1, memory_order_release);
    }
    KEEP_FIRST(rc, wal_writer_close(commit->wal, err));
    commit->wal = NULL;
    if (rc != LOAM_OK) {
        db_poison(db, err);
    }
    return rc;
}

/* How large a log may get: a quarter above the memtable, less on a small disk. All of it is
 * reserved for a log that follows a full one; one that begins with the store or after an explicit
 * flush may stay small, and gets its space in steps. */
static uint64_t allocation(struct loam_db *db, uint64_t bytes_min)
{
    uint64_t wanted = db->options.memtable_bytes + db->options.memtable_bytes / 4;
    wanted = wanted < WAL_ALLOCATE_MIN ? WAL_ALLOCATE_MIN : wanted;
    uint64_t free_bytes = UINT64_MAX;
    if (env_free_bytes(db->dir, &free_bytes, NULL) == LOAM_OK && wanted > free_bytes / 8) {
        wanted = free_bytes / 8;
    }
    uint64_t needed = bytes_min + bytes_min / 8 + WAL_ALLOCATE_MIN;
    return wanted > needed ? wanted : needed;
}

/* Of a log that did not come to be. */
static void remove_log(struct loam_db *db, uint64_t number)
{
    char name[FILE_NAME_SIZE];
    file_name_make(FILE_WAL, number, name);
    DISCARD(env_remove(db->dir, name, NULL)); /* An orphan otherwise: swept at the next open. */
}

void commit_use_log(struct commit *commit, const struct log_made *log)
{
    commit->wal = log->wal;
    commit->wal_number = log->number;
    commit->wal_limit = log->limit;
    commit->behind = 0;
    commit->is_next_asked = false;
    commit->is_anchored = true;
}

/* Names a log that was made. Whatever fails, it is closed again and removed where that is safe. */
static int name_log(struct loam_db *db,
                    const struct log_made *log,
                    struct manifest_edit *edit,
                    struct loam_error *err)
{
    int rc = manifest_edit_add_log(edit, log->number, err);
    KEEP_FIRST(rc, rc == LOAM_OK ? version_set_apply(db->versions, edit, err) : LOAM_OK);
    if (rc != LOAM_OK) {
        DISCARD(wal_writer_close(log->wal, NULL));
        if (!version_set_failed(db->versions, NULL)) {
            remove_log(db, log->number); /* Else the edit may be durable, and names it. */
        }
    }
    return rc;
}

int log_begin(struct loam_db *db,
              uint64_t bytes_min,
              struct manifest_edit *edit,
              struct loam_error *err)
{
    struct commit *commit = &db->commit;
    struct log_made log = {.limit = allocation(db, bytes_min)};
    TRY(version_set_next_file(db->versions, &log.number, err));
    int rc = wal_writer_open(db->dir, log.number, &db->tables.id, &commit->link, log.limit,
                             bytes_min == 0 ? WAL_ALLOCATE_MIN : log.limit, &log.wal, err);
    if (rc != LOAM_OK) {
        remove_log(db, log.number);
        return rc;
    }
    manifest_edit_set_last_seq(edit, commit->next_seq - 1);
    TRY(name_log(db, &log, edit, err));
    commit_use_log(commit, &log);
    return LOAM_OK;
}

int log_make_ahead(struct loam_db *db, struct log_made *out)
{
    struct log_made log = {.limit = allocation(db, 0)};
    TRY(version_set_next_file(db->versions, &log.number, NULL));
    int rc = wal_writer_open_ahead(db->dir, log.number, &db->tables.id, log.limit, &log.wal, NULL);
    if (rc != LOAM_OK) {
        remove_log(db, log.number);
        return rc;
    }
    struct manifest_edit *edit = manifest_edit_new();
    if (edit == NULL) {
        DISCARD(wal_writer_close(log.wal, NULL));
        remove_log(db, log.number);
        return LOAM_NO_MEMORY;
    }
    rc = name_log(db, &log, edit, NULL);
    manifest_edit_free(edit);
    if (rc != LOAM_OK) {
        DISCARD(db_poison_if_lost(db));
        return rc;
    }
    *out = log;
    return LOAM_OK;
}

/* Begins a log; one that was made ahead is not wanted, for it is large. */
static int log_instead(struct loam_db *db,
                       uint64_t bytes_min,
                       struct manifest_edit *edit,
                       struct loam_error *err)
{
    TRY(log_ahead_drop(db, edit, err));
    TRY(log_begin(db, bytes_min, edit, err));
    log_ahead_dropped(db);
    return LOAM_OK;
}

/* Puts a log in the place of the present one, which holds no record. */
static int replace_log(struct loam_db *db, uint64_t bytes_min, struct loam_error *err)
{
    struct commit *commit = &db->commit;
    struct wal_writer *old = commit->wal;
    uint64_t old_number = commit->wal_number;
    struct manifest_edit *edit = manifest_edit_new();
    if (edit == NULL) {
        return mem_fail(err, 1);
    }
    int rc = manifest_edit_remove_log(edit, old_number, err);
    KEEP_FIRST(rc, rc == LOAM_OK ? log_instead(db, bytes_min, edit, err) : LOAM_OK);
    manifest_edit_free(edit);
    TRY(rc);
    DISCARD(wal_writer_close(old, NULL)); /* It holds nothing. */
    obsolete_remove_logs(db, &old_number, 1);
    return LOAM_OK;
}

/* Seals the present log, if it is open, and begins the next one. */
static int next_log(struct loam_db *db, uint64_t bytes_min, struct loam_error *err)
{
    TRY(seal(db, err));
    struct manifest_edit *edit = manifest_edit_new();
    if (edit == NULL) {
        return mem_fail(err, 1);
    }
    int rc = log_instead(db, bytes_min, edit, err);
    manifest_edit_free(edit);
    return rc;
}

int rotate(struct loam_db *db, uint64_t wal_bytes_min, struct loam_error *err)
{
    struct commit *commit = &db->commit;
    bool is_empty = commit->wal != NULL && wal_writer_is_empty(commit->wal);
    bool is_ahead = false;
    TRY(log_ahead_settle(db, err));
    if (commit->wal != NULL && !is_empty && !commit->must_rotate && wal_bytes_min > 0) {
        TRY(log_ahead_switch(db, &is_ahead, err));
    }
    int rc = LOAM_OK;
    if (!is_ahead) {
        log_ahead_unhint(db); /* The present log will be closed. */
        rc = is_empty ? replace_log(db, wal_bytes_min, err) : next_log(db, wal_bytes_min, err);
    }
    if (rc != LOAM_OK) {
        DISCARD(db_poison_if_lost(db));
        return rc;
    }
    /* Out of memory for the memtable: it and the log do not belong together until another try. */
    commit->must_rotate = true;
    TRY(memtable_switch(db, err));
    commit->must_rotate = false;
    if (UNLIKELY(commit->is_failing)) {
        commit->is_failing = false;
        background_report(db, WORK_LOG, LOAM_OK, NULL);
    }
    return LOAM_OK;
}

int memtable_switch(struct loam_db *db, struct loam_error *err)
{
    struct commit *commit = &db->commit;
    struct memtable *fresh = memtable_new(commit->wal_number);
    if (fresh == NULL) {
        return mem_fail(err, 1);
    }
    mutex_lock(&db->mu);
    struct read_state *old = state_get(db);
    struct memtable *immutable[IMMUTABLE_COUNT_MAX];
    size_t count = 0;
    if (memtable_count(old->active) > 0) {
        immutable[count++] = old->active;
    }
    for (size_t i = 0; i < old->immutable_count; i++) {
        INV(count < IMMUTABLE_COUNT_MAX);
        immutable[count++] = old->immutable[i];
    }
    struct read_state *state = NULL;
    int rc = state_new(fresh, immutable, count, old->version, &state, err);
    if (rc == LOAM_OK) {
        state_publish(db, state);
        commit->memtable = fresh;
        cache_fit(db, count);
        cond_signal(&db->flush_wake);
    }
    mutex_unlock(&db->mu);
    memtable_unref(fresh); /* The state has its own. */
    return rc;
}
