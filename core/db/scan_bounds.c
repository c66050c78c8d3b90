/* SPDX-License-Identifier: MIT */
/*
 * scan_bounds.c - from a range to the stored keys between which a scan reads. Floor 4, private to
 * scan.h. Lower bounds are included, upper ones are not. Thread: the scan's owner.
 */
#include "db/scan.h"

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
            return fail(err, LOAM_TOO_LARGE, "%s of %zu bytes is over key_bytes_max %u", names[i],
                        sizes[i], KEY_SIZE_MAX);
        }
    }
    return LOAM_OK;
}

int scan_set_bounds(struct loam_scan *scan,
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
