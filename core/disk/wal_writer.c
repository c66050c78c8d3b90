/* SPDX-License-Identifier: MIT */
/*
 * wal_writer.c - see wal_writer.h. Three marks in the file, in this order: durable <= written <=
 * written + buffered. A record carries the durable mark of the moment it was framed.
 */
#include "disk/wal_writer.h"

#include "base/check.h"
#include "base/guard.h"
#include "base/limits.h"
#include "base/memory.h"
#include "disk/file_name.h"

#define BUFFER_KEEP_MAX (4u << 20) /* A larger buffer is given back after its write. */
#define LENT_MIN        (1u << 20) /* From here on a payload is written from where it is. */

struct wal_writer {
    struct env_file *file;
    struct record_key key;
    uint64_t number;
    uint64_t written; /* Bytes handed to the kernel. */
    uint64_t first;   /* Where the first batch begins. */
    uint64_t durable; /* Of those, bytes known to be synced. */
    uint64_t chain;   /* Over everything framed. */
    uint64_t written_chain;
    struct loam_buffer buffer; /* Framed, not yet written. */
    struct slice lent;         /* A payload that stands lent_at bytes into the buffer, or none. */
    size_t lent_at;
    bool is_sealed;
    bool is_anchored; /* All logs before it are durable. */
    bool is_mapped;   /* The file may be longer than what was written. */
    bool is_spent;    /* A write was taken back: no record but the end record may follow. */
    int failed_code;  /* LOAM_OK, or the poison. */
    struct loam_error failed;
};

static int poison(struct wal_writer *writer, int code, struct loam_error *err)
{
    writer->failed_code = GUARD(POISON) ? code : LOAM_OK;
    if (err != NULL) {
        *err = writer->failed;
    }
    return code;
}

/*
 * After a failed write nobody knows how much of it is in the file: whole records may be, which a
 * replay would take for written ones. So the file is cut back to what was acknowledged, and the cut
 * is made durable, before anybody hears that the write did not happen. A cut or sync that fails
 * leaves it open: the poison, with the cause of the write as the first one.
 */
static int take_back(struct wal_writer *writer, int code, struct loam_error *err)
{
    wal_writer_forget(writer);
    writer->is_spent = true;
    writer->is_mapped = false;
    if (GUARD(WAL_TAKE_BACK) && (env_trim(writer->file, writer->written, NULL) != LOAM_OK ||
                                 env_sync(writer->file, NULL) != LOAM_OK)) {
        return poison(writer, code, err);
    }
    writer->durable = writer->written;
    if (err != NULL) {
        *err = writer->failed;
    }
    return code;
}

static int check_usable(const struct wal_writer *writer, struct loam_error *err)
{
    PRE(writer != NULL && !writer->is_sealed);
    if (UNLIKELY(writer->failed_code != LOAM_OK) && err != NULL) {
        *err = writer->failed;
    }
    return writer->failed_code;
}

/* Makes the new file a log: nothing of it counts before this has returned. */
static int begin_file(struct wal_writer *writer,
                      struct env_dir *dir,
                      const struct file_header *header,
                      uint64_t expected,
                      uint64_t allocated,
                      struct loam_error *err)
{
    char bytes[FILE_HEADER_SIZE];
    writer->chain = writer->written_chain = file_header_encode(header, bytes);
    int mapped = expected == 0 ? LOAM_UNSUPPORTED : env_map(writer->file, expected, allocated, err);
    writer->is_mapped = mapped == LOAM_OK;
    if (mapped == LOAM_UNSUPPORTED) {
        mapped = env_allocate(writer->file, allocated, err);
    }
    TRY(mapped);
    TRY(env_write(writer->file, 0, bytes, sizeof(bytes), err));
    TRY(env_sync(writer->file, err));
    if (GUARD(WAL_DIR_SYNC)) {
        TRY(env_dir_sync(dir, err));
    }
    writer->written = writer->durable = writer->first = FILE_HEADER_SIZE;
    writer->is_anchored = true;
    return LOAM_OK;
}

