/* SPDX-License-Identifier: MIT */
/* buckets.c - public bucket and content-type calls, and the table for the write path. */
#include "db/buckets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/memory.h"

static void table_release(struct epoch_item *item)
{
    mem_free(item);
}

_Static_assert(offsetof(struct bucket_table, epoch_item) == 0, "table_release frees the item");

static int rule_cmp(const void *a, const void *b)
{
    const struct bucket_rule *x = a;
    const struct bucket_rule *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* A table to come. Its memory is there before the change that it shows is made: a change that is
 * durable cannot fail to show. */
struct publishing {
    struct bucket_meta *metas; /* `capacity` of them. */
    struct bucket_table *table;
    size_t capacity;
};

static void publishing_drop(struct publishing *next)
{
    mem_free(next->metas);
    mem_free(next->table);
}

/* Room for the buckets there are and one more. */
static int publishing_begin(struct loam_db *db, struct publishing *next, struct loam_error *err)
{
    size_t capacity = version_set_buckets(db->versions, NULL, 0) + 1;
    size_t size = sizeof(*next->table) + capacity * sizeof(next->table->rules[0]);
    *next = (struct publishing){.metas = mem_zalloc(capacity, sizeof(*next->metas)),
                                .table = mem_zalloc(1, size),
                                .capacity = capacity};
    if (next->metas == NULL || next->table == NULL) {
        publishing_drop(next);
        return mem_fail(err, size);
    }
    return LOAM_OK;
}

static void publishing_end(struct loam_db *db, struct publishing *next)
{
    struct bucket_table *table = next->table;
    table->count = version_set_buckets(db->versions, next->metas, next->capacity);
    INV(table->count <= next->capacity);
    for (size_t i = 0; i < table->count; i++) {
        const struct bucket_meta *meta = &next->metas[i];
        table->rules[i] = (struct bucket_rule){meta->id, meta->merge, meta->ttl_ms};
    }
    qsort(table->rules, table->count, sizeof(table->rules[0]), rule_cmp);
    mem_free(next->metas);
    struct bucket_table *old = atomic_exchange_explicit(&db->buckets, table, memory_order_acq_rel);
    if (old != NULL) {
        epoch_retire(&old->epoch_item, table_release);
    }
}

int buckets_publish(struct loam_db *db, struct loam_error *err)
{
    struct publishing next;
    TRY(publishing_begin(db, &next, err));
    publishing_end(db, &next);
    return LOAM_OK;
}

void buckets_free(struct loam_db *db)
{
    mem_free(atomic_load_explicit(&db->buckets, memory_order_relaxed));
}

const struct bucket_rule *bucket_find(struct loam_db *db, uint32_t id)
{
    const struct bucket_table *table = atomic_load_explicit(&db->buckets, memory_order_acquire);
    size_t low = 0;
    size_t high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->rules[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < table->count && table->rules[low].id == id ? &table->rules[low] : NULL;
}

int bucket_check(struct loam_db *db, uint32_t id, struct loam_error *err)
{
    if (LIKELY(bucket_find(db, id) != NULL)) {
        return LOAM_OK;
    }
    return fail(err, LOAM_CLOSED, "bucket %u does not exist or was dropped", id);
}

static int check_name(const char *name, struct loam_error *err)
{
    size_t size = strlen(name);
    if (size == 0 || size > BUCKET_NAME_MAX) {
        return fail(err, LOAM_INVALID, "bucket name has %zu characters; it takes 1 to %u", size,
                    BUCKET_NAME_MAX);
    }
    for (const char *p = name; *p != '\0'; p++) {
        bool is_good = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                       (*p >= '0' && *p <= '9') || *p == '.' || *p == '_' || *p == '-';
        if (!is_good) {
            return fail(err, LOAM_INVALID,
                        "bucket name '%.64s' has a character outside A-Z a-z 0-9 . _ -", name);
        }
    }
    return LOAM_OK;
}

static void fill_info(const struct bucket_meta *meta, struct loam_bucket_info *out)
{
    INV(meta->name.size < sizeof(out->name));
    *out = (struct loam_bucket_info){
        .id = meta->id, .ttl_ms = meta->ttl_ms, .merge = (int)meta->merge};
    memcpy(out->name, meta->name.data, meta->name.size);
}

/* The code of a change of the manifest: a failed sync leaves open whether the change is there. */
static int outcome_of(struct loam_db *db, int rc, struct loam_error *err)
{
    bool is_of_disk = rc == LOAM_IO || rc == LOAM_NO_SPACE;
    if (!is_of_disk || !db_poison_if_lost(db)) {
        return rc;
    }
    error_unknown(err);
    return LOAM_UNKNOWN_OUTCOME;
}

static int bucket_add(struct loam_db *db,
                      struct slice name,
                      const loam_bucket_options *options,
                      struct bucket_meta *meta,
                      struct loam_error *err) REQUIRES(db->bucket_mu)
{
    struct publishing next;
    TRY(publishing_begin(db, &next, err));
    int rc = version_set_bucket_add(db->versions, name, (uint32_t)options->merge, options->ttl_ms,
                                    meta, err);
    if (rc != LOAM_OK) {
        publishing_drop(&next);
        return rc;
    }
    publishing_end(db, &next);
    return LOAM_OK;
}

static int bucket_create(struct loam_db *db,
                         const char *name,
                         const loam_bucket_options *options,
                         struct bucket_meta *meta,
                         struct loam_error *err)
{
    if (options->merge < LOAM_MERGE_NONE || options->merge > LOAM_MERGE_APPEND) {
        return fail(err, LOAM_INVALID, "unknown merge operator %d", options->merge);
    }
    TRY(db_check_writable(db, err));
    struct slice key = slice_make(name, strlen(name));
    mutex_lock(&db->bucket_mu);
    int rc = version_set_bucket(db->versions, key, meta);
    if (rc == LOAM_NOT_FOUND) {
        rc = bucket_add(db, key, options, meta, err);
    }
    mutex_unlock(&db->bucket_mu);
    return outcome_of(db, rc, err);
}

int loam_bucket_open(loam_db *db,
                     const char *name,
                     const loam_bucket_options *options,
                     loam_bucket_info *out,
                     loam_error *err)
{
    TRY(check_name(name, err));
    struct bucket_meta meta;
    int rc = version_set_bucket(db->versions, slice_make(name, strlen(name)), &meta);
    if (rc == LOAM_NOT_FOUND && options != NULL && options->create) {
        rc = bucket_create(db, name, options, &meta, err);
    } else if (rc == LOAM_NOT_FOUND) {
        return fail(err, LOAM_NOT_FOUND, "no bucket '%s'", name);
    }
    TRY(rc);
    fill_info(&meta, out);
    return LOAM_OK;
}

static int bucket_drop(struct loam_db *db, struct slice name, struct loam_error *err)
    REQUIRES(db->bucket_mu)
{
    struct publishing next;
    TRY(publishing_begin(db, &next, err));
    int rc = version_set_bucket_drop(db->versions, name, err);
    if (rc != LOAM_OK) {
        publishing_drop(&next);
        return rc;
    }
    publishing_end(db, &next);
    return LOAM_OK;
}

int loam_bucket_drop(loam_db *db, const char *name, loam_error *err)
{
    TRY(check_name(name, err));
    if (strcmp(name, "default") == 0) {
        return fail(err, LOAM_INVALID, "bucket 'default' cannot be dropped");
    }
    TRY(db_check_writable(db, err));
    struct slice key = slice_make(name, strlen(name));
    struct bucket_meta meta;
    mutex_lock(&db->bucket_mu);
    int rc = version_set_bucket(db->versions, key, &meta);
    if (rc == LOAM_NOT_FOUND) {
        rc = fail(err, LOAM_NOT_FOUND, "no bucket '%s'", name);
    } else {
        rc = bucket_drop(db, key, err);
    }
    mutex_unlock(&db->bucket_mu);
    return outcome_of(db, rc, err);
}

static int name_cmp(const void *a, const void *b)
{
    return slice_cmp(((const struct bucket_meta *)a)->name, ((const struct bucket_meta *)b)->name);
}

size_t loam_bucket_list(loam_db *db, loam_bucket_info *out, size_t capacity)
{
    size_t count = version_set_buckets(db->versions, NULL, 0);
    struct bucket_meta *metas = mem_zalloc(count, sizeof(*metas));
    if (metas == NULL) {
        return count;
    }
    size_t got = version_set_buckets(db->versions, metas, count);
    got = got < count ? got : count;
    qsort(metas, got, sizeof(*metas), name_cmp);
    for (size_t i = 0; i < got && i < capacity; i++) {
        fill_info(&metas[i], &out[i]);
    }
    mem_free(metas);
    return got;
}

int loam_content_type_id(
    loam_db *db, const char *name, size_t name_size, uint32_t *id, loam_error *err)
{
    if (name_size == 0 || name_size > CONTENT_TYPE_SIZE_MAX) {
        return fail(err, LOAM_TOO_LARGE, "content type of %zu bytes; it takes 1 to %u", name_size,
                    CONTENT_TYPE_SIZE_MAX);
    }
    for (size_t i = 0; i < name_size; i++) {
        if (name[i] < 0x20 || name[i] > 0x7e) {
            return fail(err, LOAM_INVALID, "content type has a byte outside printable ASCII");
        }
    }
    int rc = version_set_content_type(db->versions, slice_make(name, name_size), id, err);
    return outcome_of(db, rc, err);
}

const char *loam_content_type_name(loam_db *db, uint32_t id)
{
    return version_set_content_type_name(db->versions, id);
}
