/* SPDX-License-Identifier: MIT */
/*
 * progress.h - how far a long operation is: told to its job, held to its rate. Floor 4.
 * Thread: owner.
 */
#ifndef LOAM_DB_PROGRESS_H
#define LOAM_DB_PROGRESS_H

#include "db/jobs.h"

/* ffi: begin */
struct progress;
/* ffi: end */

struct progress {
    struct jobs *jobs; /* NULL: nobody follows. */
    uint64_t job;
    uint64_t rate;     /* Bytes per second; 0 = unlimited. */
    uint64_t start_ns; /* Set by the first bytes. */
    uint64_t bytes;
};

/* Counts bytes, sleeps while they came faster than the rate. progress may be NULL. Errors:
 * CANCELLED. */
NODISCARD int progress_add(struct progress *progress, uint64_t bytes, struct loam_error *err);

/* Tells the job how many bytes there will be. progress may be NULL. */
void progress_expect(struct progress *progress, uint64_t bytes_total);

#endif