int wal_writer_open(struct env_dir *dir,
                    uint64_t number,
                    const struct store_id *id,
                    const struct wal_link *previous,
                    uint64_t expected,
                    uint64_t allocated,
                    struct wal_writer **out,
                    struct loam_error *err)
{
    char name[FILE_NAME_SIZE];
    file_name_make(FILE_WAL, number, name);
    struct wal_writer *writer = mem_zalloc(1, sizeof(*writer));
    if (writer == NULL) {
        return mem_fail(err, sizeof(*writer));
    }
    writer->number = number;
    writer->key = record_key_make(id, number);
    struct file_header header = {
        .magic = WAL_MAGIC, .version = WAL_VERSION, .number = number, .id = *id};
    if (previous != NULL) {
        PRE(previous->number < number);
        header.link = *previous;
    }
    int rc = env_create(dir, name, &writer->file, err);
    if (rc != LOAM_OK) {
        mem_free(writer);
        return rc;
    }
    rc = begin_file(writer, dir, &header, expected, allocated, err);
    if (rc != LOAM_OK) {
        /* The first error is the one to tell; a file that stays is an orphan. */
        KEEP_FIRST(rc, wal_writer_close(writer, NULL));
        KEEP_FIRST(rc, env_remove(dir, name, NULL));
        return rc;
    }
    *out = writer;
    return LOAM_OK;
}

/* Bytes that the next write adds to the file. */
static size_t framed_size(const struct wal_writer *writer)
{
    return writer->buffer.size + writer->lent.size;
}

int wal_writer_open_ahead(struct env_dir *dir,
                          uint64_t number,
                          const struct store_id *id,
                          uint64_t expected,
                          struct wal_writer **out,
                          struct loam_error *err)
{
    TRY(wal_writer_open(dir, number, id, NULL, expected, expected, out, err));
    (*out)->is_anchored = false;
    return LOAM_OK;
}

static int add_record(struct wal_writer *writer, struct record *record, struct loam_error *err)
{
    record->offset = writer->written + framed_size(writer);
    record->durable_upto = writer->is_anchored || !GUARD(LOG_ANCHOR) ? writer->durable : 0;
    if (record->size < LENT_MIN || writer->lent.size > 0) {
        return record_append(&writer->buffer, writer->key, record, &writer->chain, err);
    }
    TRY(record_append_header(&writer->buffer, writer->key, record, &writer->chain, err));
    writer->lent = slice_make(record->payload, record->size);
    writer->lent_at = writer->buffer.size;
    return LOAM_OK;
}

int wal_writer_add(struct wal_writer *writer,
                   uint64_t first_seq,
                   uint32_t count,
                   const char *payload,
                   size_t size,
                   struct loam_error *err)
{
    TRY(check_usable(writer, err));
    if (writer->is_spent) {
        if (err != NULL) {
            *err = writer->failed;
        }
        return writer->failed.code;
    }
    PRE(count > 0 && first_seq > 0 && first_seq + count - 1 <= SEQ_MAX);
    struct record record = {.first_seq = first_seq,
                            .payload = payload,
                            .size = size,
                            .count = count,
                            .type = RECORD_BATCH};
    return add_record(writer, &record, err);
}

int wal_writer_begin(struct wal_writer *writer,
                     const struct wal_link *previous,
                     struct loam_error *err)
{
    TRY(check_usable(writer, err));
    PRE(writer->written == FILE_HEADER_SIZE && previous->number < writer->number);
    char bytes[WAL_LINK_SIZE];
    wal_link_encode(previous, bytes);
    struct record begin = {.type = RECORD_BEGIN, .payload = bytes, .size = sizeof(bytes)};
    TRY(add_record(writer, &begin, err));
    TRY(wal_writer_write(writer, err));
    writer->first = writer->written;
    return LOAM_OK;
}

void wal_writer_anchor(struct wal_writer *writer)
{
    writer->is_anchored = true;
}

void wal_writer_forget(struct wal_writer *writer)
{
    PRE(writer != NULL);
    writer->buffer.size = 0;
    writer->lent = slice_make(NULL, 0);
    writer->lent_at = 0;
    writer->chain = writer->written_chain;
}

