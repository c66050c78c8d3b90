/* SPDX-License-Identifier: MIT */
/* log_ahead.c - the thread loam-log and what the leader asks of it. See log_ahead.h. */
#include "db/log_ahead.h"

#include "base/check.h"
#include "base/guard.h"
#include "db/background.h"
#include "db/db.h"

void log_ahead_init(struct log_ahead *ahead)
{
    mutex_init(&ahead->mu);
    cond_init(&ahead->wake);
    cond_init(&ahead->done);
    atomic_init(&ahead->is_sealed, true);
}

void log_ahead_deinit(struct log_ahead *ahead)
{
    PRE(ahead->ready.wal == NULL && ahead->sealing == NULL);
    cond_deinit(&ahead->done);
    cond_deinit(&ahead->wake);
    mutex_deinit(&ahead->mu);
}

/* Steps. Each is called and left with the lock, which it gives up while it works. */

/* A log that is complete but for its end record will do: the next one's link proves it. */
static int seal(struct wal_writer *wal, struct loam_error *err)
{
    int rc = wal_writer_seal(wal, err);
    if (rc != LOAM_OK && !wal_writer_has_failed(wal)) {
        rc = LOAM_OK;
    }
    DISCARD(wal_writer_close(wal, NULL)); /* What it holds is durable, or lost already. */
    return rc;
}

static void step_seal(struct loam_db *db) NO_THREAD_CHECK
{
    struct log_ahead *ahead = &db->ahead;
    struct loam_error err = {0};
    ahead->is_sealing = true;
    mutex_unlock(&ahead->mu);
    int rc = seal(ahead->sealing, &err);
    if (rc == LOAM_OK) {
        /* Nothing newer is durable before: every sync settles first. */
        atomic_store_explicit(&db->durable_seq, ahead->sealing_seq, memory_order_release);
        atomic_store_explicit(&ahead->is_sealed, true, memory_order_release);
    } else {
        db_poison(db, &err);
    }
    mutex_lock(&ahead->mu);
    ahead->sealing = NULL;
    ahead->is_sealing = false;
    if (rc != LOAM_OK) {
        ahead->failed_code = rc;
        ahead->failed = err;
    }
    cond_broadcast(&ahead->done);
}

static void step_make(struct loam_db *db) NO_THREAD_CHECK
{
    struct log_ahead *ahead = &db->ahead;
    struct log_made made = {0};
    ahead->is_wanted = false;
    ahead->is_making = true;
    mutex_unlock(&ahead->mu);
    /* A failure is no news: the leader will try by itself, and tell. */
    int rc = db_cannot_install(db, NULL) ? LOAM_READ_ONLY : log_make_ahead(db, &made);
    mutex_lock(&ahead->mu);
    ahead->is_making = false;
    if (rc == LOAM_OK) {
        ahead->ready = made;
    }
    cond_broadcast(&ahead->done);
}

static void step_hint(struct log_ahead *ahead) NO_THREAD_CHECK
{
    struct wal_writer *wal = ahead->hinted;
    uint64_t from = ahead->hint_from;
    uint64_t limit = ahead->hint_limit;
    ahead->hinted = NULL;
    ahead->is_hinting = true;
    mutex_unlock(&ahead->mu);
    wal_writer_write_behind(wal, from, limit);
    mutex_lock(&ahead->mu);
    ahead->is_hinting = false;
    cond_broadcast(&ahead->done);
}

/* Does what is most urgent; returns false when there is nothing to do. */
static bool step(struct loam_db *db) REQUIRES(db->ahead.mu)
{
    struct log_ahead *ahead = &db->ahead;
    if (ahead->sealing != NULL && !ahead->is_sealing) {
        step_seal(db);
    } else if (ahead->hinted != NULL) {
        step_hint(ahead);
    } else if (ahead->is_wanted) {
        step_make(db);
    } else {
        return false;
    }
    return true;
}

static void *log_thread_run(void *argument)
{
    struct loam_db *db = argument;
    struct log_ahead *ahead = &db->ahead;
    mutex_lock(&ahead->mu);
    while (!ahead->is_stopping) {
        if (ahead->is_manual || !step(db)) {
            cond_wait(&ahead->wake, &ahead->mu);
        }
    }
    mutex_unlock(&ahead->mu);
    return NULL;
}

int log_ahead_start(struct loam_db *db, struct loam_error *err)
{
    return thread_start(&db->ahead.thread, "loam-log", log_thread_run, db, err);
}

/* The unused log of a handle that closes. Should the edit fail, the next open finds an empty log.
 */
static void give_back(struct loam_db *db)
{
    struct manifest_edit *edit = manifest_edit_new();
    if (edit != NULL && !db_cannot_install(db, NULL) && log_ahead_drop(db, edit, NULL) == LOAM_OK &&
        version_set_apply(db->versions, edit, NULL) == LOAM_OK) {
        log_ahead_dropped(db);
    }
    manifest_edit_free(edit);
    mutex_lock(&db->ahead.mu);
    struct wal_writer *left = db->ahead.ready.wal;
    db->ahead.ready.wal = NULL;
    mutex_unlock(&db->ahead.mu);
    DISCARD(wal_writer_close(left, NULL)); /* It holds nothing. */
}

