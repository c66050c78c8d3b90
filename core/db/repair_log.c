/* SPDX-License-Identifier: MIT */
/*
 * repair_log.c - the readable records of logs into pieces.
 *
 * A log is read to its end, over damage too. What stands behind a gap counts only when a later
 * record proves that the gap was once durable: then it is rot. Else it is the torn tail of a crash,
 * and what follows it was never promised.
 */
#include <inttypes.h>

#include "base/check.h"
#include "db/repair_impl.h"
#include "disk/ops.h"
#include "disk/wal_reader.h"

#define MEMTABLE_MAX (256u << 20)

enum { READ_STEP = 1 << 20 };

struct log_scan {
    struct repair *repair;
    struct slice bytes;
    struct record_key key;
    uint64_t last_seq; /* Numbers only rise. */
    uint64_t proven;   /* Everything below was durable once. */
    uint64_t rows;
    uint32_t gaps; /* That were once durable. */
    bool is_counting;
};

static int
read_log(struct repair *repair, const char *name, struct loam_buffer *out, struct loam_error *err)
{
    struct env_file *file = NULL;
    uint64_t size = 0;
    TRY(env_open_read(repair->dir, name, &file, err));
    int rc = env_size(file, &size, err);
    out->size = 0;
    if (rc == LOAM_OK) {
        rc = buf_reserve(out, (size_t)size + 1, err);
    }
    if (rc == LOAM_OK) {
        INV(out->data != NULL);
        memset(out->data, 0, (size_t)size);
        out->size = (size_t)size;
        for (uint64_t at = 0; at < size; at += READ_STEP) {
            size_t got = 0;
            size_t step = size - at < READ_STEP ? (size_t)(size - at) : READ_STEP;
            /* What the disk does not give back stays zero, and does not verify. */
            DISCARD(env_read(file, at, out->data + at, step, &got, NULL));
        }
    }
    KEEP_FIRST(rc, env_close(file, rc == LOAM_OK ? err : NULL));
    return rc;
}

/* The valid record at `at`; false when none is. */
static bool record_at(const struct log_scan *scan, size_t at, struct record *out)
{
    if (at > scan->bytes.size || scan->bytes.size - at < RECORD_HEADER_SIZE) {
        return false;
    }
    const char *data = scan->bytes.data + at;
    if (!record_decode_header(data, scan->key, at, out) ||
        out->size > scan->bytes.size - at - RECORD_HEADER_SIZE) {
        return false;
    }
    out->payload = data + RECORD_HEADER_SIZE;
    return record_verify(data, scan->key, out);
}

/* The next valid record behind damage at `at`; the size of the log when there is none. */
static size_t search(const struct log_scan *scan, size_t at)
{
    struct record record = {0};
    size_t from = at + RECORD_MARKER_AT;
    while (from < scan->bytes.size) {
        const char *found =
            memmem(scan->bytes.data + from, scan->bytes.size - from, RECORD_MARKER, 3);
        if (found == NULL) {
            break;
        }
        size_t start = (size_t)(found - scan->bytes.data) - RECORD_MARKER_AT;
        if (record_at(scan, start, &record)) {
            return start;
        }
        from = start + RECORD_MARKER_AT + 1;
    }
    return scan->bytes.size;
}

static int take_rows(struct log_scan *scan, const struct record *record, struct loam_error *err)
{
    const char *cursor = record->payload;
    for (uint32_t i = 0; i < record->count; i++) {
        struct entry entry;
        if (ops_next(&cursor, record->payload + record->size, &entry) != LOAM_OK) {
            return LOAM_OK; /* Our own mistake of then: the rest of the batch cannot be told. */
        }
        entry.seq = record->first_seq + i;
        TRY(repair_note_row(scan->repair, &entry, err));
        TRY(memtable_insert(scan->repair->memtable, &entry, err));
        scan->rows++;
    }
    scan->last_seq = record->first_seq + record->count - 1;
    return LOAM_OK;
}

static int take_record(struct log_scan *scan, const struct record *record, struct loam_error *err)
{
    if (record->type == RECORD_END) {
        scan->proven = record->offset > scan->proven ? record->offset : scan->proven;
        return LOAM_OK;
    }
    if (!scan->is_counting) {
        scan->proven = record->durable_upto > scan->proven ? record->durable_upto : scan->proven;
        return LOAM_OK;
    }
    bool is_sane = record->type == RECORD_BATCH && record->count > 0 &&
                   record->first_seq > scan->last_seq && record->first_seq <= SEQ_MAX &&
                   record->count <= SEQ_MAX - record->first_seq;
    return is_sane ? take_rows(scan, record, err) : LOAM_OK;
}

/* One pass over all records. The first finds what was durable, the second takes the rows. */
static int walk(struct log_scan *scan, struct loam_error *err)
{
    size_t at = FILE_HEADER_SIZE;
    while (at < scan->bytes.size) {
        struct record record = {0};
        if (record_at(scan, at, &record)) {
            TRY(take_record(scan, &record, err));
            at += RECORD_HEADER_SIZE + record.size;
            continue;
        }
        if (scan->is_counting && at >= scan->proven) {
            return LOAM_OK; /* The tail. */
        }
        scan->gaps += scan->is_counting;
        at = search(scan, at);
    }
    return LOAM_OK;
}

