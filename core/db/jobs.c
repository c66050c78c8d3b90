/* SPDX-License-Identifier: MIT */
/* jobs.c - the job table and the public calls on it. */
#include "db/jobs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "db/db.h"

void jobs_init(struct jobs *jobs, struct env *env)
{
    mutex_init(&jobs->mu);
    cond_init(&jobs->ended);
    jobs->next_id = 1;
    jobs->env = env;
}

void jobs_deinit(struct jobs *jobs)
{
    cond_deinit(&jobs->ended);
    mutex_deinit(&jobs->mu);
}

static struct job *find(struct jobs *jobs, uint64_t id) REQUIRES(jobs->mu)
{
    struct job *job = &jobs->list[id % JOB_COUNT_MAX];
    return id != 0 && job->info.id == id ? job : NULL;
}

/* The next id whose place in the list is free: a job that runs for long is stepped over. NULL when
 * all places are taken. */
static struct job *next_place(struct jobs *jobs) REQUIRES(jobs->mu)
{
    for (int i = 0; i < JOB_COUNT_MAX; i++) {
        struct job *job = &jobs->list[jobs->next_id % JOB_COUNT_MAX];
        if (job->info.id == 0 || job->info.state != LOAM_JOB_RUNNING) {
            return job;
        }
        jobs->next_id++;
    }
    return NULL;
}

int jobs_begin(
    struct jobs *jobs, const char *kind, uint64_t bytes_total, uint64_t *id, struct loam_error *err)
{
    int rc = LOAM_OK;
    mutex_lock(&jobs->mu);
    struct job *job = next_place(jobs);
    if (job == NULL) {
        rc = fail(err, LOAM_BUSY, "%d jobs are running", (int)JOB_COUNT_MAX);
    } else {
        *job = (struct job){0};
        job->info.id = jobs->next_id++;
        job->info.state = LOAM_JOB_RUNNING;
        job->info.bytes_total = bytes_total;
        job->info.started_at_ms = jobs->env->wall_ms(jobs->env);
        (void)snprintf(job->info.kind, sizeof(job->info.kind), "%s", kind);
        *id = job->info.id;
    }
    mutex_unlock(&jobs->mu);
    return rc;
}

int jobs_progress(struct jobs *jobs, uint64_t id, uint64_t bytes)
{
    mutex_lock(&jobs->mu);
    struct job *job = find(jobs, id);
    int rc = LOAM_OK;
    if (job != NULL) {
        job->info.bytes_done += bytes;
        if (job->info.bytes_done > job->info.bytes_total) {
            job->info.bytes_total = job->info.bytes_done;
        }
        rc = job->is_cancelled ? LOAM_CANCELLED : LOAM_OK;
    }
    mutex_unlock(&jobs->mu);
    return rc;
}

void jobs_expect(struct jobs *jobs, uint64_t id, uint64_t bytes_total)
{
    mutex_lock(&jobs->mu);
    struct job *job = find(jobs, id);
    if (job != NULL) {
        job->info.bytes_total = bytes_total;
    }
    mutex_unlock(&jobs->mu);
}

uint64_t jobs_running(struct jobs *jobs, const char *kind)
{
    uint64_t id = 0;
    mutex_lock(&jobs->mu);
    for (int i = 0; i < JOB_COUNT_MAX && id == 0; i++) {
        const struct loam_job_info *info = &jobs->list[i].info;
        if (info->id != 0 && info->state == LOAM_JOB_RUNNING && strcmp(info->kind, kind) == 0) {
            id = info->id;
        }
    }
    mutex_unlock(&jobs->mu);
    return id;
}

