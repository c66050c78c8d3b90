/* SPDX-License-Identifier: MIT */
/*
 * inspect.c - one file of a store in readable form: what `loam inspect` prints. Needs no open
 * handle and takes no lock; a file that is being written is shown as far as it goes. Keys and
 * values are escaped (\xNN), long ones cut.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/coding.h"
#include "db/background.h"
#include "disk/file_name.h"
#include "disk/manifest_log.h"
#include "disk/ops.h"
#include "disk/table_reader.h"
#include "disk/wal_reader.h"

enum { SHOWN_BYTES = 60, PATH_MAX_BYTES = 4096 };

struct inspection {
    struct env_dir *dir;
    char name[FILE_NAME_SIZE];
    uint64_t number;
    struct loam_buffer *out;
};

static int put_bytes(struct loam_buffer *out, struct slice bytes, struct loam_error *err)
{
    size_t shown = bytes.size < SHOWN_BYTES ? bytes.size : SHOWN_BYTES;
    TRY(buf_append(out, "\"", 1, err));
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)bytes.data[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\') {
            TRY(buf_printf(out, err, "\\x%02x", c));
        } else {
            TRY(buf_append(out, bytes.data + i, 1, err));
        }
    }
    TRY(buf_append(out, "\"", 1, err));
    return shown < bytes.size ? buf_printf(out, err, "... (%zu bytes)", bytes.size) : LOAM_OK;
}

static int put_stored_key(struct loam_buffer *out, struct slice key, struct loam_error *err)
{
    if (key.size < 4) {
        return put_bytes(out, key, err);
    }
    TRY(buf_printf(out, err, "%u/", get_u32_be(key.data)));
    return put_bytes(out, slice_make(key.data + 4, key.size - 4), err);
}

static int put_entry(struct loam_buffer *out, const struct entry *entry, struct loam_error *err)
{
    TRY(buf_printf(out, err, "  %" PRIu64 " %s ", entry->seq,
                   entry->kind == ENTRY_PUT ? "put" : "delete"));
    TRY(put_stored_key(out, entry->key, err));
    if (entry->kind == ENTRY_PUT) {
        TRY(buf_append(out, " = ", 3, err));
        TRY(put_bytes(out, entry->value, err));
    }
    if (entry->expire_at_ms != 0) {
        TRY(buf_printf(out, err, " expires %" PRIu64, entry->expire_at_ms));
    }
    if (entry->content_type != 0) {
        TRY(buf_printf(out, err, " type %u", entry->content_type));
    }
    return buf_append(out, "\n", 1, err);
}

static int put_id(struct loam_buffer *out, const struct store_id *id, struct loam_error *err)
{
    TRY(buf_printf(out, err, "store "));
    for (int i = 0; i < 16; i++) {
        TRY(buf_printf(out, err, "%02x", id->uuid[i]));
    }
    return buf_printf(out, err, " epoch %" PRIu64 "\n", id->epoch);
}

/* The store's identity, out of the header of one of its log-like files. */
static int read_header(const struct inspection *in,
                       const char *name,
                       uint64_t number,
                       const char *magic,
                       uint32_t version,
                       struct store_id *id,
                       struct loam_error *err)
{
    struct env_file *file = NULL;
    TRY(env_open_read(in->dir, name, &file, err));
    char bytes[FILE_HEADER_SIZE];
    size_t got = 0;
    int rc = env_read(file, 0, bytes, sizeof(bytes), &got, err);
    KEEP_FIRST(rc, env_close(file, err));
    TRY(rc);
    struct file_header header = {.magic = magic, .version = version, .number = number};
    TRY(file_header_decode(&header, bytes, got, name, err));
    *id = header.id;
    return LOAM_OK;
}

static int
inspect_record(struct inspection *in, const struct record *record, struct loam_error *err)
{
    TRY(buf_printf(in->out, err,
                   "batch at %" PRIu64 ": %u operations from sequence %" PRIu64
                   ", %zu bytes, durable up to %" PRIu64 "\n",
                   record->offset, record->count, record->first_seq, record->size,
                   record->durable_upto));
    const char *cursor = record->payload;
    for (uint32_t i = 0; i < record->count; i++) {
        struct entry entry;
        if (ops_next(&cursor, record->payload + record->size, &entry) != LOAM_OK) {
            return fail(err, LOAM_CORRUPT, "%s:%" PRIu64 ": operation cannot be decoded", in->name,
                        record->offset);
        }
        entry.seq = record->first_seq + i;
        TRY(put_entry(in->out, &entry, err));
    }
    return LOAM_OK;
}

static const char *end_text(int end)
{
    switch (end) {
    case WAL_END_SEALED:
        return "sealed";
    case WAL_END_OPEN:
        return "open: no end record";
    case WAL_END_TORN:
        return "torn tail";
    default:
        return "damaged";
    }
}

