/* SPDX-License-Identifier: MIT */
/*
 * manifest_edit_decode.c - bytes to edits. Everything here came from a disk: each number has its
 * bounds, each length is compared with the bytes at hand, nothing may be said twice, and nothing is
 * allocated but the lists.
 */
#include "base/check.h"
#include "base/coding.h"
#include "base/limits.h"
#include "base/memory.h"
#include "disk/manifest_edit_impl.h"

#include <stdlib.h>

const char *table_meta_problem(const struct table_meta *table)
{
    if (table->number == 0 || table->number > FILE_NUMBER_MAX) {
        return "file number";
    }
    if (table->run == 0 || table->run > SEQ_MAX) {
        return "run number";
    }
    if (table->size == 0 || table->size > INT64_MAX) {
        return "file size";
    }
    if (table->row_count == 0 || table->delete_count > table->row_count ||
        table->expiry_count > table->row_count) {
        return "count of rows";
    }
    if (table->seq_min == 0 || table->seq_min > table->seq_max || table->seq_max > SEQ_MAX) {
        return "range of sequence numbers";
    }
    if (table->log_number > FILE_NUMBER_MAX) {
        return "log number";
    }
    if (table->smallest.size < BUCKET_ID_SIZE || table->smallest.size > STORED_KEY_SIZE_MAX ||
        table->largest.size < BUCKET_ID_SIZE || table->largest.size > STORED_KEY_SIZE_MAX ||
        slice_cmp(table->smallest, table->largest) > 0) {
        return "range of keys";
    }
    return NULL;
}

bool bucket_name_is_valid(struct slice name)
{
    if (name.size == 0 || name.size > BUCKET_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-') {
            return false;
        }
    }
    return true;
}

bool content_type_is_valid(struct slice name)
{
    if (name.size == 0 || name.size > CONTENT_TYPE_SIZE_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] < ' ' || name.data[i] > '~') {
            return false;
        }
    }
    return true;
}

static int bad(struct loam_error *err, unsigned tag, const char *what)
{
    return fail(err, LOAM_CORRUPT, "manifest field %u: bad %s", tag, what);
}

/* A body that is one number in [1, max]. */
static int
get_number(struct slice body, unsigned tag, uint64_t max, uint64_t *out, struct loam_error *err)
{
    const char *limit = body.data + body.size;
    uint64_t value = 0;
    if (get_varint(body.data, limit, &value) != limit || value == 0 || value > max) {
        return bad(err, tag, "number");
    }
    *out = value;
    return LOAM_OK;
}

/* A number that may be said once. */
static int
get_scalar(struct slice body, unsigned tag, uint64_t max, uint64_t *out, struct loam_error *err)
{
    if (*out != 0) {
        return bad(err, tag, "repetition");
    }
    return get_number(body, tag, max, out, err);
}

static int
get_file(struct slice body, unsigned tag, struct loam_buffer *list, struct loam_error *err)
{
    uint64_t number = 0;
    TRY(get_number(body, tag, FILE_NUMBER_MAX, &number, err));
    return buf_append(list, &number, sizeof(number), err);
}

static int get_table(struct slice body, struct loam_buffer *list, struct loam_error *err)
{
    struct table_meta table = {0};
    uint64_t smallest_size = 0;
    uint64_t *const numbers[] = {&table.number,     &table.run,          &table.size,
                                 &table.row_count,  &table.delete_count, &table.expiry_count,
                                 &table.raw_size,   &table.seq_min,      &table.seq_max,
                                 &table.log_number, &smallest_size};
    const char *p = body.data;
    const char *limit = body.data + body.size;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && p != NULL; i++) {
        p = get_varint(p, limit, numbers[i]);
    }
    if (p == NULL || limit - p < 8) {
        return bad(err, EDIT_TABLE_ADDED, "length");
    }
    table.hash = get_u64(p);
    p += 8;
    if (smallest_size > (uint64_t)(limit - p)) {
        return bad(err, EDIT_TABLE_ADDED, "length");
    }
    table.smallest = slice_make(p, (size_t)smallest_size);
    p += smallest_size;
    table.largest = slice_make(p, (size_t)(limit - p));
    const char *problem = table_meta_problem(&table);
    if (problem != NULL) {
        return bad(err, EDIT_TABLE_ADDED, problem);
    }
    return buf_append(list, &table, sizeof(table), err);
}

