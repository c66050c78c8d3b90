/* SPDX-License-Identifier: MIT */
/* tasks.c - see tasks.h. */
#include "db/tasks.h"

#include <stdio.h>
#include <string.h>

#include "base/give_way.h"
#include "base/memory.h"
#include "db/background.h"
#include "db/backup.h"
#include "db/backup_make.h"
#include "db/checkpoint.h"
#include "db/db.h"

void tasks_init(struct tasks *tasks)
{
    mutex_init(&tasks->mu);
}

void tasks_deinit(struct tasks *tasks)
{
    mutex_deinit(&tasks->mu);
}

static void task_free(struct task *task)
{
    if (task != NULL) {
        thread_join(&task->thread);
        mem_free(task->owned_path);
        mem_free(task->owned_to);
        mem_free(task);
    }
}

static void *task_main(void *argument)
{
    struct task *task = argument;
    struct loam_db *db = task->db;
    struct loam_error err = {0};
    char text[256] = "";
    give_way_begin(NULL);
    int rc = task->run(task, text, &err);
    if (rc != LOAM_OK && rc != LOAM_CANCELLED) {
        log_ring_add(&db->log, LOAM_LOG_ERROR, "job %llu, %s: %s",
                     (unsigned long long)task->progress.job, task->kind, err.text);
    }
    jobs_end(&db->jobs, task->progress.job, rc, rc == LOAM_OK ? text : err.text);
    /* Release: pairs with the acquire of who frees it. */
    atomic_store_explicit(&task->is_ended, true, memory_order_release);
    return NULL;
}

/* A free place, after what has ended is freed; NULL when all run. */
static struct task **find_place(struct tasks *tasks) REQUIRES(tasks->mu)
{
    struct task **place = NULL;
    for (int i = 0; i < TASKS_MAX; i++) {
        struct task *task = tasks->list[i];
        if (task != NULL && atomic_load_explicit(&task->is_ended, memory_order_acquire)) {
            task_free(task);
            tasks->list[i] = NULL;
        }
        if (tasks->list[i] == NULL) {
            place = &tasks->list[i];
        }
    }
    return place;
}

/* Copies a string; NULL stays NULL. */
static int copy_text(const char *from, char **out, struct loam_error *err)
{
    *out = NULL;
    if (from != NULL) {
        size_t size = strlen(from) + 1;
        char *copy = mem_alloc(size);
        if (copy == NULL) {
            return mem_fail(err, size);
        }
        memcpy(copy, from, size);
        *out = copy;
    }
    return LOAM_OK;
}

static int task_copy(const struct task *from, struct task **out, struct loam_error *err)
{
    struct task *task = mem_zalloc(1, sizeof(*task));
    if (task == NULL) {
        return mem_fail(err, sizeof(*task));
    }
    *task = *from;
    int rc = copy_text(from->path, &task->owned_path, err);
    if (rc == LOAM_OK) {
        rc = copy_text(from->to, &task->owned_to, err);
    }
    task->path = task->owned_path;
    task->to = task->owned_to;
    if (rc != LOAM_OK) {
        task_free(task);
        return rc;
    }
    *out = task;
    return LOAM_OK;
}

/* Begins the job and its thread. */
static int start(struct loam_db *db,
                 struct task *task,
                 const char *kind,
                 uint64_t total,
                 struct loam_error *err) REQUIRES(db->tasks.mu)
{
    struct task **place = find_place(&db->tasks);
    uint64_t other = task->is_single ? jobs_running(&db->jobs, kind) : 0;
    if (db->tasks.is_stopping) {
        return fail(err, LOAM_CLOSED, "the store is closing");
    }
    if (other != 0) {
        return fail(err, LOAM_BUSY, "a %s is running already: job %llu", kind,
                    (unsigned long long)other);
    }
    if (place == NULL) {
        return fail(err, LOAM_BUSY, "%d tasks are running", (int)TASKS_MAX);
    }
    TRY(jobs_begin(&db->jobs, kind, total, &task->progress.job, err));
    int rc = thread_start(&task->thread, "loam-task", task_main, task, err);
    if (rc != LOAM_OK) {
        jobs_end(&db->jobs, task->progress.job, rc, "not started");
        return rc;
    }
    *place = task;
    return LOAM_OK;
}

int task_start(struct loam_db *db,
               const struct task *from,
               const char *kind,
               uint64_t bytes_total,
               uint64_t *job,
               struct loam_error *err)
{
    struct task *task = NULL;
    TRY(task_copy(from, &task, err));
    task->db = db;
    task->kind = kind;
    task->progress.jobs = &db->jobs;
    mutex_lock(&db->tasks.mu);
    int rc = start(db, task, kind, bytes_total, err);
    if (rc == LOAM_OK) {
        *job = task->progress.job; /* Under the lock: an ended task is freed by whoever takes it. */
    }
    mutex_unlock(&db->tasks.mu);
    if (rc != LOAM_OK) {
        task_free(task);
    }
    return rc;
}