static int inspect_wal(struct inspection *in, struct loam_error *err)
{
    struct store_id id;
    TRY(read_header(in, in->name, in->number, WAL_MAGIC, WAL_VERSION, &id, err));
    TRY(buf_printf(in->out, err, "write-ahead log %" PRIu64 "\n", in->number));
    TRY(put_id(in->out, &id, err));
    struct wal_reader *reader = NULL;
    TRY(wal_reader_open(in->dir, in->number, &id, false, &reader, err));
    struct record record;
    int rc = LOAM_OK;
    while (rc == LOAM_OK) {
        rc = wal_reader_next(reader, &record, err);
        if (rc == LOAM_OK) {
            rc = inspect_record(in, &record, err);
        }
    }
    if (rc == LOAM_NOT_FOUND) {
        rc = buf_printf(in->out, err, "end at %" PRIu64 ": %s, %" PRIu64 " bytes behind it\n",
                        wal_reader_position(reader), end_text(wal_reader_end(reader)),
                        wal_reader_dropped(reader));
    }
    wal_reader_close(reader);
    return rc;
}

static int put_table(struct loam_buffer *out, const struct table_meta *meta, struct loam_error *err)
{
    TRY(buf_printf(out, err,
                   "  table %" PRIu64 " run %" PRIu64 " size %" PRIu64 " rows %" PRIu64
                   " deletes %" PRIu64 " sequences %" PRIu64 "-%" PRIu64 " ",
                   meta->number, meta->run, meta->size, meta->row_count, meta->delete_count,
                   meta->seq_min, meta->seq_max));
    TRY(put_stored_key(out, meta->smallest, err));
    TRY(buf_append(out, " .. ", 4, err));
    TRY(put_stored_key(out, meta->largest, err));
    return buf_append(out, "\n", 1, err);
}

static int put_numbers(struct loam_buffer *out,
                       const char *what,
                       const uint64_t *numbers,
                       size_t count,
                       struct loam_error *err)
{
    for (size_t i = 0; i < count; i++) {
        TRY(buf_printf(out, err, "  %s %" PRIu64 "\n", what, numbers[i]));
    }
    return LOAM_OK;
}

static int put_names(struct loam_buffer *out,
                     const char *what,
                     const struct bucket_meta *metas,
                     size_t count,
                     struct loam_error *err)
{
    for (size_t i = 0; i < count; i++) {
        TRY(buf_printf(out, err, "  %s %u ", what, metas[i].id));
        TRY(put_bytes(out, metas[i].name, err));
        TRY(buf_append(out, "\n", 1, err));
    }
    return LOAM_OK;
}

static int inspect_edit(struct inspection *in,
                        const struct manifest_edit *edit,
                        uint64_t index,
                        struct loam_error *err)
{
    struct manifest_edit_view view = manifest_edit_get(edit);
    TRY(buf_printf(in->out, err, "edit %" PRIu64 "\n", index));
    TRY(put_numbers(in->out, "next file", &view.next_file, view.next_file != 0, err));
    TRY(put_numbers(in->out, "last sequence", &view.last_seq, view.last_seq != 0, err));
    TRY(put_numbers(in->out, "log out", view.logs_removed, view.logs_removed_count, err));
    TRY(put_numbers(in->out, "log in", view.logs_added, view.logs_added_count, err));
    TRY(put_numbers(in->out, "table out", view.tables_removed, view.tables_removed_count, err));
    for (size_t i = 0; i < view.tables_added_count; i++) {
        TRY(put_table(in->out, &view.tables_added[i], err));
    }
    TRY(put_names(in->out, "bucket", view.buckets_added, view.buckets_added_count, err));
    for (size_t i = 0; i < view.buckets_dropped_count; i++) {
        TRY(buf_printf(in->out, err, "  bucket dropped %u\n", view.buckets_dropped[i]));
    }
    return put_names(in->out, "content type", view.content_types_added,
                     view.content_types_added_count, err);
}

static int inspect_manifest(struct inspection *in, struct loam_error *err)
{
    struct store_id id;
    struct manifest_reader *reader = NULL;
    TRY(manifest_reader_open(in->dir, in->number, &id, &reader, err));
    struct manifest_edit *edit = manifest_edit_new();
    int rc = edit == NULL ? mem_fail(err, 1)
                          : buf_printf(in->out, err, "manifest %" PRIu64 "\n", in->number);
    KEEP_FIRST(rc, rc == LOAM_OK ? put_id(in->out, &id, err) : LOAM_OK);
    for (uint64_t i = 0; rc == LOAM_OK; i++) {
        manifest_edit_clear(edit);
        rc = manifest_reader_next(reader, edit, err);
        if (rc == LOAM_OK) {
            rc = inspect_edit(in, edit, i, err);
        }
    }
    manifest_edit_free(edit);
    manifest_reader_close(reader);
    return rc == LOAM_NOT_FOUND ? LOAM_OK : rc;
}

