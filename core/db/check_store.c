/* SPDX-License-Identifier: MIT */
/*
 * check_store.c - loam_check(): everything on disk against everything else. Reads the files anew,
 * past every cache; writes nothing.
 *
 * Goes on after damage, so that the report names all of it; the first finding is the error.
 */
#include <inttypes.h>

#include "base/check.h"
#include "db/background.h"
#include "disk/file_name.h"
#include "disk/manifest_log.h"
#include "disk/ops.h"
#include "disk/wal_reader.h"

enum { VERDICTS_MAX = 100 };

struct checking {
    struct loam_db *db;
    struct loam_buffer *report;
    struct progress *progress; /* Or NULL. */
    struct damage damage[DAMAGE_KIND_COUNT];
    struct loam_error first;
    int code; /* Of the first finding. */
};

/* Notes the result of one check; only a report that cannot be written ends the whole. */
static int note(struct checking *check,
                enum damage_kind kind,
                const char *what,
                int rc,
                const struct loam_error *cause,
                struct loam_error *err)
{
    if (rc == LOAM_OK) {
        return buf_printf(check->report, err, "ok       %s\n", what);
    }
    if (check->code == LOAM_OK) {
        check->code = rc;
        check->first = *cause;
    }
    if (check->damage[kind].file_count++ == 0) {
        check->damage[kind].first = *cause;
    }
    /* The text mostly begins with the name of the file. */
    bool is_named = strncmp(cause->text, what, strlen(what)) == 0;
    return buf_printf(check->report, err, "damaged  %s%s%s\n", is_named ? "" : what,
                      is_named ? "" : ": ", cause->text);
}

static int
check_table(struct checking *check, const struct table_meta *meta, struct loam_error *err)
{
    struct table_reader *reader = NULL;
    TRY(table_reader_open(check->db->dir, meta->number, meta->size, &check->db->tables.id, &reader,
                          err));
    int rc = table_reader_check(reader, meta, err);
    table_reader_close(reader);
    return rc;
}

static int
check_tables(struct checking *check, const struct version *version, struct loam_error *err)
{
    for (size_t r = 0; r < version->run_count; r++) {
        for (size_t t = 0; t < version->runs[r].table_count; t++) {
            const struct table_meta *meta = table_meta(version->runs[r].tables[t]);
            char name[FILE_NAME_SIZE];
            struct loam_error cause = {0};
            file_name_make(FILE_TABLE, meta->number, name);
            int rc = check_table(check, meta, &cause);
            TRY(note(check, DAMAGE_TABLES, name, rc, &cause, err));
            TRY(progress_add(check->progress, meta->size, err));
        }
    }
    return LOAM_OK;
}

static int check_log(struct checking *check, uint64_t number, struct loam_error *err)
{
    struct wal_reader *reader = NULL;
    TRY(wal_reader_open(check->db->dir, number, &check->db->tables.id, false, &reader, err));
    struct record record;
    int rc = LOAM_OK;
    while (rc == LOAM_OK) {
        rc = wal_reader_next(reader, &record, err);
        const char *cursor = record.payload;
        for (uint32_t i = 0; rc == LOAM_OK && i < record.count; i++) {
            struct entry entry;
            if (ops_next(&cursor, record.payload + record.size, &entry) != LOAM_OK) {
                rc = fail(err, LOAM_CORRUPT,
                          "%012" PRIu64 ".wal:%" PRIu64 ": operation cannot be decoded", number,
                          record.offset);
            }
        }
    }
    wal_reader_close(reader);
    return rc == LOAM_NOT_FOUND ? LOAM_OK : rc;
}

/* The log that is being written grows, and is cut when it is sealed, under the reader: a verdict
 * counts when it comes twice. */
static int check_log_twice(struct checking *check, uint64_t number, struct loam_error *err)
{
    struct loam_error before = {0};
    int rc = check_log(check, number, err);
    for (int i = 0; i < VERDICTS_MAX && rc == LOAM_CORRUPT && strcmp(before.text, err->text) != 0;
         i++) {
        before = *err;
        rc = check_log(check, number, err);
    }
    return rc;
}

