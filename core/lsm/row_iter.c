/* SPDX-License-Identifier: MIT */
/*
 * row_iter.c - see row_iter.h.
 *
 * Forward, the source stands on the current row. The versions of a key come newest first: the first
 * one that the reader may see decides, the others are stepped over.
 *
 * Backward, the oldest version comes first, so the row is known only when all its versions have
 * been passed: the source stands before the whole group, and key and value are copies.
 *
 * A long group of versions is left by a seek after some steps. Neither way allocates once the
 * buffers have grown.
 */
#include "lsm/row_iter.h"

#include "base/check.h"
#include "base/limits.h"
#include "disk/block.h"

#define STEP_MAX ITER_VERSION_STEPS /* Also of those that are too new. */

void row_iter_init(struct row_iter *it, struct iter *source, uint64_t seq, uint64_t now_ms)
{
    PRE(seq <= SEQ_MAX);
    *it = (struct row_iter){.source = source, .seq = seq, .now_ms = now_ms};
}

void row_iter_deinit(struct row_iter *it)
{
    loam_buffer_free(&it->key);
    loam_buffer_free(&it->value);
    it->is_valid = false;
}

static void stop(struct row_iter *it)
{
    it->is_valid = false;
    if (it->status == LOAM_OK) {
        it->status = it->source->status;
    }
}

/* Copies into one of our buffers. Returns whether there was memory; if not, the iterator failed. */
static bool copy(struct row_iter *it, struct loam_buffer *to, struct slice bytes)
{
    int rc = buf_assign(to, bytes.data, bytes.size, it->source->err);
    if (UNLIKELY(rc != LOAM_OK)) {
        it->status = rc;
        it->is_valid = false;
    }
    return rc == LOAM_OK;
}

/* Appends to the key. Returns as copy(). */
static bool append(struct row_iter *it, struct slice bytes)
{
    int rc = buf_append(&it->key, bytes.data, bytes.size, it->source->err);
    if (UNLIKELY(rc != LOAM_OK)) {
        it->status = rc;
        it->is_valid = false;
    }
    return rc == LOAM_OK;
}

static inline bool is_hidden(const struct row_iter *it, const struct entry *entry)
{
    return entry->kind == ENTRY_DELETE || entry_is_expired(entry, it->now_ms);
}

/* Finds the next row from where the source stands. */
static void find_forward(struct row_iter *it)
{
    struct iter *source = it->source;
    unsigned steps = 0;
    it->is_reverse = false;
    while (source->is_valid) {
        const struct entry *entry = &source->entry;
        if (it->has_upper && slice_cmp(entry->key, it->upper) >= 0) {
            break;
        }
        bool is_new = entry->seq > it->seq;
        if (LIKELY(!is_new && !is_hidden(it, entry))) {
            it->entry = *entry;
            it->is_valid = true;
            return;
        }
        if (is_new && ++steps <= STEP_MAX) {
            iter_next(source);
            continue;
        }
        steps = 0;
        if (!copy(it, &it->key, entry->key)) {
            return;
        }
        if (is_new) {
            iter_seek(source, buf_slice(&it->key), it->seq);
        } else {
            iter_next_key(source, buf_slice(&it->key));
        }
    }
    stop(it);
}

/* Keeps what a version says: as the row, or as a reason that there is none. */
static bool keep(struct row_iter *it, const struct entry *entry)
{
    it->entry = *entry;
    if (is_hidden(it, entry)) {
        return true;
    }
    if (!copy(it, &it->value, entry->value)) {
        return false;
    }
    it->entry.value = buf_slice(&it->value);
    return true;
}

/* Goes before all versions of it->key, one of which the source stands on or behind. */
static void leave_group(struct row_iter *it)
{
    struct iter *source = it->source;
    struct slice key = buf_slice(&it->key);
    for (unsigned steps = 0; source->is_valid && slice_equal(source->entry.key, key); steps++) {
        if (steps < STEP_MAX) {
            iter_prev(source);
        } else {
            iter_seek_before(source, key, SEQ_MAX);
            return;
        }
    }
}

/* Passes the versions of it->key, the oldest of which the source stands on, and keeps the newest
 * that the reader may see. Returns whether there is one; failures are in it->status and in the
 * source. */
