/* SPDX-License-Identifier: MIT */
/*
 * scan.c - scans hand out rows in blocks of up to 256: one call per block crosses the border to
 * Lua.
 *
 * Keys are put together in the scan's buffer. Values of rows that stand behind one another in one
 * table block are not copied: the block is pinned until the next call. Everything else (memtables,
 * backward, versions) is copied. So nothing the caller sees depends on cache or version.
 */
#include "db/scan.h"

#include "base/check.h"
#include "db/buckets.h"

#define COPY_SIZE BLOCK_SLACK /* Copied at once: no call for short keys. */

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
    struct loam_scan *scan = mem_zalloc(1, sizeof(*scan));
    if (scan == NULL) {
        return mem_fail(err, sizeof(*scan));
    }
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

/* Makes room for `extra` more bytes, and lets the rows that are there follow theirs. */
static NOINLINE int grow_bytes(struct loam_scan *scan, size_t extra, struct loam_error *err)
{
    uintptr_t begin = (uintptr_t)scan->bytes.data;
    uintptr_t end = begin + scan->bytes.size;
    TRY(buf_grow(&scan->bytes, extra, err));
    for (size_t i = 0; i < scan->row_count; i++) {
        struct loam_row *row = &scan->rows[i];
        uintptr_t value = (uintptr_t)row->value;
        row->key = scan->bytes.data + ((uintptr_t)row->key - begin);
        if (value >= begin && value <= end) { /* Else it stands in a block. */
            row->value = scan->bytes.data + (value - begin);
        }
    }
    return LOAM_OK;
}

static inline int reserve_bytes(struct loam_scan *scan, size_t extra, struct loam_error *err)
{
    size_t left = scan->bytes.capacity - scan->bytes.size;
    return LIKELY(left >= extra) ? LOAM_OK : grow_bytes(scan, extra, err);
}

/* Copies bytes of a block; up to COPY_SIZE bytes behind them may be read and written. */
static inline void copy_short(char *to, struct slice from)
{
    if (LIKELY(from.size <= COPY_SIZE)) {
        memcpy(to, from.data, COPY_SIZE);
    } else {
        memcpy(to, from.data, from.size);
    }
}

/* Counts a row that was added. */
static inline void count_row(struct loam_scan *scan, size_t cost)
{
    scan->row_count++;
    scan->row_bytes += cost;
    scan->limit_left -= scan->limit_left != UINT64_MAX;
    if (UNLIKELY(scan->bytes_left != UINT64_MAX)) {
        scan->bytes_left = scan->bytes_left > cost ? scan->bytes_left - cost : 0;
    }
}

static inline bool has_room(const struct loam_scan *scan)
{
    return scan->row_count < SCAN_ROWS && scan->row_bytes < SCAN_BYTES && scan->limit_left > 0 &&
           scan->bytes_left > 0;
}

/* Appends a copy of the current row to the block. */
static int take_row(struct loam_scan *scan, struct loam_error *err)
{
    const struct entry *entry = &scan->rows_iter.entry;
    struct loam_row *row = &scan->rows[scan->row_count];
    struct slice key =
        slice_make(entry->key.data + BUCKET_ID_SIZE, entry->key.size - BUCKET_ID_SIZE);
    size_t value_size = scan->keys_only ? 0 : entry->value.size;
    TRY(reserve_bytes(scan, key.size + value_size + 1, err)); /* An empty row has an address too. */
    char *to = scan->bytes.data + scan->bytes.size;
    if (key.size > 0) {
        memcpy(to, key.data, key.size);
    }
    if (value_size > 0) {
        memcpy(to + key.size, entry->value.data, value_size);
    }
    scan->bytes.size += key.size + value_size;
    *row = (struct loam_row){
        .key = to,
        .value = scan->keys_only ? NULL : to + key.size,
        .key_size = key.size,
        .value_size = entry->value.size,
        .seq = entry->seq,
        .expire_at_ms = entry->expire_at_ms,
        .content_type = entry->content_type,
    };
    count_row(scan, key.size + value_size);
    return LOAM_OK;
}

