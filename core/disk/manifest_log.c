/* SPDX-License-Identifier: MIT */
/*
 * manifest_log.c - see manifest_log.h. The framing and its verdicts are those of a log
 * (record_reader.c); every append is synced, so each record proves the ones before it.
 */
#include "disk/manifest_log.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/checksum.h"
#include "base/guard.h"
#include "base/limits.h"
#include "base/memory.h"
#include "disk/file_name.h"
#include "disk/record_reader.h"

/* Name, space, 16 digits, newline. */
#define CURRENT_NAME_SIZE 21
#define CURRENT_SIZE      (CURRENT_NAME_SIZE + 1 + 16 + 1)

struct manifest_writer {
    struct env_file *file;
    struct record_key key;
    uint64_t durable; /* Bytes in the file, all of them synced. */
    uint64_t chain;
    struct loam_buffer payload; /* Scratch, as the next. */
    struct loam_buffer frame;
    int failed_code; /* LOAM_OK, or why nothing may be appended any more. */
    bool is_spent;   /* The failed write was taken back: every edit before it is whole. */
    struct loam_error failed;
};

/* ---- Writer ---- */

static int begin_file(struct manifest_writer *writer,
                      struct env_dir *dir,
                      const struct file_header *header,
                      struct loam_error *err)
{
    char bytes[FILE_HEADER_SIZE];
    writer->chain = file_header_encode(header, bytes);
    TRY(env_write(writer->file, 0, bytes, sizeof(bytes), err));
    TRY(env_sync(writer->file, err));
    if (GUARD(MANIFEST_DIR_SYNC)) {
        TRY(env_dir_sync(dir, err));
    }
    writer->durable = FILE_HEADER_SIZE;
    return LOAM_OK;
}

/* Frees without a word on disk. */
static int writer_free(struct manifest_writer *writer, struct loam_error *err)
{
    int rc = env_close(writer->file, err);
    loam_buffer_free(&writer->payload);
    loam_buffer_free(&writer->frame);
    mem_free(writer);
    return rc;
}

int manifest_writer_open(struct env_dir *dir,
                         uint64_t number,
                         const struct store_id *id,
                         struct manifest_writer **out,
                         struct loam_error *err)
{
    char name[FILE_NAME_SIZE];
    file_name_make(FILE_MANIFEST, number, name);
    struct manifest_writer *writer = mem_zalloc(1, sizeof(*writer));
    if (writer == NULL) {
        return mem_fail(err, sizeof(*writer));
    }
    int rc = env_create(dir, name, &writer->file, err);
    if (rc != LOAM_OK) {
        mem_free(writer);
        return rc;
    }
    writer->key = record_key_make(id, number);
    struct file_header header = {
        .magic = MANIFEST_MAGIC, .version = MANIFEST_VERSION, .number = number, .id = *id};
    rc = begin_file(writer, dir, &header, err);
    if (rc != LOAM_OK) {
        KEEP_FIRST(rc, writer_free(writer, NULL));
        KEEP_FIRST(rc, env_remove(dir, name, NULL));
        return rc;
    }
    *out = writer;
    return LOAM_OK;
}

/* Cuts off what a failed write may have left, for good: a whole edit may be there, which the next
 * open would believe. */
static bool take_back(struct manifest_writer *writer)
{
    return !GUARD(MANIFEST_TAKE_BACK) ||
           (env_trim(writer->file, writer->durable, NULL) == LOAM_OK &&
            env_sync(writer->file, NULL) == LOAM_OK);
}

/* Writes and syncs the frame. A failed sync is the poison, as is a write that cannot be taken back.
 */
static int write_frame(struct manifest_writer *writer, struct loam_error *err)
{
    const struct loam_buffer *frame = &writer->frame;
    int rc = env_write(writer->file, writer->durable, frame->data, frame->size, &writer->failed);
    if (rc != LOAM_OK) {
        writer->is_spent = take_back(writer);
    } else if (GUARD(MANIFEST_SYNC)) {
        rc = env_sync(writer->file, &writer->failed);
    }
    if (rc != LOAM_OK) {
        writer->failed_code = rc;
        if (err != NULL) {
            *err = writer->failed;
        }
        return rc;
    }
    writer->durable += frame->size;
    return LOAM_OK;
}

