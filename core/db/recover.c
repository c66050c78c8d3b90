/* SPDX-License-Identifier: MIT */
/* recover.c - replaying logs; see recover.h for the order of things. */
#include "db/recover.h"

#include <inttypes.h>

#include "base/check.h"
#include "base/guard.h"
#include "base/limits.h"
#include "disk/file_name.h"
#include "disk/ops.h"
#include "disk/wal_reader.h"

/* After an unclean end, numbers that un-synced and now lost writes had are not given out again. */
enum { SEQ_JUMP = 1 << 20 };

/* Writes the memtable to tables and begins another. In a read-only handle everything stays in
 * memory. */
static int flush_part(struct loam_db *db, struct recovery *recovery, struct loam_error *err)
{
    struct compaction_job *flushed =
        mem_realloc(recovery->flushed, (recovery->flushed_count + 1) * sizeof(*flushed));
    if (flushed == NULL) {
        return mem_fail(err, sizeof(*flushed));
    }
    recovery->flushed = flushed;
    struct compaction_job *job = &flushed[recovery->flushed_count++];
    job_init(db, job, NULL, 0);
    TRY(flush_build(db, &recovery->memtable, 1, job, err));
    struct memtable *fresh = memtable_new(memtable_log_number(recovery->memtable));
    if (fresh == NULL) {
        return mem_fail(err, 1);
    }
    memtable_unref(recovery->memtable);
    recovery->memtable = fresh;
    return LOAM_OK;
}

static int insert_waiting(struct recovery *recovery, struct loam_error *err)
{
    struct replay_rows *waiting = &recovery->waiting;
    size_t count = waiting->count;
    waiting->count = 0;
    return count == 0 ? LOAM_OK
                      : memtable_insert_abreast(recovery->memtable, waiting->entries, count, err);
}

static int decode_op(const char **cursor,
                     uint64_t log,
                     const struct record *record,
                     const char *limit,
                     struct entry *out,
                     struct loam_error *err)
{
    return ops_next(cursor, limit, out) == LOAM_OK
               ? LOAM_OK
               : recover_corrupt(log, record->offset, "operation cannot be decoded", err);
}

static int
check_end(const char *cursor, const char *limit, uint64_t log, uint64_t at, struct loam_error *err)
{
    return cursor == limit ? LOAM_OK
                           : recover_corrupt(log, at, "bytes behind the last operation", err);
}

/* A record of one small row waits for others: four go into the memtable in half the time. */
static int replay_row(struct recovery *recovery,
                      uint64_t log,
                      const struct record *record,
                      struct loam_error *err)
{
    struct replay_rows *waiting = &recovery->waiting;
    INV(waiting->count < MEMTABLE_ABREAST && record->size <= REPLAY_ROW_MAX);
    struct entry *entry = &waiting->entries[waiting->count];
    const char *cursor = waiting->bytes[waiting->count];
    const char *limit = cursor + record->size;
    memcpy(waiting->bytes[waiting->count], record->payload, record->size);
    TRY(decode_op(&cursor, log, record, limit, entry, err));
    entry->seq = record->first_seq;
    TRY(check_end(cursor, limit, log, record->offset, err));
    return ++waiting->count < MEMTABLE_ABREAST ? LOAM_OK : insert_waiting(recovery, err);
}

static int replay_rows(struct recovery *recovery,
                       uint64_t log,
                       const struct record *record,
                       struct loam_error *err)
{
    TRY(insert_waiting(recovery, err));
    const char *cursor = record->payload;
    const char *limit = cursor + record->size;
    for (uint32_t done = 0; done < record->count;) {
        struct entry entries[MEMTABLE_ABREAST];
        size_t count = 0;
        for (; count < MEMTABLE_ABREAST && done < record->count; count++, done++) {
            TRY(decode_op(&cursor, log, record, limit, &entries[count], err));
            entries[count].seq = record->first_seq + done;
        }
        TRY(memtable_insert_abreast(recovery->memtable, entries, count, err));
    }
    return check_end(cursor, limit, log, record->offset, err);
}

static int replay_record(struct loam_db *db,
                         struct recovery *recovery,
                         uint64_t log,
                         const struct record *record,
                         struct loam_error *err)
{
    if (record->first_seq <= recovery->last_seq || record->first_seq > SEQ_MAX ||
        record->count == 0 || record->count > SEQ_MAX - record->first_seq) {
        return recover_corrupt(log, record->offset, "sequence number out of order", err);
    }
    TRY(record->count == 1 && record->size <= REPLAY_ROW_MAX
            ? replay_row(recovery, log, record, err)
            : replay_rows(recovery, log, record, err));
    recovery->last_seq = record->first_seq + record->count - 1;
    recovery->rows += record->count;
    if (!db->options.read_only && recovery->waiting.count == 0 &&
        memtable_bytes(recovery->memtable) >= db->options.memtable_bytes) {
        TRY(flush_part(db, recovery, err));
    }
    return LOAM_OK;
}