void jobs_end(struct jobs *jobs, uint64_t id, int code, const char *text)
{
    mutex_lock(&jobs->mu);
    struct job *job = find(jobs, id);
    if (job != NULL && job->info.state == LOAM_JOB_RUNNING) {
        job->info.state = code == LOAM_OK          ? LOAM_JOB_DONE
                          : code == LOAM_CANCELLED ? LOAM_JOB_CANCELLED
                                                   : LOAM_JOB_FAILED;
        job->info.code = code;
        job->info.finished_at_ms = jobs->env->wall_ms(jobs->env);
        if (code == LOAM_OK && job->info.bytes_total < job->info.bytes_done) {
            job->info.bytes_total = job->info.bytes_done;
        }
        (void)snprintf(job->info.text, sizeof(job->info.text), "%s", text == NULL ? "" : text);
        cond_broadcast(&jobs->ended);
    }
    mutex_unlock(&jobs->mu);
}

static int not_found(uint64_t id, struct loam_error *err)
{
    return fail(err, LOAM_NOT_FOUND, "no job %" PRIu64, id);
}

int jobs_get(struct jobs *jobs, uint64_t id, struct loam_job_info *out, struct loam_error *err)
{
    mutex_lock(&jobs->mu);
    struct job *found = find(jobs, id);
    if (found != NULL) {
        *out = found->info;
    }
    mutex_unlock(&jobs->mu);
    return found == NULL ? not_found(id, err) : LOAM_OK;
}

int jobs_wait(struct jobs *jobs,
              uint64_t id,
              uint32_t timeout_ms,
              struct loam_job_info *out,
              struct loam_error *err)
{
    uint64_t until = monotonic_ns() + (uint64_t)timeout_ms * 1000000;
    int rc = LOAM_OK;
    mutex_lock(&jobs->mu);
    struct job *found = find(jobs, id);
    while (found != NULL && found->info.state == LOAM_JOB_RUNNING && rc == LOAM_OK) {
        if (timeout_ms == 0) {
            cond_wait(&jobs->ended, &jobs->mu);
        } else if (!cond_wait_until(&jobs->ended, &jobs->mu, until)) {
            rc = fail(err, LOAM_TIMEOUT, "job %" PRIu64 " still runs after %u ms", id, timeout_ms);
        }
        found = find(jobs, id);
    }
    if (found != NULL && rc == LOAM_OK) {
        *out = found->info;
    }
    mutex_unlock(&jobs->mu);
    return found == NULL ? not_found(id, err) : rc;
}

int jobs_cancel(struct jobs *jobs, uint64_t id, struct loam_error *err)
{
    mutex_lock(&jobs->mu);
    struct job *found = find(jobs, id);
    if (found != NULL) {
        found->is_cancelled = true;
    }
    mutex_unlock(&jobs->mu);
    return found == NULL ? not_found(id, err) : LOAM_OK;
}

/* ---- The public calls ---- */

int loam_job_get(loam_db *db, uint64_t job, loam_job_info *out, loam_error *err)
{
    return jobs_get(&db->jobs, job, out, err);
}

int loam_job_wait(
    loam_db *db, uint64_t job, uint32_t timeout_ms, loam_job_info *out, loam_error *err)
{
    return jobs_wait(&db->jobs, job, timeout_ms, out, err);
}

int loam_job_cancel(loam_db *db, uint64_t job, loam_error *err)
{
    return jobs_cancel(&db->jobs, job, err);
}

static int newest_first(const void *a, const void *b)
{
    uint64_t left = ((const loam_job_info *)a)->id;
    uint64_t right = ((const loam_job_info *)b)->id;
    return left < right ? 1 : left > right ? -1 : 0;
}

size_t loam_job_list(loam_db *db, loam_job_info *out, size_t capacity)
{
    loam_job_info all[JOB_COUNT_MAX];
    size_t count = 0;
    mutex_lock(&db->jobs.mu);
    for (int i = 0; i < JOB_COUNT_MAX; i++) {
        if (db->jobs.list[i].info.id != 0) {
            all[count++] = db->jobs.list[i].info;
        }
    }
    mutex_unlock(&db->jobs.mu);
    qsort(all, count, sizeof(all[0]), newest_first);
    count = count < capacity ? count : capacity;
    memcpy(out, all, count * sizeof(all[0]));
    return count;
}
