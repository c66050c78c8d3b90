/* SPDX-License-Identifier: MIT */
/*
 * recover_follow.c - whether a log is complete, by its end record or by the log behind it.
 *
 * The writer goes on in the next log before the last one is sealed. So a log may have no end record
 * although another follows it:
 *
 *   the next log's link means this one as it was read    complete: the process ended, and no more
 *   no log behind it holds a batch                       it is the newest one that was written to
 *   nothing in those behind it claims to be durable      its tail went with the machine; so those
 *                                                        behind it are left out
 *   else                                                 its tail was durable once: damage
 */
#include <inttypes.h>

#include "base/check.h"
#include "base/guard.h"
#include "db/recover.h"
#include "disk/file_name.h"

/* What the logs behind an incomplete one hold. */
struct follower {
    bool has_batches;
    bool has_proof; /* Something that can only be there when the logs before it were durable. */
    uint64_t seq_max;
};

int recover_corrupt(uint64_t log, uint64_t offset, const char *what, struct loam_error *err)
{
    char name[FILE_NAME_SIZE];
    file_name_make(FILE_WAL, log, name);
    return fail(err, LOAM_CORRUPT, "%s:%" PRIu64 ": %s", name, offset, what);
}

/* Damage in it is proof too: that, the reader only says of bytes that were durable. */
static int
follower_read(struct wal_reader *reader, struct follower *follower, struct loam_error *err)
{
    struct record record;
    int rc = LOAM_OK;
    while (rc == LOAM_OK) {
        rc = wal_reader_next(reader, &record, err);
        if (rc == LOAM_OK) {
            follower->has_batches = true;
            follower->has_proof |= record.durable_upto > 0;
            follower->seq_max = record.first_seq + record.count - 1;
        }
    }
    follower->has_proof |= rc == LOAM_CORRUPT || wal_reader_end(reader) == WAL_END_SEALED;
    return rc == LOAM_NOT_FOUND || rc == LOAM_CORRUPT ? LOAM_OK : rc;
}

static int followers_read(struct loam_db *db,
                          const struct recovery *recovery,
                          size_t index,
                          struct follower *follower,
                          struct loam_error *err)
{
    for (size_t i = index + 1; i < recovery->log_count; i++) {
        struct wal_reader *reader = NULL;
        int rc = wal_reader_open(db->dir, recovery->logs[i], &db->tables.id, false, &reader, err);
        if (rc == LOAM_OK) {
            rc = follower_read(reader, follower, err);
            wal_reader_close(reader);
        }
        follower->has_proof |= rc == LOAM_NOT_FOUND || rc == LOAM_CORRUPT;
        TRY(rc == LOAM_NOT_FOUND || rc == LOAM_CORRUPT ? LOAM_OK : rc);
    }
    return LOAM_OK;
}

static int judge_incomplete(struct loam_db *db,
                            struct recovery *recovery,
                            size_t index,
                            const struct wal_reader *reader,
                            struct loam_error *err)
{
    struct follower follower = {0};
    TRY(followers_read(db, recovery, index, &follower, err));
    bool is_prefix = db->options.wal_recovery == LOAM_WAL_PREFIX;
    if (follower.has_proof && !is_prefix) {
        return recover_corrupt(recovery->logs[index], wal_reader_position(reader),
                               "ends early, and another log follows it", err);
    }
    if (follower.has_proof || follower.has_batches) {
        recovery->is_stopped = true;
        recovery->dropped_seq = follower.seq_max;
        log_ring_add(&db->log, LOAM_LOG_WARN,
                     "%012" PRIu64 ".wal: its end is missing: the writes behind it, up to sequence "
                     "%" PRIu64 ", are left out",
                     recovery->logs[index], follower.seq_max);
    }
    return LOAM_OK;
}

/* The link of the next log. false: it has none, or cannot be read, which its own turn will tell. */
static bool next_link(struct loam_db *db, uint64_t number, struct wal_link *out)
{
    struct wal_reader *next = NULL;
    if (wal_reader_open(db->dir, number, &db->tables.id, false, &next, NULL) != LOAM_OK) {
        return false;
    }
    *out = wal_reader_previous(next);
    wal_reader_close(next);
    return out->number != 0;
}

int recover_judge_end(struct loam_db *db,
                      struct recovery *recovery,
                      size_t index,
                      const struct wal_reader *reader,
                      struct loam_error *err)
{
    int end = wal_reader_end(reader);
    recovery->was_clean &= end == WAL_END_SEALED;
    if (end == WAL_END_DAMAGED) {
        recovery->is_stopped = true;
    }
    if (end == WAL_END_DAMAGED || index + 1 == recovery->log_count) {
        return LOAM_OK;
    }
    struct wal_link link;
    bool has_link = next_link(db, recovery->logs[index + 1], &link);
    if (has_link && wal_reader_is_named_by(reader, &link)) {
        return LOAM_OK;
    }
    if (end != WAL_END_SEALED) {
        return judge_incomplete(db, recovery, index, reader, err);
    }
    if (!has_link || !GUARD(LOG_LINK)) {
        return LOAM_OK;
    }
    return recover_corrupt(recovery->logs[index + 1], 0,
                           "the log before it is not the one it was written after", err);
}
