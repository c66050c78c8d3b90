/* SPDX-License-Identifier: MIT */
/* manifest_edit.c - edits as structs, and structs to bytes; bytes to structs is
 * manifest_edit_decode.c. */
#include "disk/manifest_edit.h"

#include "base/check.h"
#include "base/coding.h"
#include "base/limits.h"
#include "base/memory.h"
#include "disk/manifest_edit_impl.h"

#define STRINGS_CHUNK  4096
#define FIELD_HEAD_MAX ((size_t)2 * VARINT64_MAX)

struct manifest_edit *manifest_edit_new(void)
{
    struct manifest_edit *edit = mem_zalloc(1, sizeof(*edit));
    if (edit != NULL) {
        arena_init(&edit->strings, STRINGS_CHUNK);
    }
    return edit;
}

void manifest_edit_free(struct manifest_edit *edit)
{
    if (edit == NULL) {
        return;
    }
    arena_deinit(&edit->strings);
    loam_buffer_free(&edit->logs_removed);
    loam_buffer_free(&edit->logs_added);
    loam_buffer_free(&edit->tables_removed);
    loam_buffer_free(&edit->tables_added);
    loam_buffer_free(&edit->buckets_dropped);
    loam_buffer_free(&edit->buckets_added);
    loam_buffer_free(&edit->content_types_added);
    mem_free(edit);
}

void manifest_edit_clear(struct manifest_edit *edit)
{
    arena_deinit(&edit->strings);
    arena_init(&edit->strings, STRINGS_CHUNK);
    edit->logs_removed.size = 0;
    edit->logs_added.size = 0;
    edit->tables_removed.size = 0;
    edit->tables_added.size = 0;
    edit->buckets_dropped.size = 0;
    edit->buckets_added.size = 0;
    edit->content_types_added.size = 0;
    edit->next_file = 0;
    edit->last_seq = 0;
    edit->next_bucket = 0;
}

/* Replaces a slice by a copy that lives as long as the edit's contents. */
static int keep(struct manifest_edit *edit, struct slice *bytes, struct loam_error *err)
{
    char *copy = arena_alloc(&edit->strings, bytes->size);
    if (copy == NULL) {
        return mem_fail(err, bytes->size);
    }
    if (bytes->size > 0) {
        memcpy(copy, bytes->data, bytes->size);
    }
    bytes->data = copy;
    return LOAM_OK;
}

int manifest_edit_add_table(struct manifest_edit *edit,
                            const struct table_meta *table,
                            struct loam_error *err)
{
    PRE(table_meta_problem(table) == NULL);
    struct table_meta copy = *table;
    TRY(keep(edit, &copy.smallest, err));
    TRY(keep(edit, &copy.largest, err));
    return buf_append(&edit->tables_added, &copy, sizeof(copy), err);
}

static int add_number(struct loam_buffer *list, uint64_t number, struct loam_error *err)
{
    PRE(number > 0 && number <= FILE_NUMBER_MAX);
    return buf_append(list, &number, sizeof(number), err);
}

int manifest_edit_remove_table(struct manifest_edit *edit, uint64_t number, struct loam_error *err)
{
    return add_number(&edit->tables_removed, number, err);
}

int manifest_edit_add_log(struct manifest_edit *edit, uint64_t number, struct loam_error *err)
{
    return add_number(&edit->logs_added, number, err);
}

int manifest_edit_remove_log(struct manifest_edit *edit, uint64_t number, struct loam_error *err)
{
    return add_number(&edit->logs_removed, number, err);
}

int manifest_edit_add_bucket(struct manifest_edit *edit,
                             const struct bucket_meta *bucket,
                             struct loam_error *err)
{
    PRE(bucket->id > 0 && bucket->merge <= LOAM_MERGE_APPEND && bucket_name_is_valid(bucket->name));
    struct bucket_meta copy = *bucket;
    TRY(keep(edit, &copy.name, err));
    return buf_append(&edit->buckets_added, &copy, sizeof(copy), err);
}

