/* SPDX-License-Identifier: MIT */
/*
 * version_set_names.c - buckets and content types of a version set.
 *
 * Lookups by id are lock-free: buckets through a sorted map that is replaced as a whole and retired
 * by epochs, content types through an array whose slots are set once. Bytes of names stay in the
 * set's arena until it closes.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/memory.h"
#include "lsm/version_set_impl.h"

/* ---- The map ---- */

static int cmp_ids(const void *a, const void *b)
{
    const struct bucket_meta *x = a;
    const struct bucket_meta *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

int bucket_map_new(const struct version_state *state,
                   struct bucket_map **out,
                   struct loam_error *err)
{
    size_t count = 0;
    const struct bucket_meta *buckets = version_state_buckets(state, &count);
    size_t size = sizeof(struct bucket_map) + count * sizeof(*buckets);
    struct bucket_map *map = mem_zalloc(1, size);
    if (map == NULL) {
        return mem_fail(err, size);
    }
    map->count = count;
    if (count > 0) {
        memcpy(map->buckets, buckets, count * sizeof(*buckets));
        qsort(map->buckets, count, sizeof(*buckets), cmp_ids);
    }
    *out = map;
    return LOAM_OK;
}

static void release_map(struct epoch_item *item)
{
    mem_free(item);
}

void bucket_map_retire(struct bucket_map *map)
{
    if (map != NULL) {
        epoch_retire(&map->epoch_item, release_map);
    }
}

/* Sets *out when it is not NULL; inside an epoch bracket of its own. */
static bool find_id(struct version_set *set, uint32_t id, struct bucket_meta *out)
{
    epoch_enter();
    const struct bucket_map *map = atomic_load_explicit(&set->bucket_map, memory_order_acquire);
    size_t low = 0;
    size_t high = map->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (map->buckets[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool is_found = low < map->count && map->buckets[low].id == id;
    if (is_found && out != NULL) {
        *out = map->buckets[low];
    }
    epoch_exit();
    return is_found;
}

/* ---- Buckets ---- */

int version_set_bucket(struct version_set *set, struct slice name, struct bucket_meta *out)
{
    mutex_lock(&set->state_mu);
    const struct bucket_meta *bucket = version_state_bucket(&set->state, name);
    if (bucket != NULL) {
        *out = *bucket;
    }
    mutex_unlock(&set->state_mu);
    return bucket == NULL ? LOAM_NOT_FOUND : LOAM_OK;
}

int version_set_bucket_by_id(struct version_set *set, uint32_t id, struct bucket_meta *out)
{
    PRE(out != NULL);
    return find_id(set, id, out) ? LOAM_OK : LOAM_NOT_FOUND;
}

bool version_set_bucket_is_live(struct version_set *set, uint32_t id)
{
    return find_id(set, id, NULL);
}

size_t version_set_buckets(struct version_set *set, struct bucket_meta *out, size_t capacity)
{
    mutex_lock(&set->state_mu);
    size_t count = 0;
    const struct bucket_meta *buckets = version_state_buckets(&set->state, &count);
    size_t copied = count < capacity ? count : capacity;
    if (copied > 0) {
        memcpy(out, buckets, copied * sizeof(*out));
    }
    mutex_unlock(&set->state_mu);
    return count;
}

/* Gives the bucket the next id and puts it into the edit. */
static int plan_bucket(struct version_set *set,
                       struct bucket_meta *bucket,
                       struct manifest_edit *edit,
                       struct loam_error *err) REQUIRES(set->apply_mu)
{
    TRY(version_set_check_writable(set, err));
    if (version_state_bucket(&set->state, bucket->name) != NULL) {
        return fail(err, LOAM_EXISTS, "bucket '%.*s' exists", (int)bucket->name.size,
                    bucket->name.data);
    }
    if (set->state.next_bucket == UINT32_MAX) {
        return fail(err, LOAM_TOO_LARGE, "bucket ids are used up at %u", UINT32_MAX);
    }
    bucket->id = set->state.next_bucket;
    manifest_edit_set_next_bucket(edit, bucket->id + 1);
    return manifest_edit_add_bucket(edit, bucket, err);
}

static int add_bucket(struct version_set *set,
                      struct bucket_meta *bucket,
                      struct manifest_edit *edit,
                      struct loam_error *err)
{
    struct version_set_change change = {0};
    mutex_lock(&set->apply_mu);
    int rc = plan_bucket(set, bucket, edit, err);
    if (rc == LOAM_OK) {
        rc = version_set_apply_locked(set, edit, NULL, &change, err);
    }
    mutex_unlock(&set->apply_mu);
    version_set_release(&change);
    return rc;
}

int version_set_bucket_add(struct version_set *set,
                           struct slice name,
                           uint32_t merge,
                           uint64_t ttl_ms,
                           struct bucket_meta *out,
                           struct loam_error *err)
{
    PRE(set != NULL && out != NULL);
    if (!bucket_name_is_valid(name)) {
        return fail(err, LOAM_INVALID, "bucket name '%.*s' is not 1..%u of A-Z a-z 0-9 . _ -",
                    name.size > 80 ? 80 : (int)name.size, name.data, BUCKET_NAME_MAX);
    }
    if (merge > LOAM_MERGE_APPEND) {
        return fail(err, LOAM_INVALID, "merge operator %u is not one of 0..%d", merge,
                    LOAM_MERGE_APPEND);
    }
    struct manifest_edit *edit = manifest_edit_new();
    if (edit == NULL) {
        return mem_fail(err, sizeof(void *));
    }
    struct bucket_meta bucket = {.merge = merge, .ttl_ms = ttl_ms, .name = name};
    int rc = add_bucket(set, &bucket, edit, err);
    manifest_edit_free(edit);
    /* The name in the set is the one that lives on. */
    return rc == LOAM_OK ? version_set_bucket_by_id(set, bucket.id, out) : rc;
}

static int drop_bucket(struct version_set *set,
                       struct slice name,
                       struct manifest_edit *edit,
                       struct version_set_change *change,
                       struct loam_error *err) REQUIRES(set->apply_mu)
{
    TRY(version_set_check_writable(set, err));
    const struct bucket_meta *bucket = version_state_bucket(&set->state, name);
    if (bucket == NULL) {
        return LOAM_NOT_FOUND;
    }
    if (bucket->id == LOAM_BUCKET_DEFAULT) {
        return fail(err, LOAM_INVALID, "bucket 'default' cannot be dropped");
    }
    TRY(manifest_edit_drop_bucket(edit, bucket->id, err));
    return version_set_apply_locked(set, edit, NULL, change, err);
}

int version_set_bucket_drop(struct version_set *set, struct slice name, struct loam_error *err)
{
    PRE(set != NULL);
    struct manifest_edit *edit = manifest_edit_new();
    if (edit == NULL) {
        return mem_fail(err, sizeof(void *));
    }
    struct version_set_change change = {0};
    mutex_lock(&set->apply_mu);
    int rc = drop_bucket(set, name, edit, &change, err);
    mutex_unlock(&set->apply_mu);
    version_set_release(&change);
    manifest_edit_free(edit);
    return rc;
}

/* ---- Content types ---- */

void version_set_publish_types(struct version_set *set)
{
    const struct bucket_meta *types = (const void *)set->state.content_types.data;
    size_t count = set->state.content_types.size / sizeof(*types);
    /* In order of ids: a reader that looks for the first free one meets no hole. */
    for (size_t i = 0; i < count; i++) {
        atomic_store_explicit(&set->content_types[i + 1], types[i].name.data, memory_order_release);
    }
}

/* Id of a content type, or the first free one negated. */
static int64_t find_type(struct version_set *set, struct slice name)
{
    for (uint32_t id = 1; id <= CONTENT_TYPE_MAX; id++) {
        const char *text = atomic_load_explicit(&set->content_types[id], memory_order_acquire);
        if (text == NULL) {
            return -(int64_t)id;
        }
        if (strncmp(text, name.data, name.size) == 0 && text[name.size] == '\0') {
            return id;
        }
    }
    return -(int64_t)(CONTENT_TYPE_MAX + 1);
}

static int add_type(struct version_set *set,
                    struct slice name,
                    struct manifest_edit *edit,
                    uint32_t *id,
                    struct version_set_change *change,
                    struct loam_error *err) REQUIRES(set->apply_mu)
{
    /* Another thread may have added it meanwhile. */
    int64_t found = find_type(set, name);
    if (found > 0) {
        *id = (uint32_t)found;
        return LOAM_OK;
    }
    if (-found > CONTENT_TYPE_MAX) {
        return fail(err, LOAM_TOO_LARGE, "a store has at most %u content types", CONTENT_TYPE_MAX);
    }
    TRY(manifest_edit_add_content_type(edit, (uint32_t)-found, name, err));
    TRY(version_set_apply_locked(set, edit, NULL, change, err));
    *id = (uint32_t)-found;
    return LOAM_OK;
}

int version_set_content_type(struct version_set *set,
                             struct slice name,
                             uint32_t *id,
                             struct loam_error *err)
{
    PRE(set != NULL && id != NULL);
    if (!content_type_is_valid(name)) {
        return fail(err, LOAM_INVALID, "content type is not 1..%u printable ASCII characters",
                    CONTENT_TYPE_SIZE_MAX);
    }
    int64_t found = find_type(set, name);
    if (found > 0) {
        *id = (uint32_t)found;
        return LOAM_OK;
    }
    struct manifest_edit *edit = manifest_edit_new();
    if (edit == NULL) {
        return mem_fail(err, sizeof(void *));
    }
    struct version_set_change change = {0};
    mutex_lock(&set->apply_mu);
    int rc = add_type(set, name, edit, id, &change, err);
    mutex_unlock(&set->apply_mu);
    version_set_release(&change);
    manifest_edit_free(edit);
    return rc;
}

const char *version_set_content_type_name(struct version_set *set, uint32_t id)
{
    if (id == 0 || id > CONTENT_TYPE_MAX) {
        return NULL;
    }
    return atomic_load_explicit(&set->content_types[id], memory_order_acquire);
}
