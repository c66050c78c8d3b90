/* SPDX-License-Identifier: MIT */
/* write.c - the public writing calls: each makes a ticket and runs it. */
#include "base/check.h"
#include "db/commit.h"
#include "db/db.h"
#include "db/read.h"
#include "disk/ops.h"

int loam_write(loam_db *db,
               const loam_batch *batch,
               const loam_commit *commit,
               loam_outcome *outcome,
               loam_error *err)
{
    struct loam_outcome ignored = {0};
    struct loam_outcome *result = outcome == NULL ? &ignored : outcome;
    struct ticket ticket;
    TRY(ticket_init(&ticket, db, batch, commit, result, err));
    int rc = batch->count == 0 ? db_check_writable(db, err) : commit_run(db, &ticket);
    loam_buffer_free(&ignored.previous);
    return rc;
}

/* A thread's own batch for single operations: its memory is reused from call to call. */
static _Thread_local struct loam_batch *scratch;
static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

enum { SCRATCH_KEEP_MAX = 1 << 20 };

static void scratch_free(void *batch)
{
    loam_batch_free(batch);
    scratch = NULL;
}

static void scratch_key_make(void)
{
    INV(pthread_key_create(&scratch_key, scratch_free) == 0);
}

static struct loam_batch *scratch_take(struct loam_error *err)
{
    if (UNLIKELY(scratch == NULL)) {
        (void)pthread_once(&scratch_once, scratch_key_make);
        scratch = loam_batch_new();
        if (scratch == NULL) {
            (void)mem_fail(err, sizeof(*scratch));
            return NULL;
        }
        (void)pthread_setspecific(scratch_key, scratch);
    }
    if (UNLIKELY(scratch->ops.capacity > SCRATCH_KEEP_MAX)) {
        batch_deinit(scratch);
    }
    loam_batch_clear(scratch);
    return scratch;
}

int loam_put(loam_db *db,
             uint32_t bucket,
             const void *key,
             size_t key_size,
             const void *value,
             size_t value_size,
             uint64_t *seq,
             loam_error *err)
{
    struct loam_batch *batch = scratch_take(err);
    if (batch == NULL) {
        return LOAM_NO_MEMORY;
    }
    TRY(loam_batch_put(batch, bucket, key, key_size, value, value_size, err));
    struct loam_outcome outcome = {0};
    TRY(loam_write(db, batch, NULL, &outcome, err));
    if (seq != NULL) {
        *seq = outcome.seq;
    }
    return LOAM_OK;
}

int loam_delete(
    loam_db *db, uint32_t bucket, const void *key, size_t key_size, uint64_t *seq, loam_error *err)
{
    struct loam_batch *batch = scratch_take(err);
    if (batch == NULL) {
        return LOAM_NO_MEMORY;
    }
    TRY(loam_batch_delete(batch, bucket, key, key_size, err));
    struct loam_outcome outcome = {0};
    TRY(loam_write(db, batch, NULL, &outcome, err));
    if (seq != NULL) {
        *seq = outcome.seq;
    }
    return LOAM_OK;
}

int loam_apply(loam_db *db,
               const loam_op *op,
               const loam_commit *commit,
               loam_outcome *outcome,
               loam_error *err)
{
    struct loam_batch *batch = scratch_take(err);
    if (batch == NULL) {
        return LOAM_NO_MEMORY;
    }
    TRY(loam_batch_add(batch, op, err));
    return loam_write(db, batch, commit, outcome, err);
}