int manifest_edit_drop_bucket(struct manifest_edit *edit, uint32_t id, struct loam_error *err)
{
    PRE(id > 0);
    return buf_append(&edit->buckets_dropped, &id, sizeof(id), err);
}

int manifest_edit_add_content_type(struct manifest_edit *edit,
                                   uint32_t id,
                                   struct slice name,
                                   struct loam_error *err)
{
    PRE(id > 0 && id <= CONTENT_TYPE_MAX && content_type_is_valid(name));
    struct bucket_meta type = {.id = id, .name = name};
    TRY(keep(edit, &type.name, err));
    return buf_append(&edit->content_types_added, &type, sizeof(type), err);
}

void manifest_edit_set_next_file(struct manifest_edit *edit, uint64_t number)
{
    PRE(number > 0 && number <= FILE_NUMBER_MAX + 1);
    edit->next_file = number;
}

void manifest_edit_set_last_seq(struct manifest_edit *edit, uint64_t seq)
{
    PRE(seq <= SEQ_MAX);
    edit->last_seq = seq;
}

void manifest_edit_set_next_bucket(struct manifest_edit *edit, uint32_t id)
{
    PRE(id > 0);
    edit->next_bucket = id;
}

struct manifest_edit_view manifest_edit_get(const struct manifest_edit *edit)
{
    return (struct manifest_edit_view){
        .tables_added = (const void *)edit->tables_added.data,
        .tables_removed = (const void *)edit->tables_removed.data,
        .logs_added = (const void *)edit->logs_added.data,
        .logs_removed = (const void *)edit->logs_removed.data,
        .buckets_added = (const void *)edit->buckets_added.data,
        .buckets_dropped = (const void *)edit->buckets_dropped.data,
        .content_types_added = (const void *)edit->content_types_added.data,
        .tables_added_count = edit->tables_added.size / sizeof(struct table_meta),
        .tables_removed_count = edit->tables_removed.size / sizeof(uint64_t),
        .logs_added_count = edit->logs_added.size / sizeof(uint64_t),
        .logs_removed_count = edit->logs_removed.size / sizeof(uint64_t),
        .buckets_added_count = edit->buckets_added.size / sizeof(struct bucket_meta),
        .buckets_dropped_count = edit->buckets_dropped.size / sizeof(uint32_t),
        .content_types_added_count = edit->content_types_added.size / sizeof(struct bucket_meta),
        .next_file = edit->next_file,
        .last_seq = edit->last_seq,
        .next_bucket = edit->next_bucket,
    };
}

/* Appends tag and size of a field whose body the caller then writes: `out` has room for it. */
static int
begin_field(struct loam_buffer *out, unsigned tag, size_t body_size, struct loam_error *err)
{
    TRY(buf_reserve(out, FIELD_HEAD_MAX + body_size, err));
    char *p = put_varint(out->data + out->size, tag);
    p = put_varint(p, body_size);
    out->size = (size_t)(p - out->data);
    return LOAM_OK;
}

/* A field that is one number. */
static int put_number(struct loam_buffer *out, unsigned tag, uint64_t value, struct loam_error *err)
{
    TRY(begin_field(out, tag, varint_size(value), err));
    out->size = (size_t)(put_varint(out->data + out->size, value) - out->data);
    return LOAM_OK;
}

static int put_numbers(struct loam_buffer *out,
                       unsigned tag,
                       const uint64_t *numbers,
                       size_t count,
                       struct loam_error *err)
{
    for (size_t i = 0; i < count; i++) {
        TRY(put_number(out, tag, numbers[i], err));
    }
    return LOAM_OK;
}

static char *put_bytes(char *p, struct slice bytes)
{
    if (bytes.size > 0) {
        memcpy(p, bytes.data, bytes.size);
    }
    return p + bytes.size;
}

