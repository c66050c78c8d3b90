/* SPDX-License-Identifier: MIT */
/*
 * batch.h - operations collected by a caller. Floor 4.
 *
 * Plain puts and deletes are kept in the form in which the log stores them (disk/ops.h), so that
 * committing them copies bytes once. Operations that must look at the present row (conditions,
 * increments, ...) or at their bucket (time to live, merge operator) have an extra record beside;
 * commit resolves those to plain ones. Thread: owner.
 */
#ifndef LOAM_DB_BATCH_H
#define LOAM_DB_BATCH_H

#include "base/buf.h"
#include "base/slice.h"
#include "loam.h"

enum { BATCH_BUCKETS_KEPT = 8 };

/* What an operation needs beyond its encoded form. */
struct batch_extra {
    uint32_t index; /* Of the operation in the batch. */
    int kind;       /* LOAM_OP_* */
    int condition;  /* LOAM_IF_* */
    bool has_init;
    bool report_previous;
    bool want_previous;
    bool has_ttl;
    bool no_expiry;
    uint64_t ttl_ms;
    uint64_t if_seq;
    size_t if_value_offset; /* In batch->values. */
    size_t if_value_size;
    double by;
    double init;
};

struct loam_batch {
    struct loam_buffer ops;    /* Encoded operations. */
    struct loam_buffer extras; /* Array of struct batch_extra, by index ascending. */
    struct loam_buffer values; /* Bytes of if_value conditions. */
    uint32_t count;
    size_t key_size_max; /* Largest user key and value seen, for the database's own limits. */
    size_t value_size_max;
    size_t user_bytes; /* Sum of user key and value bytes. */
    /* Distinct buckets, so that commit checks each once; bucket_count > BATCH_BUCKETS_KEPT = too
     * many to list. */
    uint32_t buckets[BATCH_BUCKETS_KEPT];
    uint32_t bucket_count;
};

static inline size_t batch_extra_count(const struct loam_batch *batch)
{
    return batch->extras.size / sizeof(struct batch_extra);
}

void batch_deinit(struct loam_batch *batch);
/* Makes *to, zeroed or deinitialised, an equal batch of its own. Errors: NO_MEMORY. */
NODISCARD int
batch_copy(struct loam_batch *to, const struct loam_batch *from, struct loam_error *err);

#endif