void tasks_stop(struct loam_db *db)
{
    struct task *list[TASKS_MAX];
    mutex_lock(&db->tasks.mu);
    db->tasks.is_stopping = true;
    memcpy(list, db->tasks.list, sizeof(list));
    memset(db->tasks.list, 0, sizeof(db->tasks.list));
    mutex_unlock(&db->tasks.mu);
    for (int i = 0; i < TASKS_MAX; i++) {
        if (list[i] != NULL) {
            DISCARD(loam_job_cancel(db, list[i]->progress.job, NULL)); /* It may have ended. */
            task_free(list[i]);
        }
    }
}

/* ---- Bodies ---- */

static int run_checkpoint(struct task *task, char text[256], struct loam_error *err)
{
    uint64_t seq = 0;
    TRY(checkpoint_make(task->db, task->path, &seq, &task->progress, err));
    (void)snprintf(text, 256, "sequence %llu", (unsigned long long)seq);
    return LOAM_OK;
}

static int run_backup(struct task *task, char text[256], struct loam_error *err)
{
    struct loam_backup_info info = {0};
    TRY(backup_make(task->db, task->path, &task->backup, &info, &task->progress, err));
    (void)snprintf(text, 256, "backup %llu, sequence %llu, %llu bytes, %llu of them new",
                   (unsigned long long)info.id, (unsigned long long)info.seq,
                   (unsigned long long)info.bytes, (unsigned long long)info.new_bytes);
    return LOAM_OK;
}

static int run_check(struct task *task, char text[256], struct loam_error *err)
{
    struct loam_buffer report = {0};
    int rc = check_store(task->db, &report, &task->progress, err);
    size_t lines = 0;
    for (size_t i = 0; i < report.size; i++) {
        lines += report.data[i] == '\n';
    }
    (void)snprintf(text, 256, "%zu files and structures are sound", lines);
    loam_buffer_free(&report);
    return rc;
}

static int run_restore(struct task *task, char text[256], struct loam_error *err)
{
    (void)snprintf(text, 256, "restored");
    return backup_restore(task->db->env, task->path, task->backup_id, task->to, &task->progress,
                          err);
}

static int run_verify(struct task *task, char text[256], struct loam_error *err)
{
    struct loam_buffer report = {0};
    (void)snprintf(text, 256, "every file of the backup is sound");
    int rc =
        backup_verify(task->db->env, task->path, task->backup_id, &report, &task->progress, err);
    loam_buffer_free(&report);
    return rc;
}

static int run_delete(struct task *task, char text[256], struct loam_error *err)
{
    (void)snprintf(text, 256, "backup %llu is deleted", (unsigned long long)task->backup_id);
    return backup_delete(task->db->env, task->path, task->backup_id, err);
}

uint64_t task_table_bytes(struct loam_db *db)
{
    struct version *version = version_set_current(db->versions);
    uint64_t bytes = 0;
    for (size_t i = 0; i < version->run_count; i++) {
        bytes += version->runs[i].bytes;
    }
    version_unref(version);
    return bytes;
}

int loam_checkpoint_start(loam_db *db, const char *path, uint64_t *job, loam_error *err)
{
    const struct task task = {.run = run_checkpoint, .path = path};
    return task_start(db, &task, "checkpoint", task_table_bytes(db), job, err);
}

int loam_backup_start(loam_db *db,
                      const char *path,
                      const loam_backup_options *options,
                      uint64_t *job,
                      loam_error *err)
{
    struct task task = {.run = run_backup, .path = path, .backup = {.incremental = true}};
    if (options != NULL) {
        task.backup = *options;
        task.progress.rate = options->bytes_per_second;
    }
    return task_start(db, &task, "backup", task_table_bytes(db), job, err);
}

int loam_check_start(loam_db *db, uint64_t *job, loam_error *err)
{
    const struct task task = {.run = run_check, .is_single = true};
    return task_start(db, &task, "check", task_table_bytes(db), job, err);
}

int loam_restore_start(
    loam_db *db, const char *path, uint64_t id, const char *to, uint64_t *job, loam_error *err)
{
    const struct task task = {.run = run_restore, .path = path, .to = to, .backup_id = id};
    return task_start(db, &task, "restore", 0, job, err);
}

int loam_backup_verify_start(
    loam_db *db, const char *path, uint64_t id, uint64_t *job, loam_error *err)
{
    const struct task task = {.run = run_verify, .path = path, .backup_id = id};
    return task_start(db, &task, "verify", 0, job, err);
}

int loam_backup_delete_start(
    loam_db *db, const char *path, uint64_t id, uint64_t *job, loam_error *err)
{
    const struct task task = {.run = run_delete, .path = path, .backup_id = id};
    return task_start(db, &task, "delete", 0, job, err);
}
