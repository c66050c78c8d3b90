/* SPDX-License-Identifier: MIT */
/*
 * background.h - flush, compaction and the removal of what they replace. Floor 4. One flush thread,
 * a few compaction threads.
 */
#ifndef LOAM_DB_BACKGROUND_H
#define LOAM_DB_BACKGROUND_H

#include "db/db.h"
#include "disk/manifest_edit.h"
#include "lsm/compaction.h"

/* Starts and stops all threads of a handle. stop waits for them. */
NODISCARD int background_start(struct loam_db *db, struct loam_error *err);
void background_stop(struct loam_db *db);

/* Bodies of threads; the argument is the struct loam_db. */
void *flush_thread_run(void *argument);
void *compaction_thread_run(void *argument);

/* Writes memtables (newest first) as one new run and makes it current together with the removal of
 * the logs up to the newest of them. */
NODISCARD int flush_memtables(struct loam_db *db,
                              struct memtable *const *memtables,
                              size_t count,
                              struct loam_error *err);
/* Merges memtables into tables and adds them to an edit. The caller deinits the job; on failure its
 * files are removed. */
NODISCARD int flush_build(struct loam_db *db,
                          struct memtable *const *memtables,
                          size_t count,
                          struct compaction_job *job,
                          struct loam_error *err);
/* Fills what every table-writing job of this handle has in common. snapshots: see snapshots_list().
 */
void job_init(struct loam_db *db,
              struct compaction_job *job,
              const uint64_t *snapshots,
              size_t snapshot_count);
NODISCARD int job_add_outputs(const struct compaction_job *job,
                              struct manifest_edit *edit,
                              struct loam_error *err);
/* Removes the files of a failed job. */
void job_remove_outputs(struct loam_db *db, struct compaction_job *job);

/* Notes how background work fared and wakes who waits for progress. Takes db->mu. */
void background_report(struct loam_db *db,
                       enum work_kind kind,
                       int code,
                       const struct loam_error *cause);

/* scrub.c: starts a scrub when one is due. Flush thread. */
void scrub_tick(struct loam_db *db);
/* check_store.c: loam_check() with progress, which may be NULL. */
NODISCARD int check_store(struct loam_db *db,
                          struct loam_buffer *report,
                          struct progress *progress,
                          struct loam_error *err);

/* rotate.c: creates the next log, names it in the edit and applies it. bytes_min: of the write that
 * waits for it, or 0. */
NODISCARD int log_begin(struct loam_db *db,
                        uint64_t bytes_min,
                        struct manifest_edit *edit,
                        struct loam_error *err);
/* rotate.c: makes a log to be used behind the one that is written now, and names it. Thread: the
 * one of log_ahead. Errors: those of wal_writer_open() and the manifest. */
NODISCARD int log_make_ahead(struct loam_db *db, struct log_made *out);
/* rotate.c: the log that groups go to from now on. Leader. */
void commit_use_log(struct commit *commit, const struct log_made *log);
/* A new active memtable for the current log; the old one becomes immutable unless it is empty. */
NODISCARD int memtable_switch(struct loam_db *db, struct loam_error *err);
/* Gives the block cache what memtables and what cannot be counted leave of the budget. */
void cache_fit(struct loam_db *db, size_t immutable_count);

/* obsolete.c: on_obsolete of tables: remembers the file for removal. owner is the struct loam_db.
 * Thread: any */
void obsolete_add(void *owner, uint64_t number);
/* Releases what readers have left behind, as far as they allow, and removes files that nobody needs
 * any more. Between two pieces of background work. */
void background_collect(struct loam_db *db);
/* Removes remembered files; failures are logged once and tried again at the next call. Background
 * threads and close. */
void obsolete_remove(struct loam_db *db);
/* Removes log files that the manifest no longer names; remembers those that cannot be removed. */
void obsolete_remove_logs(struct loam_db *db, const uint64_t *numbers, size_t count);
/* Writes the live logs up to `up_to` to numbers[LIVE_LOGS_MAX]; returns how many. */
enum { LIVE_LOGS_MAX = 64 };
size_t logs_up_to(struct loam_db *db, uint64_t up_to, uint64_t *numbers);

#endif
