/* SPDX-License-Identifier: MIT */
/* background.c - the threads of a handle, and what they say about their failures. */
#include "db/background.h"

#include <sched.h>
#include <stdio.h>

#include "base/check.h"

int background_start(struct loam_db *db, struct loam_error *err)
{
    TRY(thread_start(&db->commit_thread, "loam-commit", commit_thread_run, db, err));
    TRY(log_ahead_start(db, err));
    TRY(thread_start(&db->flush_thread, "loam-flush", flush_thread_run, db, err));
    for (int i = 0; i < db->compaction_thread_count; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "loam-compact%d", i % 100);
        TRY(thread_start(&db->compaction_threads[i], name, compaction_thread_run, db, err));
    }
    return LOAM_OK;
}

void background_stop(struct loam_db *db)
{
    tasks_stop(db); /* Before the commit thread: a backup flushes. */
    commit_stop(db);
    thread_join(&db->commit_thread);
    log_ahead_stop(db);
    mutex_lock(&db->mu);
    db->is_closing = true;
    cond_broadcast(&db->flush_wake);
    cond_broadcast(&db->compact_wake);
    cond_broadcast(&db->progress);
    uint64_t job = db->full_compaction_job;
    mutex_unlock(&db->mu);
    thread_join(&db->flush_thread);
    for (int i = 0; i < db->compaction_thread_count; i++) {
        thread_join(&db->compaction_threads[i]);
    }
    jobs_end(&db->jobs, job, LOAM_CANCELLED, "closed");
}

void background_report(struct loam_db *db,
                       enum work_kind kind,
                       int code,
                       const struct loam_error *cause)
{
    static const char *const names[WORK_KIND_COUNT] = {"flush", "compaction", "the log"};
    mutex_lock(&db->mu);
    struct work_state *work = &db->background[kind];
    bool is_news = work->code != code;
    work->code = code;
    if (code != LOAM_OK) {
        work->error = *cause;
    }
    cond_broadcast(&db->progress);
    mutex_unlock(&db->mu);
    if (code != LOAM_OK) {
        db_count(&db->counters.background_errors, 1);
    }
    if (is_news && code == LOAM_OK) {
        log_ring_add(&db->log, LOAM_LOG_INFO, "%s works again", names[kind]);
    } else if (is_news) {
        log_ring_add(&db->log, LOAM_LOG_ERROR, "%s: %s", names[kind], cause->text);
    }
}

/* A state lets go of a version, that of tables, those of blocks, and each waits for two epochs. */
#define COLLECT_ROUNDS 8

void background_collect(struct loam_db *db)
{
    for (int i = 0; i < COLLECT_ROUNDS; i++) {
        epoch_collect();
        (void)sched_yield(); /* To a reader that stands in a bracket. */
    }
    obsolete_remove(db);
}

void cache_fit(struct loam_db *db, size_t immutable_count)
{
    uint64_t one = db->options.memtable_bytes;
    /* The last one is what the pool of chunks keeps for the next memtable. */
    uint64_t memtables = one * (immutable_count + 1) + one;
    uint64_t least = db->options.memory_bytes / 8;
    uint64_t rest = db->options.memory_bytes > memtables ? db->options.memory_bytes - memtables : 0;
    rest -= rest / 8; /* For holes between the blocks that a merge leaves behind, and buffers. */
    cache_set_capacity(db->cache, rest > least ? rest : least);
}

static int flush_wait(struct loam_db *db, struct loam_error *err)
{
    int rc = LOAM_OK;
    mutex_lock(&db->mu);
    while (state_get(db)->immutable_count > 0) {
        if (db->background[WORK_FLUSH].code != LOAM_OK) {
            *err = db->background[WORK_FLUSH].error;
            rc = db->background[WORK_FLUSH].code;
            break;
        }
        if (db_cannot_install(db, err)) {
            rc = LOAM_READ_ONLY;
            err->code = rc;
            break;
        }
        if (db->is_closing) {
            rc = fail(err, LOAM_CLOSED, "the store is shut down");
            break;
        }
        cond_wait(&db->progress, &db->mu);
    }
    mutex_unlock(&db->mu);
    return rc;
}

int loam_flush(loam_db *db, loam_error *err)
{
    struct loam_error local;
    struct loam_error *cause = err == NULL ? &local : err;
    struct loam_outcome outcome = {0};
    struct ticket ticket = {
        .wants_rotation = true, .durability = LOAM_OS, .outcome = &outcome, .err = cause};
    TRY(commit_run(db, &ticket));
    return flush_wait(db, cause);
}

int loam_sync(loam_db *db, loam_error *err)
{
    struct loam_outcome outcome = {0};
    struct ticket ticket = {.durability = LOAM_SYNC, .outcome = &outcome, .err = err};
    return commit_run(db, &ticket);
}
