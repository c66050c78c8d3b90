/* SPDX-License-Identifier: MIT */
/*
 * compact.c - compaction threads: pick, merge, install. Each run is worked on by one thread at a
 * time (busy_runs); a full compaction waits until nothing else runs and then takes every run.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/give_way.h"
#include "base/guard.h"
#include "base/limits.h"
#include "db/background.h"
#include "db/move.h"
#include "db/snapshots.h"
#include "lsm/merge_iter.h"

enum { IDLE_NS = 1000000000 };
#define RETRY_NS 5000000000ULL

/* One compaction on its way. */
struct compacting {
    struct loam_db *db;
    struct version *version; /* Referenced. */
    struct picker_plan plan;
    uint64_t job; /* Of a full compaction, or 0. */
    uint64_t bytes_in;
    uint64_t started_ns;
    uint64_t reported; /* bytes_written at the last on_progress call. */
};

static bool is_busy(const struct loam_db *db, uint64_t order)
{
    for (size_t i = 0; i < db->busy_run_count; i++) {
        if (db->busy_runs[i] == order) {
            return true;
        }
    }
    return false;
}

static struct picker_plan pick(struct loam_db *db, const struct version *version) REQUIRES(db->mu)
{
    struct picker_run runs[RUN_COUNT_MAX];
    size_t count = version->run_count < RUN_COUNT_MAX ? version->run_count : RUN_COUNT_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct run *run = &version->runs[i];
        runs[i] = (struct picker_run){.bytes = run->bytes, .is_busy = is_busy(db, run->order)};
        for (size_t t = 0; t < run->table_count; t++) {
            runs[i].row_count += table_meta(run->tables[t])->row_count;
            runs[i].delete_count += table_meta(run->tables[t])->delete_count;
        }
    }
    struct picker_options options = db->picker;
    mutex_lock(&db->snapshot_mu);
    if (db->snapshot_count > 0) {
        options.delete_percent =
            0; /* A rewrite would keep the deletes that snapshots need, for ever. */
    }
    mutex_unlock(&db->snapshot_mu);
    return picker_pick(runs, count, &options);
}

/* Decides what to do next; returns whether there is something. Marks the runs as busy. */
static bool begin(struct loam_db *db, struct compacting *work) REQUIRES(db->mu)
{
    *work = (struct compacting){.db = db, .version = version_set_current(db->versions)};
    if (db->full_compaction_job != 0) {
        if (db->compactions_running == 0) {
            work->job = db->full_compaction_job;
            db->full_compaction_job = 0;
            work->plan =
                (struct picker_plan){.limit = work->version->run_count, .reason = "asked for"};
        }
    } else {
        work->plan = pick(db, work->version);
    }
    bool is_due = work->plan.limit > work->plan.start || work->job != 0;
    if (!is_due || db->busy_run_count + (work->plan.limit - work->plan.start) > BUSY_RUNS_MAX) {
        version_unref(work->version);
        return false;
    }
    for (size_t i = work->plan.start; i < work->plan.limit; i++) {
        db->busy_runs[db->busy_run_count++] = work->version->runs[i].order;
        work->bytes_in += work->version->runs[i].bytes;
    }
    db->compactions_running++;
    work->started_ns = monotonic_ns();
    return true;
}

static void end(struct compacting *work) REQUIRES(work->db->mu)
{
    struct loam_db *db = work->db;
    for (size_t i = work->plan.start; i < work->plan.limit; i++) {
        for (size_t k = 0; k < db->busy_run_count; k++) {
            if (db->busy_runs[k] == work->version->runs[i].order) {
                db->busy_runs[k] = db->busy_runs[--db->busy_run_count];
                break;
            }
        }
    }
    INV(db->compactions_running > 0);
    db->compactions_running--;
    version_unref(work->version);
}

/* Keeps to compaction_rate_bytes, reports, and stops when the handle closes or the job is
 * cancelled. */
static int on_progress(void *owner, uint64_t bytes_written)
{
    struct compacting *work = owner;
    struct loam_db *db = work->db;
    uint64_t fresh = bytes_written - work->reported;
    work->reported = bytes_written;
    if (work->job != 0) {
        TRY(jobs_progress(&db->jobs, work->job, fresh));
    }
    mutex_lock(&db->mu);
    bool is_closing = db->is_closing;
    mutex_unlock(&db->mu);
    if (is_closing) {
        return LOAM_CANCELLED;
    }
    if (db->options.compaction_rate_bytes != 0) {
        double due = (double)bytes_written / (double)db->options.compaction_rate_bytes * 1e9;
        double spent = (double)(monotonic_ns() - work->started_ns);
        if (due > spent) {
            double wait = due - spent < 2e8 ? due - spent : 2e8;
            struct timespec span = {.tv_nsec = (long)wait};
            (void)nanosleep(&span, NULL);
        }
    }
    return LOAM_OK;
}