static int get_bucket(struct slice body, struct loam_buffer *list, struct loam_error *err)
{
    struct bucket_meta bucket = {0};
    const char *limit = body.data + body.size;
    const char *p = get_varint32(body.data, limit, &bucket.id);
    p = p == NULL ? NULL : get_varint32(p, limit, &bucket.merge);
    p = p == NULL ? NULL : get_varint(p, limit, &bucket.ttl_ms);
    if (p == NULL || bucket.id == 0) {
        return bad(err, EDIT_BUCKET_ADDED, "number");
    }
    if (bucket.merge > LOAM_MERGE_APPEND) {
        return fail(err, LOAM_UNSUPPORTED,
                    "bucket %u has merge operator %u, this build knows 0 to %d", bucket.id,
                    bucket.merge, LOAM_MERGE_APPEND);
    }
    bucket.name = slice_make(p, (size_t)(limit - p));
    if (!bucket_name_is_valid(bucket.name)) {
        return bad(err, EDIT_BUCKET_ADDED, "name");
    }
    return buf_append(list, &bucket, sizeof(bucket), err);
}

static int get_content_type(struct slice body, struct loam_buffer *list, struct loam_error *err)
{
    struct bucket_meta type = {0};
    const char *limit = body.data + body.size;
    const char *p = get_varint32(body.data, limit, &type.id);
    if (p == NULL || type.id == 0 || type.id > CONTENT_TYPE_MAX) {
        return bad(err, EDIT_CONTENT_TYPE_ADDED, "number");
    }
    type.name = slice_make(p, (size_t)(limit - p));
    if (!content_type_is_valid(type.name)) {
        return bad(err, EDIT_CONTENT_TYPE_ADDED, "name");
    }
    return buf_append(list, &type, sizeof(type), err);
}

static int get_dropped(struct slice body, struct loam_buffer *list, struct loam_error *err)
{
    uint64_t wide = 0;
    TRY(get_number(body, EDIT_BUCKET_DROPPED, UINT32_MAX, &wide, err));
    uint32_t id = (uint32_t)wide;
    return buf_append(list, &id, sizeof(id), err);
}

static int get_next_bucket(struct manifest_edit *edit, struct slice body, struct loam_error *err)
{
    uint64_t next = edit->next_bucket;
    TRY(get_scalar(body, EDIT_NEXT_BUCKET, UINT32_MAX, &next, err));
    edit->next_bucket = (uint32_t)next;
    return LOAM_OK;
}

static int
get_field(struct manifest_edit *edit, uint64_t tag, struct slice body, struct loam_error *err)
{
    switch (tag) {
    case EDIT_NEXT_FILE:
        return get_scalar(body, EDIT_NEXT_FILE, FILE_NUMBER_MAX + 1, &edit->next_file, err);
    case EDIT_LAST_SEQ:
        return get_scalar(body, EDIT_LAST_SEQ, SEQ_MAX, &edit->last_seq, err);
    case EDIT_NEXT_BUCKET:
        return get_next_bucket(edit, body, err);
    case EDIT_LOG_REMOVED:
        return get_file(body, EDIT_LOG_REMOVED, &edit->logs_removed, err);
    case EDIT_LOG_ADDED:
        return get_file(body, EDIT_LOG_ADDED, &edit->logs_added, err);
    case EDIT_TABLE_REMOVED:
        return get_file(body, EDIT_TABLE_REMOVED, &edit->tables_removed, err);
    case EDIT_TABLE_ADDED:
        return get_table(body, &edit->tables_added, err);
    case EDIT_BUCKET_DROPPED:
        return get_dropped(body, &edit->buckets_dropped, err);
    case EDIT_BUCKET_ADDED:
        return get_bucket(body, &edit->buckets_added, err);
    case EDIT_CONTENT_TYPE_ADDED:
        return get_content_type(body, &edit->content_types_added, err);
    default:
        if (tag >= EDIT_TAG_OPTIONAL) {
            return LOAM_OK;
        }
        return fail(err, LOAM_UNSUPPORTED, "manifest field %u is unknown to this build",
                    (unsigned)tag);
    }
}

