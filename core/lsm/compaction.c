/* SPDX-License-Identifier: MIT */
/*
 * compaction.c - see compaction.h.
 *
 * One pass: read the next version, decide (compaction_keep.h), add it to the open table. A table
 * ends when it is large enough and the next row to be written has another key. What went in is
 * counted and summed up as a digest of rows; a verified table must give the same digest when read
 * back, so that a bit that flips between the input and the file is found before the file counts.
 */
#include "lsm/compaction.h"

#include <inttypes.h>

#include "base/check.h"
#include "base/coding.h"
#include "base/give_way.h"
#include "base/guard.h"
#include "base/limits.h"
#include "base/memory.h"
#include "disk/table_reader.h"
#include "lsm/compaction_keep.h"

#define PROGRESS_STEP (1u << 20)

struct pass {
    struct compaction_job *job;
    struct keep_rule rule;
    struct table_builder *builder; /* The open table, or NULL. */
    struct loam_buffer key;        /* Of the versions that pass now. */
    uint64_t last_seq;             /* Of the version before; 0 = first of its key. */
    uint64_t digest;               /* Of the rows in the open table. */
    uint64_t rows_dropped;
    uint64_t bytes_told; /* To on_progress. */
    size_t capacity;     /* Of job->outputs. */
    uint32_t bucket;     /* The bucket that is_live is about. */
    bool has_bucket;
    bool is_live;
    bool has_key;
    bool is_key_written; /* A version of the present key is in the open table. */
};

static int outputs_grow(struct pass *pass, struct loam_error *err)
{
    struct compaction_job *job = pass->job;
    if (job->output_count < pass->capacity) {
        return LOAM_OK;
    }
    size_t capacity = pass->capacity == 0 ? 16 : pass->capacity * 2;
    struct table_meta *grown = mem_realloc(job->outputs, capacity * sizeof(*grown));
    if (grown == NULL) {
        return mem_fail(err, capacity * sizeof(*grown));
    }
    job->outputs = grown;
    struct table **made = mem_realloc(job->made, capacity * sizeof(*made));
    if (made == NULL) {
        return mem_fail(err, capacity * sizeof(*made));
    }
    job->made = made;
    pass->capacity = capacity;
    return LOAM_OK;
}

/* Opens the next table. It stands in the outputs from before its file exists, so that a caller who
 * cleans up knows its number. */
static int table_begin(struct pass *pass, struct loam_error *err)
{
    struct compaction_job *job = pass->job;
    PRE(pass->builder == NULL);
    TRY(outputs_grow(pass, err));
    uint64_t number = 0;
    TRY(job->next_file(job->owner, &number, err));
    job->made[job->output_count] = NULL;
    job->outputs[job->output_count++] = (struct table_meta){.number = number};
    pass->digest = 0;
    return table_builder_open(job->dir, number, &job->id, &job->table_options, &pass->builder, err);
}

/* Copies both keys into one piece of memory that the output owns. */
static int keys_own(struct table_meta *meta, struct loam_error *err)
{
    size_t size = meta->smallest.size + meta->largest.size;
    char *bytes = mem_alloc(size);
    if (bytes == NULL) {
        meta->smallest = meta->largest = slice_make(NULL, 0);
        return mem_fail(err, size);
    }
    if (meta->smallest.size > 0) {
        memcpy(bytes, meta->smallest.data, meta->smallest.size);
    }
    if (meta->largest.size > 0) {
        memcpy(bytes + meta->smallest.size, meta->largest.data, meta->largest.size);
    }
    meta->smallest.data = bytes;
    meta->largest.data = bytes + meta->smallest.size;
    return LOAM_OK;
}