static int next_file(void *owner, uint64_t *number, struct loam_error *err)
{
    return version_set_next_file(((struct compacting *)owner)->db->versions, number, err);
}

static bool bucket_is_live(void *owner, uint32_t bucket)
{
    return version_set_bucket_is_live(((struct compacting *)owner)->db->versions, bucket);
}

static int merge_runs(struct compacting *work, struct compaction_job *job, struct loam_error *err)
{
    size_t count = work->plan.limit - work->plan.start;
    struct run_iter *iters = mem_zalloc(count, sizeof(*iters));
    struct iter **children = mem_zalloc(count, sizeof(struct iter *));
    struct merge_iter merge;
    merge_iter_init(&merge);
    merge.iter.err = err;
    int rc = iters == NULL || children == NULL ? mem_fail(err, count * sizeof(*iters)) : LOAM_OK;
    if (rc == LOAM_OK) {
        for (size_t i = 0; i < count; i++) {
            run_iter_init(&iters[i], &work->version->runs[work->plan.start + i], false);
            iters[i].iter.err = err;
            children[i] = &iters[i].iter;
        }
        rc = merge_iter_set(&merge, children, count, err);
        if (rc == LOAM_OK) {
            job->input = &merge.iter;
            rc = compaction_run(job, err);
            job->input = NULL;
        }
    }
    iter_free(&merge.iter);
    for (size_t i = 0; iters != NULL && children != NULL && i < count; i++) {
        iter_free(&iters[i].iter);
    }
    mem_free(iters);
    mem_free(children);
    return rc;
}

static int fill_edit(const struct compacting *work,
                     const struct compaction_job *job,
                     struct manifest_edit *edit,
                     struct loam_error *err)
{
    for (size_t i = work->plan.start; i < work->plan.limit; i++) {
        const struct run *run = &work->version->runs[i];
        for (size_t t = 0; t < run->table_count; t++) {
            TRY(manifest_edit_remove_table(edit, table_meta(run->tables[t])->number, err));
        }
    }
    return job_add_outputs(job, edit, err);
}

/* job NULL: the tables are moved as they are. */
static int
install(struct compacting *work, const struct compaction_job *job, struct loam_error *err)
{
    struct manifest_edit *edit = manifest_edit_new();
    if (edit == NULL) {
        return mem_fail(err, 1);
    }
    int rc = job != NULL
                 ? fill_edit(work, job, edit, err)
                 : move_fill_edit(work->version, work->plan.start, work->plan.limit, edit, err);
    if (rc == LOAM_OK && job != NULL && GUARD(COMPACT_DIR_SYNC)) {
        rc = env_dir_sync(work->db->dir, err); /* The names of the outputs, before the edit. */
    }
    if (rc == LOAM_OK) {
        const struct table_list made = {.tables = job == NULL ? NULL : job->made,
                                        .count = job == NULL ? 0 : job->output_count};
        rc = version_set_apply_made(work->db->versions, edit, &made, err);
    }
    if (rc != LOAM_OK) {
        DISCARD(db_poison_if_lost(work->db));
    }
    manifest_edit_free(edit);
    return rc;
}

/* Merges the runs of the plan into new tables. */
static int rewrite(struct compacting *work, struct loam_error *err)
{
    struct loam_db *db = work->db;
    uint64_t *snapshots = NULL;
    size_t snapshot_count = 0;
    TRY(snapshots_list(db, &snapshots, &snapshot_count, err));
    struct compaction_job job;
    job_init(db, &job, snapshots, snapshot_count);
    job.tables = &db->tables;
    job.owner = work;
    job.next_file = next_file;
    job.bucket_is_live = bucket_is_live;
    job.on_progress = on_progress;
    job.run_order = work->version->runs[work->plan.limit - 1].order;
    job.is_bottom = work->plan.limit == work->version->run_count;
    int rc = merge_runs(work, &job, err);
    if (rc == LOAM_OK) {
        rc = install(work, &job, err);
    }
    if (rc != LOAM_OK && !version_set_failed(db->versions, NULL)) {
        job_remove_outputs(db, &job);
    }
    if (rc == LOAM_OK) {
        db_count(&db->counters.compactions, 1);
        db_count(&db->counters.compaction_read_bytes, work->bytes_in);
        db_count(&db->counters.compaction_written_bytes, job.bytes_written);
        histogram_add(&db->histograms[LOAM_HISTOGRAM_COMPACTION],
                      monotonic_ns() - work->started_ns);
    }
    compaction_job_deinit(&job);
    mem_free(snapshots);
    return rc;
}

static int compact(struct compacting *work, struct loam_error *err)
{
    struct loam_db *db = work->db;
    if (work->plan.limit == work->plan.start) {
        return LOAM_OK; /* A full compaction of an empty store. */
    }
    bool is_move = false;
    if (work->job == 0) { /* Who asks for a full compaction wants deletes and old versions gone. */
        TRY(move_is_possible(work->version, work->plan.start, work->plan.limit,
                             db->options.table_bytes, &is_move, err));
    }
    if (is_move) {
        db_count(&db->counters.compactions, 1);
        return install(work, NULL, err);
    }
    return rewrite(work, err);
}