static int cmp_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Refuses a list of structs, `stride` apart, that begin with the same number twice. */
static int
check_unique(const struct loam_buffer *list, size_t stride, unsigned tag, struct loam_error *err)
{
    size_t count = list->size / stride;
    if (count < 2) {
        return LOAM_OK;
    }
    uint64_t *numbers = mem_zalloc(count, sizeof(*numbers));
    if (numbers == NULL) {
        return mem_fail(err, count * sizeof(*numbers));
    }
    /* What is listed begins with a 64-bit or with a 32-bit number. */
    bool is_wide =
        tag != EDIT_BUCKET_DROPPED && tag != EDIT_BUCKET_ADDED && tag != EDIT_CONTENT_TYPE_ADDED;
    for (size_t i = 0; i < count; i++) {
        uint32_t narrow = 0;
        memcpy(&narrow, list->data + i * stride, sizeof(narrow));
        numbers[i] = narrow;
        if (is_wide) {
            memcpy(&numbers[i], list->data + i * stride, sizeof(numbers[i]));
        }
    }
    qsort(numbers, count, sizeof(*numbers), cmp_u64);
    bool is_unique = true;
    for (size_t i = 1; i < count && is_unique; i++) {
        is_unique = numbers[i - 1] != numbers[i];
    }
    mem_free(numbers);
    return is_unique ? LOAM_OK : bad(err, tag, "repetition");
}

_Static_assert(offsetof(struct table_meta, number) == 0, "check_unique reads it there");
_Static_assert(offsetof(struct bucket_meta, id) == 0, "check_unique reads it there");

static int check_repetitions(const struct manifest_edit *edit, struct loam_error *err)
{
    TRY(check_unique(&edit->logs_removed, sizeof(uint64_t), EDIT_LOG_REMOVED, err));
    TRY(check_unique(&edit->logs_added, sizeof(uint64_t), EDIT_LOG_ADDED, err));
    TRY(check_unique(&edit->tables_removed, sizeof(uint64_t), EDIT_TABLE_REMOVED, err));
    TRY(check_unique(&edit->tables_added, sizeof(struct table_meta), EDIT_TABLE_ADDED, err));
    TRY(check_unique(&edit->buckets_dropped, sizeof(uint32_t), EDIT_BUCKET_DROPPED, err));
    TRY(check_unique(&edit->buckets_added, sizeof(struct bucket_meta), EDIT_BUCKET_ADDED, err));
    return check_unique(&edit->content_types_added, sizeof(struct bucket_meta),
                        EDIT_CONTENT_TYPE_ADDED, err);
}

static int
get_fields(struct manifest_edit *edit, const char *data, const char *limit, struct loam_error *err)
{
    while (data < limit) {
        uint64_t tag = 0;
        uint64_t size = 0;
        data = get_varint(data, limit, &tag);
        data = data == NULL ? NULL : get_varint(data, limit, &size);
        if (data == NULL || size > (uint64_t)(limit - data)) {
            return fail(err, LOAM_CORRUPT, "manifest field ends behind its record");
        }
        TRY(get_field(edit, tag, slice_make(data, (size_t)size), err));
        data += size;
    }
    return check_repetitions(edit, err);
}

int manifest_edit_decode(struct manifest_edit *edit,
                         const char *data,
                         size_t size,
                         struct loam_error *err)
{
    PRE(edit != NULL && (data != NULL || size == 0));
    manifest_edit_clear(edit);
    int rc = size == 0 ? LOAM_OK : get_fields(edit, data, data + size, err);
    if (rc != LOAM_OK) {
        manifest_edit_clear(edit);
    }
    return rc;
}