static int check_logs(struct checking *check, struct loam_error *err)
{
    uint64_t logs[LIVE_LOGS_MAX];
    size_t count = version_set_logs(check->db->versions, logs, LIVE_LOGS_MAX);
    for (size_t i = 0; i < count && i < LIVE_LOGS_MAX; i++) {
        char name[FILE_NAME_SIZE];
        struct loam_error cause = {0};
        file_name_make(FILE_WAL, logs[i], name);
        int rc = check_log_twice(check, logs[i], &cause);
        if (rc == LOAM_NOT_FOUND ||
            !version_set_is_live_file(check->db->versions, FILE_WAL, logs[i])) {
            continue; /* Flushed and removed meanwhile. */
        }
        TRY(note(check, DAMAGE_OTHERS, name, rc, &cause, err));
    }
    return LOAM_OK;
}

static int read_manifest(struct checking *check, struct loam_error *err)
{
    uint64_t number = 0;
    TRY(current_read(check->db->dir, &number, err));
    if (number != version_set_manifest_number(check->db->versions)) {
        return fail(err, LOAM_CORRUPT, "CURRENT names manifest %" PRIu64 ", not %" PRIu64, number,
                    version_set_manifest_number(check->db->versions));
    }
    struct store_id id;
    struct manifest_reader *reader = NULL;
    TRY(manifest_reader_open(check->db->dir, number, &id, &reader, err));
    struct manifest_edit *edit = manifest_edit_new();
    int rc = edit == NULL ? mem_fail(err, 1) : LOAM_OK;
    while (rc == LOAM_OK) {
        manifest_edit_clear(edit);
        rc = manifest_reader_next(reader, edit, err);
    }
    manifest_edit_free(edit);
    manifest_reader_close(reader);
    return rc == LOAM_NOT_FOUND ? LOAM_OK : rc;
}

struct listing {
    struct checking *check;
    struct loam_error *err;
};

static int list_orphan(void *context, const char *name)
{
    struct listing *listing = context;
    uint64_t number = 0;
    int kind = file_name_parse(name, &number);
    bool is_ours = kind == FILE_WAL || kind == FILE_TABLE || kind == FILE_MANIFEST;
    if (!is_ours || version_set_is_live_file(listing->check->db->versions, kind, number)) {
        return LOAM_OK;
    }
    return buf_printf(listing->check->report, listing->err, "unused   %s\n", name);
}

static int check_all(struct checking *check, const struct version *version, struct loam_error *err)
{
    struct loam_error cause = {0};
    TRY(note(check, DAMAGE_OTHERS, "structure", version_check(version, &cause), &cause, err));
    TRY(note(check, DAMAGE_OTHERS, "manifest", read_manifest(check, &cause), &cause, err));
    TRY(check_tables(check, version, err));
    TRY(check_logs(check, err));
    struct listing listing = {.check = check, .err = err};
    return env_list(check->db->dir, list_orphan, &listing, err);
}

int check_store(struct loam_db *db,
                struct loam_buffer *report,
                struct progress *progress,
                struct loam_error *err)
{
    struct checking check = {.db = db, .report = report, .progress = progress};
    report->size = 0;
    struct version *version = version_set_current(db->versions);
    int rc = check_all(&check, version, err);
    version_unref(version);
    TRY(rc);
    db_set_damage(db, DAMAGE_TABLES, &check.damage[DAMAGE_TABLES]);
    db_set_damage(db, DAMAGE_OTHERS, &check.damage[DAMAGE_OTHERS]);
    if (check.code != LOAM_OK && err != NULL) {
        *err = check.first;
    }
    return check.code;
}

int loam_check(loam_db *db, loam_buffer *report, loam_error *err)
{
    return check_store(db, report, NULL, err);
}
