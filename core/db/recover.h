/* SPDX-License-Identifier: MIT */
/*
 * recover.h - from what the manifest names to a state that serves. Floor 4. Only during open.
 *
 *   replay every live log in order into memtables -> write them to tables, synced -> one manifest
 * edit: tables in, logs out, a new log in
 *
 * Nothing that was only replayed is ever served: after a failed fsync the page cache may show bytes
 * that are not on the disk. Interrupted anywhere it can be repeated: until the edit is durable the
 * manifest names the old logs, and new tables are orphans.
 */
#ifndef LOAM_DB_RECOVER_H
#define LOAM_DB_RECOVER_H

#include "db/background.h"
#include "disk/wal_reader.h"

/* Rows of small records that wait to go into the memtable abreast. */
enum { REPLAY_ROW_MAX = 512 };
struct replay_rows {
    struct entry entries[MEMTABLE_ABREAST];
    char bytes[MEMTABLE_ABREAST][REPLAY_ROW_MAX]; /* What the entries point into. */
    size_t count;
};

/* What replay found. */
struct recovery {
    struct memtable *memtable;      /* Rows not yet in a table; owned. */
    struct compaction_job *flushed; /* Finished flushes of earlier memtables: owned array. */
    size_t flushed_count;
    struct replay_rows waiting;   /* Empty between logs. */
    uint64_t logs[LIVE_LOGS_MAX]; /* The replayed logs, in order. */
    size_t log_count;
    uint64_t last_seq;
    uint64_t rows;
    bool was_clean;       /* Every log sealed. */
    uint64_t dropped_seq; /* Highest number in logs that were left out; 0 = none. */
    bool is_stopped;      /* What follows is left out: never durable, or damaged (prefix mode). */
    bool is_installed;    /* The edit is durable: the flushed tables belong to the store. */
};

/* Replays the logs; large ones are flushed to tables on the way. Errors: CORRUPT, IO, NO_SPACE,
 * NO_MEMORY. */
NODISCARD int recover_replay(struct loam_db *db, struct recovery *recovery, struct loam_error *err);
/* recover_follow.c: whether a log that was read to its end is complete; when it is not, either the
 * logs behind it are left out (is_stopped), or it is damaged. Errors: CORRUPT, IO, NO_MEMORY. */
NODISCARD int recover_judge_end(struct loam_db *db,
                                struct recovery *recovery,
                                size_t index,
                                const struct wal_reader *reader,
                                struct loam_error *err);
/* CORRUPT at an offset of a log. */
int recover_corrupt(uint64_t log, uint64_t offset, const char *what, struct loam_error *err);
/* Flushes what is left, begins a new log and makes all of it durable in the manifest. Publishes the
 * first state. */
NODISCARD int
recover_install(struct loam_db *db, struct recovery *recovery, struct loam_error *err);
/* Publishes a first state with this active memtable over the current version. */
NODISCARD int recover_publish(struct loam_db *db, struct memtable *active, struct loam_error *err);
/* Removes the tables that were written, unless the manifest names them. */
void recovery_deinit(struct loam_db *db, struct recovery *recovery);

#endif