static int
replay_log(struct loam_db *db, struct recovery *recovery, size_t index, struct loam_error *err)
{
    uint64_t number = recovery->logs[index];
    bool is_prefix = db->options.wal_recovery == LOAM_WAL_PREFIX;
    struct wal_reader *reader = NULL;
    int opened = wal_reader_open(db->dir, number, &db->tables.id, is_prefix, &reader, err);
    if (opened == LOAM_NOT_FOUND && !GUARD(LOG_PRESENT)) {
        return LOAM_OK;
    }
    if (opened == LOAM_NOT_FOUND) {
        return recover_corrupt(number, 0, "the manifest names this log, but it is gone", err);
    }
    TRY(opened);
    int rc = LOAM_OK;
    struct record record;
    while (rc == LOAM_OK) {
        rc = wal_reader_next(reader, &record, err);
        if (rc == LOAM_OK) {
            rc = replay_record(db, recovery, number, &record, err);
        }
    }
    if (rc == LOAM_NOT_FOUND) {
        rc = recover_judge_end(db, recovery, index, reader, err);
        if (wal_reader_dropped(reader) > 0) {
            log_ring_add(&db->log, LOAM_LOG_WARN,
                         "%012" PRIu64 ".wal: %" PRIu64
                         " bytes of an unfinished or damaged tail dropped at %" PRIu64,
                         number, wal_reader_dropped(reader), wal_reader_position(reader));
        }
    }
    if (rc == LOAM_OK) {
        rc = insert_waiting(recovery, err);
    }
    wal_reader_close(reader);
    return rc;
}

int recover_replay(struct loam_db *db, struct recovery *recovery, struct loam_error *err)
{
    recovery->log_count = version_set_logs(db->versions, recovery->logs, LIVE_LOGS_MAX);
    if (recovery->log_count > LIVE_LOGS_MAX) {
        return fail(err, LOAM_CORRUPT, "the manifest names %zu logs; at most %d are possible",
                    recovery->log_count, (int)LIVE_LOGS_MAX);
    }
    recovery->was_clean = true;
    uint64_t newest = recovery->log_count == 0 ? 0 : recovery->logs[recovery->log_count - 1];
    recovery->memtable = memtable_new(newest);
    if (recovery->memtable == NULL) {
        return mem_fail(err, 1);
    }
    for (size_t i = 0; i < recovery->log_count && !recovery->is_stopped; i++) {
        TRY(replay_log(db, recovery, i, err));
    }
    /* The manifest's number may be above or below: it is written when a log begins. */
    uint64_t known = version_set_last_seq(db->versions);
    recovery->last_seq = known > recovery->last_seq ? known : recovery->last_seq;
    if (recovery->rows > 0) {
        log_ring_add(&db->log, LOAM_LOG_INFO, "replayed %" PRIu64 " rows of %zu logs",
                     recovery->rows, recovery->log_count);
    }
    return LOAM_OK;
}

static int
fill_edit(const struct recovery *recovery, struct manifest_edit *edit, struct loam_error *err)
{
    for (size_t i = 0; i < recovery->flushed_count; i++) {
        TRY(job_add_outputs(&recovery->flushed[i], edit, err));
    }
    for (size_t i = 0; i < recovery->log_count; i++) {
        TRY(manifest_edit_remove_log(edit, recovery->logs[i], err));
    }
    return LOAM_OK;
}

/* The first state: an empty memtable (or, read-only, the replayed one) over the current version. */
int recover_publish(struct loam_db *db, struct memtable *active, struct loam_error *err)
{
    struct version *version = version_set_current(db->versions);
    struct read_state *state = NULL;
    int rc = state_new(active, NULL, 0, version, &state, err);
    version_unref(version);
    TRY(rc);
    mutex_lock(&db->mu);
    state_publish(db, state);
    mutex_unlock(&db->mu);
    db->commit.memtable = active;
    return LOAM_OK;
}

int recover_install(struct loam_db *db, struct recovery *recovery, struct loam_error *err)
{
    if (memtable_count(recovery->memtable) > 0) {
        TRY(flush_part(db, recovery, err));
    }
    if (recovery->last_seq < recovery->dropped_seq) {
        recovery->last_seq = recovery->dropped_seq;
    }
    if (!recovery->was_clean && GUARD(SEQUENCE_JUMP) && recovery->last_seq < SEQ_MAX - SEQ_JUMP) {
        recovery->last_seq += SEQ_JUMP;
    }
    db->commit.next_seq = recovery->last_seq + 1;
    struct manifest_edit *edit = manifest_edit_new();
    if (edit == NULL) {
        return mem_fail(err, 1);
    }
    int rc = fill_edit(recovery, edit, err);
    if (rc == LOAM_OK) {
        rc = log_begin(db, 0, edit, err);
    }
    manifest_edit_free(edit);
    TRY(rc);
    recovery->is_installed = true;
    struct memtable *active = memtable_new(db->commit.wal_number);
    if (active == NULL) {
        return mem_fail(err, 1);
    }
    rc = recover_publish(db, active, err);
    memtable_unref(active);
    return rc;
}

void recovery_deinit(struct loam_db *db, struct recovery *recovery)
{
    for (size_t i = 0; i < recovery->flushed_count; i++) {
        /* After a failed manifest write the edit may be durable all the same: its files stay. */
        if (!recovery->is_installed && !version_set_failed(db->versions, NULL)) {
            job_remove_outputs(db, &recovery->flushed[i]);
        }
        compaction_job_deinit(&recovery->flushed[i]);
    }
    mem_free(recovery->flushed);
    if (recovery->memtable != NULL) {
        memtable_unref(recovery->memtable);
    }
}
