/* SPDX-License-Identifier: MIT */
/* progress.c - see progress.h. */
#include "db/progress.h"

#include <time.h>

enum { NAP_NS = 20000000 };

static int ask(struct progress *progress, uint64_t bytes, struct loam_error *err)
{
    if (progress->jobs == NULL) {
        return LOAM_OK;
    }
    int rc = jobs_progress(progress->jobs, progress->job, bytes);
    return rc == LOAM_OK ? LOAM_OK : fail(err, rc, "cancelled");
}

int progress_add(struct progress *progress, uint64_t bytes, struct loam_error *err)
{
    if (progress == NULL) {
        return LOAM_OK;
    }
    TRY(ask(progress, bytes, err));
    if (progress->rate == 0) {
        return LOAM_OK;
    }
    uint64_t now = monotonic_ns();
    progress->start_ns = progress->start_ns == 0 ? now : progress->start_ns;
    progress->bytes += bytes;
    double span = (double)progress->bytes / (double)progress->rate * 1e9;
    uint64_t due = progress->start_ns + (uint64_t)span;
    while (now < due) {
        struct timespec nap = {.tv_nsec = (long)(due - now < NAP_NS ? due - now : NAP_NS)};
        (void)nanosleep(&nap, NULL);
        TRY(ask(progress, 0, err)); /* A cancelled job does not sleep its rate out. */
        now = monotonic_ns();
    }
    return LOAM_OK;
}

void progress_expect(struct progress *progress, uint64_t bytes_total)
{
    if (progress != NULL && progress->jobs != NULL) {
        jobs_expect(progress->jobs, progress->job, bytes_total);
    }
}
