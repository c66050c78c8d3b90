/* SPDX-License-Identifier: MIT */
/* read.c - point reads: copy, meta, view, many keys. */
#include "db/read.h"

#include <stdlib.h>

#include "base/check.h"
#include "db/buckets.h"

static _Thread_local unsigned thread_shard;
static _Atomic unsigned shard_next;

int stored_key_large(
    struct stored_key *key, uint32_t bucket, const void *data, size_t size, struct loam_error *err)
{
    if (size > KEY_SIZE_MAX) {
        return fail(err, LOAM_TOO_LARGE, "key of %zu bytes is over key_bytes_max %u", size,
                    KEY_SIZE_MAX);
    }
    key->large = mem_alloc(size + BUCKET_ID_SIZE);
    if (key->large == NULL) {
        return mem_fail(err, size);
    }
    put_u32_be(key->large, bucket);
    memcpy(key->large + BUCKET_ID_SIZE, data, size);
    key->slice = slice_make(key->large, size + BUCKET_ID_SIZE);
    return LOAM_OK;
}

/* Counts a read; returns whether this one is timed. The load and store are no atomic add: threads
 * seldom share a shard, and a lost count is no harm. */
static bool count_get(struct loam_db *db, struct read_shard **shard)
{
    if (UNLIKELY(thread_shard == 0)) {
        thread_shard =
            1 + atomic_fetch_add_explicit(&shard_next, 1, memory_order_relaxed) % READ_SHARD_COUNT;
    }
    *shard = &db->read_shards[thread_shard - 1];
    uint64_t gets = atomic_load_explicit(&(*shard)->gets, memory_order_relaxed) + 1;
    atomic_store_explicit(&(*shard)->gets, gets, memory_order_relaxed);
    return gets % GET_SAMPLE == 0;
}

static void count_miss(struct read_shard *shard)
{
    uint64_t misses = atomic_load_explicit(&shard->misses, memory_order_relaxed) + 1;
    atomic_store_explicit(&shard->misses, misses, memory_order_relaxed);
}

/* Inside an epoch bracket. NOT_FOUND also for deleted and expired rows. */
static int lookup(struct loam_db *db,
                  const struct read_state *state,
                  struct slice key,
                  const struct loam_snapshot *snapshot,
                  struct entry *out,
                  struct block **pin,
                  struct loam_error *err)
{
    if (UNLIKELY(get_u32_be(key.data) != LOAM_BUCKET_DEFAULT)) {
        TRY(bucket_check(db, get_u32_be(key.data), err));
    }
    /* After the state, so that the state has every row up to it. */
    struct lookup wanted = lookup_make(key, snapshot_seq_or_newest(db, snapshot));
    TRY(state_lookup(state, &wanted, out, pin, err));
    bool is_hidden = out->kind != ENTRY_PUT ||
                     (out->expire_at_ms != 0 && entry_is_expired(out, db->env->wall_ms(db->env)));
    return is_hidden ? LOAM_NOT_FOUND : LOAM_OK;
}

static void fill_meta(const struct entry *entry, struct loam_meta *meta)
{
    *meta = (struct loam_meta){
        .seq = entry->seq,
        .expire_at_ms = entry->expire_at_ms,
        .value_size = entry->value.size,
        .content_type = entry->content_type,
    };
}

/* Copies a value into what is grown, or only as far as its capacity goes. */
static ALWAYS_INLINE int
copy_value(loam_buffer *value, bool is_fixed, const struct entry *entry, struct loam_error *err)
{
    size_t size = entry->value.size;
    if (!is_fixed) {
        return buf_assign(value, entry->value.data, size, err);
    }
    if (size > value->capacity) {
        return LOAM_TOO_LARGE;
    }
    if (size > 0) {
        memcpy(value->data, entry->value.data, size);
    }
    value->size = size;
    return LOAM_OK;
}

/* Both users are hot: each has a copy without the other one's branches. */
static ALWAYS_INLINE int read_row(struct loam_db *db,
                                  const struct stored_key *stored,
                                  const struct loam_snapshot *snapshot,
                                  loam_buffer *value,
                                  bool is_fixed,
                                  struct loam_meta *meta,
                                  struct loam_error *err)
{
    struct read_shard *shard = NULL;
    bool is_timed = count_get(db, &shard);
    uint64_t start = UNLIKELY(is_timed) ? monotonic_ns() : 0;
    struct entry entry;
    epoch_enter();
    int rc = lookup(db, state_get(db), stored->slice, snapshot, &entry, NULL, err);
    if (LIKELY(rc == LOAM_OK)) {
        if (value != NULL) {
            rc = copy_value(value, is_fixed, &entry, err);
        }
        if (meta != NULL) {
            fill_meta(&entry, meta);
        }
    }
    epoch_exit();
    if (rc == LOAM_NOT_FOUND) {
        count_miss(shard);
    }
    if (UNLIKELY(is_timed)) {
        histogram_add(&db->histograms[LOAM_HISTOGRAM_GET], monotonic_ns() - start);
    }
    return rc;
}

int loam_get_entry(loam_db *db,
                   uint32_t bucket,
                   const void *key,
                   size_t key_size,
                   const loam_snapshot *snapshot,
                   loam_buffer *value,
                   loam_meta *meta,
                   loam_error *err)
{
    struct stored_key stored;
    TRY(stored_key_init(&stored, bucket, key, key_size, err));
    int rc = read_row(db, &stored, snapshot, value, false, meta, err);
    stored_key_deinit(&stored);
    return rc;
}

