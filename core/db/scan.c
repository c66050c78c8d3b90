/* SPDX-License-Identifier: MIT */
/*
 * scan.c - scans hand out rows in blocks of up to 256: one call per block crosses the border to
 * Lua. How the rows are taken: scan_rows.c.
 */
#include "db/scan.h"

#include "base/check.h"
#include "db/buckets.h"

/* Room for `run_count` run iterators; initialised ones move along with their memory. */
static int size_iters(struct loam_scan *scan, size_t run_count, struct loam_error *err)
{
    if (run_count <= scan->run_capacity && scan->children != NULL) {
        return LOAM_OK;
    }
    size_t capacity = run_count < 8 ? 8 : run_count * 2;
    struct run_iter *iters = mem_zalloc(capacity, sizeof(*iters));
    struct iter **children = mem_zalloc(capacity + IMMUTABLE_COUNT_MAX + 1, sizeof(struct iter *));
    if (iters == NULL || children == NULL) {
        mem_free(iters);
        mem_free(children);
        return mem_fail(err, capacity * sizeof(*iters));
    }
    if (scan->run_ready > 0) {
        memcpy(iters, scan->run_iters, scan->run_ready * sizeof(*iters));
    }
    mem_free(scan->run_iters);
    mem_free(scan->children);
    scan->run_iters = iters;
    scan->children = children;
    scan->run_capacity = capacity;
    return LOAM_OK;
}

/* Gives back what the rows handed out last stand on. */
static void drop_rows(struct loam_scan *scan)
{
    for (size_t i = 0; i < scan->pin_count; i++) {
        block_unref(scan->pins[i]);
    }
    scan->pin_count = 0;
    scan->row_count = 0;
    scan->row_bytes = 0;
    scan->bytes.size = 0;
}

/* The scan reads nothing until set_iters(); run iterators keep their memory. */
static void drop_iters(struct loam_scan *scan)
{
    scan->is_ended = true;
    for (size_t i = 0; i < scan->run_count; i++) {
        run_iter_drop(&scan->run_iters[i]);
    }
    scan->run_count = 0;
}

/* Takes the newest state and sequence. Most often the state is the one that the scan has. */
static void set_state(struct loam_scan *scan)
{
    if (scan->state == NULL || !state_is_newest(scan->db, scan->state, &scan->seq)) {
        struct read_state *old = scan->state;
        struct read_state *state = state_get_at_newest(scan->db, &scan->seq);
        mutex_lock(&scan->db->scan_mu);
        scan->state = state;
        scan->state_seq = scan->seq;
        scan->state_ns = monotonic_ns();
        mutex_unlock(&scan->db->scan_mu);
        state_unref(old);
    }
}

/* The next run iterator, aimed at this run. */
static struct iter *add_run(struct loam_scan *scan, const struct run *run)
{
    struct run_iter *it = &scan->run_iters[scan->run_count++];
    if (scan->run_count <= scan->run_ready) {
        run_iter_reset(it, run);
    } else {
        run_iter_init(it, run, true);
        scan->run_ready = scan->run_count;
    }
    it->iter.err = &scan->err;
    return &it->iter;
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
            scan->children[count++] = add_run(scan, &state->version->runs[i]);
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
    drop_rows(scan);
    drop_iters(scan);
    if (bucket != LOAM_BUCKET_DEFAULT) {
        epoch_enter();
        int rc = bucket_check(scan->db, bucket, err);
        epoch_exit();
        TRY(rc);
    }
    TRY(scan_set_bounds(scan, bucket, wanted, err));
    set_state(scan);
    if (snapshot != NULL) {
        scan->seq = snapshot->seq;
    }
    scan->status = LOAM_OK;
    scan->is_reverse = wanted->reverse;
    scan->keys_only = wanted->keys_only;
    scan->limit_left = wanted->limit == 0 ? UINT64_MAX : wanted->limit;
    scan->bytes_left = wanted->max_bytes == 0 ? UINT64_MAX : wanted->max_bytes;
    scan->is_started = false;
    scan->is_ahead = false;
    TRY(set_iters(scan, err));
    scan->is_ended =
        scan->has_upper && slice_cmp(buf_slice(&scan->lower), buf_slice(&scan->upper)) >= 0;
    struct row_iter *rows = &scan->rows_iter;
    rows->is_valid = false;
    rows->status = LOAM_OK;
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

/* The list of open scans is for loam_handles(). */
static void link_scan(struct loam_scan *scan)
{
    struct loam_db *db = scan->db;
    mutex_lock(&db->scan_mu);
    scan->next = db->scans;
    if (db->scans != NULL) {
        db->scans->prev = scan;
    }
    db->scans = scan;
    mutex_unlock(&db->scan_mu);
}

static void unlink_scan(struct loam_scan *scan)
{
    struct loam_db *db = scan->db;
    mutex_lock(&db->scan_mu);
    if (scan->prev == NULL) {
        db->scans = scan->next;
    } else {
        scan->prev->next = scan->next;
    }
    if (scan->next != NULL) {
        scan->next->prev = scan->prev;
    }
    mutex_unlock(&db->scan_mu);
}

int loam_scan_open(loam_db *db,
                   uint32_t bucket,
                   const loam_range *range,
                   const loam_snapshot *snapshot,
                   loam_scan **out,
                   loam_error *err)
{
    TRY(db_check_open(db, err));
    struct loam_scan *scan = mem_alloc(sizeof(*scan));
    if (scan == NULL) {
        return mem_fail(err, sizeof(*scan));
    }
    memset(scan, 0, offsetof(struct loam_scan, rows));
    scan->db = db;
    merge_iter_init(&scan->merge);
    scan->merge.iter.err = &scan->err;
    row_iter_init(&scan->rows_iter, &scan->merge.iter, 0, 0);
    atomic_fetch_add(&db->scan_count, 1);
    link_scan(scan);
    int rc = loam_scan_reset(scan, bucket, range, snapshot, err);
    if (rc != LOAM_OK) {
        loam_scan_close(scan);
        return rc;
    }
    *out = scan;
    return LOAM_OK;
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
    drop_rows(scan);
    int rc = scan_fill(scan, &scan->err);
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
    unlink_scan(scan);
    row_iter_deinit(&scan->rows_iter);
    iter_free(&scan->merge.iter);
    drop_rows(scan);
    for (size_t i = 0; i < scan->run_ready; i++) {
        iter_free(&scan->run_iters[i].iter);
    }
    state_unref(scan->state);
    mem_free(scan->run_iters);
    mem_free(scan->children);
    loam_buffer_free(&scan->lower);
    loam_buffer_free(&scan->upper);
    loam_buffer_free(&scan->bytes);
    atomic_fetch_sub(&scan->db->scan_count, 1);
    mem_free(scan);
}
