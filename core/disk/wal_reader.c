/* SPDX-License-Identifier: MIT */
/* wal_reader.c - see wal_reader.h. What a record is and what proves damage is record_reader's; here
 * is what a log means by its records. */
#include "disk/wal_reader.h"

#include "base/check.h"
#include "base/guard.h"
#include "base/limits.h"
#include "base/memory.h"
#include "disk/file_name.h"
#include "disk/record_reader.h"

struct wal_reader {
    struct record_reader records;
    struct wal_link previous;
    uint64_t number;
    uint64_t position;       /* Behind the last record that was accepted. */
    uint64_t chain;          /* Up to position. */
    struct wal_link batches; /* This log's link without its end record. */
    bool prefix_mode;
    int end; /* enum wal_end */
};

static bool wal_link_equal(const struct wal_link *a, const struct wal_link *b)
{
    return a->number == b->number && a->size == b->size && a->chain == b->chain;
}

static void accept(struct wal_reader *reader)
{
    reader->position = reader->records.position;
    reader->chain = reader->records.chain;
}

/* A log that was made ahead has its link in the first record, from its first use on. */
static int read_begin(struct wal_reader *reader, struct loam_error *err)
{
    struct record record;
    int rc = record_reader_next(&reader->records, &record, err);
    if (rc == LOAM_OK && record.type == RECORD_BEGIN && record.size == WAL_LINK_SIZE) {
        wal_link_decode(&reader->previous, record.payload);
        accept(reader);
    }
    return rc == LOAM_NOT_FOUND ? LOAM_OK : rc; /* Anything else there is judged as a batch. */
}

static int open_checked(struct wal_reader *reader,
                        struct env_dir *dir,
                        const struct store_id *id,
                        struct loam_error *err)
{
    char name[FILE_NAME_SIZE];
    file_name_make(FILE_WAL, reader->number, name);
    struct file_header header = {
        .magic = WAL_MAGIC, .version = WAL_VERSION, .number = reader->number};
    TRY(record_reader_open(&reader->records, dir, name, &header, err));
    reader->previous = header.link;
    accept(reader);
    if (memcmp(header.id.uuid, id->uuid, sizeof(id->uuid)) != 0) {
        return fail(err, LOAM_CORRUPT, "%s: belongs to another store (its uuid differs)", name);
    }
    if (header.id.epoch > id->epoch) {
        return fail(err, LOAM_CORRUPT, "%s: epoch %llu is later than the store's %llu", name,
                    (unsigned long long)header.id.epoch, (unsigned long long)id->epoch);
    }
    if (reader->previous.number == 0) {
        TRY(read_begin(reader, err));
    }
    if (reader->previous.number >= reader->number) {
        return fail(err, LOAM_CORRUPT, "%s: names log %llu as the one before it", name,
                    (unsigned long long)reader->previous.number);
    }
    return LOAM_OK;
}

int wal_reader_open(struct env_dir *dir,
                    uint64_t number,
                    const struct store_id *id,
                    bool prefix_mode,
                    struct wal_reader **out,
                    struct loam_error *err)
{
    PRE(dir != NULL && id != NULL && out != NULL);
    struct wal_reader *reader = mem_zalloc(1, sizeof(*reader));
    if (reader == NULL) {
        return mem_fail(err, sizeof(*reader));
    }
    reader->number = number;
    reader->prefix_mode = prefix_mode;
    int rc = open_checked(reader, dir, id, err);
    if (rc != LOAM_OK) {
        wal_reader_close(reader);
        return rc;
    }
    *out = reader;
    return LOAM_OK;
}

/* No record stands at the position: where the log ends, and why. */
static int finish(struct wal_reader *reader, struct loam_error *err)
{
    bool is_at_end = reader->position == reader->records.file_size;
    int rc = is_at_end ? LOAM_OK : record_reader_judge(&reader->records, err);
    if (rc == LOAM_CORRUPT && reader->prefix_mode) {
        reader->end = WAL_END_DAMAGED;
        return LOAM_NOT_FOUND;
    }
    TRY(rc);
    /* Zeros to the end are space that was allocated ahead, not a torn record. */
    bool is_unused = is_at_end;
    if (!is_at_end) {
        TRY(record_reader_is_zero(&reader->records, &is_unused, err));
    }
    if (is_unused) {
        reader->records.file_size = reader->position;
    }
    reader->end = is_unused ? WAL_END_OPEN : WAL_END_TORN;
    return LOAM_NOT_FOUND;
}

/* A record that verifies and still makes no sense: never written by us. */
static int refuse(struct wal_reader *reader, const struct record *record, struct loam_error *err)
{
    if (reader->prefix_mode) {
        reader->end = WAL_END_DAMAGED;
        return LOAM_NOT_FOUND;
    }
    return fail(err, LOAM_CORRUPT,
                "%s: record at offset %llu has type %u, %u operations from sequence number %llu",
                reader->records.file->name, (unsigned long long)record->offset, record->type,
                record->count, (unsigned long long)record->first_seq);
}

static bool is_batch(const struct record *record)
{
    return !GUARD(RECORD_SENSE) ||
           (record->type == RECORD_BATCH && record->count > 0 && record->first_seq > 0 &&
            record->first_seq <= SEQ_MAX && record->count - 1 <= SEQ_MAX - record->first_seq);
}

int wal_reader_next(struct wal_reader *reader, struct record *out, struct loam_error *err)
{
    PRE(reader != NULL && out != NULL);
    if (reader->end != WAL_END_NONE) {
        return LOAM_NOT_FOUND;
    }
    struct record record;
    /* After a refusal or an error the place is tried again: the answer stays the same. */
    reader->records.position = reader->position;
    reader->records.chain = reader->chain;
    int rc = record_reader_next(&reader->records, &record, err);
    if (rc == LOAM_NOT_FOUND) {
        return finish(reader, err);
    }
    TRY(rc);
    if (record.type != RECORD_END && !is_batch(&record)) {
        return refuse(reader, &record, err);
    }
    if (record.type == RECORD_END) {
        reader->batches = wal_reader_link(reader);
        accept(reader);
        reader->end = WAL_END_SEALED;
        return LOAM_NOT_FOUND;
    }
    accept(reader);
    *out = record;
    return LOAM_OK;
}

int wal_reader_end(const struct wal_reader *reader)
{
    return reader->end;
}

uint64_t wal_reader_position(const struct wal_reader *reader)
{
    return reader->position;
}

uint64_t wal_reader_dropped(const struct wal_reader *reader)
{
    return reader->records.file_size - reader->position;
}

struct wal_link wal_reader_previous(const struct wal_reader *reader)
{
    return reader->previous;
}

struct wal_link wal_reader_link(const struct wal_reader *reader)
{
    return (struct wal_link){
        .number = reader->number, .size = reader->position, .chain = reader->chain};
}

bool wal_reader_is_named_by(const struct wal_reader *reader, const struct wal_link *link)
{
    struct wal_link own = wal_reader_link(reader);
    return wal_link_equal(link, &own) || wal_link_equal(link, &reader->batches);
}

void wal_reader_close(struct wal_reader *reader)
{
    if (reader != NULL) {
        record_reader_close(&reader->records);
        mem_free(reader);
    }
}
