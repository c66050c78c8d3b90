/* SPDX-License-Identifier: MIT */
/*
 * scrub.c - loam_scrub(): reads every table of one version from the disk, at a bounded rate, and
 * compares each file's hash with the manifest's. Finds rot before a read or a second failure does.
 *
 * Damage makes the handle DEGRADED until a later scrub finds none; each damaged file is a line in
 * the log ring. Thread: a task.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/memory.h"
#include "db/db.h"
#include "db/file_copy.h"
#include "db/tasks.h"
#include "disk/file_name.h"

struct scrubbing {
    struct task *task;
    uint64_t file_count;
    uint64_t damaged_count;
    struct loam_error first;
};

static int
scrub_table(struct scrubbing *scrubbing, const struct table_meta *meta, struct loam_error *err)
{
    struct loam_db *db = scrubbing->task->db;
    const struct file_sum wanted = {meta->size, meta->hash};
    struct file_sum found = {0};
    struct loam_error cause = {0};
    char name[FILE_NAME_SIZE];
    file_name_make(FILE_TABLE, meta->number, name);
    int rc = file_sum_read(db->dir, name, &found, &scrubbing->task->progress, &cause);
    if (rc == LOAM_NOT_FOUND) {
        rc = fail(&cause, LOAM_CORRUPT, "%s: is missing", name);
    } else if (rc == LOAM_OK) {
        rc = file_sum_check(name, &found, &wanted, &cause);
    }
    scrubbing->file_count++;
    if (rc == LOAM_OK) {
        return LOAM_OK;
    }
    if (rc == LOAM_CANCELLED || rc == LOAM_NO_MEMORY) {
        *err = cause;
        return rc;
    }
    log_ring_add(&db->log, LOAM_LOG_ERROR, "scrub: %s", cause.text);
    if (scrubbing->damaged_count++ == 0) {
        scrubbing->first = cause;
    }
    return LOAM_OK;
}

static int
scrub_version(struct scrubbing *scrubbing, const struct version *version, struct loam_error *err)
{
    for (size_t r = 0; r < version->run_count; r++) {
        for (size_t t = 0; t < version->runs[r].table_count; t++) {
            TRY(scrub_table(scrubbing, table_meta(version->runs[r].tables[t]), err));
        }
    }
    return LOAM_OK;
}

static void publish(struct scrubbing *scrubbing)
{
    struct loam_db *db = scrubbing->task->db;
    mutex_lock(&db->mu);
    db->damaged_file_count = scrubbing->damaged_count;
    db->damage = scrubbing->first;
    mutex_unlock(&db->mu);
}

static int run_scrub(struct task *task, char text[256], struct loam_error *err)
{
    struct scrubbing scrubbing = {.task = task};
    /* The reference keeps the files: compaction may replace them meanwhile. */
    struct version *version = version_set_current(task->db->versions);
    int rc = scrub_version(&scrubbing, version, err);
    version_unref(version);
    TRY(rc);
    publish(&scrubbing);
    if (scrubbing.damaged_count > 0) {
        *err = scrubbing.first;
        error_prefix(err, "%" PRIu64 " of %" PRIu64 " tables are damaged", scrubbing.damaged_count,
                     scrubbing.file_count);
        return LOAM_CORRUPT;
    }
    (void)snprintf(text, 256, "%" PRIu64 " tables are sound", scrubbing.file_count);
    return LOAM_OK;
}

int loam_scrub(loam_db *db, uint64_t bytes_per_second, uint64_t *job, loam_error *err)
{
    const struct task task = {.run = run_scrub, .progress = {.rate = bytes_per_second}};
    struct version *version = version_set_current(db->versions);
    uint64_t bytes = 0;
    for (size_t i = 0; i < version->run_count; i++) {
        bytes += version->runs[i].bytes;
    }
    version_unref(version);
    return task_start(db, &task, "scrub", bytes, job, err);
}
