/* SPDX-License-Identifier: MIT */
/* batch.c - the public batch calls: limits are checked here, before anything is kept. */
#include "db/batch.h"

#include <math.h>

#include "base/check.h"
#include "base/coding.h"
#include "base/limits.h"
#include "disk/ops.h"

loam_batch *loam_batch_new(void)
{
    return mem_zalloc(1, sizeof(struct loam_batch));
}

void batch_deinit(struct loam_batch *batch)
{
    loam_buffer_free(&batch->ops);
    loam_buffer_free(&batch->extras);
    loam_buffer_free(&batch->values);
}

void loam_batch_free(loam_batch *batch)
{
    if (batch != NULL) {
        batch_deinit(batch);
        mem_free(batch);
    }
}

/* Empties a buffer; one that a large value has made large is not kept for small ones. */
static void empty(struct loam_buffer *buffer)
{
    enum { KEEP_MAX = 1 << 20 };
    if (buffer->capacity > KEEP_MAX) {
        loam_buffer_free(buffer);
    }
    buffer->size = 0;
}

void loam_batch_clear(loam_batch *batch)
{
    empty(&batch->ops);
    empty(&batch->extras);
    empty(&batch->values);
    batch->count = 0;
    batch->key_size_max = 0;
    batch->value_size_max = 0;
    batch->user_bytes = 0;
    batch->bucket_count = 0;
}

size_t loam_batch_count(const loam_batch *batch)
{
    return batch->count;
}

size_t loam_batch_bytes(const loam_batch *batch)
{
    return batch->ops.size + batch->values.size;
}

int batch_copy(struct loam_batch *to, const struct loam_batch *from, struct loam_error *err)
{
    struct loam_batch copy = *from;
    copy.ops = copy.extras = copy.values = (struct loam_buffer){0};
    int rc = buf_assign(&copy.ops, from->ops.data, from->ops.size, err);
    KEEP_FIRST(rc, buf_assign(&copy.extras, from->extras.data, from->extras.size, err));
    KEEP_FIRST(rc, buf_assign(&copy.values, from->values.data, from->values.size, err));
    if (rc != LOAM_OK) {
        batch_deinit(&copy);
        return rc;
    }
    *to = copy;
    return LOAM_OK;
}

static void note_bucket(struct loam_batch *batch, uint32_t bucket)
{
    if (batch->bucket_count > BATCH_BUCKETS_KEPT) {
        return;
    }
    for (uint32_t i = 0; i < batch->bucket_count; i++) {
        if (batch->buckets[i] == bucket) {
            return;
        }
    }
    if (batch->bucket_count < BATCH_BUCKETS_KEPT) {
        batch->buckets[batch->bucket_count] = bucket;
    }
    batch->bucket_count++;
}

static int check_sizes(const struct loam_batch *batch,
                       size_t key_size,
                       size_t value_size,
                       struct loam_error *err)
{
    if (UNLIKELY(key_size > KEY_SIZE_MAX)) {
        return fail(err, LOAM_TOO_LARGE, "key of %zu bytes is over key_bytes_max %u", key_size,
                    KEY_SIZE_MAX);
    }
    if (UNLIKELY(value_size > VALUE_SIZE_MAX)) {
        return fail(err, LOAM_TOO_LARGE, "value of %zu bytes is over value_bytes_max %u",
                    value_size, VALUE_SIZE_MAX);
    }
    if (UNLIKELY(batch->ops.size + batch->values.size >
                 BATCH_SIZE_MAX - key_size - value_size - 64)) {
        return fail(err, LOAM_TOO_LARGE, "batch is over the limit of %u bytes", BATCH_SIZE_MAX);
    }
    return LOAM_OK;
}

/* Encodes one operation; the entry's key is the user's key, bucket goes in front. */
static int
append_op(struct loam_batch *batch, uint32_t bucket, struct entry *entry, struct loam_error *err)
{
    size_t user_key_size = entry->key.size;
    TRY(check_sizes(batch, user_key_size, entry->value.size, err));
    TRY(ops_append_in(&batch->ops, bucket, entry, err));
    note_bucket(batch, bucket);
    if (user_key_size > batch->key_size_max) {
        batch->key_size_max = user_key_size;
    }
    if (entry->value.size > batch->value_size_max) {
        batch->value_size_max = entry->value.size;
    }
    batch->user_bytes += user_key_size + entry->value.size;
    batch->count++;
    return LOAM_OK;
}

