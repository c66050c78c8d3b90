/* SPDX-License-Identifier: MIT */
/*
 * tasks.h - long calls in a thread of their own, each followed as a job: scrub, check, checkpoint,
 * backup, restore. Floor 4. Thread: any.
 *
 * A task owns its thread until another task starts or the handle closes; closing cancels what runs
 * and waits for it.
 */
#ifndef LOAM_DB_TASKS_H
#define LOAM_DB_TASKS_H

#include "db/progress.h"

enum { TASKS_MAX = 8 };

struct loam_db;

struct task {
    struct loam_db *db;
    struct loam_thread thread;
    struct progress progress;
    /* The body; writes one line of result to text. */
    int (*run)(struct task *task, char text[256], struct loam_error *err);
    const char *kind; /* Of the job; static. */
    const char *path; /* Or NULL. In a started task: owned_path. */
    const char *to;   /* The same. */
    char *owned_path;
    char *owned_to;
    uint64_t backup_id;
    bool is_single; /* A second one of its kind is refused while it runs. */
    struct loam_backup_options backup;
    _Atomic bool is_ended; /* Atomic: release by the thread as its last act. */
};

struct tasks {
    struct loam_mutex mu;
    struct task *list[TASKS_MAX] PROTECTED_BY(mu);
    bool is_stopping PROTECTED_BY(mu);
};

void tasks_init(struct tasks *tasks);
void tasks_deinit(struct tasks *tasks);
/* Starts a copy of *task (run, path, backup and progress.rate are set) as a job of this kind.
 * Errors: BUSY with TASKS_MAX running, or one of its kind; CLOSED; NO_MEMORY; IO. */
NODISCARD int task_start(struct loam_db *db,
                         const struct task *task,
                         const char *kind,
                         uint64_t bytes_total,
                         uint64_t *job,
                         struct loam_error *err);
/* Bytes of all tables, for a job's total. */
uint64_t task_table_bytes(struct loam_db *db);
/* Cancels and waits. New tasks are refused from then on. */
void tasks_stop(struct loam_db *db);

#endif