static int flush_rows(struct repair *repair, struct loam_error *err)
{
    if (memtable_count(repair->memtable) == 0) {
        return LOAM_OK;
    }
    struct memtable *fresh = memtable_new(1);
    if (fresh == NULL) {
        return mem_fail(err, 1);
    }
    struct memtable_iter rows;
    memtable_iter_init(&rows, repair->memtable);
    int rc = repair_write(repair, &rows.iter, repair->next_run++, err);
    iter_free(&rows.iter);
    memtable_unref(repair->memtable);
    repair->memtable = fresh;
    return rc;
}

static int scan_log(struct repair *repair, uint64_t number, struct loam_error *err)
{
    char name[FILE_NAME_SIZE];
    struct loam_buffer bytes = {0};
    file_name_make(FILE_WAL, number, name);
    int rc = read_log(repair, name, &bytes, err);
    if (rc != LOAM_OK) {
        loam_buffer_free(&bytes);
        struct loam_error cause = err == NULL ? (struct loam_error){0} : *err;
        return rc == LOAM_NO_MEMORY ? rc
                                    : repair_note(repair, "lost", name, err, "%s",
                                                  rc == LOAM_NOT_FOUND ? "is missing" : cause.text);
    }
    rc = repair_step(repair, name, err);
    if (rc != LOAM_OK) {
        loam_buffer_free(&bytes);
        return rc;
    }
    struct file_header header = {.magic = WAL_MAGIC, .version = WAL_VERSION, .number = number};
    struct loam_error why = {0};
    bool has_header = file_header_decode(&header, bytes.data, bytes.size, name, &why) == LOAM_OK;
    struct log_scan scan = {
        .repair = repair, .bytes = buf_slice(&bytes), .key = record_key_make(&repair->id, number)};
    rc = walk(&scan, err);
    scan.is_counting = true;
    if (rc == LOAM_OK) {
        rc = walk(&scan, err);
    }
    loam_buffer_free(&bytes);
    TRY(rc);
    bool is_damaged = !has_header || scan.gaps > 0;
    return repair_note(repair, is_damaged ? "damaged" : "whole", name, err,
                       "%" PRIu64 " rows taken, %u stretches unreadable%s%s", scan.rows, scan.gaps,
                       has_header ? "" : "; ", has_header ? "" : why.text);
}

static int scan_and_flush(struct repair *repair, uint64_t number, struct loam_error *err)
{
    TRY(scan_log(repair, number, err));
    return memtable_bytes(repair->memtable) > MEMTABLE_MAX ? flush_rows(repair, err) : LOAM_OK;
}

/* First sequence of a log that no manifest names; 0 when it has no record. */
static uint64_t first_seq(struct repair *repair, uint64_t number)
{
    struct wal_reader *reader = NULL;
    if (wal_reader_open(repair->dir, number, &repair->id, true, &reader, NULL) != LOAM_OK) {
        return 0;
    }
    struct record record = {0};
    uint64_t seq = wal_reader_next(reader, &record, NULL) == LOAM_OK ? record.first_seq : 0;
    wal_reader_close(reader);
    return seq;
}

static bool has_number(const struct loam_buffer *list, uint64_t number)
{
    size_t count = 0;
    const uint64_t *numbers = repair_numbers(list, &count);
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] == number) {
            return true;
        }
    }
    return false;
}

/* Whether a file is gone that the manifest names. */
static bool is_any_missing(const struct repair *repair)
{
    size_t count = 0;
    const struct version_entry *entries = version_state_tables(&repair->known, &count);
    for (size_t i = 0; i < count; i++) {
        if (!has_number(&repair->tables, entries[i].number)) {
            return true;
        }
    }
    const uint64_t *logs = (const void *)repair->known.logs.data;
    for (size_t i = 0; i < repair->known.logs.size / sizeof(*logs); i++) {
        if (!has_number(&repair->logs, logs[i])) {
            return true;
        }
    }
    return false;
}

/* A manifest that was cut between two edits looks whole. Two things tell: a file it names is gone,
 * as a flush or merge of a lost edit has removed it; or a file it does not name is newer than all
 * it knows. */
static int check_trust(struct repair *repair, struct loam_error *err)
{
    size_t count = 0;
    const uint64_t *logs = repair_numbers(&repair->logs, &count);
    repair->is_rebuild = repair->is_rebuild || is_any_missing(repair);
    for (size_t i = 0; i < count && !repair->is_rebuild; i++) {
        repair->is_rebuild = !version_state_has_log(&repair->known, logs[i]) &&
                             first_seq(repair, logs[i]) > repair->last_seq;
    }
    repair->is_rebuild = repair->is_rebuild || repair_has_newer_table(repair);
    if (repair->is_rebuild) {
        return repair_note(repair, "rebuild", "manifest", err,
                           "every readable table and log counts, sequence numbers decide");
    }
    return LOAM_OK;
}

int repair_read_logs(struct repair *repair, struct loam_error *err)
{
    repair->memtable = memtable_new(1);
    if (repair->memtable == NULL) {
        return mem_fail(err, 1);
    }
    const uint64_t *named = (const void *)repair->known.logs.data;
    size_t named_count = repair->known.logs.size / sizeof(*named);
    for (size_t i = 0; i < named_count; i++) {
        TRY(scan_and_flush(repair, named[i], err));
    }
    TRY(check_trust(repair, err));
    size_t count = 0;
    const uint64_t *logs = repair_numbers(&repair->logs, &count);
    for (size_t i = 0; i < count && repair->is_rebuild; i++) {
        if (!version_state_has_log(&repair->known, logs[i])) {
            TRY(scan_and_flush(repair, logs[i], err));
        }
    }
    return flush_rows(repair, err);
}
