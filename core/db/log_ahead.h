/* SPDX-License-Identifier: MIT */
/*
 * log_ahead.h - the next log made while this one is written, the last one sealed while the next is
 * written, and hints to write out what lies behind. Floor 4.
 *
 * All of it is syncs, which wait for whatever else the device does: ten milliseconds, or a hundred
 * beside a merge. So the commit leader only goes from one log to the next, and a thread does the
 * rest. The price: two logs may be incomplete at a time. A sync of the newer one therefore waits
 * until the older one is sealed (log_ahead_settle()), and recovery knows what may be missing
 * (recover_follow.c).
 *
 * The leader hands a log over in log_ahead_switch() and does not touch it any more. Whoever
 * settles does the sealing itself when the thread has not begun it.
 */
#ifndef LOAM_DB_LOG_AHEAD_H
#define LOAM_DB_LOG_AHEAD_H

#include "base/thread.h"
#include "disk/wal_writer.h"

struct loam_db;
struct manifest_edit;

/* A log that nothing is written to yet. */
struct log_made {
    struct wal_writer *wal; /* Owned. */
    uint64_t number;
    uint64_t limit; /* Bytes it may have. */
};

struct log_ahead {
    struct loam_thread thread;
    struct loam_mutex mu;
    struct loam_cond wake PROTECTED_BY(mu); /* The thread. */
    struct loam_cond done PROTECTED_BY(mu); /* A step was finished. */
    /* The next log. */
    bool is_wanted PROTECTED_BY(mu);
    struct log_made ready PROTECTED_BY(mu); /* wal = NULL: none. */
    /* The last log. */
    struct wal_writer *sealing PROTECTED_BY(mu); /* Written to its end, not sealed; owned. */
    uint64_t sealing_seq PROTECTED_BY(mu);       /* Its last number. */
    int failed_code PROTECTED_BY(mu);            /* Of a seal; never goes back. */
    struct loam_error failed PROTECTED_BY(mu);
    /* Write-out of the log that is written. */
    struct wal_writer *hinted PROTECTED_BY(mu); /* Borrowed; NULL = nothing to do. */
    uint64_t hint_from PROTECTED_BY(mu);
    uint64_t hint_limit PROTECTED_BY(mu);

    bool is_making PROTECTED_BY(mu);
    bool is_sealing PROTECTED_BY(mu);
    bool is_hinting PROTECTED_BY(mu);
    bool is_stopping PROTECTED_BY(mu);
    bool is_manual; /* No thread: log_ahead_step() does the work. Constant once writes begin. */
    /* Atomic: no log before the one that is written is incomplete. Stored with release when a seal
     * is done; pairs with the acquire of the leader, who then claims what it has synced. */
    _Atomic bool is_sealed;
};

void log_ahead_init(struct log_ahead *ahead);
void log_ahead_deinit(struct log_ahead *ahead);
NODISCARD int log_ahead_start(struct loam_db *db, struct loam_error *err);
/* Seals what is to be sealed, gives the unused log back and ends the thread. Nobody writes any
 * more. */
void log_ahead_stop(struct loam_db *db);

/* The next log will be needed soon. Leader. */
void log_ahead_want(struct loam_db *db);
/* Goes on in the log that was made ahead, when there is one: it becomes commit.wal, the old one is
 * sealed by and by. Errors: an earlier seal has failed. Leader. */
NODISCARD int log_ahead_switch(struct loam_db *db, bool *is_done, struct loam_error *err);
/* Waits until no log before the one that is written is incomplete. Errors: those of a sync; the
 * handle is poisoned then. Thread: any that holds no lock. */
NODISCARD int log_ahead_settle(struct loam_db *db, struct loam_error *err);
/* Adds to an edit that the unused log goes, and, once that is applied, removes it. Leader, or when
 * nobody else is there. */
NODISCARD int
log_ahead_drop(struct loam_db *db, struct manifest_edit *edit, struct loam_error *err);
void log_ahead_dropped(struct loam_db *db);
/* [from, limit) of the leader's log may be written out; before a log is closed, hints end with
 * log_ahead_unhint(). Leader. */
void log_ahead_hint(struct loam_db *db, uint64_t from, uint64_t limit);
void log_ahead_unhint(struct loam_db *db);
/* Without a thread: makes the log that is wanted. Leader. */
void log_ahead_step(struct loam_db *db);

/* ffi: begin */
struct loam_db;
/* For tests, right after opening: no thread, but on any driver. The next log is made between two
 * groups, the last one sealed by its flush, or a sync. */
void log_ahead_set_manual(struct loam_db *db);
/* ffi: end */

#endif