int loam_batch_put(loam_batch *batch,
                   uint32_t bucket,
                   const void *key,
                   size_t key_size,
                   const void *value,
                   size_t value_size,
                   loam_error *err)
{
    struct entry entry = {
        .kind = ENTRY_PUT,
        .key = slice_make(key, key_size),
        .value = slice_make(value, value_size),
    };
    return append_op(batch, bucket, &entry, err);
}

int loam_batch_delete(
    loam_batch *batch, uint32_t bucket, const void *key, size_t key_size, loam_error *err)
{
    struct entry entry = {.kind = ENTRY_DELETE, .key = slice_make(key, key_size)};
    return append_op(batch, bucket, &entry, err);
}

static int check_op(const struct loam_op *op, struct loam_error *err)
{
    if (op->kind < LOAM_OP_PUT || op->kind > LOAM_OP_APPEND) {
        return fail(err, LOAM_INVALID, "unknown operation kind %d", op->kind);
    }
    if (op->condition < LOAM_IF_NONE || op->condition > LOAM_IF_VALUE) {
        return fail(err, LOAM_INVALID, "unknown condition %d", op->condition);
    }
    if (op->content_type > CONTENT_TYPE_MAX) {
        return fail(err, LOAM_INVALID, "unknown content type %u", op->content_type);
    }
    if (op->kind == LOAM_OP_INCR && (!isfinite(op->by) || !isfinite(op->init))) {
        return fail(err, LOAM_INVALID, "an increment must be a finite number");
    }
    if (op->if_value_size > VALUE_SIZE_MAX) {
        return fail(err, LOAM_TOO_LARGE, "if_value of %zu bytes is over value_bytes_max %u",
                    op->if_value_size, VALUE_SIZE_MAX);
    }
    return LOAM_OK;
}

static bool needs_extra(const struct loam_op *op)
{
    return (op->kind != LOAM_OP_PUT && op->kind != LOAM_OP_DELETE) ||
           op->condition != LOAM_IF_NONE || op->report_previous || op->want_previous ||
           op->ttl_ms != 0 || op->no_expiry;
}

int loam_batch_add(loam_batch *batch, const loam_op *op, loam_error *err)
{
    TRY(check_op(op, err));
    bool is_delete = op->kind == LOAM_OP_DELETE;
    struct entry entry = {
        .kind = is_delete ? ENTRY_DELETE : ENTRY_PUT,
        .key = slice_make(op->key, op->key_size),
        .value = is_delete ? slice_make(NULL, 0) : slice_make(op->value, op->value_size),
        .expire_at_ms = op->no_expiry || is_delete ? 0 : op->expire_at_ms,
        .content_type = is_delete ? 0 : op->content_type,
    };
    if (!needs_extra(op)) {
        return append_op(batch, op->bucket, &entry, err);
    }
    struct batch_extra extra = {
        .index = batch->count,
        .kind = op->kind,
        .condition = op->condition,
        .has_init = op->has_init,
        .report_previous = op->report_previous,
        .want_previous = op->want_previous,
        .has_ttl = op->ttl_ms != 0,
        .no_expiry = op->no_expiry,
        .ttl_ms = op->ttl_ms,
        .if_seq = op->if_seq,
        .if_value_offset = batch->values.size,
        .if_value_size = op->condition == LOAM_IF_VALUE ? op->if_value_size : 0,
        .by = op->by,
        .init = op->init,
    };
    /* Room first: after the operation is encoded nothing may fail. */
    TRY(buf_reserve(&batch->extras, sizeof(extra), err));
    TRY(buf_reserve(&batch->values, extra.if_value_size, err));
    TRY(append_op(batch, op->bucket, &entry, err));
    INV(buf_append(&batch->extras, &extra, sizeof(extra), NULL) == LOAM_OK);
    INV(buf_append(&batch->values, op->if_value, extra.if_value_size, NULL) == LOAM_OK);
    return LOAM_OK;
}