static int append_record(struct manifest_writer *writer,
                         uint32_t type,
                         const struct loam_buffer *payload,
                         struct loam_error *err)
{
    struct record record = {.offset = writer->durable,
                            .durable_upto = writer->durable,
                            .payload = payload->data,
                            .size = payload->size,
                            .type = type};
    writer->frame.size = 0;
    TRY(record_append(&writer->frame, writer->key, &record, &writer->chain, err));
    return write_frame(writer, err);
}

int manifest_writer_append(struct manifest_writer *writer,
                           const struct manifest_edit *edit,
                           struct loam_error *err)
{
    PRE(writer != NULL && edit != NULL);
    if (writer->failed_code != LOAM_OK) {
        if (err != NULL) {
            *err = writer->failed;
        }
        return writer->failed_code;
    }
    writer->payload.size = 0;
    TRY(manifest_edit_encode(edit, &writer->payload, err));
    return append_record(writer, RECORD_EDIT, &writer->payload, err);
}

bool manifest_writer_has_failed(const struct manifest_writer *writer)
{
    return writer->failed_code != LOAM_OK && !writer->is_spent;
}

bool manifest_writer_is_spent(const struct manifest_writer *writer)
{
    return writer->is_spent;
}

uint64_t manifest_writer_size(const struct manifest_writer *writer)
{
    return writer->durable;
}

int manifest_writer_close(struct manifest_writer *writer, struct loam_error *err)
{
    if (writer == NULL) {
        return LOAM_OK;
    }
    int rc = LOAM_OK;
    if (writer->failed_code == LOAM_OK && writer->durable > FILE_HEADER_SIZE) {
        struct loam_buffer nothing = {0};
        rc = append_record(writer, RECORD_END, &nothing, err);
    }
    KEEP_FIRST(rc, writer_free(writer, rc == LOAM_OK ? err : NULL));
    return rc;
}

/* ---- Reader ---- */

struct manifest_reader {
    struct record_reader records;
    bool has_snapshot; /* The first edit was read. */
    bool is_at_end;
};

int manifest_reader_open(struct env_dir *dir,
                         uint64_t number,
                         struct store_id *id,
                         struct manifest_reader **out,
                         struct loam_error *err)
{
    char name[FILE_NAME_SIZE];
    file_name_make(FILE_MANIFEST, number, name);
    struct manifest_reader *reader = mem_zalloc(1, sizeof(*reader));
    if (reader == NULL) {
        return mem_fail(err, sizeof(*reader));
    }
    struct file_header header = {
        .magic = MANIFEST_MAGIC, .version = MANIFEST_VERSION, .number = number};
    int rc = record_reader_open(&reader->records, dir, name, &header, err);
    if (rc != LOAM_OK) {
        mem_free(reader);
        return rc;
    }
    *id = header.id;
    *out = reader;
    return LOAM_OK;
}

/* No record stands at the position. */
static int finish(struct manifest_reader *reader, struct loam_error *err)
{
    TRY(record_reader_judge(&reader->records, err));
    if (!reader->has_snapshot) {
        /* CURRENT names a manifest only after its first edit is durable. */
        return fail(err, LOAM_CORRUPT, "%s: the first edit, at offset %d, is missing or damaged",
                    reader->records.file->name, FILE_HEADER_SIZE);
    }
    reader->is_at_end = true;
    return LOAM_NOT_FOUND;
}

int manifest_reader_next(struct manifest_reader *reader,
                         struct manifest_edit *edit,
                         struct loam_error *err)
{
    PRE(reader != NULL && edit != NULL);
    if (reader->is_at_end) {
        return LOAM_NOT_FOUND;
    }
    struct record record;
    int rc = record_reader_next(&reader->records, &record, err);
    if (rc == LOAM_NOT_FOUND) {
        return finish(reader, err);
    }
    TRY(rc);
    const char *name = reader->records.file->name;
    if (record.type == RECORD_END && reader->has_snapshot) {
        reader->is_at_end = true;
        return LOAM_NOT_FOUND;
    }
    if (record.type != RECORD_EDIT) {
        return fail(err, LOAM_CORRUPT, "%s: record at offset %llu has type %u", name,
                    (unsigned long long)record.offset, record.type);
    }
    rc = manifest_edit_decode(edit, record.payload, record.size, err);
    if (rc != LOAM_OK) {
        error_prefix(err, "%s: record at offset %llu", name, (unsigned long long)record.offset);
        return rc;
    }
    reader->has_snapshot = true;
    return LOAM_OK;
}

