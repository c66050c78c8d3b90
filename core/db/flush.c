/* SPDX-License-Identifier: MIT */
/*
 * flush.c - memtables into tables. One thread; all immutable memtables that wait become one run.
 *
 *   merge -> tables, synced and read back -> directory sync -> manifest edit (tables in, logs out)
 * -> publish -> remove logs
 */
#include <inttypes.h>

#include "base/check.h"
#include "base/give_way.h"
#include "base/guard.h"
#include "base/memory.h"
#include "db/background.h"
#include "db/snapshots.h"
#include "disk/file_name.h"
#include "lsm/merge_iter.h"

enum { IDLE_NS = 1000000000, RETRY_NS = 500000000 };

static int next_file(void *owner, uint64_t *number, struct loam_error *err)
{
    struct loam_db *db = owner;
    return version_set_next_file(db->versions, number, err);
}

static bool bucket_is_live(void *owner, uint32_t bucket)
{
    struct loam_db *db = owner;
    return version_set_bucket_is_live(db->versions, bucket);
}

void job_init(struct loam_db *db,
              struct compaction_job *job,
              const uint64_t *snapshots,
              size_t snapshot_count)
{
    *job = (struct compaction_job){
        .dir = db->dir,
        .id = db->tables.id,
        .table_options =
            {
                .block_bytes = db->options.block_bytes,
                .compression = db->options.compression,
                .point_index = db->options.point_index,
                .write_behind_bytes = 1 << 20,
            },
        .table_bytes = db->options.table_bytes,
        .now_ms = db->env->wall_ms(db->env),
        .snapshots = snapshots,
        .snapshot_count = snapshot_count,
        .verify = true,
        .next_file = next_file,
        .bucket_is_live = bucket_is_live,
        .owner = db,
    };
}

int job_add_outputs(const struct compaction_job *job,
                    struct manifest_edit *edit,
                    struct loam_error *err)
{
    for (size_t i = 0; i < job->output_count; i++) {
        TRY(manifest_edit_add_table(edit, &job->outputs[i], err));
    }
    return LOAM_OK;
}

void job_remove_outputs(struct loam_db *db, struct compaction_job *job)
{
    for (size_t i = 0; i < job->output_count; i++) {
        char name[FILE_NAME_SIZE];
        file_name_make(FILE_TABLE, job->outputs[i].number, name);
        DISCARD(env_remove(db->dir, name, NULL)); /* An orphan otherwise: swept at the next open. */
    }
}

static int build(struct memtable *const *memtables,
                 size_t count,
                 struct memtable_iter *iters,
                 struct compaction_job *job,
                 struct loam_error *err)
{
    struct iter *children[IMMUTABLE_COUNT_MAX + 1];
    for (size_t i = 0; i < count; i++) {
        memtable_iter_init(&iters[i], memtables[i]);
        children[i] = &iters[i].iter;
    }
    struct merge_iter merge;
    merge_iter_init(&merge);
    merge.iter.err = err;
    int rc = merge_iter_set(&merge, children, count, err);
    if (rc == LOAM_OK) {
        job->input = &merge.iter;
        rc = compaction_run(job, err);
        job->input = NULL;
    }
    iter_free(&merge.iter);
    for (size_t i = 0; i < count; i++) {
        iter_free(&iters[i].iter);
    }
    return rc;
}

int flush_build(struct loam_db *db,
                struct memtable *const *memtables,
                size_t count,
                struct compaction_job *job,
                struct loam_error *err)
{
    PRE(count >= 1 && count <= IMMUTABLE_COUNT_MAX + 1);
    struct memtable_iter iters[IMMUTABLE_COUNT_MAX + 1];
    TRY(version_set_next_file(db->versions, &job->run_order, err));
    job->log_number = memtable_log_number(memtables[0]);
    TRY(build(memtables, count, iters, job, err));
    /* Names first, then the edit that mentions them. */
    return GUARD(FLUSH_DIR_SYNC) ? env_dir_sync(db->dir, err) : LOAM_OK;
}

size_t logs_up_to(struct loam_db *db, uint64_t up_to, uint64_t *numbers)
{
    uint64_t logs[LIVE_LOGS_MAX];
    size_t live = version_set_logs(db->versions, logs, LIVE_LOGS_MAX);
    live = live < LIVE_LOGS_MAX ? live : LIVE_LOGS_MAX;
    size_t count = 0;
    for (size_t i = 0; i < live; i++) {
        if (logs[i] <= up_to) {
            numbers[count++] = logs[i];
        }
    }
    return count;
}

static int install(struct loam_db *db,
                   struct compaction_job *job,
                   uint64_t seq_max,
                   const uint64_t *logs,
                   size_t log_count,
                   struct loam_error *err)
{
    struct manifest_edit *edit = manifest_edit_new();
    if (edit == NULL) {
        return mem_fail(err, 1);
    }
    manifest_edit_set_last_seq(edit, seq_max);
    int rc = job_add_outputs(job, edit, err);
    for (size_t i = 0; i < log_count && rc == LOAM_OK; i++) {
        rc = manifest_edit_remove_log(edit, logs[i], err);
    }
    if (rc == LOAM_OK) {
        const struct table_list made = {.tables = job->made, .count = job->output_count};
        rc = version_set_apply_made(db->versions, edit, &made, err);
    }
    manifest_edit_free(edit);
    return rc;
}

