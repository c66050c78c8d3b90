/* SPDX-License-Identifier: MIT */
/*
 * scan.c - scans hand out copies of rows in blocks of up to 256: one call per block crosses the
 * border to Lua, and nothing the caller sees depends on cache or version.
 */
#include "db/scan.h"

#include "base/check.h"

/* The smallest stored key behind every key with this prefix; false when there is none (all bytes
 * 0xff). */
static bool prefix_end(struct loam_buffer *key)
{
    while (key->size > 0) {
        unsigned char last = (unsigned char)key->data[key->size - 1];
        if (last != 0xff) {
            key->data[key->size - 1] = (char)(last + 1);
            return true;
        }
        key->size--;
    }
    return false;
}

static int set_key(
    struct loam_buffer *out, uint32_t bucket, const char *data, size_t size, struct loam_error *err)
{
    char id[BUCKET_ID_SIZE];
    put_u32_be(id, bucket);
    out->size = 0;
    TRY(buf_append(out, id, sizeof(id), err));
    return buf_append(out, data, size, err);
}

/* Raises the lower bound to at least this user key (plus one zero byte when exclusive). */
static int raise_lower(struct loam_scan *scan,
                       const char *data,
                       size_t size,
                       bool is_exclusive,
                       struct loam_error *err)
{
    struct slice now =
        slice_make(scan->lower.data + BUCKET_ID_SIZE, scan->lower.size - BUCKET_ID_SIZE);
    int order = slice_cmp(slice_make(data, size), now);
    if (order < 0 || (order == 0 && !is_exclusive)) {
        return LOAM_OK;
    }
    scan->lower.size = BUCKET_ID_SIZE;
    TRY(buf_append(&scan->lower, data, size, err));
    return is_exclusive ? buf_append(&scan->lower, "", 1, err) : LOAM_OK;
}

/* Lowers the upper bound to at most this user key. */
static int lower_upper(
    struct loam_scan *scan, uint32_t bucket, const char *data, size_t size, struct loam_error *err)
{
    struct loam_buffer bound = {0};
    int rc = set_key(&bound, bucket, data, size, err);
    if (rc == LOAM_OK &&
        (!scan->has_upper || slice_cmp(buf_slice(&bound), buf_slice(&scan->upper)) < 0)) {
        rc = buf_assign(&scan->upper, bound.data, bound.size, err);
        scan->has_upper = true;
    }
    loam_buffer_free(&bound);
    return rc;
}

static int lower_upper_to_prefix_end(struct loam_scan *scan,
                                     uint32_t bucket,
                                     const struct loam_range *range,
                                     struct loam_error *err)
{
    struct loam_buffer end = {0};
    int rc = set_key(&end, bucket, range->prefix, range->prefix_size, err);
    if (rc == LOAM_OK && prefix_end(&end) &&
        (!scan->has_upper || slice_cmp(buf_slice(&end), buf_slice(&scan->upper)) < 0)) {
        rc = buf_assign(&scan->upper, end.data, end.size, err);
        scan->has_upper = true;
    }
    loam_buffer_free(&end);
    return rc;
}

static int check_key_sizes(const struct loam_range *range, struct loam_error *err)
{
    const size_t sizes[] = {range->from_size, range->to_size, range->prefix_size,
                            range->after_size};
    const char *const names[] = {"from", "to", "prefix", "after"};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (sizes[i] > KEY_SIZE_MAX + 1) { /* A cursor or bound may be a key and one byte. */
            return fail(err, LOAM_TOO_LARGE, "%s of %zu bytes is over the limit of %u", names[i],
                        sizes[i], KEY_SIZE_MAX);
        }
    }
    return LOAM_OK;
}

/* Bounds of the bucket, narrowed by the range. */
static int set_bounds(struct loam_scan *scan,
                      uint32_t bucket,
                      const struct loam_range *range,
                      struct loam_error *err)
{
    TRY(check_key_sizes(range, err));
    TRY(set_key(&scan->lower, bucket, NULL, 0, err));
    TRY(set_key(&scan->upper, bucket, NULL, 0, err));
    scan->has_upper = prefix_end(&scan->upper);
    if (range->from != NULL) {
        TRY(raise_lower(scan, range->from, range->from_size, false, err));
    }
    if (range->prefix != NULL) {
        TRY(raise_lower(scan, range->prefix, range->prefix_size, false, err));
        TRY(lower_upper_to_prefix_end(scan, bucket, range, err));
    }
    if (range->to != NULL) {
        TRY(lower_upper(scan, bucket, range->to, range->to_size, err));
    }
    if (range->after != NULL && range->reverse) {
        TRY(lower_upper(scan, bucket, range->after, range->after_size, err));
    } else if (range->after != NULL) {
        TRY(raise_lower(scan, range->after, range->after_size, true, err));
    }
    return LOAM_OK;
}