void log_ahead_stop(struct loam_db *db)
{
    struct log_ahead *ahead = &db->ahead;
    mutex_lock(&ahead->mu);
    ahead->is_stopping = true;
    ahead->is_wanted = false;
    cond_signal(&ahead->wake);
    mutex_unlock(&ahead->mu);
    thread_join(&ahead->thread);
    DISCARD(log_ahead_settle(db, NULL)); /* A failure has poisoned the handle. */
    if (ahead->ready.wal != NULL) {
        give_back(db);
    }
}

/* What the leader asks for. */

void log_ahead_want(struct loam_db *db)
{
    struct log_ahead *ahead = &db->ahead;
    const struct wal_writer *wal = db->commit.wal;
    if (wal == NULL || (!wal_writer_is_mapped(wal) && !ahead->is_manual)) {
        return;
    }
    mutex_lock(&ahead->mu);
    if (ahead->ready.wal == NULL && !ahead->is_making && !ahead->is_stopping) {
        ahead->is_wanted = true;
        cond_signal(&ahead->wake);
    }
    mutex_unlock(&ahead->mu);
}

int log_ahead_settle(struct loam_db *db, struct loam_error *err)
{
    struct log_ahead *ahead = &db->ahead;
    mutex_lock(&ahead->mu);
    while (ahead->sealing != NULL) {
        if (!ahead->is_sealing) {
            step_seal(db);
        } else {
            cond_wait(&ahead->done, &ahead->mu);
        }
    }
    int rc = ahead->failed_code;
    if (rc != LOAM_OK && err != NULL) {
        *err = ahead->failed;
    }
    mutex_unlock(&ahead->mu);
    return rc;
}

/* Takes the log that was made ahead; waits for one that is on its way. */
static bool take(struct log_ahead *ahead, struct log_made *out)
{
    mutex_lock(&ahead->mu);
    ahead->is_wanted = false;
    while (ahead->is_making) {
        cond_wait(&ahead->done, &ahead->mu);
    }
    *out = ahead->ready;
    mutex_unlock(&ahead->mu);
    return out->wal != NULL && !wal_writer_is_spent(out->wal);
}

int log_ahead_switch(struct loam_db *db, bool *is_done, struct loam_error *err)
{
    struct log_ahead *ahead = &db->ahead;
    struct commit *commit = &db->commit;
    struct log_made next;
    TRY(log_ahead_settle(db, err));
    if (!take(ahead, &next)) {
        return LOAM_OK;
    }
    struct wal_link link = wal_writer_link(commit->wal);
    if (wal_writer_begin(next.wal, &link, NULL) != LOAM_OK) {
        return LOAM_OK; /* It is spent: dropped with the edit that names another. */
    }
    log_ahead_unhint(db);
    mutex_lock(&ahead->mu);
    ahead->ready.wal = NULL;
    ahead->sealing = commit->wal;
    ahead->sealing_seq = commit->next_seq - 1;
    atomic_store_explicit(&ahead->is_sealed, false, memory_order_relaxed);
    cond_signal(&ahead->wake);
    mutex_unlock(&ahead->mu);
    commit_use_log(commit, &next);
    commit->link = link;
    commit->is_anchored = false;
    *is_done = true;
    return LOAM_OK;
}

int log_ahead_drop(struct loam_db *db, struct manifest_edit *edit, struct loam_error *err)
{
    struct log_made unused;
    (void)take(&db->ahead, &unused);
    return unused.wal == NULL ? LOAM_OK : manifest_edit_remove_log(edit, unused.number, err);
}

void log_ahead_dropped(struct loam_db *db)
{
    struct log_ahead *ahead = &db->ahead;
    mutex_lock(&ahead->mu);
    struct log_made unused = ahead->ready;
    ahead->ready.wal = NULL;
    mutex_unlock(&ahead->mu);
    if (unused.wal != NULL) {
        DISCARD(wal_writer_close(unused.wal, NULL)); /* It holds nothing. */
        obsolete_remove_logs(db, &unused.number, 1);
    }
}

void log_ahead_hint(struct loam_db *db, uint64_t from, uint64_t limit)
{
    struct log_ahead *ahead = &db->ahead;
    mutex_lock(&ahead->mu);
    /* One that was not yet done is done along. */
    ahead->hint_from = ahead->hinted == NULL ? from : ahead->hint_from;
    ahead->hint_limit = limit;
    ahead->hinted = db->commit.wal;
    cond_signal(&ahead->wake);
    mutex_unlock(&ahead->mu);
}

void log_ahead_unhint(struct loam_db *db)
{
    struct log_ahead *ahead = &db->ahead;
    mutex_lock(&ahead->mu);
    ahead->hinted = NULL;
    while (ahead->is_hinting) {
        cond_wait(&ahead->done, &ahead->mu);
    }
    mutex_unlock(&ahead->mu);
}

void log_ahead_step(struct loam_db *db)
{
    struct log_ahead *ahead = &db->ahead;
    mutex_lock(&ahead->mu);
    if (ahead->is_wanted) {
        step_make(db);
    }
    mutex_unlock(&ahead->mu);
}

void log_ahead_set_manual(struct loam_db *db)
{
    mutex_lock(&db->ahead.mu);
    db->ahead.is_manual = true;
    mutex_unlock(&db->ahead.mu);
}
