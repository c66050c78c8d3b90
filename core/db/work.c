/* SPDX-License-Identifier: MIT */
/*
 * work.c - restore, repair, the verification of a backup and a check in a thread of their own, for
 * callers who want progress, a report or to cancel, and mostly have no store open. Floor 4. Thread:
 * owner.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "db/background.h"
#include "db/backup.h"
#include "db/repair.h"

struct loam_work {
    struct loam_db *db; /* Of a check; else NULL. */
    struct env *env;
    char *path;
    char *to; /* Of a restore. */
    uint64_t id;
    int (*run)(struct loam_work *work, char text[256], struct loam_error *err);
    struct loam_thread thread;
    struct progress progress;
    struct jobs jobs;          /* One job. */
    struct loam_buffer report; /* The thread's until the job has ended. */
};

static void *work_main(void *argument)
{
    struct loam_work *work = argument;
    struct loam_error err = {0};
    char text[256] = "";
    int rc = work->run(work, text, &err);
    jobs_end(&work->jobs, work->progress.job, rc, rc == LOAM_OK ? text : err.text);
    return NULL;
}

static int run_restore(struct loam_work *work, char text[256], struct loam_error *err)
{
    (void)snprintf(text, 256, "restored");
    return backup_restore(work->env, work->path, work->id, work->to, &work->progress, err);
}

static int run_repair(struct loam_work *work, char text[256], struct loam_error *err)
{
    (void)snprintf(text, 256, "repaired");
    return repair_store(work->env, work->path, &work->report, &work->progress, err);
}

static int run_verify(struct loam_work *work, char text[256], struct loam_error *err)
{
    (void)snprintf(text, 256, "every file is sound");
    return backup_verify(work->env, work->path, work->id, &work->report, &work->progress, err);
}

/* Goes to its end once it has begun. */
static int run_delete(struct loam_work *work, char text[256], struct loam_error *err)
{
    (void)snprintf(text, 256, "deleted");
    return backup_delete(work->env, work->path, work->id, err);
}

static int run_check(struct loam_work *work, char text[256], struct loam_error *err)
{
    (void)snprintf(text, 256, "no damage found");
    return check_store(work->db, &work->report, &work->progress, err);
}

static char *copy_of(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = mem_alloc(size);
    if (copy != NULL) {
        memcpy(copy, text, size);
    }
    return copy;
}

/* Starts a copy of *from, of which env, id and run are set. */
static int begin(const struct loam_work *from,
                 const char *kind,
                 const char *path,
                 const char *to,
                 struct loam_work **out,
                 struct loam_error *err)
{
    struct loam_work *work = mem_zalloc(1, sizeof(*work));
    if (work == NULL) {
        return mem_fail(err, sizeof(*work));
    }
    work->env = from->env;
    work->id = from->id;
    work->db = from->db;
    if (work->db != NULL) {
        atomic_fetch_add(&work->db->work_count, 1);
    }
    work->run = from->run;
    jobs_init(&work->jobs, work->env);
    work->path = copy_of(path);
    work->to = copy_of(to);
    work->progress.jobs = &work->jobs;
    int rc = work->path == NULL || work->to == NULL ? mem_fail(err, 1) : LOAM_OK;
    if (rc == LOAM_OK) {
        uint64_t total = work->db == NULL ? 0 : task_table_bytes(work->db);
        rc = jobs_begin(&work->jobs, kind, total, &work->progress.job, err);
    }
    if (rc == LOAM_OK) {
        rc = thread_start(&work->thread, "loam-work", work_main, work, err);
    }
    if (rc != LOAM_OK) {
        loam_work_free(work);
        return rc;
    }
    *out = work;
    return LOAM_OK;
}

int loam_restore_begin(
    const char *path, uint64_t id, const char *to, loam_work **out, loam_error *err)
{
    const struct loam_work work = {.env = env_posix(), .id = id, .run = run_restore};
    return begin(&work, "restore", path, to, out, err);
}

int loam_repair_begin(const char *path, loam_work **out, loam_error *err)
{
    const struct loam_work work = {.env = env_posix(), .run = run_repair};
    return begin(&work, "repair", path, "", out, err);
}

int loam_backup_verify_begin(const char *path, uint64_t id, loam_work **out, loam_error *err)
{
    const struct loam_work work = {.env = env_posix(), .id = id, .run = run_verify};
    return begin(&work, "verify", path, "", out, err);
}

int loam_backup_delete_begin(const char *path, uint64_t id, loam_work **out, loam_error *err)
{
    const struct loam_work work = {.env = env_posix(), .id = id, .run = run_delete};
    return begin(&work, "delete", path, "", out, err);
}

int loam_check_begin(loam_db *db, loam_work **out, loam_error *err)
{
    const struct loam_work work = {.db = db, .env = db->env, .run = run_check};
    return begin(&work, "check", "", "", out, err);
}

void loam_work_wait(loam_work *work, uint32_t timeout_ms, loam_job_info *out)
{
    int rc = LOAM_TIMEOUT;
    if (timeout_ms > 0) {
        rc = jobs_wait(&work->jobs, work->progress.job, timeout_ms, out, NULL);
    }
    if (rc != LOAM_OK) {
        rc = jobs_get(&work->jobs, work->progress.job, out, NULL);
    }
    POST(rc == LOAM_OK); /* It is its only job. */
}

void loam_work_cancel(loam_work *work)
{
    DISCARD(jobs_cancel(&work->jobs, work->progress.job, NULL)); /* It may have ended. */
}

const loam_buffer *loam_work_report(loam_work *work)
{
    struct loam_job_info info;
    loam_work_wait(work, 0, &info);
    return info.state == LOAM_JOB_RUNNING ? NULL : &work->report;
}

void loam_work_free(loam_work *work)
{
    if (work == NULL) {
        return;
    }
    if (work->thread.is_started) {
        loam_work_cancel(work);
        thread_join(&work->thread);
    }
    if (work->db != NULL) {
        atomic_fetch_sub(&work->db->work_count, 1);
    }
    jobs_deinit(&work->jobs);
    loam_buffer_free(&work->report);
    mem_free(work->path);
    mem_free(work->to);
    mem_free(work);
}