/* A state with the newest version; the memtables are as they were. */
static int refresh_state(struct loam_db *db, struct loam_error *err) REQUIRES(db->mu)
{
    struct read_state *old = state_get(db);
    struct version *version = version_set_current(db->versions);
    struct read_state *state = NULL;
    int rc = state_new(old->active, old->immutable, old->immutable_count, version, &state, err);
    version_unref(version);
    if (rc == LOAM_OK) {
        state_publish(db, state);
    }
    return rc;
}

/* Runs one compaction. Called with db->mu held, and left with it. */
static void compact_one(struct compacting *work) NO_THREAD_CHECK
{
    struct loam_db *db = work->db;
    mutex_unlock(&db->mu);
    struct loam_error err = {0};
    int rc = compact(work, &err);
    if (rc != LOAM_CANCELLED) {
        background_report(db, WORK_COMPACTION, rc, &err);
    }
    mutex_lock(&db->mu);
    if (rc == LOAM_OK) {
        uint64_t ns = monotonic_ns() - work->started_ns + 1;
        double sample = (double)work->bytes_in * 1e9 / (double)ns;
        db->compact_rate = db->compact_rate == 0 ? sample : db->compact_rate * 0.7 + sample * 0.3;
        DISCARD(refresh_state(
            db,
            &err)); /* Out of memory: readers go on with the old version until the next change. */
    }
    if (work->job != 0) {
        jobs_end(&db->jobs, work->job, rc, rc == LOAM_OK ? NULL : err.text);
    }
    end(work);
    cond_broadcast(&db->progress);
    cond_broadcast(&db->compact_wake);
    if (rc != LOAM_OK && rc != LOAM_CANCELLED && !db->is_closing) {
        (void)cond_wait_until(&db->compact_wake, &db->mu, monotonic_ns() + RETRY_NS);
    }
}

/* While a merge ran, the tables that it replaced held room that new ones could not have: its own
 * and those of flushes. */
static void warm(struct loam_db *db)
{
    struct version *version = version_set_current(db->versions);
    bool is_closing = false;
    for (size_t i = 0; i < version->run_count && !is_closing; i++) {
        const struct run *run = &version->runs[i];
        for (size_t t = 0; t < run->table_count && !is_closing; t++) {
            if (table_is_cold(run->tables[t])) {
                table_warm(run->tables[t]);
                mutex_lock(&db->mu);
                is_closing = db->is_closing;
                mutex_unlock(&db->mu);
            }
        }
    }
    version_unref(version);
}

/* After a failed manifest write nothing is compacted any more: whoever waits for a job must hear
 * it. */
static void refuse_job(struct loam_db *db, const struct loam_error *cause) REQUIRES(db->mu)
{
    jobs_end(&db->jobs, db->full_compaction_job, LOAM_READ_ONLY, cause->text);
    db->full_compaction_job = 0;
}

void *compaction_thread_run(void *argument)
{
    struct loam_db *db = argument;
    give_way_begin(&db->is_merge_urgent);
    mutex_lock(&db->mu);
    while (!db->is_closing) {
        struct compacting work = {.db = db};
        struct loam_error cause;
        if (db_cannot_install(db, &cause)) {
            refuse_job(db, &cause);
            (void)cond_wait_until(&db->compact_wake, &db->mu, monotonic_ns() + IDLE_NS);
        } else if (begin(db, &work)) {
            compact_one(&work);
        } else {
            (void)cond_wait_until(&db->compact_wake, &db->mu, monotonic_ns() + IDLE_NS);
        }
        mutex_unlock(&db->mu);
        background_collect(db);
        warm(db);
        mutex_lock(&db->mu);
    }
    mutex_unlock(&db->mu);
    return NULL;
}

int loam_compact(loam_db *db, uint64_t *job, loam_error *err)
{
    TRY(loam_flush(db, err));
    mutex_lock(&db->mu);
    int rc = LOAM_OK;
    if (db->is_closing) {
        rc = fail(err, LOAM_CLOSED, "the store is shut down");
    } else if (db->full_compaction_job != 0) {
        *job = db->full_compaction_job; /* One that has not begun takes this wish too. */
    } else {
        struct version *version = version_set_current(db->versions);
        uint64_t bytes = 0;
        for (size_t i = 0; i < version->run_count; i++) {
            bytes += version->runs[i].bytes;
        }
        version_unref(version);
        rc = jobs_begin(&db->jobs, "compact", bytes, &db->full_compaction_job, err);
        *job = db->full_compaction_job;
        cond_broadcast(&db->compact_wake);
    }
    mutex_unlock(&db->mu);
    return rc;
}