static bool pass_group(struct row_iter *it)
{
    struct iter *source = it->source;
    struct slice key = buf_slice(&it->key);
    bool has_version = false;
    for (unsigned steps = 0; source->is_valid && slice_equal(source->entry.key, key); steps++) {
        if (source->entry.seq > it->seq) {
            leave_group(it);
            break;
        }
        if (steps == STEP_MAX) {
            iter_seek(source, key, it->seq);
            has_version = source->is_valid && keep(it, &source->entry);
            if (has_version) {
                iter_seek_before(source, key, SEQ_MAX);
            }
            break;
        }
        if (!keep(it, &source->entry)) {
            return false;
        }
        has_version = true;
        iter_prev(source);
    }
    return has_version && source->status == LOAM_OK;
}

/* Finds the row before the place where the source stands, that place included. */
static void find_backward(struct row_iter *it)
{
    struct iter *source = it->source;
    it->is_reverse = true;
    while (source->is_valid) {
        if (it->has_lower && slice_cmp(source->entry.key, it->lower) < 0) {
            break;
        }
        if (!copy(it, &it->key, source->entry.key)) {
            return;
        }
        bool has_version = pass_group(it);
        if (it->status != LOAM_OK) {
            return;
        }
        if (has_version && !is_hidden(it, &it->entry)) {
            it->entry.key = buf_slice(&it->key);
            it->is_valid = true;
            return;
        }
    }
    stop(it);
}

void row_iter_first(struct row_iter *it)
{
    if (it->status != LOAM_OK) {
        return;
    }
    if (it->has_lower) {
        iter_seek(it->source, it->lower, SEQ_MAX);
    } else {
        iter_first(it->source);
    }
    find_forward(it);
}

void row_iter_last(struct row_iter *it)
{
    if (it->status != LOAM_OK) {
        return;
    }
    if (it->has_upper) {
        iter_seek_before(it->source, it->upper, SEQ_MAX);
    } else {
        iter_last(it->source);
    }
    find_backward(it);
}

void row_iter_seek(struct row_iter *it, struct slice key)
{
    if (it->status != LOAM_OK) {
        return;
    }
    if (it->has_lower && slice_cmp(key, it->lower) < 0) {
        key = it->lower;
    }
    iter_seek(it->source, key, SEQ_MAX);
    find_forward(it);
}

void row_iter_seek_before(struct row_iter *it, struct slice key)
{
    if (it->status != LOAM_OK) {
        return;
    }
    if (it->has_upper && slice_cmp(key, it->upper) > 0) {
        key = it->upper;
    }
    iter_seek_before(it->source, key, SEQ_MAX);
    find_backward(it);
}

void row_iter_next(struct row_iter *it)
{
    PRE(it->is_valid);
    if (it->is_reverse) {
        iter_seek(it->source, buf_slice(&it->key), 0);
    } else {
        if (!copy(it, &it->key, it->entry.key)) {
            return;
        }
        iter_next_key(it->source, buf_slice(&it->key));
    }
    find_forward(it);
}

void row_iter_prev(struct row_iter *it)
{
    PRE(it->is_valid);
    if (!it->is_reverse) {
        if (!copy(it, &it->key, it->entry.key)) {
            return;
        }
        leave_group(it);
    }
    find_backward(it);
}

bool row_iter_stretch(struct row_iter *it, struct iter_stretch *out)
{
    PRE(it->is_valid);
    if (it->is_reverse || !iter_stretch(it->source, out)) {
        return false;
    }
    if (it->has_upper) {
        uint32_t end = block_rows_before(out->block, it->upper, SEQ_MAX);
        out->row_end = end < out->row_end ? end : out->row_end;
    }
    return out->row_end > out->row_index + 1;
}

void row_iter_pass(struct row_iter *it, const struct block *block, uint32_t row_index)
{
    PRE(it->is_valid && !it->is_reverse);
    struct block_row row;
    block_row(block, row_index, &row);
    it->key.size = 0;
    if (!append(it, block->prefix) || !append(it, row.suffix)) {
        return;
    }
    iter_skip(it->source, row_index + 1);
    if (it->source->is_valid && slice_equal(it->source->entry.key, buf_slice(&it->key))) {
        iter_next_key(it->source, buf_slice(&it->key)); /* Versions in another place. */
    }
    find_forward(it);
}

void row_iter_skip(struct row_iter *it, uint32_t row_index)
{
    PRE(it->is_valid && !it->is_reverse);
    iter_skip(it->source, row_index);
    if (UNLIKELY(!it->source->is_valid)) {
        stop(it);
        return;
    }
    it->entry = it->source->entry;
}
