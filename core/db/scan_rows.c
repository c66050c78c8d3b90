/* SPDX-License-Identifier: MIT */
/*
 * scan_rows.c - the rows of a scan: from where its iterators stand into the block it hands out.
 *
 * Keys are put together in the scan's buffer. Values of rows that stand behind one another in one
 * table block are not copied: the block is pinned until the next call. Everything else (memtables,
 * backward, versions) is copied. So nothing the caller sees depends on cache or version.
 */
#include "base/check.h"
#include "db/scan.h"

#define COPY_SIZE  BLOCK_SLACK /* Copied at once: no call for short keys. */
#define AHEAD_ROWS 12u         /* Rows on their way before a stretch comes to them. */

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
        limit->head = key_prefix(stretch->limit, prefix.size);
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

/* What a stretch sends for before it comes there: each row is a cache miss or two, which overlap
 * only when many are under way. */
struct stretch_ahead {
    const struct block *block;
    uint32_t index;        /* Rows before it are on their way. */
    uint32_t end;          /* Rows that are wanted; behind the block's they are the next block's. */
    const char *next_rows; /* Where those are if that block is like this one, or NULL. */
    size_t row_bytes;
};

static inline void ahead_step(struct stretch_ahead *ahead)
{
    uint32_t index = ahead->index++;
    if (LIKELY(index < ahead->block->row_count)) {
        block_prefetch_row(ahead->block, index);
    } else if (ahead->next_rows != NULL) {
        const char *at = ahead->next_rows + (index - ahead->block->row_count) * ahead->row_bytes;
        __builtin_prefetch(at);
        __builtin_prefetch(at + CACHE_LINE);
    }
}

/* Sends for the first of `wanted` rows, and for the next block if some are there. */
static inline void
ahead_init(struct stretch_ahead *ahead, const struct iter_stretch *stretch, uint32_t wanted)
{
    const struct block *block = stretch->block;
    *ahead = (struct stretch_ahead){
        .block = block,
        .index = stretch->row_index + 1,
        .end = stretch->row_index + wanted,
    };
    if (stretch->next != NULL && ahead->end > block->row_count) {
        block_prefetch(stretch->next);
        ahead->next_rows = (const char *)stretch->next + (block->rows - (const char *)block);
        ahead->row_bytes =
            (size_t)(block_data(block) + block->size - block->rows) / block->row_count;
    }
    for (unsigned i = 0; i < AHEAD_ROWS && ahead->index < ahead->end; i++) {
        ahead_step(ahead);
    }
}

/* Where the rows of a stretch go. Kept apart from the scan, whose fields the compiler would read
 * again after each byte that is copied. */
struct stretch_take {
    struct loam_row *row;
    const struct loam_row *row_end;
    char *to;           /* Of the next key. */
    const char *to_end; /* Of the buffer. */
    size_t bytes;       /* Keys and values so far... */
    size_t bytes_end;   /* ...a row begins only below this. */
};

static inline uint32_t rows_wanted(const struct loam_scan *scan)
{
    uint32_t room = (uint32_t)(SCAN_ROWS - scan->row_count);
    return scan->limit_left < room ? (uint32_t)scan->limit_left : room;
}

static inline void take_begin(struct stretch_take *take, struct loam_scan *scan, uint32_t rows)
{
    size_t room = SCAN_BYTES - scan->row_bytes;
    take->row = &scan->rows[scan->row_count];
    take->row_end = take->row + rows;
    take->to = scan->bytes.data + scan->bytes.size;
    take->to_end = scan->bytes.data + scan->bytes.capacity;
    take->bytes = 0;
    take->bytes_end = scan->bytes_left < room ? (size_t)scan->bytes_left : room;
}

/* Counts what was taken. */
static inline void take_end(const struct stretch_take *take, struct loam_scan *scan)
{
    size_t count = (size_t)(take->row - &scan->rows[scan->row_count]);
    scan->row_count += count;
    scan->row_bytes += take->bytes;
    scan->bytes.size = (size_t)(take->to - scan->bytes.data);
    scan->limit_left -= scan->limit_left == UINT64_MAX ? 0 : count;
    if (UNLIKELY(scan->bytes_left != UINT64_MAX)) {
        scan->bytes_left = scan->bytes_left > take->bytes ? scan->bytes_left - take->bytes : 0;
    }
}