/* Room for `run_count` run iterators; old ones are freed first. */
static int size_iters(struct loam_scan *scan, size_t run_count, struct loam_error *err)
{
    if (run_count <= scan->run_capacity && scan->children != NULL) {
        return LOAM_OK;
    }
    size_t capacity = run_count < 8 ? 8 : run_count * 2;
    struct run_iter *iters = mem_zalloc(capacity, sizeof(*iters));
    struct iter **children = mem_zalloc(capacity + IMMUTABLE_COUNT_MAX + 1, sizeof(*children));
    if (iters == NULL || children == NULL) {
        mem_free(iters);
        mem_free(children);
        return mem_fail(err, capacity * sizeof(*iters));
    }
    mem_free(scan->run_iters);
    mem_free(scan->children);
    scan->run_iters = iters;
    scan->children = children;
    scan->run_capacity = capacity;
    return LOAM_OK;
}

static void free_iters(struct loam_scan *scan)
{
    for (size_t i = 0; i < scan->run_count; i++) {
        iter_free(&scan->run_iters[i].iter);
    }
    scan->run_count = 0;
    state_unref(scan->state);
    scan->state = NULL;
}

/* Whether any row of the run can lie within the bounds. */
static bool run_overlaps(const struct loam_scan *scan, const struct run *run)
{
    const struct table_meta *first = table_meta(run->tables[0]);
    const struct table_meta *last = table_meta(run->tables[run->table_count - 1]);
    return slice_cmp(last->largest, buf_slice(&scan->lower)) >= 0 &&
           (!scan->has_upper || slice_cmp(first->smallest, buf_slice(&scan->upper)) < 0);
}

/* Iterators over everything in the state that may hold rows of the range, newest first. */
static int set_iters(struct loam_scan *scan, struct loam_error *err)
{
    const struct read_state *state = scan->state;
    TRY(size_iters(scan, state->version->run_count, err));
    size_t count = 0;
    for (size_t i = 0; i <= state->immutable_count; i++) {
        const struct memtable *memtable = i == 0 ? state->active : state->immutable[i - 1];
        if (memtable_count(memtable) > 0) {
            memtable_iter_init(&scan->memtable_iters[i], memtable);
            scan->children[count++] = &scan->memtable_iters[i].iter;
        }
    }
    for (size_t i = 0; i < state->version->run_count; i++) {
        if (run_overlaps(scan, &state->version->runs[i])) {
            struct run_iter *it = &scan->run_iters[scan->run_count++];
            run_iter_init(it, &state->version->runs[i], true);
            it->iter.err = &scan->err;
            scan->children[count++] = &it->iter;
        }
    }
    return merge_iter_set(&scan->merge, scan->children, count, err);
}

int loam_scan_reset(loam_scan *scan,
                    uint32_t bucket,
                    const loam_range *range,
                    const loam_snapshot *snapshot,
                    loam_error *err)
{
    static const struct loam_range everything;
    const struct loam_range *wanted = range == NULL ? &everything : range;
    free_iters(scan);
    TRY(set_bounds(scan, bucket, wanted, err));
    scan->state = state_get_at_newest(scan->db, &scan->seq);
    if (snapshot != NULL) {
        scan->seq = snapshot->seq;
    }
    scan->status = LOAM_OK;
    scan->is_reverse = wanted->reverse;
    scan->keys_only = wanted->keys_only;
    scan->limit_left = wanted->limit == 0 ? UINT64_MAX : wanted->limit;
    scan->bytes_left = wanted->max_bytes == 0 ? UINT64_MAX : wanted->max_bytes;
    scan->is_started = false;
    scan->is_ended =
        scan->has_upper && slice_cmp(buf_slice(&scan->lower), buf_slice(&scan->upper)) >= 0;
    scan->row_count = 0;
    TRY(set_iters(scan, err));
    struct row_iter *rows = &scan->rows_iter;
    rows->source = &scan->merge.iter;
    rows->seq = scan->seq;
    rows->now_ms = scan->db->env->wall_ms(scan->db->env);
    rows->lower = buf_slice(&scan->lower);
    rows->upper = buf_slice(&scan->upper);
    rows->has_lower = true;
    rows->has_upper = scan->has_upper;
    db_count(&scan->db->counters.scans, 1);
    return LOAM_OK;
}