/* Hands the buffer to the kernel, with the lent payload at its place. */
static int write_framed(struct wal_writer *writer, struct loam_error *err)
{
    const struct loam_buffer *buffer = &writer->buffer;
    const struct slice pieces[] = {
        {buffer->data, writer->lent_at},
        writer->lent,
        {buffer->data + writer->lent_at, buffer->size - writer->lent_at},
    };
    uint64_t at = writer->written;
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        if (pieces[i].size > 0) {
            TRY(env_write(writer->file, at, pieces[i].data, pieces[i].size, err));
            at += pieces[i].size;
        }
    }
    return LOAM_OK;
}

int wal_writer_write(struct wal_writer *writer, struct loam_error *err)
{
    TRY(check_usable(writer, err));
    struct loam_buffer *buffer = &writer->buffer;
    if (buffer->size == 0) {
        return LOAM_OK;
    }
    int rc = write_framed(writer, &writer->failed);
    if (rc != LOAM_OK) {
        return take_back(writer, rc, err);
    }
    writer->written += framed_size(writer);
    writer->written_chain = writer->chain;
    wal_writer_forget(writer);
    if (buffer->capacity > BUFFER_KEEP_MAX) {
        loam_buffer_free(buffer);
    }
    return LOAM_OK;
}

int wal_writer_sync(struct wal_writer *writer, struct loam_error *err)
{
    TRY(check_usable(writer, err));
    int rc = GUARD(WAL_SYNC) ? env_sync(writer->file, &writer->failed) : LOAM_OK;
    if (rc != LOAM_OK) {
        return poison(writer, rc, err);
    }
    writer->durable = writer->written;
    return LOAM_OK;
}

bool wal_writer_has_failed(const struct wal_writer *writer)
{
    return writer->failed_code != LOAM_OK;
}

bool wal_writer_is_spent(const struct wal_writer *writer)
{
    return writer->is_spent;
}

bool wal_writer_is_empty(const struct wal_writer *writer)
{
    return writer->written == writer->first;
}

bool wal_writer_is_mapped(const struct wal_writer *writer)
{
    return writer->is_mapped;
}

void wal_writer_let_go(struct wal_writer *writer, uint64_t from, uint64_t limit)
{
    env_let_go(writer->file, from, limit - from);
}

void wal_writer_write_behind(struct wal_writer *writer, uint64_t from, uint64_t limit)
{
    env_write_behind(writer->file, from, limit - from);
}

uint64_t wal_writer_size(const struct wal_writer *writer)
{
    return writer->written;
}

uint64_t wal_writer_durable(const struct wal_writer *writer)
{
    return writer->durable;
}

struct wal_link wal_writer_link(const struct wal_writer *writer)
{
    return (struct wal_link){
        .number = writer->number, .size = writer->written, .chain = writer->written_chain};
}

int wal_writer_seal(struct wal_writer *writer, struct loam_error *err)
{
    TRY(check_usable(writer, err));
    PRE(writer->buffer.size == 0);
    writer->is_anchored = true;
    /* The end record claims that all before it is durable: it must not reach the disk first. */
    if (writer->durable < writer->written) {
        TRY(wal_writer_sync(writer, err));
    }
    struct record end = {.type = RECORD_END};
    TRY(add_record(writer, &end, err));
    TRY(wal_writer_write(writer, err));
    TRY(wal_writer_sync(writer, err));
    writer->is_sealed = true;
    return LOAM_OK;
}

void wal_writer_trim(struct wal_writer *writer)
{
    PRE(writer->is_sealed);
    if (writer->is_mapped) {
        /* What lies behind an end record is ignored: a cut that fails costs space and no more. */
        DISCARD(env_trim(writer->file, writer->written, NULL));
    }
}

int wal_writer_close(struct wal_writer *writer, struct loam_error *err)
{
    if (writer == NULL) {
        return LOAM_OK;
    }
    bool is_sealed = writer->is_sealed;
    int rc = env_close(writer->file, is_sealed ? NULL : err);
    loam_buffer_free(&writer->buffer);
    mem_free(writer);
    return is_sealed ? LOAM_OK : rc;
}