int flush_memtables(struct loam_db *db,
                    struct memtable *const *memtables,
                    size_t count,
                    struct loam_error *err)
{
    uint64_t start = monotonic_ns();
    uint64_t *snapshots = NULL;
    size_t snapshot_count = 0;
    TRY(snapshots_list(db, &snapshots, &snapshot_count, err));
    uint64_t logs[LIVE_LOGS_MAX];
    size_t log_count = logs_up_to(db, memtable_log_number(memtables[0]), logs);
    struct compaction_job job;
    job_init(db, &job, snapshots, snapshot_count);
    job.tables = &db->tables;
    int rc = flush_build(db, memtables, count, &job, err);
    if (rc == LOAM_OK) {
        rc = install(db, &job, memtable_seq_max(memtables[0]), logs, log_count, err);
    }
    if (rc != LOAM_OK) {
        DISCARD(db_poison_if_lost(db));
    }
    /* After a failed sync of the manifest the edit may be on disk all the same: then its files must
     * stay. */
    if (rc != LOAM_OK && !version_set_failed(db->versions, NULL)) {
        job_remove_outputs(db, &job);
    }
    if (rc == LOAM_OK) {
        db_count(&db->counters.flushes, 1);
        db_count(&db->counters.flush_written_bytes, job.bytes_written);
        histogram_add(&db->histograms[LOAM_HISTOGRAM_FLUSH], monotonic_ns() - start);
        obsolete_remove_logs(db, logs, log_count);
    }
    compaction_job_deinit(&job);
    mem_free(snapshots);
    return rc;
}

/* Publishes `next`, made beforehand, as the state without the flushed memtables, which are the
 * oldest `count` of the list. */
static void drop_flushed(struct loam_db *db, size_t count, struct read_state *next) REQUIRES(db->mu)
{
    struct read_state *old = state_get(db);
    PRE(old->immutable_count >= count);
    struct version *version = version_set_current(db->versions);
    state_fill(next, old->active, old->immutable, old->immutable_count - count, version);
    version_unref(version);
    cache_fit(db, next->immutable_count);
    state_publish(db, next);
}

static void note_rate(double *rate, double bytes, uint64_t ns)
{
    double sample = bytes * 1e9 / (double)(ns + 1);
    *rate = *rate == 0 ? sample : *rate * 0.7 + sample * 0.3;
}

/* Flushes all memtables that wait. Called with db->mu held, and left with it. */
static void flush_waiting(struct loam_db *db) NO_THREAD_CHECK
{
    struct read_state *state = state_get(db);
    state_ref(state);
    uint64_t start = monotonic_ns();
    db->flush_began_ns = start;
    mutex_unlock(&db->mu);
    size_t bytes = 0;
    for (size_t i = 0; i < state->immutable_count; i++) {
        bytes += memtable_bytes(state->immutable[i]);
    }
    struct loam_error err = {0};
    /* Made before anything else: once the tables are installed, nothing may keep the memtables in
     * the list. And the logs are settled first: no table is made of rows whose log may be lost. */
    struct read_state *next = state_alloc();
    int rc = next == NULL ? mem_fail(&err, sizeof(*next)) : log_ahead_settle(db, &err);
    if (rc == LOAM_OK) {
        rc = flush_memtables(db, state->immutable, state->immutable_count, &err);
    }
    uint64_t ns = monotonic_ns() - start;
    background_report(db, WORK_FLUSH, rc, &err);
    mutex_lock(&db->mu);
    db->flush_began_ns = 0;
    if (rc == LOAM_OK) {
        note_rate(&db->flush_rate, (double)bytes, ns);
        drop_flushed(db, state->immutable_count, next);
        cond_broadcast(&db->progress);
        cond_broadcast(&db->compact_wake);
    } else {
        mem_free(next);
        if (!db->is_closing) {
            (void)cond_wait_until(&db->flush_wake, &db->mu, monotonic_ns() + RETRY_NS);
        }
    }
    state_unref(state);
}

void *flush_thread_run(void *argument)
{
    struct loam_db *db = argument;
    give_way_begin(&db->is_flush_urgent);
    mutex_lock(&db->mu);
    while (!db->is_closing) {
        bool can_flush = state_get(db)->immutable_count > 0 && !db_cannot_install(db, NULL);
        if (can_flush) {
            flush_waiting(db);
        } else {
            (void)cond_wait_until(&db->flush_wake, &db->mu, monotonic_ns() + IDLE_NS);
        }
        mutex_unlock(&db->mu);
        background_collect(db);
        space_refresh(db);
        scrub_tick(db);
        mutex_lock(&db->mu);
    }
    mutex_unlock(&db->mu);
    return NULL;
}