/* Goes on in a larger buffer. */
static NOINLINE int take_grow(struct stretch_take *take,
                              struct loam_scan *scan,
                              size_t key_size,
                              struct loam_error *err)
{
    uint32_t rows = (uint32_t)(take->row_end - take->row);
    take_end(take, scan);
    int rc = grow_bytes(scan, key_size + (size_t)2 * COPY_SIZE, err);
    take_begin(take, scan, rows);
    return rc;
}

/* Appends the row that the iterator stands on, which is simply visible, and those of the stretch
 * that follow, as far as they are. Their values stay where they are. The limit may be that same
 * row: between the install of a flush and the next state, a memtable and its table are both there.
 */
static int
take_stretch(struct loam_scan *scan, const struct iter_stretch *stretch, struct loam_error *err)
{
    const struct block *block = stretch->block;
    struct slice prefix =
        slice_make(block->prefix.data + BUCKET_ID_SIZE, block->prefix.size - BUCKET_ID_SIZE);
    uint32_t wanted = rows_wanted(scan);
    uint32_t rows = stretch->row_end - stretch->row_index;
    struct stretch_ahead ahead;
    ahead_init(&ahead, stretch, wanted);
    struct stretch_limit limit;
    stretch_limit_init(&limit, stretch);
    struct stretch_take take;
    take_begin(&take, scan, rows < wanted ? rows : wanted);
    uint64_t seq = scan->seq;
    bool keys_only = scan->keys_only;
    const char *at = block_row_data(block, stretch->row_index);
    const struct loam_row *first = take.row;
    bool is_cut = false;
    int rc = LOAM_OK;
    while (take.row < take.row_end && take.bytes < take.bytes_end) {
        if (ahead.index < ahead.end) {
            ahead_step(&ahead);
        }
        struct block_row from;
        block_row_decode(block, at, &from);
        if (UNLIKELY(from.kind != ENTRY_PUT || from.expire_at_ms != 0 || from.seq > seq) ||
            (limit.is_near && take.row != first &&
             block_row_cmp(&from, limit.suffix, limit.head, stretch->limit_seq) >= 0)) {
            is_cut = true;
            break;
        }
        size_t key_size = prefix.size + from.suffix.size;
        if (UNLIKELY(key_size + (size_t)2 * COPY_SIZE > (size_t)(take.to_end - take.to))) {
            rc = take_grow(&take, scan, key_size, err);
            if (rc != LOAM_OK) {
                break;
            }
        }
        copy_short(take.to, prefix);
        copy_short(take.to + prefix.size, from.suffix);
        struct loam_row *row = take.row++;
        row->key = take.to;
        row->value = keys_only ? NULL : from.value.data;
        row->key_size = key_size;
        row->value_size = from.value.size;
        row->seq = from.seq;
        row->expire_at_ms = 0;
        row->content_type = from.content_type;
        row->reserved = 0;
        take.to += key_size;
        take.bytes += key_size + (keys_only ? 0 : from.value.size);
        at = from.value.data + from.value.size;
    }
    size_t count = (size_t)(take.row - first);
    INV(count > 0 || rc != LOAM_OK);
    take_end(&take, scan);
    if (count > 0) {
        pin_block(scan, stretch->block);
    }
    if (rc != LOAM_OK || scan->limit_left == 0 || scan->bytes_left == 0) {
        return rc; /* The scan ends here. */
    }
    uint32_t last = stretch->row_index + (uint32_t)count - 1;
    if (is_cut || last + 1 == stretch->row_end) {
        row_iter_pass(&scan->rows_iter, block, last);
        scan->is_ahead = true;
    } else {
        row_iter_skip(&scan->rows_iter, last);
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

/* Takes the row that the iterator stands on, and those behind it that come with it. */
static int take(struct loam_scan *scan, struct loam_error *err)
{
    struct row_iter *rows = &scan->rows_iter;
    struct iter_stretch stretch;
    if (rows->entry.expire_at_ms == 0 && row_iter_stretch(rows, &stretch) &&
        stretch.block->prefix.size >= BUCKET_ID_SIZE) {
        return take_stretch(scan, &stretch, err);
    }
    return take_row(scan, err);
}

int scan_fill(struct loam_scan *scan, struct loam_error *err)
{
    struct row_iter *rows = &scan->rows_iter;
    while (!scan->is_ended && has_room(scan)) {
        if (!scan->is_ahead) {
            step(scan);
        }
        scan->is_ahead = false;
        if (!rows->is_valid) {
            scan->is_ended = true;
            return rows->status;
        }
        TRY(take(scan, err));
        scan->is_ended = scan->limit_left == 0 || scan->bytes_left == 0;
    }
    return LOAM_OK;
}
