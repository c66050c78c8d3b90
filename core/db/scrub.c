/* SPDX-License-Identifier: MIT */
/*
 * scrub.c - loam_scrub(): reads every table of one version from the disk, at a bounded rate, and
 * compares each file's hash with the manifest's. Finds rot before a read or a second failure does.
 * By itself every scrub_interval_ms, started by the flush thread.
 *
 * Damage makes the handle DEGRADED until a later scrub finds none; each damaged file is a line in
 * the log ring. Thread: a task.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/memory.h"
#include "db/background.h"
#include "db/db.h"
#include "db/file_copy.h"
#include "db/tasks.h"
#include "disk/file_name.h"
#include "disk/table_reader.h"

struct scrubbing {
    struct task *task;
    uint64_t file_count;
    struct damage damage;
};

/* Where in a file whose hash is wrong the damage is; *cause stays when that cannot be told. */
static void
locate(const struct loam_db *db, const struct table_meta *meta, struct loam_error *cause)
{
    struct table_reader *reader = NULL;
    struct loam_error where = {0};
    int rc = table_reader_open(db->dir, meta->number, meta->size, &db->tables.id, &reader, &where);
    if (rc == LOAM_OK) {
        rc = table_reader_check(reader, meta, &where);
        table_reader_close(reader);
    }
    if (rc == LOAM_CORRUPT) {
        *cause = where;
    }
}

/* Compares one file; only what ends the whole scrub is returned. */
static int check_file(struct scrubbing *scrubbing,
                      const struct table_meta *meta,
                      struct loam_error *cause,
                      bool *is_damaged)
{
    struct loam_db *db = scrubbing->task->db;
    const struct file_sum wanted = {meta->size, meta->hash};
    struct file_sum found = {0};
    char name[FILE_NAME_SIZE];
    file_name_make(FILE_TABLE, meta->number, name);
    int rc = file_sum_read(db->dir, name, &found, &scrubbing->task->progress, cause);
    if (rc == LOAM_CANCELLED || rc == LOAM_NO_MEMORY) {
        return rc;
    }
    *is_damaged = true;
    if (rc == LOAM_NOT_FOUND) {
        (void)fail(cause, LOAM_CORRUPT, "%s: is missing", name);
    } else if (rc == LOAM_OK) {
        db_count(&db->counters.scrub_read_bytes, found.size);
        *is_damaged = file_sum_check(name, &found, &wanted, cause) != LOAM_OK;
        if (*is_damaged) {
            locate(db, meta, cause);
        }
    }
    return LOAM_OK;
}

static int
scrub_table(struct scrubbing *scrubbing, const struct table_meta *meta, struct loam_error *err)
{
    struct loam_db *db = scrubbing->task->db;
    struct loam_error cause = {0};
    bool is_damaged = false;
    int rc = check_file(scrubbing, meta, &cause, &is_damaged);
    scrubbing->file_count++;
    if (rc != LOAM_OK) {
        *err = cause;
        return rc;
    }
    if (is_damaged) {
        log_ring_add(&db->log, LOAM_LOG_ERROR, "scrub: %s", cause.text);
        if (scrubbing->damage.file_count++ == 0) {
            scrubbing->damage.first = cause;
        }
        db_set_damage(db, DAMAGE_TABLES, &scrubbing->damage); /* At once: the rest may take days. */
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
    db_set_damage(db, DAMAGE_TABLES, &scrubbing->damage);
    db_count(&db->counters.scrubs, 1);
    mutex_lock(&db->mu);
    db->scrub_finished_at_ms = db->env->wall_ms(db->env);
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
    if (scrubbing.damage.file_count > 0) {
        *err = scrubbing.damage.first;
        error_prefix(err, "%" PRIu64 " of %" PRIu64 " tables are damaged",
                     scrubbing.damage.file_count, scrubbing.file_count);
        return LOAM_CORRUPT;
    }
    (void)snprintf(text, 256, "%" PRIu64 " table%s sound", scrubbing.file_count,
                   scrubbing.file_count == 1 ? " is" : "s are");
    return LOAM_OK;
}

int loam_scrub(loam_db *db, uint64_t bytes_per_second, uint64_t *job, loam_error *err)
{
    const struct task task = {
        .run = run_scrub, .is_single = true, .progress = {.rate = bytes_per_second}};
    return task_start(db, &task, "scrub", task_table_bytes(db), job, err);
}

void scrub_tick(struct loam_db *db)
{
    uint64_t interval_ns = db->options.scrub_interval_ms * 1000000;
    uint64_t now = monotonic_ns();
    if (interval_ns == 0) {
        return;
    }
    if (db->scrub_due_ns == 0) {
        db->scrub_due_ns = now + interval_ns;
    } else if (now >= db->scrub_due_ns) {
        uint64_t job = 0;
        db->scrub_due_ns = now + interval_ns;
        /* Busy, closing, out of memory: there is a next time. */
        DISCARD(loam_scrub(db, db->options.scrub_rate_bytes, &job, NULL));
    }
}