/* Reads a table back that is to become no object: one of a copy. */
static int file_verify(const struct compaction_job *job,
                       const struct table_meta *meta,
                       uint64_t *digest,
                       struct loam_error *err)
{
    struct table_reader *reader = NULL;
    TRY(table_reader_open(job->dir, meta->number, meta->size, &job->id, &reader, err));
    int rc = table_reader_check_rows(reader, meta, NULL, digest, err);
    table_reader_close(reader);
    return rc;
}

/* Reads the last output back. */
static int output_verify(const struct pass *pass, struct loam_error *err)
{
    struct compaction_job *job = pass->job;
    const struct table_meta *meta = &job->outputs[job->output_count - 1];
    uint64_t digest = 0;
    if (job->tables == NULL) {
        TRY(file_verify(job, meta, &digest, err));
    } else {
        struct table **made = &job->made[job->output_count - 1];
        TRY(table_new(job->tables, meta, made, err));
        TRY(table_verify(*made, &digest, err));
    }
    if (digest != pass->digest) {
        return fail(err, LOAM_CORRUPT,
                    "%012" PRIu64
                    ".sst at offset 0: rows read back are not those that were written",
                    meta->number);
    }
    return LOAM_OK;
}

/* Ends the open table, if there is one. */
static int table_end(struct pass *pass, struct loam_error *err)
{
    struct compaction_job *job = pass->job;
    if (pass->builder == NULL) {
        return LOAM_OK;
    }
    struct table_meta *slot = &job->outputs[job->output_count - 1];
    struct table_meta meta = {0};
    uint64_t count = table_builder_count(pass->builder);
    TRY(table_builder_finish(pass->builder, &meta, err));
    TRY(keys_own(&meta, err));
    meta.run = job->run_order;
    meta.log_number = job->log_number;
    INV(meta.number == slot->number);
    *slot = meta;
    table_builder_close(pass->builder);
    pass->builder = NULL;
    job->rows_out += meta.row_count;
    job->bytes_written += meta.size;
    if (meta.row_count != count) {
        return fail(err, LOAM_CORRUPT,
                    "%012" PRIu64 ".sst at offset 0: %" PRIu64 " rows were added, it has %" PRIu64,
                    meta.number, count, meta.row_count);
    }
    return job->verify && GUARD(TABLE_READ_BACK) ? output_verify(pass, err) : LOAM_OK;
}

static int progress(struct pass *pass, struct loam_error *err)
{
    struct compaction_job *job = pass->job;
    uint64_t open = pass->builder == NULL ? 0 : table_builder_size_estimate(pass->builder);
    uint64_t bytes = job->bytes_written + open;
    if (job->on_progress == NULL || bytes < pass->bytes_told + PROGRESS_STEP) {
        return LOAM_OK;
    }
    pass->bytes_told = bytes;
    int rc = job->on_progress(job->owner, bytes);
    if (rc != LOAM_OK) {
        return fail(err, rc, "compaction stopped after %" PRIu64 " rows", job->rows_in);
    }
    return LOAM_OK;
}

/* Turns to the versions of another key. */
static int key_begin(struct pass *pass, struct slice key, struct loam_error *err)
{
    const struct compaction_job *job = pass->job;
    if (pass->has_key && slice_cmp(buf_slice(&pass->key), key) >= 0) {
        return fail(err, LOAM_CORRUPT, "rows to be merged are out of order after row %" PRIu64,
                    job->rows_in);
    }
    if (key.size < BUCKET_ID_SIZE) {
        return fail(err, LOAM_CORRUPT, "row %" PRIu64 " to be merged has a key of %zu bytes",
                    job->rows_in, key.size);
    }
    TRY(buf_assign(&pass->key, key.data, key.size, err));
    uint32_t bucket = get_u32_be(key.data);
    if (!pass->has_bucket || bucket != pass->bucket) {
        pass->has_bucket = true;
        pass->bucket = bucket;
        pass->is_live = job->bucket_is_live == NULL || job->bucket_is_live(job->owner, bucket);
    }
    pass->has_key = true;
    pass->is_key_written = false;
    pass->last_seq = 0;
    return LOAM_OK;
}