static int
put_table(struct loam_buffer *out, const struct table_meta *table, struct loam_error *err)
{
    const uint64_t numbers[] = {table->number,     table->run,          table->size,
                                table->row_count,  table->delete_count, table->expiry_count,
                                table->raw_size,   table->seq_min,      table->seq_max,
                                table->log_number, table->smallest.size};
    const size_t count = sizeof(numbers) / sizeof(numbers[0]);
    size_t size = 8 + table->smallest.size + table->largest.size;
    for (size_t i = 0; i < count; i++) {
        size += varint_size(numbers[i]);
    }
    TRY(begin_field(out, EDIT_TABLE_ADDED, size, err));
    char *p = out->data + out->size;
    for (size_t i = 0; i < count; i++) {
        p = put_varint(p, numbers[i]);
    }
    put_u64(p, table->hash);
    p = put_bytes(p + 8, table->smallest);
    p = put_bytes(p, table->largest);
    POST((size_t)(p - out->data) == out->size + size);
    out->size += size;
    return LOAM_OK;
}

/* A bucket, or a content type (which has an id and a name only). */
static int put_bucket(struct loam_buffer *out,
                      unsigned tag,
                      const struct bucket_meta *bucket,
                      struct loam_error *err)
{
    bool is_bucket = tag == EDIT_BUCKET_ADDED;
    size_t size = varint_size(bucket->id) + bucket->name.size;
    size += is_bucket ? varint_size(bucket->merge) + varint_size(bucket->ttl_ms) : 0;
    TRY(begin_field(out, tag, size, err));
    char *p = put_varint(out->data + out->size, bucket->id);
    if (is_bucket) {
        p = put_varint(p, bucket->merge);
        p = put_varint(p, bucket->ttl_ms);
    }
    p = put_bytes(p, bucket->name);
    POST((size_t)(p - out->data) == out->size + size);
    out->size += size;
    return LOAM_OK;
}

static int
put_scalars(struct loam_buffer *out, const struct manifest_edit_view *view, struct loam_error *err)
{
    if (view->next_file != 0) {
        TRY(put_number(out, EDIT_NEXT_FILE, view->next_file, err));
    }
    if (view->last_seq != 0) {
        TRY(put_number(out, EDIT_LAST_SEQ, view->last_seq, err));
    }
    if (view->next_bucket != 0) {
        TRY(put_number(out, EDIT_NEXT_BUCKET, view->next_bucket, err));
    }
    return LOAM_OK;
}

static int
put_all(struct loam_buffer *out, const struct manifest_edit_view *view, struct loam_error *err)
{
    TRY(put_scalars(out, view, err));
    TRY(put_numbers(out, EDIT_LOG_REMOVED, view->logs_removed, view->logs_removed_count, err));
    TRY(put_numbers(out, EDIT_LOG_ADDED, view->logs_added, view->logs_added_count, err));
    TRY(put_numbers(out, EDIT_TABLE_REMOVED, view->tables_removed, view->tables_removed_count,
                    err));
    for (size_t i = 0; i < view->tables_added_count; i++) {
        TRY(put_table(out, &view->tables_added[i], err));
    }
    for (size_t i = 0; i < view->buckets_dropped_count; i++) {
        TRY(put_number(out, EDIT_BUCKET_DROPPED, view->buckets_dropped[i], err));
    }
    for (size_t i = 0; i < view->buckets_added_count; i++) {
        TRY(put_bucket(out, EDIT_BUCKET_ADDED, &view->buckets_added[i], err));
    }
    for (size_t i = 0; i < view->content_types_added_count; i++) {
        TRY(put_bucket(out, EDIT_CONTENT_TYPE_ADDED, &view->content_types_added[i], err));
    }
    return LOAM_OK;
}

int manifest_edit_encode(const struct manifest_edit *edit,
                         struct loam_buffer *out,
                         struct loam_error *err)
{
    size_t before = out->size;
    struct manifest_edit_view view = manifest_edit_get(edit);
    int rc = put_all(out, &view, err);
    if (rc == LOAM_OK && out->size - before > BATCH_SIZE_MAX) {
        rc = fail(err, LOAM_TOO_LARGE, "manifest edit of %zu bytes, the limit is %u",
                  out->size - before, BATCH_SIZE_MAX);
    }
    if (rc != LOAM_OK) {
        out->size = before;
    }
    return rc;
}
