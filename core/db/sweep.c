/* SPDX-License-Identifier: MIT */
/* sweep.c - judging and removing what the manifest does not name. */
#include "db/sweep.h"

#include <inttypes.h>

#include "base/guard.h"
#include "disk/file_name.h"
#include "disk/table_reader.h"
#include "disk/wal_reader.h"

struct sweeping {
    struct loam_db *db;
    uint64_t last_seq;
    struct loam_error *err;
};

static bool is_leftover(struct loam_db *db, int kind, uint64_t number)
{
    bool is_ours =
        kind == FILE_WAL || kind == FILE_TABLE || kind == FILE_MANIFEST || kind == FILE_CURRENT_TMP;
    return is_ours && !version_set_is_live_file(db->versions, kind, number);
}

/* Largest sequence of a table; 0 when it is not a whole table of this store. */
static uint64_t table_seq(struct loam_db *db, const char *name, uint64_t number)
{
    struct env_file *file = NULL;
    uint64_t size = 0;
    if (env_open_read(db->dir, name, &file, NULL) != LOAM_OK) {
        return 0;
    }
    int rc = env_size(file, &size, NULL);
    KEEP_FIRST(rc, env_close(file, NULL));
    struct table_reader *reader = NULL;
    if (rc != LOAM_OK ||
        table_reader_open(db->dir, number, size, &db->tables.id, &reader, NULL) != LOAM_OK) {
        return 0;
    }
    uint64_t seq = table_reader_meta(reader)->seq_max;
    table_reader_close(reader);
    return seq;
}

/* First sequence of a log: a log is lost as a whole or not at all. 0 when it has no record. */
static uint64_t log_seq(struct loam_db *db, uint64_t number)
{
    struct wal_reader *reader = NULL;
    if (wal_reader_open(db->dir, number, &db->tables.id, true, &reader, NULL) != LOAM_OK) {
        return 0;
    }
    struct record record = {0};
    uint64_t seq = wal_reader_next(reader, &record, NULL) == LOAM_OK ? record.first_seq : 0;
    wal_reader_close(reader);
    return seq;
}

static int check_name(void *context, const char *name)
{
    struct sweeping *sweeping = context;
    struct loam_db *db = sweeping->db;
    uint64_t number = 0;
    uint64_t seq = 0;
    int kind = file_name_parse(name, &number);
    if (!is_leftover(db, kind, number)) {
        return LOAM_OK;
    }
    if (kind == FILE_TABLE) {
        seq = table_seq(db, name, number);
    } else if (kind == FILE_WAL) {
        seq = log_seq(db, number);
    }
    if (seq > sweeping->last_seq && GUARD(ORPHAN_EVIDENCE)) {
        return fail(sweeping->err, LOAM_CORRUPT,
                    "%s holds sequence %" PRIu64 ", but manifest and logs end at %" PRIu64
                    ": the manifest has lost edits",
                    name, seq, sweeping->last_seq);
    }
    return LOAM_OK;
}

int sweep_check(struct loam_db *db, uint64_t last_seq, struct loam_error *err)
{
    if (db->options.wal_recovery == LOAM_WAL_PREFIX) {
        return LOAM_OK; /* The caller has chosen to go on without what was lost. */
    }
    struct sweeping sweeping = {.db = db, .last_seq = last_seq, .err = err};
    return env_list(db->dir, check_name, &sweeping, err);
}

static int remove_name(void *context, const char *name)
{
    struct loam_db *db = context;
    uint64_t number = 0;
    struct loam_error err = {0};
    int kind = file_name_parse(name, &number);
    if (is_leftover(db, kind, number) && env_remove(db->dir, name, &err) != LOAM_OK) {
        log_ring_add(&db->log, LOAM_LOG_WARN, "%s", err.text);
    }
    return LOAM_OK;
}

int sweep_remove(struct loam_db *db, struct loam_error *err)
{
    return env_list(db->dir, remove_name, db, err);
}