static int row_write(struct pass *pass, const struct entry *entry, struct loam_error *err)
{
    struct compaction_job *job = pass->job;
    if (pass->builder != NULL && !pass->is_key_written &&
        table_builder_size_estimate(pass->builder) >= job->table_bytes) {
        TRY(table_end(pass, err));
    }
    if (pass->builder == NULL) {
        TRY(table_begin(pass, err));
    }
    TRY(table_builder_add(pass->builder, entry, err));
    pass->is_key_written = true;
    if (job->verify) {
        pass->digest += table_row_digest(entry);
    }
    return progress(pass, err);
}

static int row_pass(struct pass *pass, const struct entry *entry, struct loam_error *err)
{
    struct compaction_job *job = pass->job;
    job->rows_in++;
    if (!pass->has_key || !slice_equal(entry->key, buf_slice(&pass->key))) {
        TRY(key_begin(pass, entry->key, err));
    } else if (entry->seq >= pass->last_seq) {
        return fail(err, LOAM_CORRUPT,
                    "versions to be merged are out of order: %" PRIu64 " after %" PRIu64,
                    entry->seq, pass->last_seq);
    }
    int verdict = pass->is_live ? keep_decide(&pass->rule, entry->seq, pass->last_seq, entry->kind,
                                              entry->expire_at_ms)
                                : KEEP_NOT;
    pass->last_seq = entry->seq;
    if (verdict == KEEP_ROW) {
        return row_write(pass, entry, err);
    }
    if (verdict == KEEP_AS_DELETE) {
        const struct entry hidden = {.key = entry->key, .seq = entry->seq, .kind = ENTRY_DELETE};
        return row_write(pass, &hidden, err);
    }
    pass->rows_dropped++;
    give_way_after(entry->key.size + entry->value.size);
    return LOAM_OK;
}

static int rows_pass(struct pass *pass, struct loam_error *err)
{
    struct compaction_job *job = pass->job;
    struct iter *input = job->input;
    for (iter_first(input); input->is_valid; iter_next(input)) {
        TRY(row_pass(pass, &input->entry, err));
    }
    if (input->status != LOAM_OK) {
        bool has_text = err != NULL && err->code == input->status;
        return has_text ? input->status
                        : fail(err, input->status, "row %" PRIu64 " to be merged cannot be read",
                               job->rows_in + 1);
    }
    TRY(table_end(pass, err));
    if (job->rows_out + pass->rows_dropped != job->rows_in) {
        return fail(err, LOAM_CORRUPT,
                    "merge of %" PRIu64 " rows gave %" PRIu64 " and dropped %" PRIu64, job->rows_in,
                    job->rows_out, pass->rows_dropped);
    }
    return LOAM_OK;
}

int compaction_run(struct compaction_job *job, struct loam_error *err)
{
    PRE(job->outputs == NULL && job->output_count == 0);
    PRE(job->next_file != NULL && job->table_bytes > 0);
    struct pass pass = {.job = job,
                        .rule = {.snapshots = job->snapshots,
                                 .snapshot_count = job->snapshot_count,
                                 .now_ms = job->now_ms,
                                 .is_bottom = job->is_bottom}};
    job->rows_in = 0;
    job->rows_out = 0;
    job->bytes_written = 0;
    int rc = rows_pass(&pass, err);
    table_builder_close(pass.builder);
    loam_buffer_free(&pass.key);
    return rc;
}

void compaction_job_deinit(struct compaction_job *job)
{
    for (size_t i = 0; i < job->output_count; i++) {
        /* One piece of memory holds both keys. */
        mem_free((char *)job->outputs[i].smallest.data);
        table_unref(job->made[i]);
    }
    mem_free(job->outputs);
    mem_free(job->made);
    job->outputs = NULL;
    job->made = NULL;
    job->output_count = 0;
}