int loam_get_into(loam_db *db,
                  uint32_t bucket,
                  const void *key,
                  size_t key_size,
                  const loam_snapshot *snapshot,
                  loam_buffer *place,
                  loam_meta *meta,
                  loam_error *err)
{
    PRE(place != NULL && (place->data != NULL || place->capacity == 0));
    struct stored_key stored;
    TRY(stored_key_init(&stored, bucket, key, key_size, err));
    int rc = read_row(db, &stored, snapshot, place, true, meta, err);
    stored_key_deinit(&stored);
    return rc;
}

int loam_get(loam_db *db,
             uint32_t bucket,
             const void *key,
             size_t key_size,
             const loam_snapshot *snapshot,
             loam_buffer *value,
             loam_error *err)
{
    return loam_get_entry(db, bucket, key, key_size, snapshot, value, NULL, err);
}

/* What keeps a view's bytes alive: the block they are in, or the state whose memtable holds them.
 */
struct view_pin {
    struct loam_db *db;
    struct block *block;
    struct read_state *state;
};

static int view_lookup(struct loam_db *db,
                       struct slice key,
                       const struct loam_snapshot *snapshot,
                       struct view_pin *pin,
                       struct entry *entry,
                       struct loam_error *err)
{
    epoch_enter();
    struct read_state *state = state_get(db);
    int rc = lookup(db, state, key, snapshot, entry, &pin->block, err);
    if (rc == LOAM_OK && pin->block == NULL) {
        state_ref(state);
        pin->state = state;
    }
    epoch_exit();
    return rc;
}

static void pin_release(struct view_pin *pin)
{
    if (pin->block != NULL) {
        block_unref(pin->block);
    }
    state_unref(pin->state);
    mem_free(pin);
}

int loam_get_view(loam_db *db,
                  uint32_t bucket,
                  const void *key,
                  size_t key_size,
                  const loam_snapshot *snapshot,
                  loam_view *out,
                  loam_error *err)
{
    struct stored_key stored;
    TRY(stored_key_init(&stored, bucket, key, key_size, err));
    struct view_pin *pin = mem_zalloc(1, sizeof(*pin));
    if (pin == NULL) {
        stored_key_deinit(&stored);
        return mem_fail(err, sizeof(*pin));
    }
    struct read_shard *shard = NULL;
    (void)count_get(db, &shard);
    struct entry entry;
    pin->db = db;
    int rc = view_lookup(db, stored.slice, snapshot, pin, &entry, err);
    stored_key_deinit(&stored);
    if (rc != LOAM_OK) {
        count_miss(shard);
        pin_release(pin);
        return rc;
    }
    atomic_fetch_add(&db->view_count, 1);
    *out = (loam_view){.data = entry.value.data, .size = entry.value.size, .pin = pin};
    fill_meta(&entry, &out->meta);
    return LOAM_OK;
}

bool loam_view_is_light(const loam_view *view)
{
    const struct view_pin *pin = view->pin;
    return pin == NULL || pin->block != NULL;
}

void loam_view_release(loam_view *view)
{
    struct view_pin *pin = view->pin;
    if (pin != NULL) {
        atomic_fetch_sub(&pin->db->view_count, 1);
        pin_release(pin);
        *view = (loam_view){0};
    }
}

/* Reads one of many keys into storage; until all are read a result holds its size alone, and data
 * other than NULL when found, because storage may move. */
static int mget_one(struct loam_db *db,
                    const struct read_state *state,
                    uint32_t bucket,
                    const loam_slice *key,
                    uint64_t seq,
                    loam_slice *result,
                    loam_buffer *storage,
                    struct loam_error *err)
{
    struct stored_key stored;
    TRY(stored_key_init(&stored, bucket, key->data, key->size, err));
    struct lookup wanted = lookup_make(stored.slice, seq);
    struct entry entry;
    epoch_enter();
    int rc = state_lookup(state, &wanted, &entry, NULL, err);
    if (rc == LOAM_OK &&
        (entry.kind != ENTRY_PUT || entry_is_expired(&entry, db->env->wall_ms(db->env)))) {
        rc = LOAM_NOT_FOUND;
    }
    if (rc == LOAM_OK) {
        rc = buf_append(storage, entry.value.data, entry.value.size, err);
        *result = (loam_slice){.data = "", .size = entry.value.size};
    } else if (rc == LOAM_NOT_FOUND) {
        *result = (loam_slice){0};
    }
    epoch_exit();
    stored_key_deinit(&stored);
    return rc;
}

int loam_mget(loam_db *db,
              uint32_t bucket,
              const loam_slice *keys,
              size_t count,
              const loam_snapshot *snapshot,
              loam_slice *results,
              loam_buffer *storage,
              loam_error *err)
{
    if (count > INT32_MAX) {
        return fail(err, LOAM_TOO_LARGE, "%zu keys are too many for one call", count);
    }
    epoch_enter();
    int checked = bucket_check(db, bucket, err);
    epoch_exit();
    TRY(checked);
    uint64_t seq = 0;
    struct read_state *state = state_get_at_newest(db, &seq);
    if (snapshot != NULL) {
        seq = snapshot->seq;
    }
    storage->size = 0;
    int found = 0;
    int rc = buf_reserve(storage, 1, err); /* So that an empty value has an address too. */
    for (size_t i = 0; i < count && rc == LOAM_OK; i++) {
        int one = mget_one(db, state, bucket, &keys[i], seq, &results[i], storage, err);
        found += one == LOAM_OK;
        rc = one == LOAM_NOT_FOUND ? LOAM_OK : one;
    }
    state_unref(state);
    TRY(rc);
    const char *next = storage->data; /* Values lie there in the order of their keys. */
    for (size_t i = 0; i < count; i++) {
        if (results[i].data != NULL) {
            results[i].data = next;
            next += results[i].size;
        }
    }
    struct read_shard *shard = NULL;
    (void)count_get(db, &shard);
    return found;
}