int loam_scan_open(loam_db *db,
                   uint32_t bucket,
                   const loam_range *range,
                   const loam_snapshot *snapshot,
                   loam_scan **out,
                   loam_error *err)
{
    struct loam_scan *scan = mem_zalloc(1, sizeof(*scan));
    if (scan == NULL) {
        return mem_fail(err, sizeof(*scan));
    }
    scan->db = db;
    merge_iter_init(&scan->merge);
    scan->merge.iter.err = &scan->err;
    row_iter_init(&scan->rows_iter, &scan->merge.iter, 0, 0);
    atomic_fetch_add(&db->scan_count, 1);
    int rc = loam_scan_reset(scan, bucket, range, snapshot, err);
    if (rc != LOAM_OK) {
        loam_scan_close(scan);
        return rc;
    }
    *out = scan;
    return LOAM_OK;
}

/* Appends the current row to the block; pointers are offsets until the block is complete, because
 * bytes may move. */
static int take_row(struct loam_scan *scan, struct loam_error *err)
{
    const struct entry *entry = &scan->rows_iter.entry;
    struct loam_row *row = &scan->rows[scan->row_count];
    struct slice key =
        slice_make(entry->key.data + BUCKET_ID_SIZE, entry->key.size - BUCKET_ID_SIZE);
    size_t value_size = scan->keys_only ? 0 : entry->value.size;
    TRY(buf_reserve(&scan->bytes, key.size + value_size, err));
    char *to = scan->bytes.data + scan->bytes.size;
    if (key.size > 0) {
        memcpy(to, key.data, key.size);
    }
    if (value_size > 0) {
        memcpy(to + key.size, entry->value.data, value_size);
    }
    scan->bytes.size += key.size + value_size;
    row->key_size = key.size;
    row->value_size = entry->value.size;
    row->seq = entry->seq;
    row->expire_at_ms = entry->expire_at_ms;
    row->content_type = entry->content_type;
    scan->row_count++;
    size_t cost = key.size + value_size;
    scan->limit_left -= scan->limit_left != UINT64_MAX;
    if (scan->bytes_left != UINT64_MAX) {
        scan->bytes_left = scan->bytes_left > cost ? scan->bytes_left - cost : 0;
    }
    return LOAM_OK;
}

static void step(struct loam_scan *scan)
{
    if (!scan->is_started) {
        scan->is_started = true;
        if (scan->is_reverse) {
            row_iter_last(&scan->rows_iter);
        } else {
            row_iter_first(&scan->rows_iter);
        }
    } else if (scan->is_reverse) {
        row_iter_prev(&scan->rows_iter);
    } else {
        row_iter_next(&scan->rows_iter);
    }
}

static int fill_block(struct loam_scan *scan, struct loam_error *err)
{
    struct row_iter *rows = &scan->rows_iter;
    while (scan->row_count < SCAN_ROWS && scan->bytes.size < SCAN_BYTES && !scan->is_ended) {
        step(scan);
        if (!rows->is_valid) {
            scan->is_ended = true;
            return rows->status;
        }
        TRY(take_row(scan, err));
        scan->is_ended = scan->limit_left == 0 || scan->bytes_left == 0;
    }
    return LOAM_OK;
}

static void point_rows(struct loam_scan *scan)
{
    const char *at = scan->bytes.data;
    for (size_t i = 0; i < scan->row_count; i++) {
        struct loam_row *row = &scan->rows[i];
        row->key = at;
        at += row->key_size;
        row->value = scan->keys_only ? NULL : at;
        at += scan->keys_only ? 0 : row->value_size;
    }
    INV(at == scan->bytes.data + scan->bytes.size || scan->row_count == 0);
}

static int scan_failure(const struct loam_scan *scan, struct loam_error *err)
{
    if (err != NULL) {
        *err = scan->err;
    }
    return scan->status;
}

int loam_scan_next(loam_scan *scan, loam_rows *out, loam_error *err)
{
    if (scan->status != LOAM_OK) {
        return scan_failure(scan, err);
    }
    scan->row_count = 0;
    scan->bytes.size = 0;
    int rc = fill_block(scan, &scan->err);
    point_rows(scan);
    if (rc != LOAM_OK) {
        scan->status = rc; /* Rows before the failure are handed out first: the next call tells. */
        if (scan->row_count == 0) {
            return scan_failure(scan, err);
        }
    }
    db_count(&scan->db->counters.scan_rows, scan->row_count);
    *out = (loam_rows){.rows = scan->rows, .count = scan->row_count};
    return LOAM_OK;
}

uint64_t loam_scan_seq(const loam_scan *scan)
{
    return scan->seq;
}

void loam_scan_close(loam_scan *scan)
{
    if (scan == NULL) {
        return;
    }
    row_iter_deinit(&scan->rows_iter);
    iter_free(&scan->merge.iter);
    free_iters(scan);
    mem_free(scan->run_iters);
    mem_free(scan->children);
    loam_buffer_free(&scan->lower);
    loam_buffer_free(&scan->upper);
    loam_buffer_free(&scan->bytes);
    atomic_fetch_sub(&scan->db->scan_count, 1);
    mem_free(scan);
}