/* A table's checksums are bound to its store: the manifest beside it tells which. */
static int read_store_id(struct inspection *in, struct store_id *id, struct loam_error *err)
{
    uint64_t manifest = 0;
    char name[FILE_NAME_SIZE];
    int rc = current_read(in->dir, &manifest, err);
    if (rc == LOAM_OK) {
        file_name_make(FILE_MANIFEST, manifest, name);
        rc = read_header(in, name, manifest, MANIFEST_MAGIC, MANIFEST_VERSION, id, err);
    }
    if (rc == LOAM_NOT_FOUND) {
        return fail(err, LOAM_INVALID,
                    "%s: a table can be read only beside its CURRENT and manifest", in->name);
    }
    return rc;
}

static int inspect_block(struct inspection *in,
                         const struct table_reader *reader,
                         uint32_t index,
                         struct loam_error *err)
{
    struct block *block = NULL;
    TRY(table_reader_block(reader, index, &block, err));
    int rc = buf_printf(in->out, err, "block %u: %u rows, %u bytes\n", index, block->row_count,
                        block->size);
    struct loam_buffer key = {0};
    for (uint32_t i = 0; i < block->row_count && rc == LOAM_OK; i++) {
        struct block_row row;
        block_row(block, i, &row);
        key.size = 0;
        rc = buf_append(&key, block->prefix.data, block->prefix.size, err);
        KEEP_FIRST(rc, rc == LOAM_OK ? buf_append(&key, row.suffix.data, row.suffix.size, err)
                                     : LOAM_OK);
        struct entry entry = {
            .key = buf_slice(&key),
            .value = row.value,
            .seq = row.seq,
            .expire_at_ms = row.expire_at_ms,
            .content_type = row.content_type,
            .kind = row.kind,
        };
        KEEP_FIRST(rc, rc == LOAM_OK ? put_entry(in->out, &entry, err) : LOAM_OK);
    }
    loam_buffer_free(&key);
    block_unref(block);
    return rc;
}

static int inspect_table(struct inspection *in, struct loam_error *err)
{
    struct store_id id;
    TRY(read_store_id(in, &id, err));
    struct env_file *file = NULL;
    uint64_t size = 0;
    TRY(env_open_read(in->dir, in->name, &file, err));
    int rc = env_size(file, &size, err);
    KEEP_FIRST(rc, env_close(file, err));
    TRY(rc);
    struct table_reader *reader = NULL;
    TRY(table_reader_open(in->dir, in->number, size, &id, &reader, err));
    rc = put_id(in->out, &id, err);
    KEEP_FIRST(rc, rc == LOAM_OK ? put_table(in->out, table_reader_meta(reader), err) : LOAM_OK);
    for (uint32_t i = 0; i < table_reader_block_count(reader) && rc == LOAM_OK; i++) {
        rc = inspect_block(in, reader, i, err);
    }
    table_reader_close(reader);
    return rc;
}

static int inspect_current(struct inspection *in, struct loam_error *err)
{
    uint64_t manifest = 0;
    TRY(current_read(in->dir, &manifest, err));
    return buf_printf(in->out, err, "CURRENT names MANIFEST-%012" PRIu64 "\n", manifest);
}

static int inspect_kind(struct inspection *in, int kind, struct loam_error *err)
{
    switch (kind) {
    case FILE_WAL:
        return inspect_wal(in, err);
    case FILE_TABLE:
        return inspect_table(in, err);
    case FILE_MANIFEST:
        return inspect_manifest(in, err);
    case FILE_CURRENT:
        return inspect_current(in, err);
    default:
        return fail(err, LOAM_INVALID, "%s is no log, table, manifest or CURRENT of a store",
                    in->name);
    }
}

int loam_inspect(const char *path, loam_buffer *out, loam_error *err)
{
    char dir_path[PATH_MAX_BYTES];
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;
    size_t dir_size = slash == NULL ? 0 : (size_t)(slash - path);
    if (dir_size >= sizeof(dir_path) || strlen(base) >= FILE_NAME_SIZE) {
        return fail(err, LOAM_INVALID, "%.100s: the path is too long", path);
    }
    (void)snprintf(dir_path, sizeof(dir_path), "%.*s", (int)dir_size, path);
    struct inspection in = {.out = out};
    (void)snprintf(in.name, sizeof(in.name), "%s", base);
    int kind = file_name_parse(base, &in.number);
    const char *opened = slash == NULL ? "." : (dir_size == 0 ? "/" : dir_path);
    int rc = env_open_dir(env_posix(), opened, false, &in.dir, err);
    if (rc == LOAM_OK) {
        out->size = 0;
        rc = inspect_kind(&in, kind, err);
        env_dir_close(in.dir);
    }
    if (rc == LOAM_NOT_FOUND) {
        return fail(err, LOAM_NOT_FOUND, "no file %.200s", path);
    }
    return rc;
}