void manifest_reader_close(struct manifest_reader *reader)
{
    if (reader != NULL) {
        record_reader_close(&reader->records);
        mem_free(reader);
    }
}

/* ---- CURRENT ---- */

/* Writes the one line of CURRENT, CURRENT_SIZE bytes, and a NUL. */
static void current_text(uint64_t number, char *out)
{
    char name[FILE_NAME_SIZE];
    file_name_make(FILE_MANIFEST, number, name);
    (void)snprintf(out, CURRENT_SIZE + 1, "%s %016" PRIx64 "\n", name,
                   checksum_64(name, CURRENT_NAME_SIZE, 0));
}

static int write_synced(
    struct env_dir *dir, const char *name, const char *data, size_t size, struct loam_error *err)
{
    struct env_file *file = NULL;
    TRY(env_create(dir, name, &file, err));
    int rc = env_write(file, 0, data, size, err);
    if (rc == LOAM_OK && GUARD(CURRENT_SYNC)) {
        rc = env_sync(file, err);
    }
    KEEP_FIRST(rc, env_close(file, rc == LOAM_OK ? err : NULL));
    return rc;
}

int current_prepare(struct env_dir *dir, uint64_t manifest_number, struct loam_error *err)
{
    char text[CURRENT_SIZE + 1];
    char tmp[FILE_NAME_SIZE];
    current_text(manifest_number, text);
    file_name_make(FILE_CURRENT_TMP, 0, tmp);
    /* One that a crash left behind. */
    int rc = env_remove(dir, tmp, err);
    if (rc != LOAM_OK && rc != LOAM_NOT_FOUND) {
        return rc;
    }
    return write_synced(dir, tmp, text, CURRENT_SIZE, err);
}

int current_commit(struct env_dir *dir, struct loam_error *err)
{
    char name[FILE_NAME_SIZE];
    char tmp[FILE_NAME_SIZE];
    file_name_make(FILE_CURRENT, 0, name);
    file_name_make(FILE_CURRENT_TMP, 0, tmp);
    TRY(env_rename(dir, tmp, name, err));
    return GUARD(CURRENT_DIR_SYNC) ? env_dir_sync(dir, err) : LOAM_OK;
}

int current_write(struct env_dir *dir, uint64_t manifest_number, struct loam_error *err)
{
    TRY(current_prepare(dir, manifest_number, err));
    return current_commit(dir, err);
}

int current_read(struct env_dir *dir, uint64_t *manifest_number, struct loam_error *err)
{
    char name[FILE_NAME_SIZE];
    file_name_make(FILE_CURRENT, 0, name);
    struct loam_buffer data = {0};
    int rc = env_read_file(dir, name, CURRENT_SIZE, &data, err);
    if (rc == LOAM_TOO_LARGE || (rc == LOAM_OK && data.size != CURRENT_SIZE)) {
        loam_buffer_free(&data);
        return fail(err, LOAM_CORRUPT, "%s: is not one line of %d bytes", name, CURRENT_SIZE);
    }
    TRY(rc);
    char manifest[CURRENT_NAME_SIZE + 1] = {0};
    char text[CURRENT_SIZE + 1];
    memcpy(manifest, data.data, CURRENT_NAME_SIZE);
    uint64_t number = 0;
    bool is_name = file_name_parse(manifest, &number) == FILE_MANIFEST;
    if (is_name) {
        current_text(number, text);
    }
    /* There is one right text for each number. */
    if (!is_name || (GUARD(CURRENT_CHECKSUM) && memcmp(text, data.data, CURRENT_SIZE) != 0)) {
        rc = fail(err, LOAM_CORRUPT, "%s: does not hold a manifest's name and its checksum", name);
    } else {
        *manifest_number = number;
    }
    loam_buffer_free(&data);
    return rc;
}
