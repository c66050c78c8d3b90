/* SPDX-License-Identifier: MIT */
/*
 * jobs.h - long operations that the caller follows: full compaction, later check and backup.
 * Floor 4. Thread: any.
 *
 *   RUNNING -> DONE | FAILED | CANCELLED
 *
 * JOB_COUNT_MAX jobs are remembered: those that run, and the latest of the others.
 */
#ifndef LOAM_DB_JOBS_H
#define LOAM_DB_JOBS_H

#include "base/thread.h"
#include "env/env.h"

enum { JOB_COUNT_MAX = 64 };

struct job {
    struct loam_job_info info;
    bool is_cancelled;
};

struct jobs {
    struct loam_mutex mu;
    struct loam_cond ended;
    struct job
        list[JOB_COUNT_MAX] PROTECTED_BY(mu); /* Job id i stands in list[i % JOB_COUNT_MAX]. */
    uint64_t next_id PROTECTED_BY(mu);        /* From 1; steps over those of running jobs. */
    struct env *env;
};

void jobs_init(struct jobs *jobs, struct env *env);
void jobs_deinit(struct jobs *jobs);
/* Returns the id of a new running job. Errors: BUSY when JOB_COUNT_MAX jobs are running. */
NODISCARD int jobs_begin(struct jobs *jobs,
                         const char *kind,
                         uint64_t bytes_total,
                         uint64_t *id,
                         struct loam_error *err);
/* Adds to bytes_done. Returns LOAM_CANCELLED when somebody cancelled it. */
NODISCARD int jobs_progress(struct jobs *jobs, uint64_t id, uint64_t bytes);
/* Tells how many bytes there will be, once that is known. */
void jobs_expect(struct jobs *jobs, uint64_t id, uint64_t bytes_total);
/* What loam_job_get(), loam_job_wait() and loam_job_cancel() are. */
NODISCARD int
jobs_get(struct jobs *jobs, uint64_t id, struct loam_job_info *out, struct loam_error *err);
NODISCARD int jobs_wait(struct jobs *jobs,
                        uint64_t id,
                        uint32_t timeout_ms,
                        struct loam_job_info *out,
                        struct loam_error *err);
NODISCARD int jobs_cancel(struct jobs *jobs, uint64_t id, struct loam_error *err);
/* The id of a running job of this kind; 0 = none. */
uint64_t jobs_running(struct jobs *jobs, const char *kind);
/* Ends a job: code LOAM_OK = done, LOAM_CANCELLED, else failed; text may be NULL. Ending an ended
 * job changes nothing. */
void jobs_end(struct jobs *jobs, uint64_t id, int code, const char *text);

#endif