/* Where a stretch ends, as its block sees it. */
struct stretch_limit {
    bool is_near; /* In this block; else the stretch ends with the block. */
    struct slice suffix;
    uint64_t head;
};

static void stretch_limit_init(struct stretch_limit *limit, const struct iter_stretch *stretch)
{
    struct slice prefix = stretch->block->prefix;
    *limit = (struct stretch_limit){0};
    /* It stands behind the current row: without the prefix it is behind all rows of the block. */
    if (stretch->has_limit && slice_starts_with(stretch->limit, prefix)) {
        limit->is_near = true;
        limit->suffix =
            slice_make(stretch->limit.data + prefix.size, stretch->limit.size - prefix.size);
        limit->head = key_head(limit->suffix);
    }
}

/* Keeps a block until the rows are dropped. */
static inline void pin_block(struct loam_scan *scan, struct block *block)
{
    if (scan->pin_count == 0 || scan->pins[scan->pin_count - 1] != block) {
        block_ref(block);
        scan->pins[scan->pin_count++] = block;
    }
}

/* Appends the rows of a stretch that come behind the current one, as far as they are simply
 * visible, and makes the last of them the current row. Their values stay where they are. */
static int take_stretch(struct loam_scan *scan, struct loam_error *err)
{
    struct iter_stretch stretch;
    if (!row_iter_stretch(&scan->rows_iter, &stretch) ||
        stretch.block->prefix.size < BUCKET_ID_SIZE) {
        return LOAM_OK;
    }
    const struct block *block = stretch.block;
    struct slice prefix =
        slice_make(block->prefix.data + BUCKET_ID_SIZE, block->prefix.size - BUCKET_ID_SIZE);
    struct stretch_limit limit;
    stretch_limit_init(&limit, &stretch);
    uint64_t seq = scan->seq;
    uint32_t index = stretch.row_index + 1;
    const char *at = block_row_data(block, index);
    int rc = LOAM_OK;
    for (; index < stretch.row_end && has_room(scan); index++) {
        struct block_row from;
        block_row_decode(block, at, &from);
        if (UNLIKELY(from.kind != ENTRY_PUT || from.expire_at_ms != 0 || from.seq > seq) ||
            (limit.is_near &&
             block_row_cmp(&from, limit.suffix, limit.head, stretch.limit_seq) >= 0)) {
            break;
        }
        size_t key_size = prefix.size + from.suffix.size;
        rc = reserve_bytes(scan, key_size + (size_t)2 * COPY_SIZE, err);
        if (rc != LOAM_OK) {
            break;
        }
        char *to = scan->bytes.data + scan->bytes.size;
        copy_short(to, prefix);
        copy_short(to + prefix.size, from.suffix);
        scan->bytes.size += key_size;
        struct loam_row *row = &scan->rows[scan->row_count];
        row->key = to;
        row->value = scan->keys_only ? NULL : from.value.data;
        row->key_size = key_size;
        row->value_size = from.value.size;
        row->seq = from.seq;
        row->expire_at_ms = 0;
        row->content_type = from.content_type;
        row->reserved = 0;
        count_row(scan, key_size + (scan->keys_only ? 0 : from.value.size));
        at = from.value.data + from.value.size;
    }
    if (index > stretch.row_index + 1) {
        pin_block(scan, stretch.block);
        row_iter_skip(&scan->rows_iter, index - 1);
    }
    return rc != LOAM_OK ? rc : scan->rows_iter.status;
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
    while (!scan->is_ended && has_room(scan)) {
        step(scan);
        if (!rows->is_valid) {
            scan->is_ended = true;
            return rows->status;
        }
        TRY(take_row(scan, err));
        if (has_room(scan)) {
            TRY(take_stretch(scan, err));
        }
        scan->is_ended = scan->limit_left == 0 || scan->bytes_left == 0;
    }
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
    int rc = fill_block(scan, &scan->err);
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
